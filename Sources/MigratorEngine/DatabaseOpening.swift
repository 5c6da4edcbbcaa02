import MigratorDatabase

/// The one place that knows which backend a locator stands for.
public enum DatabaseOpening {
    public enum Access: Sendable {
        /// For commands that only look.
        case reading
        /// For commands that write to a database that is there.
        case writing
        /// As `writing`; a missing SQLite file is made where its folder exists.
        case creating
    }

    /// - Parameters:
    ///   - schema: where unqualified names live; nil leaves it to the database.
    ///   - ledgerSchema: where the ledger lives on PostgreSQL.
    /// - Throws: `MigratorError`, status unavailable.
    public static func open(
        _ locator: DatabaseLocator, schema: String?, ledgerSchema: String, access: Access
    ) throws -> any Backend {
        switch locator {
        case .postgresql(let locator):
            return try PostgreSQLBackend.open(
                locator, schema: schema, ledgerSchema: ledgerSchema, forWriting: access != .reading)
        case .sqlite(let path):
            return try SQLiteBackend.open(path: path, access: access)
        }
    }
}
