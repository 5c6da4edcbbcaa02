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

    init(move: Move, backup: BackupRecord, table: TableName, backend: any Backend) throws {
        let session = backend.session
        let mapping = try MappingSource(
            mapping: move.mapping, source: move.source, readFrom: table, target: move.target, backend: backend)
        let comparison = ColumnComparison(session: session)
        let types = try comparison.types(of: backend.quoted(move.target))
        let key = move.key.quotedIdentifier
        let flags = mapping.columns.filter { $0 != move.key }.map {
            comparison.differs("b.\($0.quotedIdentifier)", "t.\($0.quotedIdentifier)", type: types[$0])
        }
        let differs = flags.isEmpty ? comparison.no : flags.joined(separator: " OR ")
        let age = try EvidenceAge(backup: backup, backend: backend)
        endOfEvidence = age.end
        let isOld = age.isOld("t.row_version")
        let version = session.dialect == .postgresql ? "xmin AS row_version" : "0 AS row_version"
        let columns = mapping.columns.map(\.quotedIdentifier).joined(separator: ", ")
        let from = """
            FROM (\(mapping.select)
            ) AS b FULL JOIN (SELECT \(columns), \(version) FROM \(backend.quoted(move.target))) AS t
            ON t.\(key) = b.\(key)
            """
        let isAdded = "b.\(key) IS NULL"
        let isMissing = "t.\(key) IS NULL"
        let isChanged = "b.\(key) IS NOT NULL AND t.\(key) IS NOT NULL AND (\(differs))"
        let isWrong = "(\(isAdded) OR (\(isChanged))) AND \(isOld)"
        let row = try session.query(
            """
            SELECT count(*) FILTER (WHERE \(isAdded) AND NOT (\(isOld))) AS added,
                   count(*) FILTER (WHERE \(isMissing)) AS missing,
                   count(*) FILTER (WHERE \(isChanged) AND NOT (\(isOld))) AS changed,
                   count(*) FILTER (WHERE \(isWrong)) AS wrong
            \(from)
            """
        ).first
        added = row?.int("added") ?? 0
        missing = row?.int("missing") ?? 0
        changed = row?.int("changed") ?? 0
        wrong = row?.int("wrong") ?? 0
        guard wrong > 0 else { return }
        wrongRows = try session.query("SELECT t.\(key) AS key \(from) WHERE \(isWrong) ORDER BY 1 LIMIT 10").map {
            Difference(
                table: move.target.name, key: $0.text("key"),
                message: "is not what was backed up, and nobody has written it since")
        }
    }

    func result(check: String, subject: String, backup: BackupRecord, rowsNow: Int) -> CheckResult {
        let figures = [
            "rowsAtSwitch": backup.rows, "rowsNow": rowsNow, "added": added, "changed": changed,
            "unattributed": missing, "wrong": wrong,
        ]
        var summary =
            "\(backup.rows) rows at the switch, \(rowsNow) now: \(added) added, \(changed) changed, \(missing) gone"
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
