import MigratorDatabase
import MigratorScript

/// PostgreSQL behind the engine. Its ideas have a file each: `PostgreSQLBackend+Backup`, `+Switch`, ...
public final class PostgreSQLBackend {
    public let session: any Session
    public let ledger: Ledger
    /// The schema in which unqualified names live, unquoted.
    public let schema: String

    public init(session: any Session, ledger: Ledger, schema: String) {
        self.session = session
        self.ledger = ledger
        self.schema = schema
    }

    public func quoted(_ table: TableName) -> String {
        "\((table.schema ?? schema).quotedIdentifier).\(table.name.quotedIdentifier)"
    }

    public func tableExists(_ table: TableName) throws -> Bool {
        try session.scalar(
            "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1) AND relkind IN ('r', 'p', 'f')",
            [.text(quoted(table))]
        ).asInt == 1
    }

    public func columnNames(of table: TableName) throws -> [String]? {
        let rows = try session.query(
            """
            SELECT attname FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """, [.text(quoted(table))])
        return rows.isEmpty ? nil : rows.map { $0[0].asText ?? "" }
    }
}
