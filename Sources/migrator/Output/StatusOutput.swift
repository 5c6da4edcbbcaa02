import MigratorEngine

enum StatusOutput {
    static func lines(_ report: StatusReport) -> [String] {
        let current = report.current
        var lines = [
            "current: " + (current.revision?.oneLine ?? "base") + (current.isHead ? " (head)" : "")
        ]
        if let unfinished = current.unfinished {
            lines.append("unfinished: the \(unfinished.direction.rawValue) of \(unfinished.revision.oneLine)")
        }
        if let unfinished = report.unfinished { lines += self.lines(unfinished).map { "  " + $0.oneLine } }
        lines += current.drift.map { "differs: " + VerificationOutput.line($0) }
        if !current.pending.isEmpty {
            lines.append("pending: " + current.pending.map(\.oneLine).joined(separator: ", "))
        }
        for record in report.revisions {
            let contracted = record.contractedAt.map { ", contracted \($0)" } ?? ""
            lines.append(
                "  \(record.revision.oneLine)  \(record.state.rawValue) \(record.appliedAt)\(contracted)")
        }
        if let run = report.lastRun {
            lines.append(
                "last run: \(run.command.oneLine) by \(run.user.oneLine) on \(run.host.oneLine), "
                    + "\(run.startedAt): \(run.outcome)" + (run.error.map { ", \($0.oneLine)" } ?? ""))
        }
        if !report.soaking.isEmpty {
            lines.append("views until contract: " + report.soaking.map(\.oneLine).joined(separator: ", "))
        }
        if !report.backups.isEmpty {
            lines.append("backups:")
            lines += BackupsOutput.table(report.backups).map { "  " + $0 }
        }
        if report.exceptions > 0 {
            lines.append("exceptions: \(report.exceptions.counted("row")) that no mapping could place")
        }
        lines.append("next: \(report.next.oneLine)")
        return lines
    }

    private static func lines(_ report: UnfinishedReport) -> [String] {
        var lines = [
            "step \(min(report.step, report.stepCount)) of \(report.stepCount): \(report.title)"
        ]
        if !report.phasesDone.isEmpty { lines.append("phases done: " + report.phasesDone.joined(separator: ", ")) }
        if let phase = report.phase {
            lines.append(
                "phase: " + phase + (report.cursor.map { ", done up to key \($0)" } ?? "")
                    + (report.end.map { " of \($0)" } ?? ""))
        }
        if report.rows > 0 {
            var parts = [report.rows.counted("row")]
            if let total = report.total, total > 0 {
                parts[0] += " of about \(total.grouped) (\(min(report.rows * 100 / total, 100)) %)"
            }
            if let rate = report.rowsPerSecond { parts.append("\(Int(rate).grouped) rows/s") }
            if let remaining = report.remaining { parts.append("about \(remaining.short) left") }
            if let batch = report.batchRows { parts.append("batches of \(batch.grouped)") }
            lines.append(parts.joined(separator: ", "))
        }
        let times = [report.startedAt.map { "begun \($0)" }, report.updatedAt.map { "last commit \($0)" }]
        lines.append(times.compactMap { $0 }.joined(separator: ", "))
        return lines
    }
}

extension CurrentReport {
    var json: JSONValue {
        var object: [String: JSONValue] = [
            "revision": JSONValue(revision), "is_head": .bool(isHead), "pending": JSONValue(pending),
            "drift": .array(drift.map(\.json)), "unfinished": .null,
        ]
        if let unfinished {
            object["unfinished"] = .object([
                "revision": .string(unfinished.revision),
                "direction": .string(unfinished.direction.rawValue),
            ])
        }
        return .object(object)
    }
}

extension StatusReport {
    var json: JSONValue {
        var object: [String: JSONValue] = [
            "current": current.json, "backups": .array(backups.map(\.json)), "soaking": JSONValue(soaking),
            "exceptions": .int(exceptions), "next": .string(next), "last_run": .null,
            "unfinished": unfinished?.json ?? .null,
            "revisions": .array(
                revisions.map { record in
                    .object([
                        "revision": .string(record.revision), "revises": JSONValue(record.revises),
                        "message": .string(record.message), "state": .string(record.state.rawValue),
                        "checksum": .string(record.checksum), "file": .string(record.file),
                        "run": .int(record.runID), "applied_at": .string(record.appliedAt),
                        "contracted_at": JSONValue(record.contractedAt),
                    ])
                }),
        ]
        if let run = lastRun {
            object["last_run"] = .object([
                "id": .int(run.id), "command": .string(run.command), "outcome": .string(run.outcome),
                "user": .string(run.user), "host": .string(run.host), "started_at": .string(run.startedAt),
                "finished_at": JSONValue(run.finishedAt), "error": JSONValue(run.error),
            ])
        }
        return .object(object)
    }
}

extension UnfinishedReport {
    var json: JSONValue {
        .object([
            "revision": .string(revision), "direction": .string(direction.rawValue), "step": .int(step),
            "step_count": .int(stepCount), "title": .string(title), "phase": JSONValue(phase),
            "phases_done": JSONValue(phasesDone), "cursor": JSONValue(cursor), "end": JSONValue(end),
            "rows": .int(rows), "total": JSONValue(total), "batch_rows": JSONValue(batchRows),
            "rows_per_second": rowsPerSecond.map { .number($0) } ?? .null,
            "remaining_ms": remaining.map { JSONValue(milliseconds: $0) } ?? .null,
            "started_at": JSONValue(startedAt), "updated_at": JSONValue(updatedAt), "at_work": JSONValue(atWork),
        ])
    }
}
