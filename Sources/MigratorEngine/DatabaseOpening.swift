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
        let opened: AnyObject
        switch locator {
        case .postgresql(let locator):
            opened = try PostgreSQLBackend.open(
                locator, schema: schema, ledgerSchema: ledgerSchema, forWriting: access != .reading)
        case .sqlite(let path):
            return try SQLiteBackend.open(path: path, access: access)
        }
        guard let backend = opened as? any Backend else {
            throw MigratorError(
                "unsupported-database", .unavailable, "the database \"\(locator.shown)\" is not supported")
        }
        return backend
    }
}
