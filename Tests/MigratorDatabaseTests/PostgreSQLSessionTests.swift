import MigratorDatabase
import MigratorTestSupport
import Testing

@Suite struct PostgreSQLSessionTests {
    @Test func valuesComeBackAsTheyWereSent() throws {
        let session = try PostgreSQLServer.shared().session()
        let row = try #require(
            try session.query(
                "SELECT $1::text AS t, $2::bigint AS i, $3::float8 AS r, $4::bytea AS b, $5::text AS n",
                ["a'b\u{1F600}", .integer(.max), .real(0.1), .blob([0, 255, 16]), .null]
            ).first)
        #expect(row["t"] == "a'b\u{1F600}")
        #expect(row.int("i") == .max)
        #expect(row["r"] == "0.1")
        #expect(row["b"] == "\\x00ff10")
        #expect(row["n"] == .null)
    }
}
