import MigratorDatabase

extension SQLiteBackend {
    public func withScratch<Result>(_ body: (any Backend) throws -> Result) throws -> Result {
        let scratch = try SQLiteSession(path: ":memory:", access: .create)
        defer { scratch.close() }
        return try scratch.discardingChanges {
            let ledger = Ledger(session: scratch)
            try ledger.createTables()
            return try body(SQLiteBackend(session: scratch, ledger: ledger, path: ":memory:"))
        }
    }
}
