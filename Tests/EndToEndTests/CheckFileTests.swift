import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// `verify --functional` and `verify --performance`: exact after the shipped upgrade, and not when something is broken.
@Suite struct CheckFileEndToEndTests {
    private func upgraded(_ dialect: Dialect, messages: String = sampleMessages) throws -> any Store {
        let store = try dialect.makeStore()
        try store.run(RoundTripTests.fixture("shape1", dialect))
        try store.run(messages)
        // Plans go by statistics, and autovacuum comes when it likes.
        if dialect == .postgresql { try store.run("VACUUM (ANALYZE)") }
        try migrate(["stamp", "0001"], on: store).checked()
        try migrate(["upgrade", "head"], on: store).checked()
        if dialect == .postgresql { try store.run("VACUUM (ANALYZE)") }
        return store
    }

    private static func rows(_ store: any Store) throws -> [String] {
        let session = try store.session()
        defer { session.close() }
        return try ["messages", "enhanced_messages", "message_status", "conversations", "attachments"].flatMap {
            table in
            try session.query("SELECT * FROM \(table) ORDER BY 1, 2").map { row in
                "\(table) " + row.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }
        }
    }

    private static func checks(_ result: CommandResult, _ name: String) throws -> [[String: Any]] {
        try #require(try result.object()["checks"] as? [[String: Any]]).filter { $0["check"] as? String == name }
    }

    @Test(arguments: Dialect.allCases)
    func `the shipped scenarios hold, and leave no row behind`(_ dialect: Dialect) throws {
        let store = try upgraded(dialect)
        let before = try Self.rows(store)
        let result = try migrate(["verify", "--functional", "--performance", "--json"], on: store)
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let functional = try Self.checks(result, "functional")
        #expect(functional.allSatisfy { $0["verdict"] as? String == "exact" })
        #expect(functional.count == (dialect == .postgresql ? 20 : 13))
        #expect(try Self.checks(result, "performance").count == 9)
        #expect(try Self.rows(store) == before)
        // Without being asked for they are not played.
        #expect(try Self.checks(try migrate(["verify", "--json"], on: store), "functional").isEmpty)
    }

    @Test func `scenarios through the view are left out once it is gone`() throws {
        let store = try upgraded(.postgresql)
        try migrate(["contract", "0002"], on: store).checked()
        let result = try migrate(["verify", "--functional", "--json"], on: store)
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let skipped = try Self.checks(result, "functional").filter { $0["verdict"] as? String == "skipped" }
        #expect(skipped.count == 7)
        #expect(skipped.allSatisfy { ($0["subject"] as? String)?.contains("through the old name") ?? false })
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var dialect: Dialect
        var statement: String
        /// The scenario that must fail.
        var scenario: String
        var testDescription: String { "\(dialect.rawValue) \(statement.prefix(60))" }
    }

    static let swallow = """
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER swallow BEFORE
        """

    @Test(arguments: [
        Fault(
            dialect: .postgresql, statement: "\(swallow) INSERT ON messages FOR EACH ROW EXECUTE FUNCTION swallow()",
            scenario: "0002, send and receive"),
        Fault(
            dialect: .postgresql,
            statement: "\(swallow) UPDATE OF is_read ON messages FOR EACH ROW EXECUTE FUNCTION swallow()",
            scenario: "0002, mark read"),
        Fault(
            dialect: .postgresql, statement: "ALTER TABLE messages DISABLE TRIGGER USER",
            scenario: "0003, send and receive"),
        Fault(
            dialect: .postgresql, statement: "ALTER TABLE enhanced_messages DISABLE TRIGGER USER",
            scenario: "0003, new code writes, old code reads"),
        Fault(
            dialect: .postgresql, statement: "ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk",
            scenario: "0002, attach"),
        Fault(
            dialect: .postgresql,
            statement: "CREATE RULE nothing AS ON INSERT TO direct_messages DO INSTEAD NOTHING",
            scenario: "0002, through the old name: send and receive"),
        Fault(
            dialect: .postgresql, statement: "ALTER TABLE messages ADD CHECK (reply_to_id IS NULL) NOT VALID",
            scenario: "0002, reply"),
        Fault(
            dialect: .sqlite,
            statement: "CREATE TRIGGER s AFTER INSERT ON messages BEGIN DELETE FROM messages WHERE id = NEW.id; END",
            scenario: "0002, send and receive"),
        Fault(
            dialect: .sqlite,
            statement:
                "CREATE TRIGGER s AFTER UPDATE OF is_deleted_by_sender ON messages BEGIN UPDATE messages SET is_deleted_by_recipient = 1 WHERE id = NEW.id; END",
            scenario: "0002, delete for one side"),
        Fault(
            dialect: .sqlite,
            statement:
                "CREATE TRIGGER s AFTER INSERT ON message_status BEGIN DELETE FROM message_status WHERE message_id = NEW.message_id; END",
            scenario: "0003, send and receive"),
    ])
    func `a scenario that fails is named with its line`(_ fault: Fault) throws {
        let store = try upgraded(fault.dialect)
        try store.run(fault.statement)
        let result = try migrate(["verify", "--functional", "--json"], on: store)
        #expect(result.status == 2)
        let failed = try Self.checks(result, "functional").filter { $0["verdict"] as? String == "differences" }
        let found = try #require(failed.first { $0["subject"] as? String == fault.scenario }, "\(failed)")
        let difference = try #require((found["differences"] as? [[String: Any]])?.first)
        let key = try #require(difference["key"] as? String)
        #expect(key.contains(".check.sql:") && key.split(separator: ":").count == 3)
    }

