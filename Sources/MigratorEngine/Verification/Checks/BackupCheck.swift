import MigratorScript

/// Registered backups against the rows and the hash recorded when they were made.
struct BackupCheck: UndividedCheck {
    let name = "backups"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        let others = try context.switchesJudgedByHash().map(\.backup.id)
        return try context.backend.ledger.backups().filter { !others.contains($0.id) }.map { backup in
            try context.checkInterruption()
            return try result(of: backup, content: nil, context)
        }
    }

    /// - Parameter content: rows and hash by the record's algorithm, where they are known already.
    func result(
        of backup: BackupRecord, content: (rows: Int, hash: String)?, _ context: VerificationContext
    ) throws -> CheckResult {
        var result = try BackupCheck.result(
            of: backup, backend: context.backend, countsOnly: context.level == .counts, content: content)
        if result.verdict == .differences, context.level != .counts {
            let rows = try changedRows(of: backup, context)
            if !rows.isEmpty { (result.differences, result.differenceCount) = (rows, rows.count) }
        }
        return result
    }

    /// The rows that made a backup another one, as far as they can be told.
    private func changedRows(of backup: BackupRecord, _ context: VerificationContext) throws -> [Difference] {
        let backend = context.backend
        let table = TableName(schema: backup.schema, backup.name)
        guard let key = backup.key, try backend.columnNames(of: table)?.contains(key) == true else { return [] }
        switch backend.session.dialect {
        case .postgresql:
            // One transaction has made the backup; what another one has written says so by itself.
            let column = key.quotedIdentifier
            return try backend.session.query(
                """
                WITH maker AS (
                    SELECT xmin::text AS id FROM \(backend.quoted(table)) GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)
                SELECT b.\(column) AS key FROM \(backend.quoted(table)) AS b
                WHERE b.xmin::text <> (SELECT id FROM maker) ORDER BY b.\(column) LIMIT 10
                """
            ).map {
                Difference(
                    table: backup.name, key: $0.text("key"), message: "the row was written after the backup was made")
            }
        case .sqlite:
            let move = try context.applied.flatMap { try $0.script.upgrade.flatItems }.compactMap { item -> Move? in
                if case .switchTable(let move) = item.action, move.source.name == backup.source { move } else { nil }
            }.last
            guard let move, try backend.tableExists(move.target) else { return [] }
            let mapping = try MappingSource(
                mapping: move.mapping, source: move.source, readFrom: table, target: move.target, backend: backend)
            return try RowComparison(
                expected: mapping.select, columns: mapping.columns, table: move.target, key: move.key,
                backend: backend, condition: nil, judged: nil, showsValues: context.showsValues
            ).differences.map { difference in
                var difference = difference
                difference.message =
                    "differs from \(backup.name): the row or the backup was changed since (\(difference.message))"
                return difference
            }
        }
    }

    static func result(
        of backup: BackupRecord, backend: any Backend, countsOnly: Bool = false,
        content: (rows: Int, hash: String)? = nil
    ) throws -> CheckResult {
        let table = TableName(schema: backup.schema, backup.name)
        func result(_ verdict: Verdict, _ summary: String, rows: Int) -> CheckResult {
            CheckResult(
                check: "backups", subject: backup.name, verdict: verdict, summary: summary,
                figures: ["rows": rows, "recordedRows": backup.rows],
                differences: verdict == .exact ? [] : [Difference(table: backup.name, message: summary)])
        }
        guard try backend.tableExists(table) else {
            return result(.differences, "the table is gone", rows: 0)
        }
        if countsOnly || backup.hash.isEmpty {
            let rows =
                try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(table))").asInt ?? 0
            return rows == backup.rows
                ? result(.exact, "\(rows.counted("row")), as recorded", rows: rows)
                : result(.differences, "\(rows.counted("row")), \(backup.rows.grouped) recorded", rows: rows)
        }
        let columns = try backend.columnNames(of: table) ?? []
        guard backup.columns.allSatisfy(columns.contains) else {
            return result(.differences, "columns are missing", rows: 0)
        }
        let now =
            try content.map { (rows: $0.rows, hash: $0.hash, algorithm: backup.algorithm) }
            ?? backend.contentHash(of: table, columns: backup.columns)
        guard now.algorithm == backup.algorithm else {
            return CheckResult(
                check: "backups", subject: backup.name, verdict: .incomplete,
                summary: "its hash was made by \"\(backup.algorithm)\", which this version does not know",
                figures: ["rows": now.rows, "recordedRows": backup.rows])
        }
        if now.rows != backup.rows {
            return result(.differences, "\(now.rows.counted("row")), \(backup.rows.grouped) recorded", rows: now.rows)
        }
        return now.hash == backup.hash
            ? result(.exact, "\(now.rows.counted("row")), content as recorded", rows: now.rows)
            : result(.differences, "the content is not what was backed up", rows: now.rows)
    }
}
