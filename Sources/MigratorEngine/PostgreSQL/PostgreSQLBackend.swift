import MigratorDatabase
import MigratorScript

/// PostgreSQL behind the engine. Its ideas have a file each: `PostgreSQLBackend+Backup`, `+Switch`, ...
public final class PostgreSQLBackend: TableAccess {
    public let session: any Session
    public let ledger: Ledger
    /// The schema in which unqualified names live, unquoted.
    public let schema: String
    /// What the server said when the connection was opened.
    var facts: ServerFacts
    /// Those that the open transaction took at its beginning.
    var takenLocks: [TableLock] = []
    /// The names of the queries that the server keeps prepared; nil where it has to be asked.
    var keptQueries: Set<String>?
    /// `system identifier/database oid`, once asked for.
    var systemIdentity: String??

    public init(session: any Session, ledger: Ledger, schema: String) {
        self.session = session
        self.ledger = ledger
        self.schema = schema
        facts = ServerFacts(schema: schema)
    }

    public func quoted(_ table: TableName) -> String {
        "\((table.schema ?? schema).quotedIdentifier).\(table.name.quotedIdentifier)"
    }

    public func tableExists(_ table: TableName) throws -> Bool {
        try catalog.relation(table)?.isTable ?? false
    }

    public func columnNames(of table: TableName) throws -> [String]? {
        let rows = try session.query(
            """
            SELECT a.attname FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
            AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """, [.text(table.schema ?? schema), .text(table.name)])
        return rows.isEmpty ? nil : rows.map { $0[0].asText ?? "" }
    }
}
