import MigratorDatabase
import MigratorScript

/// Rows that were copied and put in the place of a table in one transaction are not seen by a transaction whose
/// snapshot is older: it reads an empty table, without an error (ONLINE.md H13).
extension PostgreSQLBackend {
    /// How long it waits for such transactions at most: nobody can use the table meanwhile.
    static let snapshotPatience: Duration = .seconds(10)

    /// Under the lock, before the commit: gives transactions that look at the database as it was before a moment to
    /// end, and names those that do not. Who waits for this very transaction is not waited for.
    /// - Parameter table: whose rows they would not see.
    func awaitOlderSnapshots(_ table: String, context: StepContext) throws {
        guard !(session is RecordingSession) else { return }
        let deadline = ContinuousClock.now + min(context.options.lockTimeout, Self.snapshotPatience)
        var isTold = false
        while true {
            let older = try olderSnapshots()
            if older.isEmpty { return }
            guard ContinuousClock.now < deadline else {
                context.reporter.report(
                    .warning(
                        "under REPEATABLE READ or SERIALIZABLE, transactions begun before will find \"\(table)\" empty "
                            + "until they end: " + older.joined(separator: "; ")))
                return
            }
            if !isTold {
                context.reporter.report(
                    .waiting("waiting for transactions that began before: " + older.joined(separator: "; ")))
                isTold = true
            }
            try session.execute("SELECT pg_sleep(0.1)")
        }
    }

    /// Client connections of this database that hold a snapshot, a line each; of other roles, those that this one may
    /// look at. Under READ COMMITTED only a statement that runs holds one, or a cursor; which level it is, the server does
    /// not tell.
    private func olderSnapshots() throws -> [String] {
        // Within a transaction the activity is read once only.
        try session.execute("SELECT pg_stat_clear_snapshot()")
        return try session.query(
            """
            SELECT pid, usename, application_name, state,
                   round(extract(epoch FROM clock_timestamp() - xact_start)) AS age,
                   regexp_replace(left(query, 80), '\\s+', ' ', 'g') AS query
            FROM pg_catalog.pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
              AND backend_xmin IS NOT NULL AND NOT (state = 'active' AND query ~* '^\\s*(vacuum|analyze)')
              AND NOT pg_backend_pid() = ANY (pg_blocking_pids(pid))
            ORDER BY xact_start LIMIT 10
            """
        ).map(Self.serverProcess)
    }
}
