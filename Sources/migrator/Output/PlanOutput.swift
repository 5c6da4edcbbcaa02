import MigratorEngine

/// What would run, as `plan` and `--dry-run` show it.
enum PlanOutput {
    static func show(_ report: PlanReport, _ invocation: Invocation) {
        invocation.finish(json(report)) {
            for line in lines(report) { invocation.console.print(line) }
            for warning in report.warnings { invocation.console.warning(warning) }
        }
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
            if revision.isForgetOnly { lines.append("  stamped: it is only forgotten, nothing is executed") }
            for (index, step) in revision.steps.enumerated() {
                lines.append("  \(index + 1). \(step.title.oneLine)")
                lines += step.details.map { "       " + $0.oneLine }
                lines += step.locks.map { "       locks: " + $0.oneLine }
            }
        }
        lines += section("stays behind", report.staysBehind)
        lines += section("would be lost", report.losses)
        return lines
    }

    private static func section(_ title: String, _ entries: [String]) -> [String] {
        entries.isEmpty ? [] : ["", "\(title):"] + entries.map { "  " + $0.oneLine }
    }

    private static func json(_ report: PlanReport) -> JSONValue {
        .object([
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
                        "steps": .array(
                            revision.steps.map { step in
                                .object([
                                    "title": .string(step.title), "details": JSONValue(step.details),
                                    "locks": JSONValue(step.locks),
                                ])
                            }),
                    ])
                }),
        ])
    }
}
