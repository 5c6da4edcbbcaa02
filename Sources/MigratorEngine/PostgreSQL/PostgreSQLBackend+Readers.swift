import MigratorDatabase

extension PostgreSQLBackend {
    /// By an exported snapshot, as pg_dump's workers do (PostgreSQL manual, 9.27.5 "Snapshot Synchronization Functions").
    /// A server that has no connection left, or a pooler that does not know the snapshot, gives fewer.
    public func readers(
        _ count: Int, cancelledBy register: (any CancelHandle) -> Void
    ) throws -> [any Backend] {
        guard count > 0, let own = session as? PostgreSQLSession,
            let snapshot = try session.scalar("SELECT pg_export_snapshot()").asText
        else { return [] }
        var readers: [PostgreSQLBackend] = []
        for _ in 0..<count {
            do throws(DatabaseError) {
                let session = try PostgreSQLSession(own.locator)
                register(session.cancelHandle)
                let reader = PostgreSQLBackend(
                    session: session, ledger: Ledger(session: session, schema: ledger.schema), schema: schema)
                reader.facts = facts
                try session.execute(pinningStatements)
                try session.beginReading()
                try session.execute("SET TRANSACTION SNAPSHOT \(snapshot.quotedLiteral)")
                readers.append(reader)
            } catch {
                guard error.kind != .cancelled else { throw error }
                break
            }
        }
        return readers
    }
}
