import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

/// Two tables read side by side by the hashes of their rows.
@Suite struct HashPassTests {
    private static let columns = ["id", "t", "n", "big", "at", "flag"]

    /// 2,000 rows, of which those from 900 to 1100 are the ones that the changes are about.
    private static func tables(_ key: String, _ id: String) -> String {
        """
        CREATE TABLE one (id \(key), t text, n numeric, big bigint, at timestamptz, flag boolean);
        INSERT INTO one SELECT \(id), 'text ' || i, 1.0, -1, '2024-03-01 12:00:00+00'::timestamptz + i * interval '1 s',
            i % 2 = 0 FROM generate_series(1, 2000) AS s (i);
        CREATE TABLE two (extra integer, flag boolean, at timestamptz, big bigint, n numeric, t text, id \(key) PRIMARY KEY);
        INSERT INTO two SELECT 1, flag, at, big, n, t, id FROM one;
        """
    }

    private static let keys = [
        ("integer", "i"), ("bigint", "i - 1000"), ("text", "'k' || i"),
        ("uuid", "('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid"),
    ]

    /// What is done to a table, where `ROW` is its 1,000th row by the key and `NEXT` the one after it.
    private static let changes = [
        "UPDATE two SET t = 'Text 1000' WHERE id = ROW",
        "UPDATE two SET t = '' WHERE id = ROW",
        "UPDATE two SET t = NULL WHERE id = ROW",
        "UPDATE two SET n = 1.00 WHERE id = ROW",
        "UPDATE two SET big = 4294967295 WHERE id = ROW",
        "UPDATE two SET at = at + interval '3 hours 30 minutes' WHERE id = ROW",
        "UPDATE two SET flag = NOT flag WHERE id = ROW",
        "UPDATE two AS a SET t = b.t FROM two AS b WHERE (a.id, b.id) IN ((ROW, NEXT), (NEXT, ROW))",
        "DELETE FROM two WHERE id = ROW",
        "DELETE FROM one WHERE id = ROW",
        "UPDATE one SET t = 'forged' WHERE id = ROW",
        "INSERT INTO one SELECT * FROM one WHERE id = ROW",
    ]

    @Test(arguments: keys) func `rows that differ are among the suspects, and few others`(_ type: String, _ id: String)
        throws
    {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(Self.tables(type, id))
        let (one, two) = (TableName("one"), TableName("two"))
        #expect(try backend.canHash(one, two, columns: Self.columns, key: "id"))

        func pass() throws -> HashPass {
            let pass = try backend.hashPass(one, two, columns: Self.columns, key: "id")
            let content = try backend.contentHash(of: one, columns: Self.columns)
            #expect(pass.content.rows == content.rows && pass.content.hash == content.hash)
            let rows = try backend.session.scalar("SELECT count(*) FROM two").asInt
            #expect(pass.rows == rows)
            return pass
        }
        #expect(try pass().suspects == .none)

        let row = try backend.session.scalar("SELECT id::text FROM two ORDER BY id LIMIT 1 OFFSET 999").asText ?? ""
        let next = try backend.session.scalar("SELECT id::text FROM two ORDER BY id LIMIT 1 OFFSET 1000").asText ?? ""
        for change in Self.changes {
            let statement = change.replacing("ROW", with: "\(row.quotedLiteral)::\(type)")
                .replacing("NEXT", with: "\(next.quotedLiteral)::\(type)")
            try backend.session.discardingChanges {
                try backend.session.execute(statement)
                guard case .some(let condition) = try pass().suspects else {
                    Issue.record("\(type): \(change)")
                    return
                }
                let found = try backend.session.query(
                    "SELECT id::text FROM one WHERE \(condition) UNION SELECT id::text FROM two WHERE \(condition)"
                ).map { $0[0].asText ?? "" }
                #expect(found.contains(row) && found.count < 200, "\(type): \(change)")
            }
        }
    }

    @Test func `where much differs, or a key is missing, every row is a suspect`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(Self.tables("integer", "i"))
        for change in ["UPDATE two SET t = t || '.'", "UPDATE one SET id = NULL WHERE id = 7"] {
            try backend.session.discardingChanges {
                try backend.session.execute(change)
                let pass = try backend.hashPass(TableName("one"), TableName("two"), columns: Self.columns, key: "id")
                #expect(pass.suspects == .all, "\(change)")
            }
        }
    }

    @Test func `columns of other types are not compared by their hashes`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        defer { withExtendedLifetime(database) {} }
        let backend = try makeBackend(database)
        try backend.session.execute(
            "CREATE TABLE one (id integer, t text); CREATE TABLE two (id integer PRIMARY KEY, t varchar(10))")
        let (one, two) = (TableName("one"), TableName("two"))
        #expect(try !backend.canHash(one, two, columns: ["id", "t"], key: "id"))
        #expect(try !backend.canHash(one, two, columns: ["id", "missing"], key: "id"))
        #expect(try backend.canHash(one, two, columns: ["id"], key: "id"))
    }
}
