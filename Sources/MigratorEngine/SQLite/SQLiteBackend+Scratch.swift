import MigratorDatabase

extension SQLiteBackend {
    public func withScratch<Result>(_ body: (any Backend) throws -> Result) throws -> Result {
        let scratch = try SQLiteSession(path: ":memory:", access: .create)
        defer { scratch.close() }
        return try scratch.discardingChanges {
            try body(SQLiteBackend(session: scratch, ledger: Ledger(session: scratch), path: ":memory:"))
        }
    }

    /// A SQLite file carries nothing that tells a copy from the original.
    public func systemIdentity() throws -> String? { nil }
}
