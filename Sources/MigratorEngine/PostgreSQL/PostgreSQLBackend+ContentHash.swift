import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// `hash-sum`: the server's own 64-bit hash of each row, hashed once more, summed over all rows. Independent of
    /// the rows' order, in one pass, without a sort; the sum is numeric, so that nothing overflows, and unlike xor two
    /// equal rows do not cancel each other. Hashed twice, since the hash of a row is linear in those of its values:
    /// a sum of it would not see two rows swap a value.
    ///
    /// Values of types whose equality is not identity are hashed as texts: NULL and '' differ, 1.0 and 1.00 differ, and
    /// types without a hash of their own (json, xml, point, ...) can be hashed all the same (ONLINE.md H17). These
    /// functions are what hash partitions are placed by, so they stay the same from one version to the next.
    static let hashAlgorithm = "hash-sum"
    /// That of older backups: both halves of the md5 of a row's text, summed. A value is its length in characters, a
    /// colon and its text, or `N` for NULL, so that no value can reach into its neighbour.
    static let oldHashAlgorithm = "md5-sum"

    public func contentHash(
        of table: TableName, columns: [String], algorithm: String?
    ) throws -> (rows: Int, hash: String, algorithm: String) {
        let isOld = algorithm == Self.oldHashAlgorithm
        let query =
            isOld
            ? """
            SELECT count(*) AS rows, \(Self.hashSums("r.digest")) AS hash
            FROM (SELECT md5(\(Self.rowText(columns, of: "s"))) AS digest FROM \(quoted(table)) s) r
            """ : try contentHashQuery(of: table, columns: columns)
        let row = try withPinnedOutput { try session.query(query).first }
        return (row?.int("rows") ?? 0, row?.text("hash") ?? "", isOld ? Self.oldHashAlgorithm : Self.hashAlgorithm)
    }

    /// Yields rows and hash; to be run with pinned output.
    func contentHashQuery(of table: TableName, columns: [String]) throws -> String {
        let types = try ColumnComparison(session: session).types(of: quoted(table))
        return """
            SELECT count(*) AS rows, coalesce(sum(\(Self.rowHash(columns, types: types, of: "s"))), 0)::text AS hash
            FROM \(quoted(table)) s
            """
    }

    /// The hash of a row, of which `hash-sum` is the sum.
    static func rowHash(_ columns: [String], types: [String: String], of alias: String) -> String {
        "hashtextextended(hash_record_extended(\(hashedRow(columns, types: types, of: alias)), 0)::text, 0)"
    }

    /// A row as the server is to hash it. The constant keeps a row of one column, or of none, a row.
    private static func hashedRow(_ columns: [String], types: [String: String], of alias: String) -> String {
        let values = columns.map { column in
            let value = "\(alias).\(column.quotedIdentifier)"
            let isExact = types[column].map(ColumnComparison.exactTypes.contains) ?? false
            return isExact ? value : "\(value)::text COLLATE \"C\""
        }
        return "ROW(\((["0"] + values).joined(separator: ", ")))"
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

    /// Both sums of an md5 in hex, as an SQL aggregate; rows for which it is NULL do not count.
    static func hashSums(_ digest: String) -> String {
        func half(_ start: Int) -> String {
            "coalesce(sum(('x' || substr(\(digest), \(start), 16))::bit(64)::bigint), 0)::text"
        }
        return "\(half(1)) || ':' || \(half(17))"
    }

    /// Runs `body` with the settings on which texts of values depend, and with row-level security refused: a
    /// policy would hide rows from a backup and from its comparison alike (ONLINE.md H22).
    /// - Throws: `MigratorError` where policies apply to this role.
    func withPinnedOutput<Result>(_ body: () throws -> Result) throws -> Result {
        let pinned =
            Self.pinnedSettings.prefix(6).map { ($0.name, $0.value) }
            + [("row_security", "off"), ("lc_monetary", "C"), ("search_path", "pg_catalog")]
        let set = pinned.map {
            "current_setting(\($0.0.quotedLiteral)), set_config(\($0.0.quotedLiteral), \($0.1.quotedLiteral), false)"
        }.joined(separator: ", ")
        let old = try session.query("SELECT \(set)").first
        // Where the transaction has failed this fails too, and the rollback restores them.
        defer {
            let restore = pinned.enumerated().map { index, setting in
                "set_config(\(setting.0.quotedLiteral), "
                    + "\((old?[index * 2].asText ?? setting.1).quotedLiteral), false)"
            }.joined(separator: ", ")
            _ = try? session.query("SELECT \(restore)")
        }
        do {
            return try body()
        } catch let error as DatabaseError
            where error.kind == .insufficientPrivilege && error.message.contains("row-level security")
        {
            throw MigratorError(
                "row-security", .unavailable,
                "row-level security would hide rows from migrator: \(error.message)",
                hint:
                    "run it as a role with BYPASSRLS, or as the owner after ALTER TABLE ... NO FORCE ROW LEVEL SECURITY"
            )
        }
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
