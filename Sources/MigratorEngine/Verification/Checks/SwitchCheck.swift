import MigratorDatabase
import MigratorScript

/// The rows of a switched table against the registered backup made before the switch.
///
/// On PostgreSQL a row that differs is *changed since* where its xmin is not visible in the backup's snapshot,
/// else *wrong*. Missing rows are *unattributed* while nothing records deletions. SQLite has no xmin: there all
/// differences are information, and `--unchanged` judges them.
struct SwitchCheck: UndividedCheck {
    let name = "rows"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        try context.standingSwitches().flatMap { try results(of: $0, context) }
    }

    private func results(of item: StandingSwitch, _ context: VerificationContext) throws -> [CheckResult] {
        guard let judged = try item.judgedByHash(context), let backend = context.backend as? PostgreSQLBackend else {
            return [try result(of: item, context)]
        }
        // The backup's own proof comes with it, so that it is read once.
        let pass = try backend.hashPass(
            judged.table, item.move.target, columns: judged.backup.columns, key: item.move.key)
        let comparison = try SinceComparison(
            move: item.move, backup: judged.backup, table: judged.table, suspects: pass.suspects, context)
        return [
            try BackupCheck().result(of: judged.backup, content: pass.content, context),
            comparison.result(check: name, subject: item.subject, backup: judged.backup, rowsNow: pass.rows),
        ]
    }

    private func result(of item: StandingSwitch, _ context: VerificationContext) throws -> CheckResult {
        let backend = context.backend
        let (move, subject) = (item.move, item.subject)
        let rows = try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(move.target))").asInt ?? 0
        guard let backup = try item.backup(context) else {
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
        guard try backup.columns.allSatisfy((backend.columnNames(of: table) ?? []).contains) else {
            return CheckResult(
                check: name, subject: subject, verdict: .incomplete,
                summary: "the backup \"\(backup.name)\" lacks columns: nothing is left to judge the rows by",
                figures: ["rowsAtSwitch": backup.rows, "rowsNow": rows])
        }
        let comparison = try SinceComparison(move: move, backup: backup, table: table, context)
        return comparison.result(check: name, subject: subject, backup: backup, rowsNow: rows)
    }
}

/// A switch whose target is still in use.
struct StandingSwitch {
    var move: Move
    var revision: String
    var subject: String { "\(move.target) since the switch" }

    func backup(_ context: VerificationContext) throws -> BackupRecord? {
        try context.backend.ledger.backups().last {
            $0.revision == revision && $0.source == move.source.name && $0.kind == .table
        }
    }

    /// The backup by which the rows are judged, where one reading of both tables proves the backup and finds the rows:
    /// where it is there, hashed as it is now, and its columns are those of the target.
    func judgedByHash(_ context: VerificationContext) throws -> (backup: BackupRecord, table: TableName)? {
        guard context.level != .counts, move.mapping == nil, let backend = context.backend as? PostgreSQLBackend,
            let backup = try backup(context), backup.algorithm == PostgreSQLBackend.hashAlgorithm, !backup.hash.isEmpty
        else { return nil }
        let table = TableName(schema: backup.schema, backup.name)
        guard try Set(backend.columnNames(of: table) ?? []) == Set(backup.columns),
            try backend.canHash(table, move.target, columns: backup.columns, key: move.key)
        else { return nil }
        return (backup, table)
    }
}

extension VerificationContext {
    /// Columns that a copy brought over beside an author's SELECT.
    func carried(by move: Move, of revision: String) throws -> [String] {
        guard move.mapping != nil, backend.session.dialect == .postgresql else { return [] }
        return try backend.ledger.objects(revision: revision, kind: "switch").map { try SwitchRecord($0) }.last {
            $0.source.name == move.source.name && $0.target.name == move.target.name
        }?.carried ?? []
    }

    func standingSwitches() throws -> [StandingSwitch] {
        var found: [StandingSwitch] = []
        for (index, applied) in applied.enumerated() where applied.record.state == .applied {
            let later = self.applied.dropFirst(index + 1)
            for item in try applied.script.upgrade.flatItems {
                guard case .switchTable(let move) = item.action,
                    try !later.contains(where: { try $0.switchesAway(move.target) }),
                    try backend.tableExists(move.target)
                else { continue }
                found.append(StandingSwitch(move: move, revision: applied.record.revision))
            }
        }
        return found
    }

    func switchesJudgedByHash() throws -> [(backup: BackupRecord, table: TableName)] {
        try standingSwitches().compactMap { try $0.judgedByHash(self) }
    }
}

extension AppliedScript {
    func switchesAway(_ table: TableName) throws -> Bool {
        try script.upgrade.flatItems.contains { item in
            if case .switchTable(let move) = item.action { move.source.name == table.name } else { false }
        }
    }
}
