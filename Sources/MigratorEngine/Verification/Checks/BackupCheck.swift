import MigratorScript

/// Registered backups against the rows and the hash recorded when they were made.
struct BackupCheck: VerificationCheck {
    let name = "backups"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        try context.backend.ledger.backups().map {
            try BackupCheck.result(of: $0, backend: context.backend, countsOnly: context.level == .counts)
        }
    }

    static func result(
        of backup: BackupRecord, backend: any Backend, countsOnly: Bool = false
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
        let now = try backend.contentHash(of: table, columns: backup.columns, algorithm: backup.algorithm)
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
