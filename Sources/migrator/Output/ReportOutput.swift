import MigratorEngine

/// A run in a few lines, and as JSON.
enum ReportOutput {
    static func lines(_ view: RunView) -> [String] {
        let run = view.run
        let time = run.milliseconds.map { " in \(ReportText.time(milliseconds: $0))" } ?? ""
        var lines = ["run \(run.id): \(view.title.oneLine), \(run.outcome)\(time)"]
        if let error = run.error { lines.append("  \(error.oneLine)") }
        for revision in view.revisions {
            let mode = revision.mode.map { ", \($0)" } ?? ""
            lines.append(
                "\(revision.title.oneLine)\(mode): \(revision.steps.count.counted("step")) in \(ReportText.time(milliseconds: revision.milliseconds))"
            )
            for step in revision.steps where step.kind != "statement" || step.outcome != .done {
                let rows = step.rows.map { ", \($0.counted("row"))" } ?? ""
                let outcome = step.outcome == .done ? "" : ", \(step.outcome.rawValue)"
                lines.append(
                    "  \(step.title.oneLine): \(ReportText.time(milliseconds: step.milliseconds))\(rows)\(outcome)")
            }
        }
        if view.details.isMeasured {
            let count = view.details.sections.count
            var line = "locks that writers wait for: \(count.counted("time"))"
            if let longest = view.longestHold {
                line +=
                    ", the longest \(ReportText.time(microseconds: longest.heldMicroseconds)) (\(longest.title.oneLine)), waited for \(ReportText.time(microseconds: view.waitedMicroseconds)) in all"
            }
            lines.append(line)
        }
        if !view.details.proofs.isEmpty {
            lines.append("proofs: \(view.exactProofs) of \(view.details.proofs.count) exact")
        }
        if let before = view.size(.database, .before), let after = view.size(.database, .after) {
            lines.append("database size: \(ReportText.size(before)) before, \(ReportText.size(after)) after")
        }
        return lines
    }

    /// A table of runs with a heading.
    static func table(_ runs: [RunRecord]) -> [String] {
        if runs.isEmpty { return ["the ledger holds no run"] }
        let rows =
            [["RUN", "BEGUN", "TOOK", "OUTCOME", "COMMAND"]]
            + runs.map { run in
                [
                    "\(run.id)", ReportText.moment(run.startedAt),
                    run.milliseconds.map { ReportText.time(milliseconds: $0) } ?? "", run.outcome, run.command.oneLine,
                ]
            }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ")
        }
    }
}

extension RunRecord {
    var json: JSONValue {
        .object([
            "id": .int(id), "command": .string(command), "direction": JSONValue(direction?.rawValue),
            "from": JSONValue(from), "to": JSONValue(to), "outcome": .string(outcome), "error": JSONValue(error),
            "tool_version": .string(toolVersion), "user": JSONValue(user), "host": JSONValue(host),
            "started_at": .string(startedAt), "finished_at": JSONValue(finishedAt),
            "duration_ms": JSONValue(milliseconds),
        ])
    }
}

extension RunView {
    var json: JSONValue {
        .object([
            "run": run.json, "is_measured": .bool(details.isMeasured), "rows": .int(rows),
            "revisions": .array(revisions.map(\.json)),
            "critical_sections": .array(
                details.sections.map { section in
                    .object([
                        "revision": .string(section.revision), "title": .string(section.title),
                        "locks": JSONValue(section.lockList), "attempts": .int(section.attempts),
                        "started_ms": .int(section.startedMilliseconds), "waited_us": .int(section.waitedMicroseconds),
                        "held_us": .int(section.heldMicroseconds), "outcome": .string(section.outcome.rawValue),
                    ])
                }),
            "proofs": .array(
                details.proofs.map { proof in
                    .object([
                        "revision": .string(proof.record.revision), "check": .string(proof.record.check),
                        "subject": .string(proof.record.subject), "verdict": .string(proof.record.verdict),
                        "made_at": .string(proof.madeAt),
                    ])
                }),
            "sizes": .array(
                details.sizes.map { size in
                    .object([
                        "moment": .string(size.moment.rawValue), "kind": .string(size.kind.rawValue),
                        "name": .string(size.name), "bytes": .int(size.bytes),
                    ])
                }),
            "backups": .array(details.backups.map(\.json)), "exceptions": .int(exceptions),
        ])
    }
}

extension RunView.Revision {
    fileprivate var json: JSONValue {
        .object([
            "revision": .string(revision), "direction": .string(direction.rawValue), "message": .string(message),
            "mode": JSONValue(mode), "outcome": .string(outcome.rawValue), "started_ms": JSONValue(started),
            "duration_ms": .int(milliseconds),
            "steps": .array(
                steps.map { step in
                    .object([
                        "item": .int(step.item), "kind": .string(step.kind), "title": .string(step.title),
                        "outcome": .string(step.outcome.rawValue), "started_ms": JSONValue(step.started),
                        "duration_ms": .int(step.milliseconds), "rows": JSONValue(step.rows),
                        "details": JSONValue(step.details), "samples": .int(step.samples.count),
                        "phases": .array(
                            step.phases.map { phase in
                                .object([
                                    "phase": JSONValue(phase.phase), "started_ms": .int(phase.startedMilliseconds),
                                    "duration_ms": .int(phase.milliseconds), "rows": JSONValue(step.rows(of: phase)),
                                    "outcome": .string(phase.outcome.rawValue),
                                ])
                            }),
                    ])
                }),
        ])
    }
}
