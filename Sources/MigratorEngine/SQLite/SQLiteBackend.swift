import MigratorDatabase
import MigratorScript

/// SQLite behind the engine. Its ideas have a file each: `SQLiteBackend+Backup`, `+Switch`, ...
public final class SQLiteBackend {
    public let session: any Session
    public let ledger: Ledger
    /// Of the database file; the migration lock lies beside it.
    public let path: String
    public var schema: String { "main" }

    public init(session: any Session, ledger: Ledger, path: String) {
        self.session = session
        self.ledger = ledger
        self.path = path
    }

    public func quoted(_ table: TableName) -> String {
        "\((table.schema ?? schema).quotedIdentifier).\(table.name.quotedIdentifier)"
    }
}
