import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

/// A large target of `ensure`: where the keys are the same nothing is joined, and what is missing is found all the same.
@Suite struct EnsureCheckTests {
    private static let ensure = Ensure(
        source: TableName("letters"), target: TableName("states"), on: ["letter_id", "person"],
        raise: Ensure.Raise(column: "state", order: ["sent", "delivered", "read"]),
        mapping: Statement(
            text: "SELECT id AS letter_id, person, CASE WHEN is_read THEN 'read' ELSE 'sent' END AS state FROM letters",
            location: ScriptLocation(file: "", line: 1), offset: 0))

    /// What is done, and the number of rows that are then missing or behind.
    private static let changes = [
        ("SELECT 1", 0),
        ("DELETE FROM states WHERE letter_id = 70000", 1),
        ("UPDATE states SET state = 'sent' WHERE letter_id = 70000", 1),
        ("UPDATE states SET person = 4294967295 WHERE letter_id = 70001", 1),
        ("UPDATE states SET letter_id = 130000 WHERE letter_id = 70000", 1),
        ("INSERT INTO letters VALUES (130000, NULL, false)", 1),
        ("INSERT INTO states VALUES (130000, 1, 'sent')", 0),
        ("UPDATE states SET state = 'delivered' WHERE letter_id = 70001", 0),
    ]

    @Test func `what is missing or behind is found among many rows`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(
            """
            CREATE TABLE letters (id integer PRIMARY KEY, person bigint, is_read boolean);
            INSERT INTO letters SELECT i, -1, i % 2 = 0 FROM generate_series(1, 120000) AS s (i);
            CREATE TABLE states (letter_id bigint, person bigint, state text, PRIMARY KEY (letter_id, person));
            INSERT INTO states SELECT id, person, CASE WHEN is_read THEN 'read' ELSE 'sent' END FROM letters;
            ANALYZE letters, states;
            """)
        for (change, missing) in Self.changes {
            try backend.session.discardingChanges {
                try backend.session.execute(change)
                let result = try EnsureCheck().result(of: Self.ensure, backend)
                #expect(result.differenceCount == missing, "\(change)")
                #expect(result.verdict == (missing == 0 ? .exact : .differences), "\(change)")
                #expect(result.differences.count == missing, "\(change)")
            }
        }
    }
}
