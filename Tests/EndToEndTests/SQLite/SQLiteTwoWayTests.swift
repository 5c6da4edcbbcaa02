import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// From 0003 on old code writes `messages` and new code the new tables, and each sees what the other does.
@Suite struct SQLiteTwoWayTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var mode: String
        var isRecursive: Bool
        var testDescription: String { "\(mode), recursive_triggers \(isRecursive ? "on" : "off")" }
    }
    static let examples = ["window", "online"].flatMap { mode in
        [false, true].map { Example(mode: mode, isRecursive: $0) }
    }

    @Test(arguments: examples) func `what either side writes is there on the other`(_ example: Example) throws {
        let store = try Self.makeStore(mode: example.mode)
        let session = try store.session()
        try session.execute("PRAGMA recursive_triggers = \(example.isRecursive ? "on" : "off")")
        for write in Self.writes {
            try session.execute(write.sql)
            let found = try session.query(write.query).map {
                $0.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }
            #expect(found == write.expected, "\(write.sql)")
            #expect(try Self.differences(in: session).isEmpty, "\(write.sql)")
        }
        for check in ["integrity_check", "foreign_key_check"] {
            #expect(try session.query("PRAGMA \(check)").allSatisfy { $0[0].asText == "ok" })
        }
        session.close()
        let verified = try migrate(["verify"], on: store)
        #expect(verified.status == 0, "\(verified.standardOutput)")

        // The messages of the group are what only the new tables hold.
        let back = try migrate(["downgrade", "0002", "--mode", example.mode], on: store).checked()
        #expect(
            back.standardError.contains("3 rows that only enhanced_messages holds are kept"), "\(back.standardError)")
        let schema = try RoundTripTests.query(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' OR name = 'enhanced_messages'", in: store)
        #expect(schema.isEmpty)
        #expect(
            try RoundTripTests.query("SELECT id FROM messages ORDER BY id", in: store).map { $0[0].asInt } == [5, 9])
    }

    static func makeStore(mode: String = "window", environment: [String: String] = [:]) throws -> SQLiteStore {
        let store = try SQLiteStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "0003", "--mode", mode], on: store, environment: environment).checked()
        return store
    }

    /// What one side has and the other has not, found without the code under test.
    static func differences(in session: any Session) throws -> [String] {
        let old = """
            SELECT id, conversation_id, sender_id, type, content, reply_to_id, file_url, file_name, created_at,
                CASE WHEN updated_at > created_at THEN updated_at END,
                CASE WHEN is_deleted THEN coalesce(deleted_at, updated_at, created_at) ELSE deleted_at END FROM messages
            """
        let new = """
            SELECT e.id, conversation_id, sender_id, e.kind, content, reply_to_id, file_url, file_name, e.created_at,
                edited_at, deleted_at FROM enhanced_messages e JOIN conversations c ON c.id = e.conversation_id
            WHERE c.kind = 'direct'
            """
        var found = try session.query("\(old) EXCEPT \(new)").map { "only messages: \($0)" }
        found += try session.query("\(new) EXCEPT \(old)").map { "only enhanced_messages: \($0)" }
        found += try session.query(
            """
            SELECT m.id, s.status FROM messages m
            LEFT JOIN message_status s ON s.message_id = m.id AND s.user_id = m.recipient_id
            WHERE s.status IS NOT CASE WHEN m.is_read OR m.read_at IS NOT NULL THEN 'read' ELSE 'sent' END
            """
        ).map { "status: \($0)" }
        return found
    }

    struct OwnTriggers: Sendable, CustomTestStringConvertible {
        var comeFirst: Bool
        var isRecursive: Bool
        var testDescription: String {
            "\(comeFirst ? "before" : "after") the tool's, recursive_triggers \(isRecursive ? "on" : "off")"
        }
    }
    static let ownTriggers = [false, true].flatMap { first in
        [false, true].map { OwnTriggers(comeFirst: first, isRecursive: $0) }
    }

    /// SQLite does not say in which order triggers of one event run; it is that of their making, backwards.
    @Test(arguments: ownTriggers) func `triggers of the application are followed on both sides`(
        _ example: OwnTriggers
    ) throws {
        let store = try Self.makeStore()
        let own = """
            CREATE TRIGGER own_new AFTER UPDATE OF content ON enhanced_messages WHEN NEW.content IS NOT OLD.content BEGIN
                UPDATE enhanced_messages SET edited_at = '2030-01-01' WHERE id = NEW.id;
            END;
            CREATE TRIGGER own_old AFTER UPDATE OF content ON messages WHEN NEW.content IS NOT OLD.content BEGIN
                UPDATE messages SET updated_at = '2030-01-02', is_deleted = 1 WHERE id = NEW.id;
            END;
            CREATE TRIGGER own_reply AFTER INSERT ON messages WHEN NEW.content = 'ping' BEGIN
                INSERT INTO messages (sender_id, recipient_id, content) VALUES (NEW.recipient_id, NEW.sender_id, 'pong');
            END;
            """
        let session = try store.session()
        let tools = try session.query("SELECT sql FROM sqlite_schema WHERE name GLOB 'migrator_*messages_*'").map {
            $0[0].asText ?? ""
        }
        let names = try session.query("SELECT name FROM sqlite_schema WHERE name GLOB 'migrator_*messages_*'")
        try session.execute("PRAGMA recursive_triggers = \(example.isRecursive ? 1 : 0)")
        try session.execute(own)
        if example.comeFirst {
            for name in names { try session.execute("DROP TRIGGER \(name[0].asText ?? "")") }
            for sql in tools { try session.execute(sql) }
        }
        for write in [
            "UPDATE enhanced_messages SET content = 'by new' WHERE id = 4",
            "UPDATE messages SET content = 'by old' WHERE id = 5",
            "UPDATE enhanced_messages SET content = content || '!'", "UPDATE messages SET content = content || '?'",
            "INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 3, 'ping')",
            "INSERT INTO enhanced_messages (conversation_id, sender_id, content) VALUES (\(Self.pair(1, 3)), 3, 'ping')",
            "DELETE FROM messages WHERE id = 4",
        ] {
            try session.execute(write)
            #expect(try Self.differences(in: session).isEmpty, "\(write)")
        }
        let content = try session.query(
            "SELECT content, updated_at IS NOT NULL, is_deleted FROM messages WHERE id IN (1, 5) ORDER BY id"
        ).map { $0.values.map { $0.asText ?? "" }.joined(separator: " ") }
        #expect(content == ["hello!? 1 1", "by old!? 1 1"])
        #expect(try session.query("SELECT 1 FROM enhanced_messages WHERE content = 'pong'").count == 2)
        try session.execute("DROP TRIGGER own_new; DROP TRIGGER own_old; DROP TRIGGER own_reply")
        session.close()
        #expect(try migrate(["verify"], on: store).status == 0)
    }

    // MARK: Noticed

    @Test func `a write that only one side has is found by verify`() throws {
        let store = try Self.makeStore(environment: ["MIGRATOR_LEAVE_OUT": "way-back"])
        #expect(try migrate(["verify"], on: store).status == 0)
        try store.run("UPDATE enhanced_messages SET content = 'unheard' WHERE id = 4")
        let session = try store.session()
        #expect(try !Self.differences(in: session).isEmpty)
        session.close()
        let verified = try migrate(["verify", "--json"], on: store)
        #expect(verified.status == 2)
        #expect(verified.standardOutput.contains("messages -> enhanced_messages"))
    }

    @Test(arguments: ["enhanced_messages_insert", "enhanced_messages_delete", "message_status_update"])
    func `a trigger that somebody dropped is found by verify`(_ trigger: String) throws {
        let store = try Self.makeStore()
        try store.run("DROP TRIGGER migrator_\(trigger)")
        let verified = try migrate(["verify"], on: store)
        #expect(verified.status == 2)
        #expect(verified.standardOutput.contains(trigger), "\(verified.standardOutput)")
    }

    /// What cannot be written on the other side is refused on this one, whatever conflict clause it comes with.
    @Test(arguments: ["INSERT", "INSERT OR IGNORE"])
    func `what the other side cannot hold is refused`(_ insert: String) throws {
        let store = try Self.makeStore()
        try store.run(
            "CREATE TRIGGER never BEFORE INSERT ON messages WHEN NEW.content = 'no' BEGIN SELECT RAISE(IGNORE); END")
        let error = #expect(throws: DatabaseError.self) {
            try store.run("\(insert) INTO enhanced_messages (conversation_id, sender_id, content) VALUES (1, 1, 'no')")
        }
        #expect(error?.message.contains("a row of enhanced_messages cannot be brought to messages") == true)
        let session = try store.session()
        defer { session.close() }
        #expect(try Self.differences(in: session).isEmpty)
    }
}
