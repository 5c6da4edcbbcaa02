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