    // MARK: Performance

    @Test(arguments: Dialect.allCases)
    func `a plan that lost its index is found`(_ dialect: Dialect) throws {
        let text = try String(
            contentsOfFile: MigratorBinary.packageFolder + "/Tests/Fixtures/\(dialect.rawValue)/shape1_messages.sql",
            encoding: .utf8)
        let store = try upgraded(dialect, messages: text.replacingOccurrences(of: "{count}", with: "10000"))
        try migrate(["verify", "--performance"], on: store).checked()
        try store.run("DROP INDEX idx_messages_recipient_unread")
        if dialect == .postgresql { try store.run("VACUUM (ANALYZE)") }
        let result = try migrate(["verify", "--performance", "--json"], on: store)
        #expect(result.status == 2)
        let found = try Self.checks(result, "performance").filter { $0["verdict"] as? String == "differences" }
        #expect(found.contains { $0["subject"] as? String == "0002, unread count" })
        #expect(!found.contains { $0["subject"] as? String == "0002, search" })
        // PostgreSQL 18 skips over the first column of another index, which costs more.
        let skips = try dialect == .postgresql && PostgreSQLServer.shared().majorVersion >= 18
        #expect(result.standardOutput.contains(skips ? "buffers, more than twice the" : "the plan lost its index"))
    }

    private static func script(_ upgrade: String) -> String {
        """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:upgrade
        \(upgrade)
        -- migrator:downgrade
        SELECT 1;

        """
    }

    private static let check = """
        -- migrator:check 0001
        -- migrator:size growth=1.2 plus=500kB
        -- migrator:query one group
        -- migrator:parameters
        SELECT 7;
        SELECT sum(length(pad)) FROM notes WHERE grp = $1;

        """

    /// The same rows over many more pages, and a database that has grown beyond its bound: the index is still there.
    @Test(arguments: Dialect.allCases, [true, false])
    func `more than twice the buffers, and a size over the bound, are found`(_ dialect: Dialect, isFault: Bool) throws {
        let store = try dialect.makeStore()
        let numbers =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, i / 300, 'x' FROM n"
        try store.run(
            "CREATE TABLE notes (id integer PRIMARY KEY, grp integer, pad text); INSERT INTO notes \(numbers); CREATE INDEX notes_grp ON notes (grp); ANALYZE"
        )
        let pad = String(repeating: "abcdefghij", count: isFault ? 120 : 1)
        let project = try Project([
            "migrations/0001_pad.sql": Self.script("UPDATE notes SET pad = '\(pad)';"),
            "migrations/0001_pad.check.sql": Self.check,
        ])
        try project.run("--database", store.url, "upgrade", "head").checked()
        if dialect == .postgresql, !isFault { try store.run("VACUUM FULL notes") }
        let result = try project.run("--database", store.url, "verify", "--performance", "--json")
        #expect(result.status == (isFault ? 2 : 0), "\(result.standardOutput)\(result.standardError)")
        #expect(result.standardOutput.contains("more than twice") == isFault)
        #expect(result.standardOutput.contains("the bound is") == isFault)
        #expect(!result.standardOutput.contains("lost its index"))
    }

    // MARK: The files themselves

    @Test func `check reads the check files, and upgrade and verify refuse what is malformed`() throws {
        let store = try SQLiteStore()
        let text = "-- migrator:check 0001\n-- migrator:scenario s\n-- migrator:expect x\n  DELETE FROM t;\n"
        let project = try Project([
            "migrations/0001_t.sql": Self.script("CREATE TABLE t (id integer PRIMARY KEY);"),
            "migrations/0001_t.check.sql": text,
        ])
        for command in [["upgrade", "head"], ["check"], ["verify", "--functional"]] {
            if command[0] != "upgrade" { try store.run("SELECT 1") }
            let result = try project.run(["--database", store.url] + command)
            #expect(result.status == 65)
            #expect(result.errorCode == "not-a-query")
            #expect(result.standardError.contains("migrations/0001_t.check.sql:4:3"))
        }
    }

    @Test func `a check file without a script is refused by check`() throws {
        let store = try SQLiteStore()
        let project = try Project([
            "migrations/0001_t.sql": Self.script("CREATE TABLE t (id integer PRIMARY KEY);"),
            "migrations/0002_t.check.sql": "-- migrator:check 0002\n",
        ])
        try project.run("--database", store.url, "upgrade", "head").checked()
        let result = try project.run("--database", store.url, "check")
        #expect(result.status == 65)
        #expect(result.errorCode == "check-without-script")
        // The control.
        try FileManager.default.removeItem(atPath: project.path + "/migrations/0002_t.check.sql")
        #expect(try project.run("--database", store.url, "check").status == 0)
    }
}
