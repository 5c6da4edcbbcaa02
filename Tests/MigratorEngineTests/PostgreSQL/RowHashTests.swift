import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

/// The hash of a row: of equal rows the same, of almost equal ones another.
@Suite struct RowHashTests {
    /// Values of a type that are to be told apart.
    private static let values: [(type: String, values: [String])] = [
        ("smallint", ["NULL", "0", "1", "-1"]),
        ("integer", ["NULL", "0", "1", "-1"]),
        ("bigint", ["NULL", "0", "-1", "4294967295", "4294967296", "1"]),
        ("oid", ["NULL", "0", "4294967295"]),
        ("boolean", ["NULL", "false", "true"]),
        ("text", ["NULL", "''", "' '", "'a'", "'A'", "'ä'", "'a\u{308}'", "'a '"]),
        ("varchar(9)", ["NULL", "''", "' '", "'a'", "'A'"]),
        ("name", ["NULL", "''", "'a'"]),
        ("numeric", ["NULL", "0", "1.0", "1.00", "'NaN'"]),
        ("float8", ["NULL", "'0'", "'-0'", "0.1", "0.30000000000000004", "0.3", "'NaN'"]),
        ("uuid", ["NULL", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"]),
        ("date", ["NULL", "'1970-01-01'", "'1970-01-02'", "'infinity'", "'-infinity'", "'5874897-12-31'"]),
        (
            "timestamp",
            [
                "NULL", "'epoch'", "'2000-01-01'", "'infinity'", "'-infinity'", "'4714-11-24 00:00:00 BC'",
                "'294276-12-31 23:59:59.999999'", "'2024-01-01 12:00:00'", "'2024-01-01 12:00:00.000001'",
                // Their halves, folded into one another, are the same.
                "'2000-01-01 00:00:00.000001'", "'2000-01-01 01:11:34.967296'",
            ]
        ),
        (
            "timestamptz",
            [
                "NULL", "'epoch'", "'infinity'", "'-infinity'", "'4714-11-24 00:00:00+00 BC'",
                "'2024-03-31 01:30:00+00'", "'2024-03-31 02:30:00+00'", "'2024-10-27 00:30:00+00'",
                "'2024-10-27 01:30:00+00'", "'2000-01-01 00:00:00.000001+00'", "'2000-01-01 01:11:34.967296+00'",
            ]
        ),
        ("interval", ["NULL", "'0'", "'1 day'", "'24 hours'", "'30 days'", "'1 month'"]),
        ("bytea", ["NULL", "''", "'\\x00'", "'\\x0000'"]),
        ("json", ["NULL", "'{}'", "'{ }'", "'{\"a\":1}'"]),
        ("jsonb", ["NULL", "'{\"a\":1}'", "'{\"a\":1.0}'", "'null'"]),
        ("int[]", ["NULL", "'{}'", "'{NULL}'", "'{1,2}'", "'{{1},{2}}'", "'[0:1]={1,2}'"]),
        ("point", ["NULL", "'(0,0)'", "'(0,1)'"]),
    ]

    @Test func `values that are not the same have other hashes, whatever stands beside them`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        // Local midnight would move within the year.
        try backend.session.execute("SET TimeZone = 'Europe/Berlin'")
        for (place, (type, values)) in Self.values.enumerated() {
            let table = TableName("t\(place)")
            try backend.session.execute("CREATE TABLE t\(place) (a \(type), b integer, c \(type))")
            var hashes: Set<String> = []
            for value in values {
                for row in ["\(value), 1, NULL", "NULL, 1, \(value)", "\(value), 1, \(value)"] {
                    try backend.session.execute("TRUNCATE t\(place); INSERT INTO t\(place) VALUES (\(row))")
                    hashes.insert(try backend.contentHash(of: table, columns: ["a", "b", "c"]).hash)
                }
            }
            // Of NULL, all three rows are one.
            #expect(hashes.count == 3 * values.count - 2, "\(type)")
        }
    }

    @Test func `a row has its hash whatever table it stands in, and rows that swap a value have others`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(
            """
            SET TimeZone = UTC;
            CREATE TABLE one (a integer, b text, c timestamptz, d timestamp, e timestamp);
            INSERT INTO one VALUES (1, 'x', 'epoch', 'epoch', 'epoch'), (2, 'y', NULL, NULL, NULL), (2, 'y', NULL, NULL, NULL);
            CREATE TABLE two (extra integer DEFAULT 7, e timestamp, d timestamp, c timestamptz, a integer NOT NULL,
                b text NOT NULL);
            INSERT INTO two (a, b, c, d, e) SELECT a, b, c, d, e FROM one ORDER BY a DESC
            """)
        func hash(_ table: String) throws -> String {
            try backend.contentHash(of: TableName(table), columns: ["a", "b", "c", "d", "e"]).hash
        }
        #expect(try hash("one") == hash("two"))
        for change in [
            "UPDATE two SET b = CASE b WHEN 'x' THEN 'y' ELSE 'x' END WHERE c IS NOT NULL OR ctid = '(0,1)'",
            "DELETE FROM two WHERE ctid = '(0,1)'", "DELETE FROM two WHERE a = 2",
            "INSERT INTO two (a, b, c) VALUES (2, 'y', NULL)",
            // All alike, so that one could cancel another.
            "UPDATE two SET c = '2024-01-01', d = '2024-01-01', e = '2024-01-01' WHERE a = 1",
            "UPDATE two SET c = '2024-01-01', d = '2024-01-01' WHERE a = 1",
            "UPDATE two SET d = '2024-01-01', e = '2024-01-01' WHERE a = 1",
            "UPDATE two SET a = extra, extra = a WHERE a = 1",
        ] {
            try backend.session.discardingChanges {
                try backend.session.execute(change)
                #expect(try hash("one") != hash("two"), "\(change)")
            }
        }
    }

    @Test func `a table of very many columns is hashed, the last one too`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        let columns = (1...1_500).map { "c\($0)" }
        try backend.session.execute(
            """
            CREATE TABLE wide (\(columns.map { "\($0) smallint" }.joined(separator: ", ")));
            INSERT INTO wide DEFAULT VALUES
            """)
        var hashes = [try backend.contentHash(of: TableName("wide"), columns: columns).hash]
        for column in ["c1", "c100", "c101", "c1500"] {
            try backend.session.execute("UPDATE wide SET \(column) = 0")
            hashes.append(try backend.contentHash(of: TableName("wide"), columns: columns).hash)
        }
        #expect(Set(hashes).count == hashes.count)
    }
}
