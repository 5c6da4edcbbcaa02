import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// An empty schema beside the real one, with a ledger of its own, in a transaction that is rolled back.
    public func withScratch<Result>(_ body: (any Backend) throws -> Result) throws -> Result {
        let scratchSchema = try freeSchema("migrator_declared")
        let scratchLedger = try freeSchema("migrator_declared_ledger")
        var scratchFacts = facts
        scratchFacts.schema = scratchSchema
        // Types and functions of the real schema stay in reach, behind the scratch one.
        scratchFacts.furtherPath = [schema.quotedIdentifier] + facts.furtherPath
        // Prepared statements name their schema and outlive a rollback.
        try session.execute("DEALLOCATE ALL")
        defer { try? session.execute("DEALLOCATE ALL") }
        return try session.discardingChanges {
            try session.execute(
                """
                CREATE SCHEMA \(scratchSchema.quotedIdentifier);
                CREATE SCHEMA \(scratchLedger.quotedIdentifier);
                SET LOCAL search_path = \(scratchFacts.searchPath)
                """)
            let scratch = PostgreSQLBackend(
                session: session, ledger: Ledger(session: session, schema: scratchLedger), schema: scratchSchema)
            scratch.facts = scratchFacts
            try scratch.ledger.createTables()
            return try body(scratch)
        }
    }

    private func freeSchema(_ name: String) throws -> String {
        var candidate = name
        var number = 1
        while try session.scalar("SELECT to_regnamespace($1) IS NOT NULL", [.text(candidate.quotedIdentifier)])
            .asBool
        {
            number += 1
            candidate = "\(name)_\(number)"
        }
        return candidate
    }
}
