import MigratorDatabase
import MigratorScript
import Testing

@testable import MigratorEngine

@Suite struct SQLTextTests {
    @Test func `parameters are filled in where they are parameters`() {
        let parameters: [SQLValue] = [.text("it's $2"), .integer(-7), .null]
        for (sql, filled) in [
            ("SELECT $1, $2, $3", "SELECT 'it''s $2', -7, NULL"),
            ("SELECT '$1', \"$2\", $2", "SELECT '$1', \"$2\", -7"),
            ("SELECT 'a''$1', $2", "SELECT 'a''$1', -7"),
            ("SELECT $$ $1 $$, $x$ $1 $x$, $2", "SELECT $$ $1 $$, $x$ $1 $x$, -7"),
            ("SELECT 1 -- $1\n, $2 /* $2 */", "SELECT 1 -- $1\n, -7 /* $2 */"),
            ("SELECT $4, $", "SELECT $4, $"),
        ] {
            #expect(SQLText.filled(sql, parameters) { SQLText.literal($0, .postgresql) } == filled)
        }
    }

    @Test func `values keep their storage class in SQLite`() throws {
        let session = try SQLiteSession(path: ":memory:", access: .create)
        defer { session.close() }
        let values: [SQLValue] = [
            .null, .integer(.min + 1), .integer(0), .real(0.1), .real(1e300), .real(-.infinity),
            .real(.leastNonzeroMagnitude),
            .real(3),
            .text(""), .text("it's\n$1"), .text("a\u{0}b"), .blob([]), .blob([0, 255, 39]),
        ]
        for value in values {
            #expect(try session.scalar("SELECT \(SQLText.literal(value, .sqlite))") == value)
        }
    }

    @Test func `the tool's own function is written in SQLite's words`() throws {
        let session = try SQLiteSession(path: ":memory:", access: .create)
        defer { session.close() }
        for (left, right) in [
            ("1", "1"), ("1", "1.0"), ("'a,)'", "('a,)')"), ("NULL", "NULL"), ("NULL", "0"), ("x'00'", "'a'"),
            ("'A'", "'a'"),
        ] {
            let text = "SELECT NOT migrator_same(\(left), \(right)) AND 1"
            #expect(!text.withoutOwnFunctions.contains("migrator_same"))
            #expect(try session.scalar(text) == session.scalar(text.withoutOwnFunctions))
        }
    }

    @Test func `a script's statement ends where its text does`() {
        let script = SQLScript(.sqlite)
        script.add("SELECT 1 -- one")
        script.add("SELECT 2; ")
        script.add("")
        #expect(script.text == "SELECT 1 -- one\n;\nSELECT 2;\n")
    }
}
