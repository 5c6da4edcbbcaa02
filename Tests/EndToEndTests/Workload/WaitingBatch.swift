import MigratorTestSupport
import Testing

/// A batch that waits for another writer's transaction: it has copied the rows before, and has not committed yet.
enum WaitingBatch {
    /// Other tests share the server.
    static let isThere = """
        SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
                       WHERE NOT l.granted AND l.locktype = 'transactionid' AND a.datname = current_database())
        """

    /// What follows in the same command comes at once, since a batch does not wait for long.
    static let untilThere = """
        DO $$
        BEGIN
            FOR i IN 1..20000 LOOP
                EXIT WHEN (\(isThere));
                PERFORM pg_sleep(0.001);
                PERFORM pg_stat_clear_snapshot();
            END LOOP;
        END $$
        """

    /// A row that should have gone is named by the comparison where the mechanism was left out; else it is not there.
    static func expectGone(
        _ key: Int, from table: String, of store: PostgreSQLStore, after result: CommandResult, isLeftOut: Bool
    ) throws {
        #expect(result.status == (isLeftOut ? 2 : 0), "\(result.standardError)")
        if isLeftOut {
            #expect(
                result.standardError.contains("\(table) \(key): the row should not be there"),
                "\(result.standardError)")
        } else {
            #expect(try store.database.psql("SELECT count(*) FROM \(table) WHERE id = \(key)") == "0\n")
        }
    }
}
