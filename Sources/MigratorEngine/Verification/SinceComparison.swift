import MigratorDatabase
import MigratorScript

/// What has happened to the rows of a table since a backup was made.
struct SinceComparison {
    var added = 0
    var changed = 0
    var missing = 0
    var wrong = 0
    var wrongRows: [Difference] = []
    /// Why the rows cannot be told apart, where they cannot.
    var endOfEvidence: String?

    /// - Parameter suspects: the rows that may differ, where that has been found out before.
    init(
        move: Move, backup: BackupRecord, table: TableName, suspects: HashPass.Suspects = .all,
        _ context: VerificationContext
    ) throws {
        let backend = context.backend
        let mapping = try MappingSource(
            mapping: move.mapping, source: move.source, readFrom: table, target: move.target,
            carried: try context.carried(by: move, of: backup.revision), key: move.key, backend: backend)
        let age = try EvidenceAge(backup: backup, backend: backend)
        endOfEvidence = age.end
        var condition: String?
        switch suspects {
        case .none: return
        case .some(let keys): condition = keys
        case .all: break
        }
        let isOld = age.isOld("version")
        // Not in stretches: the backup has no index.
        let pairs = try PairedRows(
            expected: mapping.select, columns: mapping.columns, table: move.target, key: move.key, backend: backend,
            condition: condition)
        // What is equal is left out first, so that the columns are looked at once.
        let from = "FROM (\(pairs.select)\n) AS pairs WHERE (ek IS NULL OR tk IS NULL OR (\(pairs.differs)))"
        let isWrong = "tk IS NOT NULL AND \(isOld)"
        let row = try backend.session.query(
            """
            SELECT count(*) FILTER (WHERE ek IS NULL AND NOT (\(isOld))) AS added,
                   count(*) FILTER (WHERE tk IS NULL) AS missing,
                   count(*) FILTER (WHERE ek IS NOT NULL AND tk IS NOT NULL AND NOT (\(isOld))) AS changed,
                   count(*) FILTER (WHERE \(isWrong)) AS wrong
            \(from)
            """
        ).first
        added = row?.int("added") ?? 0
        missing = row?.int("missing") ?? 0
        changed = row?.int("changed") ?? 0
        wrong = row?.int("wrong") ?? 0
        guard wrong > 0 else { return }
        let shown = try PairedRows(
            expected: mapping.select, columns: mapping.columns, table: move.target, key: move.key,
            backend: backend, condition: condition, showsValues: context.showsValues)
        wrongRows = try backend.session.query(
            "SELECT * FROM (\(shown.select)\n) AS pairs WHERE (ek IS NULL OR \(shown.differs)) AND \(isWrong) ORDER BY tk LIMIT 10"
        ).map { row in
            Difference(
                table: move.target.name, key: row.text("tk"), columns: shown.differingColumns(row),
                message: "is not what was backed up, and nobody has written it since",
                values: shown.differingValues(row))
        }
    }

    func result(check: String, subject: String, backup: BackupRecord, rowsNow: Int) -> CheckResult {
        let figures = [
            "rowsAtSwitch": backup.rows, "rowsNow": rowsNow, "added": added, "changed": changed,
            "unattributed": missing, "wrong": wrong,
        ]
        var summary =
            "\(backup.rows.counted("row")) at the switch, \(rowsNow.grouped) now: \(added.grouped) added, \(changed.grouped) changed, \(missing.grouped) gone"
        if let endOfEvidence { summary += "; \(endOfEvidence)" }
        let verdict: Verdict =
            wrong > 0 ? .differences : endOfEvidence != nil && added + changed > 0 ? .incomplete : .information
        return CheckResult(
            check: check, subject: subject, verdict: verdict, summary: summary, figures: figures,
            differences: wrongRows, differenceCount: wrong)
    }
}

/// Whether a row version was there when the backup was made (PostgreSQL).
private struct EvidenceAge {
    /// Why xmin says nothing any more; nil while it does.
    var end: String?
    private var snapshot: String?
    private var transactionID: String?

    init(backup: BackupRecord, backend: any Backend) throws {
        let session = backend.session
        guard session.dialect == .postgresql else { return }
        guard let snapshot = backup.snapshot, let transactionID = backup.transactionID else {
            end = "the backup has no snapshot, so changes cannot be attributed"
            return
        }
        if let system = backup.systemIdentifier,
            let current = try backend.identityOfSystem(), current != system
        {
            end = "the database was restored elsewhere since, so changes cannot be attributed"
            return
        }
        let transactions =
            try session.scalar(
                """
                SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::numeric
                    - pg_snapshot_xmax($1::text::pg_snapshot)::text::numeric)
                """, [.text(snapshot)]
            ).asInt ?? 0
        if transactions < 0 || transactions >= 1 << 31 {
            end = "more than 2^31 transactions have passed, so changes cannot be attributed"
            return
        }
        self.snapshot = snapshot
        self.transactionID = transactionID
    }

    /// xmin has 32 bits: the full id is the newest one not above the current that ends in them. Ids below 3 are
    /// frozen for good, so older than any backup.
    func isOld(_ xmin: String) -> String {
        guard let snapshot, let transactionID else { return "1 = 0" }
        let number = "\(xmin)::text::bigint"
        let current = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        let full = "(\(current) - ((\(current) - \(number)) % 4294967296 + 4294967296) % 4294967296)"
        return """
            (\(number) < 3 OR \(full) = \(transactionID)
             OR pg_visible_in_snapshot(\(full)::text::xid8, \(snapshot.quotedLiteral)::pg_snapshot))
            """
    }
}
