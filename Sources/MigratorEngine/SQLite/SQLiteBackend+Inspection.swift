import MigratorDatabase
import MigratorScript

/// What verification and plans ask the catalog.
extension SQLiteBackend {
    /// SQLite has no privileges.
    public func unreadableLedger(_ error: DatabaseError) -> any Error { error }

    public func foreignKeys() throws -> [ForeignKey] {
        let tables = try session.query(
            """
            SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                AND name NOT LIKE 'migrator\\_%' ESCAPE '\\' ORDER BY name
            """
        ).compactMap { $0[0].asText }
        return try tables.flatMap { try foreignKeys(of: $0) }
    }

    func foreignKeys(of table: String) throws -> [ForeignKey] {
        var keys: [ForeignKey] = []
        let rows = try session.query(
            #"SELECT id, "table", "from", "to" FROM pragma_foreign_key_list($1) ORDER BY id, seq"#,
            [.text(table)])
        let rowKey = try session.query(
            "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk", [.text(table)]
        ).compactMap { $0[0].asText }
        for id in Set(rows.compactMap { $0.int("id") }).sorted() {
            let parts = rows.filter { $0.int("id") == id }
            let referenced = parts[0].text("table") ?? ""
            // Without a column list a foreign key means the parent's primary key.
            let primary = try session.query(
                "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk", [.text(referenced)]
            ).compactMap { $0[0].asText }
            let named = parts.compactMap { $0.text("to") }
            keys.append(
                ForeignKey(
                    name: "foreign key \(id)", table: TableName(table),
                    columns: parts.compactMap { $0.text("from") }, referenced: TableName(referenced),
                    referencedColumns: named.isEmpty ? primary : named, rowKey: rowKey))
        }
        return keys
    }

    public func nextIDs() throws -> [NextID] {
        guard
            try session.scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'").asInt == 1
        else { return [] }
        return try session.query(
            """
            SELECT q.name AS name, q.seq AS seq,
                (SELECT i.name FROM pragma_table_info(q.name) i WHERE i.pk = 1) AS key
            FROM sqlite_sequence q JOIN sqlite_schema s ON s.type = 'table' AND s.name = q.name
            WHERE q.name NOT LIKE 'migrator\\_%' ESCAPE '\\'
            ORDER BY q.name
            """
        ).compactMap { row in
            guard let name = row.text("name"), let key = row.text("key") else { return nil }
            let (next, isPast) = (row.int("seq") ?? 0).addingReportingOverflow(1)
            return NextID(
                table: TableName(name), column: key, sequence: "sqlite_sequence", next: isPast ? nil : next)
        }
    }

    /// SQLite has no subscriptions.
    public func refuseSubscribed(_ tables: [TableName]) {}

    /// There is no follower.
    public func requireFollowable(_ move: Move) {}
    public func requireFollowed(_ move: Move, context: StepContext) {}

    /// SQLite has no invalid indexes or disabled triggers; an index that lost entries is what `integrity_check` finds.
    public func invalidObjects() throws -> [Difference] {
        try session.query("PRAGMA integrity_check(10)").compactMap { row in
            guard let message = row[0].asText, message != "ok" else { return nil }
            return Difference(message: message)
        }
    }

    /// Two connections to a file cannot be made to see the same moment.
    public func readers(
        _ count: Int, cancelledBy register: (any CancelHandle) -> Void
    ) throws -> [any Backend] { [] }

    /// A file has no identity that a copy would not share.
    public func identityOfSystem() throws -> String? { nil }

    public func estimatedSize(of table: TableName) throws -> (rows: Int?, bytes: Int?) {
        let rows = try session.scalar("SELECT count(*) FROM \(quoted(table))").asInt ?? 0
        return (rows, nil)
    }
}
