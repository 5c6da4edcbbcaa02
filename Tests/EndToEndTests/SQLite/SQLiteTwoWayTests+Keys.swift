import MigratorDatabase
import MigratorTestSupport
import Testing

/// Which keys both sides take.
extension SQLiteTwoWayTests {
    /// SHAPES.md 2: what has no place on the other side is never written over.
    @Test func `rows without a place keep their ids`() throws {
        let store = try SQLiteStore()
        try store.run(try RoundTripTests.fixture("shape2", .sqlite))
        try migrate(["stamp", "0002"], on: store).checked()
        try migrate(["upgrade", "0003"], on: store).checked()
        func query(_ sql: String) throws -> [String] {
            try RoundTripTests.query(sql, in: store).map {
                $0.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }
        }
        try store.run("INSERT INTO messages (sender_id, group_id, content) VALUES (1, 7, 'to the group')")
        try store.run(
            "INSERT INTO enhanced_messages (conversation_id, sender_id, kind, content) VALUES (\(Self.pair(1, 2)), 1, 'text', 'new')"
        )
        #expect(
            try query("SELECT id, recipient_id, group_id, content, status FROM messages WHERE id > 12 ORDER BY id")
                == ["13|NULL|7|to the group|sent", "14|2|NULL|new|sent"])
        for status in ["delivered", "read"] {
            try store.run("UPDATE message_status SET status = '\(status)' WHERE message_id = 14")
            #expect(try query("SELECT status FROM messages WHERE id = 14") == [status])
        }
        try store.run("INSERT INTO conversations (kind) VALUES ('group')")
        try store.run("INSERT INTO enhanced_messages (id, conversation_id, sender_id) VALUES (40, \(Self.group), 1)")
        for (write, other) in [
            (
                "INSERT INTO enhanced_messages (id, conversation_id, sender_id) VALUES (13, \(Self.pair(1, 2)), 1)",
                "messages"
            ),
            (
                "INSERT INTO enhanced_messages (id, conversation_id, sender_id) VALUES (13, \(Self.group), 1)",
                "messages"
            ),
            ("INSERT INTO messages (id, sender_id, recipient_id) VALUES (40, 1, 2)", "enhanced_messages"),
            ("INSERT INTO messages (id, sender_id, group_id) VALUES (40, 1, 7)", "enhanced_messages"),
        ] {
            let error = #expect(throws: DatabaseError.self, "\(write)") { try store.run(write) }
            #expect(
                error?.message.contains("a row of \(other) that is not led to") == true, "\(String(describing: error))")
        }

        // One statement over both kinds: SQLite's counter is behind the last of them.
        let mixed = #expect(throws: DatabaseError.self) {
            try store.run(
                "INSERT INTO enhanced_messages (conversation_id, sender_id) VALUES (\(Self.pair(1, 2)), 1), (\(Self.group), 1)"
            )
        }
        #expect(mixed?.message.contains("cannot be inserted by one statement") == true)
        try store.run(
            "INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'both'), (1, NULL, 'nobody')")
        let next =
            "INSERT INTO enhanced_messages (conversation_id, sender_id, content) VALUES (\(Self.pair(1, 2)), 1, 'next')"
        #expect(throws: DatabaseError.self) { try store.run(next) }
        try store.run("UPDATE messages SET content = 'any' WHERE id = 1")
        try store.run(next)
        #expect(
            try query("SELECT id, content FROM messages WHERE id > 40 ORDER BY id")
                == ["41|both", "42|nobody", "43|next"])
        try migrate(["verify"], on: store).checked()
    }

    @Test func `a key that gives ids again is refused`() throws {
        let bench = try Bench(
            .sqlite,
            [
                "0001_t.sql": script(
                    "0001",
                    up: """
                        CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT);
                        CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
                        -- migrator:sync a <-> b key=id yields=b
                        """)
            ])
        let refused = try bench.run("upgrade head")
        #expect(refused.status == 4)
        #expect(refused.errorCode == "ids-not-kept")
        #expect(refused.standardError.contains("\"a\" does not keep those that it has given"))
    }

    /// By name, with a key of text, and a column more on either side.
    @Test(arguments: ["window", "online"]) func `a sync by name goes two ways`(_ mode: String) throws {
        let bench = try Bench(
            .sqlite,
            [
                "0001_t.sql": script(
                    "0001", up: "CREATE TABLE a (id TEXT PRIMARY KEY, v TEXT, own INTEGER DEFAULT 7);"),
                "0002_t.sql": script(
                    "0002", revises: "0001",
                    up: """
                        CREATE TABLE b (id TEXT PRIMARY KEY, v TEXT, new INTEGER DEFAULT 8);
                        -- migrator:sync a <-> b key=id yields=a
                        """),
            ])
        try bench.run("upgrade 0001").checked()
        try bench.store.run("INSERT INTO a (id, v) VALUES ('x', '1'), ('y', NULL)")
        try bench.run("upgrade 0002 --mode \(mode)").checked()
        try bench.store.run(
            """
            INSERT INTO b (id, v) VALUES ('z', '3'); UPDATE b SET v = '2', id = 'w' WHERE id = 'y'; UPDATE b SET new = 9;
            UPDATE a SET own = 1, v = '4' WHERE id = 'z'; DELETE FROM b WHERE id = 'x'
            """)
        func rows(_ table: String) throws -> [String] {
            try RoundTripTests.query("SELECT * FROM \(table) ORDER BY id", in: bench.store).map {
                $0.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }
        }
        #expect(try rows("a") == ["w|2|7", "z|4|1"])
        #expect(try rows("b") == ["w|2|9", "z|4|9"])
        #expect(try bench.run("verify").status == 0)
    }

    /// Another unique column than the key, on both sides.
    @Test(arguments: [false, true]) func `a row that is replaced is gone on both sides`(_ isRecursive: Bool) throws {
        let bench = try Bench(
            .sqlite,
            [
                "0001_t.sql": script(
                    "0001",
                    up: """
                        CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE);
                        CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE);
                        -- migrator:sync a <-> b key=id yields=b
                        """)
            ])
        try bench.run("upgrade head").checked()
        let session = try bench.store.session()
        defer { session.close() }
        try session.execute(
            """
            PRAGMA recursive_triggers = \(isRecursive ? 1 : 0);
            INSERT INTO a (v) VALUES ('x'), ('y'), ('z');
            INSERT OR REPLACE INTO a (v) VALUES ('x');
            INSERT OR REPLACE INTO b (v) VALUES ('y');
            UPDATE OR REPLACE b SET v = 'x' WHERE id = 3;
            INSERT OR IGNORE INTO b (v) VALUES ('x');
            INSERT OR IGNORE INTO a (v) VALUES ('n');
            """)
        func rows(_ table: String) throws -> [String] {
            try session.query("SELECT v FROM \(table) ORDER BY id").map { $0[0].asText ?? "" }
        }
        #expect(try rows("a") == ["x", "y", "n"])
        #expect(try rows("b") == ["x", "y", "n"])
        #expect(try session.query("SELECT id FROM a EXCEPT SELECT id FROM b").isEmpty)
        #expect(try bench.run("verify").status == 0)
    }
}
