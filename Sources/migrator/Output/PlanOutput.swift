import MigratorEngine

/// What would run, as `plan` and `--dry-run` show it.
enum PlanOutput {
    /// - Parameter maximalDowntime: for how long writers may be stopped, by the estimate.
    /// - Returns: status difference where that is not enough.
    @discardableResult
    static func show(
        _ report: PlanReport, maximalDowntime: Duration? = nil, _ invocation: Invocation
    ) -> ExitStatus {
        var report = report
        let exclusive = report.estimate.exclusive
        let isTooLong = maximalDowntime.map { exclusive > $0 } ?? false
        let status: ExitStatus = isTooLong ? .difference : .done
        if isTooLong, let maximalDowntime {
            report.warnings.append(
                "by the estimate writers are stopped for \(exclusive.short), and --max-downtime allows \(maximalDowntime.short)"
            )
        }
        invocation.finish(json(report, status)) {
            for line in lines(report) { invocation.console.print(line) }
            for warning in report.warnings { invocation.console.warning(warning) }
        }
        return status
    }

    static func lines(_ report: PlanReport) -> [String] {
        if report.revisions.isEmpty {
            return ["nothing to do: the database is at \(report.from?.oneLine ?? "base")"]
        }
        var lines = [
            "\(report.direction.rawValue) from \(report.from?.oneLine ?? "base") to \(report.to?.oneLine ?? "base"): "
                + report.revisions.count.counted("revision")
        ]
        for revision in report.revisions {
            let message = revision.message.isEmpty ? "" : ", \(revision.message.oneLine)"
            lines.append("")
            lines.append(
                "\(revision.direction.rawValue) \(revision.from.oneLine) -> \(revision.to.oneLine)\(message)")
            lines.append("  \(revision.file.oneLine)")
            if revision.isForgetOnly {
                lines.append("  stamped: it is only forgotten, nothing is executed")
            } else {
                lines.append(
                    revision.isOnline
                        ? "  mode online: each step commits by itself, while the application writes"
                        : "  mode window: locks are held until everything commits")
                lines.append("  estimate: " + text(revision.estimate))
            }
            for (index, step) in revision.steps.enumerated() {
                lines.append("  \(index + 1). \(step.title.oneLine)")
                lines += step.details.map { "       " + $0.oneLine }
                if !step.phases.isEmpty { lines.append("       phases: " + step.phases.joined(separator: ", ")) }
                lines += step.locks.map { "       locks: " + $0.oneLine }
            }
        }
        lines += ["", "estimate in all: " + text(report.estimate)]
        lines.append("  from the tables' statistics and other machines' measurements; yours will differ")
        lines += section("stays behind", report.staysBehind)
        lines += section("would be lost", report.losses)
        return lines
    }

    /// `about 1 min 40 s, writers stopped for 60 ms, 1,200 MiB more on disk`
    private static func text(_ estimate: PlanEstimate) -> String {
        var parts = ["about \(estimate.duration.short)"]
        parts.append(
            estimate.exclusive > .zero ? "writers stopped for \(estimate.exclusive.short)" : "writers not stopped")
        if estimate.bytes > 0 { parts.append("\(((estimate.bytes + (1 << 20) - 1) >> 20).grouped) MiB more on disk") }
        return parts.joined(separator: ", ")
    }

    private static func section(_ title: String, _ entries: [String]) -> [String] {
        entries.isEmpty ? [] : ["", "\(title):"] + entries.map { "  " + $0.oneLine }
    }

    private static func json(_ estimate: PlanEstimate) -> JSONValue {
        .object([
            "duration_ms": JSONValue(milliseconds: estimate.duration),
            "exclusive_ms": JSONValue(milliseconds: estimate.exclusive), "bytes": .int(estimate.bytes),
        ])
    }

    private static func json(_ report: PlanReport, _ status: ExitStatus) -> JSONValue {
        .object([
            "estimate": json(report.estimate), "exit_status": .int(Int(status.rawValue)),
            "direction": .string(report.direction.rawValue), "from": JSONValue(report.from),
            "to": JSONValue(report.to), "stays_behind": JSONValue(report.staysBehind),
            "losses": JSONValue(report.losses), "warnings": JSONValue(report.warnings),
            "revisions": .array(
                report.revisions.map { revision in
                    .object([
                        "revision": .string(revision.revision),
                        "direction": .string(revision.direction.rawValue), "from": .string(revision.from),
                        "to": .string(revision.to), "message": .string(revision.message),
                        "file": .string(revision.file), "is_forget_only": .bool(revision.isForgetOnly),
                        "mode": .string(revision.isOnline ? "online" : "window"),
                        "estimate": json(revision.estimate),
                        "steps": .array(
                            revision.steps.map { step in
                                .object([
                                    "title": .string(step.title), "details": JSONValue(step.details),
                                    "locks": JSONValue(step.locks), "phases": JSONValue(step.phases),
                                    "estimate": json(step.estimate),
                                ])
                            }),
                    ])
                }),
        ])
    }
}
