import MigratorDatabase

/// The registered backups.
extension Ledger {
    @discardableResult
    public func add(_ backup: BackupRecord) throws(DatabaseError) -> Int {
        try session.query(
            """
            INSERT INTO \(table("backup")) (run_id, revision, kind, schema_name, source, name, key_column,
                columns, rows, hash, algorithm, snapshot, transaction_id, system_identifier, definition, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \(now)) RETURNING id
            """,
            [
                SQLValue(backup.runID), .text(backup.revision), .text(backup.kind.rawValue),
                .text(backup.schema), .text(backup.source), .text(backup.name), SQLValue(backup.key),
                .text(backup.columns.map(\.quotedIdentifier).joined(separator: ",")), SQLValue(backup.rows),
                .text(backup.hash), .text(backup.algorithm), SQLValue(backup.snapshot),
                SQLValue(backup.transactionID), SQLValue(backup.systemIdentifier),
                SQLValue(backup.definition),
            ]
        ).first?.int("id") ?? 0
    }

    /// The registered backups that have not been pruned or restored in place, oldest first.
    /// - Parameter run: only those that this run made, also where they are gone.
    public func backups(run: Int? = nil) throws(DatabaseError) -> [BackupRecord] {
        try session.query(
            """
            SELECT id, run_id, revision, kind, schema_name, source, name, key_column, columns, rows, hash,
                   algorithm, snapshot, transaction_id, system_identifier, definition,
                   \(time("created_at")) AS created_at
            FROM \(table("backup")) WHERE \(run.map { "run_id = \($0)" } ?? "removed_at IS NULL") ORDER BY id
            """
        ).map { row in
            var backup = BackupRecord(
                runID: row.int("run_id") ?? 0, revision: row.text("revision") ?? "",
                kind: BackupRecord.Kind(rawValue: row.text("kind") ?? "") ?? .table,
                schema: row.text("schema_name") ?? "", source: row.text("source") ?? "",
                name: row.text("name") ?? "", key: row.text("key_column"),
                columns: Ledger.identifiers(in: row.text("columns") ?? ""), rows: row.int("rows") ?? 0,
                hash: row.text("hash") ?? "", algorithm: row.text("algorithm") ?? "",
                snapshot: row.text("snapshot"), transactionID: row.text("transaction_id"),
                systemIdentifier: row.text("system_identifier"), definition: row.text("definition"))
            backup.id = row.int("id") ?? 0
            backup.createdAt = row.text("created_at") ?? ""
            return backup
        }
    }

    /// Whether the last copy of a table that a revision has registered was pruned since.
    func isLastBackupRemoved(of source: String, revision: String) throws(DatabaseError) -> Bool {
        try session.query(
            """
            SELECT removed_at IS NOT NULL AS is_removed FROM \(table("backup"))
            WHERE revision = $1 AND kind = $2 AND lower(source) = lower($3) ORDER BY id DESC LIMIT 1
            """, [.text(revision), .text(BackupRecord.Kind.table.rawValue), .text(source)]
        ).first?.bool("is_removed") ?? false
    }

    /// Follows a rename: a registered older backup makes room for a new one of the same name.
    public func renameBackup(_ id: Int, to name: String) throws(DatabaseError) {
        try session.run(
            "UPDATE \(table("backup")) SET name = $1 WHERE id = $2", [.text(name), SQLValue(id)])
    }

    /// Notes that the backup's table is gone (pruned, or restored by renaming it back).
    public func setBackupRemoved(_ id: Int) throws(DatabaseError) {
        try session.run("UPDATE \(table("backup")) SET removed_at = \(now) WHERE id = $1", [SQLValue(id)])
    }
}
