import MigratorDatabase
import MigratorScript

/// SQLite behind the engine. Its ideas have a file each: `SQLiteBackend+Backup`, `+Switch`, ...
public final class SQLiteBackend {
    public let session: any Session
    public let ledger: Ledger
    /// Of the database file; the migration lock lies beside it.
    public let path: String
    public var schema: String { "main" }

    /// Held while this process migrates.
    var migrationLock: SQLiteMigrationLock?
    /// Tables that changed their name in the open transaction, new name to old, for the foreign key check.
    var renamedTables: [String: String] = [:]
    /// Of the open transaction.
    var keyScope = SQLiteKeyScope.all
    /// Set by the first step that runs while the application writes.
    var isOnline = false
    /// How long the last short transaction kept other writers waiting.
    var lastHold = Duration.zero

    public init(session: any Session, ledger: Ledger, path: String) {
        self.session = session
        self.ledger = ledger
        self.path = path
    }

    public func quoted(_ table: TableName) -> String {
        "\((table.schema ?? schema).quotedIdentifier).\(table.name.quotedIdentifier)"
    }

    /// A name of the main schema.
    func main(_ name: String) -> String { "main.\(name.quotedIdentifier)" }
}

/// SQLite compares names without regard to the case of ASCII letters.
func isSameName(_ left: String, _ right: String) -> Bool { left.lowercased() == right.lowercased() }

/// Quoted names, comma-separated, each behind `prefix`.
func columnList(_ names: [String], prefix: String = "") -> String {
    names.map { prefix + $0.quotedIdentifier }.joined(separator: ", ")
}
