import Testing

@testable import MigratorScript

@Suite struct CheckFileTests {
    private static func parse(_ text: String, file: String = "0002_x.check.sql") throws -> CheckFile {
        try CheckFile.parse(bytes: Array(text.utf8), file: file, dialect: .postgresql)
    }

    @Test func `scenarios, queries and the bound are read`() throws {
        let file = try Self.parse(
            """
            -- migrator:check 0002
            -- migrator:size growth=1.5 plus=20MB

            -- migrator:scenario send, through the view
            -- migrator:through old.messages
            -- migrator:given there are users
            SELECT count(*) > 1 FROM users;
            INSERT INTO messages VALUES (1);
            -- migrator:expect it is there
            SELECT true;
            -- migrator:verify nothing is wrong
            SELECT 1 WHERE false;

            -- migrator:query load
            -- migrator:parameters
            SELECT 1;
            SELECT * FROM messages WHERE id = $1;
            -- migrator:before
            SELECT * FROM direct_messages;
            """)
        #expect(file.revision == "0002")
        #expect(file.size?.growth == 1.5 && file.size?.plus == 20_000_000)
        let scenario = try #require(file.scenarios.first)
        #expect(scenario.title == "send, through the view")
        #expect(scenario.through == TableName(schema: "old", "messages"))
        #expect(scenario.given.map(\.title) == ["there are users"])
        #expect(scenario.steps.count == 3)
        guard case .expect(let check) = scenario.steps[1] else {
            Issue.record("not an expectation")
            return
        }
        #expect(check.title == "it is there")
        #expect(check.query.location.line == 10)
        let query = try #require(file.queries.first)
        #expect(query.name == "load")
        #expect(query.after.parameters?.text == "SELECT 1")
        #expect(query.before?.parameters == nil)
        #expect(query.before?.query.text == "SELECT * FROM direct_messages")
    }

    struct Malformed: Sendable, CustomTestStringConvertible {
        var text: String
        var code: String
        var line: Int
        var file = "0002_x.check.sql"
        var testDescription: String { "\(code) \(text.prefix(60))" }
    }

    static let head = "-- migrator:check 0002\n"
    static let scenario = head + "-- migrator:scenario s\n"

    @Test(arguments: [
        Malformed(text: "SELECT 1;", code: "statement-outside-section", line: 1),
        Malformed(text: "", code: "missing-header", line: 1),
        Malformed(text: "-- migrator:scenario s\n", code: "missing-header", line: 1),
        Malformed(text: "-- migrator:check 0003\n", code: "header-mismatch", line: 1),
        Malformed(text: head, code: "header-mismatch", line: 1, file: "0003_x.check.sql"),
        Malformed(text: head + head, code: "duplicate-directive", line: 2),
        Malformed(text: head + "-- migrator:expects x\n", code: "unknown-directive", line: 2),
        Malformed(text: head + "-- migrator:expect x\nSELECT 1;", code: "misplaced-directive", line: 2),
        Malformed(text: head + "-- migrator:before\n", code: "misplaced-directive", line: 2),
        Malformed(text: head + "SELECT 1;", code: "statement-outside-section", line: 2),
        Malformed(text: scenario + "INSERT INTO t VALUES (1);", code: "empty-scenario", line: 2),
        Malformed(text: scenario + "-- migrator:expect x\n", code: "missing-statement", line: 3),
        Malformed(text: scenario + "-- migrator:expect\nSELECT 1;", code: "incomplete-directive", line: 3),
        Malformed(text: scenario + "-- migrator:expect x\n  DELETE FROM t;", code: "not-a-query", line: 4),
        Malformed(text: scenario + "COMMIT;\n", code: "transaction-control", line: 3),
        Malformed(
            text: scenario + "SELECT 1;\n-- migrator:through v\n", code: "misplaced-directive", line: 4),
        Malformed(text: head + "-- migrator:size\n", code: "incomplete-directive", line: 2),
        Malformed(text: head + "-- migrator:size growth=fast\n", code: "malformed-directive", line: 2),
        Malformed(text: head + "-- migrator:size plus=20QB\n", code: "malformed-directive", line: 2),
        Malformed(text: head + "-- migrator:size grow=2\n", code: "unknown-option", line: 2),
        Malformed(
            text: head + "-- migrator:query a\nSELECT 1;\n-- migrator:query a\nSELECT 2;", code: "duplicate-directive",
            line: 4),
        Malformed(text: head + "-- migrator:query a\nUPDATE t SET a = 1;", code: "not-a-query", line: 3),
        Malformed(text: scenario + "SELECT 'open;", code: "unterminated-quote", line: 3),
    ])
    func `what is malformed is named with its line`(_ example: Malformed) throws {
        do {
            _ = try Self.parse(example.text, file: example.file)
            Issue.record("accepted")
        } catch let error as ScriptError {
            #expect(error.code == example.code)
            #expect(error.location.line == example.line)
        }
    }
}
