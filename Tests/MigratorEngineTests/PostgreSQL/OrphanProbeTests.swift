import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

/// Rows that point at nothing, looked for between one parent and the next.
@Suite struct OrphanProbeTests {
    private static let key = ForeignKey(
        name: "k", table: TableName(schema: "public", "letters"), columns: ["sender_id"],
        referenced: TableName(schema: "public", "people"), referencedColumns: ["id"], rowKey: ["id"])

    private static let tables = """
        CREATE TABLE people (id integer PRIMARY KEY);
        INSERT INTO people SELECT i * 10 FROM generate_series(1, 20) AS s (i);
        CREATE TABLE letters (id integer PRIMARY KEY, sender_id bigint);
        INSERT INTO letters SELECT i, 10 + 10 * (i % 20) FROM generate_series(1, 1000) AS s (i);
        INSERT INTO letters SELECT i, NULL FROM generate_series(1001, 1100) AS s (i);
        """
    private static let index = "CREATE INDEX ON letters (sender_id); ANALYZE people, letters;"

    private func withTables(_ more: String, _ body: (PostgreSQLBackend) throws -> Void) throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(Self.tables + more)
        try body(backend)
    }

    static let orphans = [
        "UPDATE letters SET sender_id = 9 WHERE id = 500",
        "UPDATE letters SET sender_id = -1 WHERE id = 500",
        "UPDATE letters SET sender_id = 105 WHERE id = 500",
        "UPDATE letters SET sender_id = 201 WHERE id = 500",
        "UPDATE letters SET sender_id = 4294967306 WHERE id = 500",
        "DELETE FROM people WHERE id = 10",
        "DELETE FROM people WHERE id = 110",
        "DELETE FROM people WHERE id = 200",
        "DELETE FROM people",
    ]

    @Test func `a row that points beside every parent is found`() throws {
        try withTables(Self.index) { backend in
            #expect(try backend.hasNoOrphans(Self.key))
            for orphan in Self.orphans {
                try backend.session.discardingChanges {
                    try backend.session.execute(orphan)
                    #expect(try !backend.hasNoOrphans(Self.key), "\(orphan)")
                    #expect(try OrphanCheck().result(of: Self.key, backend).verdict == .differences, "\(orphan)")
                }
            }
            try backend.session.execute("UPDATE letters SET sender_id = NULL")
            #expect(try backend.hasNoOrphans(Self.key))
        }
    }

    /// Then a join answers, as it does without statistics.
    @Test(arguments: [
        "ANALYZE people, letters;", "CREATE INDEX ON letters (sender_id) WHERE id > 5; ANALYZE people, letters;",
        "CREATE INDEX ON letters (id, sender_id); ANALYZE people, letters;", "CREATE INDEX ON letters (sender_id);",
        "INSERT INTO people SELECT -i FROM generate_series(1, 500) AS s (i);" + index,
    ]) func `nothing is said where a look would be no less work than a join`(_ more: String) throws {
        try withTables(more) { backend in
            let isSaid = try backend.hasNoOrphans(Self.key)
            #expect(!isSaid)
        }
    }
}
