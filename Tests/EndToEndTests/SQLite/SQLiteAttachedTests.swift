import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// An application that has the migrated file ATTACHed: to its connection, the file is not `main`, and one trigger that
/// says so makes the whole file unreadable there ("malformed database schema").
@Suite struct SQLiteAttachedTests {
    /// A connection whose own database is another file.
    private func attach(_ store: SQLiteStore) throws -> SQLiteSession {
        let session = try SQLiteSession(path: store.folder.file("own.db"), access: .create)
        try session.execute("ATTACH \(store.path.quotedLiteral) AS chat; PRAGMA foreign_keys = ON")
        return session
    }

    @Test(arguments: [false, true])
    func `what an attached connection writes during an online switch is followed`(_ isRecursive: Bool) throws {
        let store = try SQLiteOddSchemaTests.makeStore(
            "CREATE UNIQUE INDEX one_each ON direct_messages (sender_id, created_at, content)")
        let folder = try TemporaryFolder()
        func run(_ command: String, _ target: String, while write: (SQLiteSession) throws -> Void) throws {
            try folder.write("", to: "postpone")
            let running = try MigratorBinary.start([
                "--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations", command, target,
                "--mode", "online", "--postpone-cut-over", folder.file("postpone"),
            ])
            #expect(running.waitForStandardError("ready to cut over"))
            let session = try attach(store)
            try session.execute("PRAGMA recursive_triggers = \(isRecursive ? 1 : 0)")
            try write(session)
            session.close()
            try FileManager.default.removeItem(atPath: folder.file("postpone"))
            let result = try running.wait()
            #expect(result.status == 0, "\(result.standardError)")
            try migrate(["verify"], on: store).checked()
        }
        func rows(_ table: String) throws -> [String] {
            try RoundTripTests.query(
                "SELECT id, is_read, content FROM \(table) WHERE id > 90000 OR id < 8 ORDER BY id", in: store
            ).map { $0.values.map { $0.asText ?? "" }.joined(separator: " ") }
        }
        let before = try rows("direct_messages")
        let columns = "(id, sender_id, recipient_id, created_at, content, is_read)"
        try run("upgrade", "0002") { session in
            try session.execute(
                """
                INSERT INTO chat.direct_messages \(columns) VALUES (90001, 1, 2, '2030-01-01', 'hello', 0);
                INSERT OR REPLACE INTO chat.direct_messages \(columns) VALUES (90002, 1, 2, '2030-01-01', 'hello', 1);
                UPDATE chat.direct_messages SET id = 90005 WHERE id = 5;
                DELETE FROM chat.direct_messages WHERE id = 6
                """)
        }
        let moved = before.first { $0.hasPrefix("5 ") }.map { "90005" + $0.dropFirst() } ?? ""
        let kept = before.filter { !$0.hasPrefix("5 ") && !$0.hasPrefix("6 ") }
        #expect(try rows("messages") == kept + ["90002 1 hello", moved])
        try run("downgrade", "0001") { session in
            try session.execute(
                """
                UPDATE chat.messages SET content = 'edited' WHERE id = 90002;
                DELETE FROM chat.messages WHERE id = 90005;
                INSERT INTO chat.messages \(columns) VALUES (90007, 1, 2, '2031-01-01', 'late', 0)
                """)
        }
        #expect(try rows("direct_messages") == kept + ["90002 1 edited", "90007 0 late"])
    }

    @Test(arguments: ["window", "online"])
    func `an attached connection writes either side of a two-way sync`(_ mode: String) throws {
        let store = try SQLiteOddSchemaTests.makeStore()
        try migrate(["upgrade", "0003", "--mode", mode], on: store).checked()
        let session = try attach(store)
        try session.execute(
            """
            INSERT INTO chat.messages (id, sender_id, recipient_id, content) VALUES (90001, 1, 2, 'old code');
            UPDATE chat.enhanced_messages SET content = 'new code' WHERE id = 90001;
            UPDATE chat.message_status SET status = 'read' WHERE message_id = 90001;
            INSERT INTO chat.enhanced_messages (id, conversation_id, sender_id, content)
                SELECT 90002, conversation_id, sender_id, 'sent by new code' FROM chat.messages WHERE id = 90001;
            DELETE FROM chat.messages WHERE id = 1
            """)
        let read = try session.query("SELECT content, is_read FROM chat.messages WHERE id > 90000 ORDER BY id")
        #expect(read.map { $0[0].asText } == ["new code", "sent by new code"])
        #expect(read[0][1].asInt == 1)
        #expect(try session.scalar("SELECT count(*) FROM chat.enhanced_messages WHERE id = 1").asInt == 0)
        #expect(try session.scalar("SELECT count(*) FROM chat.message_status WHERE message_id = 90002").asInt == 1)
        session.close()
        try migrate(["verify", "--full"], on: store).checked()
        try migrate(["downgrade", "0001", "--mode", mode], on: store).checked()
    }

    /// The author's own SELECT stands in the triggers, too.
    @Test func `a synced mapping that names main is refused`() throws {
        let folder = try TemporaryFolder()
        func script(_ table: String) -> String {
            """
            -- migrator:revision 0001
            -- migrator:revises base

            -- migrator:upgrade
            CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT);
            -- migrator:sync direct_messages -> names key=id mapping=select
            SELECT m.id, u.first_name AS name FROM direct_messages AS m JOIN \(table) AS u ON u.id = m.sender_id;

            -- migrator:downgrade
            -- migrator:unsync direct_messages -> names
            DROP TABLE names;
            """
        }
        let fresh = try SQLiteStore()
        try fresh.run(RoundTripTests.fixture("shape1", .sqlite))
        try fresh.run(RoundTripTests.fixture("shape1_messages", .sqlite, count: 50))
        try folder.write(script("main.users"), to: "0001_names.sql")
        let refused = try migrate(["upgrade", "0001"], on: fresh, migrations: folder.path)
        #expect(refused.status != 0 && refused.standardError.contains("main.users"), "\(refused.standardError)")
        try folder.write(script("users"), to: "0001_names.sql")
        try migrate(["upgrade", "0001"], on: fresh, migrations: folder.path).checked()
        let session = try attach(fresh)
        try session.execute(
            "INSERT INTO chat.direct_messages (id, sender_id, recipient_id, content) VALUES (9001, 1, 2, 'x')")
        #expect(try session.scalar("SELECT name FROM chat.names WHERE id = 9001").asText == "User 1")
        session.close()
    }
}
