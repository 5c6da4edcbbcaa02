import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// The sum of all rows' hashes (`RowHash`): independent of the rows' order, in one pass, without a sort. The sum is
    /// numeric, so that nothing overflows, and unlike xor two equal rows do not cancel each other.
    static let hashAlgorithm = "row-hash-sum"

    public func contentHash(
        of table: TableName, columns: [String]
    ) throws -> (rows: Int, hash: String, algorithm: String) {
        let row = try withPinnedOutput { try session.query(contentHashQuery(of: table, columns: columns)).first }
        return (row?.int("rows") ?? 0, row?.text("hash") ?? "", Self.hashAlgorithm)
    }

    /// Yields rows and hash; to be run with pinned output.
    func contentHashQuery(of table: TableName, columns: [String]) throws -> String {
        let types = try ColumnComparison(session: session).types(of: quoted(table))
        return """
            SELECT count(*) AS rows, coalesce(sum(\(RowHash(columns, types: types, of: "s").sql)), 0)::text AS hash
            FROM \(quoted(table)) s
            """
    }

    /// The text of a row, as an SQL expression over the alias.
    static func rowText(_ columns: [String], of alias: String) -> String {
        guard !columns.isEmpty else { return "''" }
        return columns.map { column in
            let value = "\(alias).\(column.quotedIdentifier)"
            return "CASE WHEN \(value)::text IS NULL THEN 'N' "
                + "ELSE length(\(value)::text)::text || ':' || \(value)::text END"
        }.joined(separator: " || ")
    }

    /// Runs `body` with the settings on which texts of values depend, and with row-level security refused: a
    /// policy would hide rows from a backup and from its comparison alike (ONLINE.md H22).
    /// - Parameter further: settings for `body` alone.
    func withPinnedOutput<Result>(
        _ further: [(String, String)] = [], _ body: () throws -> Result
    ) throws -> Result {
        let pinned =
            Self.pinnedSettings.prefix(6).map { ($0.name, $0.value) }
            + [("row_security", "off"), ("lc_monetary", "C"), ("search_path", "pg_catalog")] + further
        return try withSettings(pinned, body)
    }

    /// Runs `body` with settings of its own, and brings back what was set before.
    func withSettings<Result>(_ settings: [(String, String)], _ body: () throws -> Result) throws -> Result {
        let set = settings.map {
            "current_setting(\($0.0.quotedLiteral)), set_config(\($0.0.quotedLiteral), \($0.1.quotedLiteral), false)"
        }.joined(separator: ", ")
        let old = try session.query("SELECT \(set)").first
        // Where the transaction has failed this fails too, and the rollback restores them.
        defer {
            let restore = settings.enumerated().map { index, setting in
                "set_config(\(setting.0.quotedLiteral), "
                    + "\((old?[index * 2].asText ?? setting.1).quotedLiteral), false)"
            }.joined(separator: ", ")
            _ = try? session.query("SELECT \(restore)")
        }
        return try body()
    }

    /// `system identifier/database oid`, which a restored dump does not share; nil where the role may not ask.
    public func identityOfSystem() throws -> String? {
        if let systemIdentity { return systemIdentity }
        let mayAsk = try session.scalar(
            "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
        ).asBool
        let identity =
            mayAsk
            ? try session.scalar(
                """
                SELECT system_identifier || '/'
                    || (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                FROM pg_catalog.pg_control_system()
                """
            ).asText : nil
        systemIdentity = .some(identity)
        return identity
    }

    /// A record of a table as it is now, in the open transaction: rows, hash, snapshot, transaction.
    func backupRecord(
        kind: BackupRecord.Kind, source: TableName, name: String, key: String?, columns: [String],
        content: (rows: Int, hash: String), definition: String? = nil, context: StepContext
    ) throws -> BackupRecord {
        let row = try session.query(
            "SELECT pg_current_snapshot()::text AS snapshot, pg_current_xact_id()::text AS xid"
        ).first
        return BackupRecord(
            runID: context.runID, revision: context.revision, kind: kind, schema: source.schema ?? schema,
            source: source.name, name: name, key: key, columns: columns, rows: content.rows,
            hash: content.hash, algorithm: Self.hashAlgorithm, snapshot: row?.text("snapshot"),
            transactionID: row?.text("xid"), systemIdentifier: try identityOfSystem(),
            definition: definition)
    }
}
