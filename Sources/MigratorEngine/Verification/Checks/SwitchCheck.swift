import MigratorDatabase
import MigratorScript

/// The rows of a switched table against the registered backup made before the switch.
///
/// On PostgreSQL a row that differs is *changed since* where its xmin is not visible in the backup's snapshot,
/// else *wrong*. Missing rows are *unattributed* while nothing records deletions. SQLite has no xmin: there all
/// differences are information, and `--unchanged` judges them.
struct SwitchCheck: VerificationCheck {
    let name = "rows"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        var results: [CheckResult] = []
        for (index, applied) in context.applied.enumerated() where applied.record.state == .applied {
            let later = context.applied.dropFirst(index + 1)
            for item in try applied.script.upgrade.flatItems {
                guard case .switchTable(let move) = item.action,
                    try !later.contains(where: { try $0.switchesAway(move.target) }),
                    try context.backend.tableExists(move.target)
                else { continue }
                results.append(try result(of: move, in: applied, context))
            }
        }
        return results
    }

    private func result(
        of move: Move, in applied: AppliedScript, _ context: VerificationContext
    ) throws -> CheckResult {
        let backend = context.backend
        let subject = "\(move.target) since the switch"
        let rows = try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(move.target))").asInt ?? 0
        guard
            let backup = try backend.ledger.backups().last(where: {
                $0.revision == applied.record.revision && $0.source == move.source.name && $0.kind == .table
            })
        else {
            return CheckResult(
                check: name, subject: subject, verdict: .information,
                summary: "\(rows.counted("row")) now; no backup to judge them by", figures: ["rowsNow": rows])
        }
        if context.level == .counts {
            return CheckResult(
                check: name, subject: subject, verdict: .information,
                summary: "\(backup.rows.counted("row")) at the switch, \(rows.grouped) now",
                figures: ["rowsAtSwitch": backup.rows, "rowsNow": rows])
        }
        let table = TableName(schema: backup.schema, backup.name)
        guard try backend.tableExists(table) else {
            return CheckResult(
                check: name, subject: subject, verdict: .incomplete,
                summary: "the backup \"\(backup.name)\" is gone: nothing is left to judge the rows by",
                figures: ["rowsAtSwitch": backup.rows, "rowsNow": rows])
        }
        let comparison = try SinceComparison(move: move, backup: backup, table: table, context)
        return comparison.result(check: name, subject: subject, backup: backup, rowsNow: rows)
    }
}

extension AppliedScript {
    func switchesAway(_ table: TableName) throws -> Bool {
        try script.upgrade.flatItems.contains { item in
            if case .switchTable(let move) = item.action { move.source.name == table.name } else { false }
        }
    }
}
