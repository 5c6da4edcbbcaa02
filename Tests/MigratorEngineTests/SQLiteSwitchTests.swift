import MigratorDatabase
import MigratorScript
import Testing

@testable import MigratorEngine

@Suite struct SQLiteSwitchTests {
    @Test func upgradeAndDowngradeBringBackRowsDefinitionsAndNextIDs() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat)
        let schema = try bench.backend.schemaSnapshot(of: nil)
        let rows = try bench.rows("SELECT * FROM direct_messages ORDER BY id")
        try bench.work {
            _ = try bench.backend.backup(TableName("direct_messages"), context: bench.context())
            try bench.upgrade()
        }
        #expect(
            try bench.rows("SELECT id, content, updated_at FROM messages ORDER BY id") == [
                [1, "hello", .null], [2, "it's", .null],
            ])
        #expect(try bench.rows("SELECT count(*) FROM attachments") == [[2]])
        #expect(try bench.text("SELECT \"table\" FROM pragma_foreign_key_list('attachments')") == "messages")
        #expect(try bench.rows("SELECT content FROM unread ORDER BY id") == [["hello"], ["it's"]])
        // Another connection of the application, with foreign keys on.
        let writer = try SQLiteSession(path: bench.path, access: .readWrite)
        try writer.execute("PRAGMA foreign_keys = ON")
        try writer.execute(
            "INSERT INTO messages (sender_id, recipient_id, content, updated_at) VALUES (1, 2, 'new', 'u')")
        #expect(try writer.scalar("SELECT max(id) FROM messages") == 4)
        try writer.execute("INSERT INTO attachments VALUES (3, 4)")
        #expect(throws: DatabaseError.self) { try writer.execute("INSERT INTO attachments VALUES (4, 99)") }
        writer.close()
        try bench.work { try bench.downgrade() }
        #expect(try bench.rows("SELECT * FROM direct_messages WHERE id < 4 ORDER BY id") == rows)
        #expect(try bench.rows("SELECT id, content, legacy FROM direct_messages WHERE id = 4") == [[4, "new", .null]])
        #expect(try bench.backend.schemaSnapshot(of: nil) == schema)
        #expect(try bench.text("SELECT seq FROM sqlite_sequence WHERE name = 'direct_messages'") == "4")
        #expect(try bench.backend.ledger.backups().contains { $0.kind == .columns && $0.rows == 1 })
        try bench.work {
            _ = try bench.backend.backup(TableName("direct_messages"), context: bench.context())
            try bench.upgrade()
        }
        #expect(try bench.rows("SELECT count(*) FROM messages") == [[3]])
    }

    @Test func aValueThatAffinityWouldChangeStopsTheSwitch() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat)
        let definition = SQLiteWorkbench.messages.replacing("content TEXT", with: "content INTEGER")
        try bench.backend.session.execute("UPDATE direct_messages SET content = '007' WHERE id = 2")
        let failure = bench.failure { try bench.upgrade(definition) }
        #expect(failure?.code == "value-does-not-fit")
        #expect(failure?.status == .difference)
        #expect(failure?.message.contains("key 2") == true)
        #expect(failure?.message.contains("content") == true)
        #expect(try bench.rows("SELECT count(*) FROM direct_messages") == [[2]])
    }

    @Test func aRowThatAConstraintRefusesIsNamed() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat)
        let definition = SQLiteWorkbench.messages.replacing(
            "content TEXT NOT NULL", with: "content TEXT NOT NULL CHECK (content <> 'it''s')")
        let failure = bench.failure { try bench.upgrade(definition) }
        #expect(failure?.code == "value-does-not-fit")
        #expect(failure?.message.contains("id = 2") == true)
    }

    @Test func rowsThatTheMappingLeavesOutStopTheSwitchUnlessTheyAreExceptions() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat)
        let mapping = """
            SELECT id, sender_id, recipient_id, content, is_read, reply_to_id, created_at
            FROM direct_messages WHERE id <> 2
            """
        #expect(bench.failure { try bench.upgrade(mapping: mapping) }?.code == "rows-not-moved")
        try bench.work {
            _ = try bench.backend.backup(TableName("direct_messages"), context: bench.context())
            _ = try bench.backend.recordExceptions(
                Exceptions(
                    table: TableName("direct_messages"), key: "id",
                    mapping: bench.statement("SELECT id, 'left out' AS reason FROM direct_messages WHERE id = 2")),
                context: bench.context())
            try bench.backend.session.execute("DELETE FROM attachments WHERE id = 2")
            try bench.upgrade(mapping: mapping)
        }
        #expect(try bench.rows("SELECT id FROM messages") == [[1]])
        try bench.work { try bench.downgrade() }
        #expect(try bench.rows("SELECT id, content FROM direct_messages ORDER BY id") == [[1, "hello"], [2, "it's"]])
    }

    @Test func aTableOfTheSameNameThatIsSomethingElseIsRefused() throws {
        let bench = try SQLiteWorkbench(
            "CREATE TABLE direct_messages (channel_id INTEGER PRIMARY KEY, user_one_id INTEGER, user_two_id INTEGER)")
        let failure = bench.failure { try bench.upgrade() }
        #expect(failure?.code == "not-the-source")
        #expect(failure?.status == .refused)
        let empty = try SQLiteWorkbench("CREATE TABLE other (id INTEGER)")
        #expect(empty.failure { try empty.upgrade() }?.code == "source-missing")
    }

    @Test func rowsThatTheOldShapeCannotHoldAreLossToBeAccepted() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat)
        try bench.work {
            try bench.upgrade(SQLiteWorkbench.messages.replacing("content TEXT NOT NULL", with: "content TEXT"))
        }
        try bench.backend.session.execute("INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, NULL)")
        let failure = bench.failure { try bench.downgrade() }
        #expect(failure?.code == "would-lose-rows")
        #expect(failure?.message.contains("key 4") == true)
        bench.options.acceptedLoss = 1
        try bench.work { try bench.downgrade() }
        #expect(try bench.rows("SELECT count(*) FROM direct_messages") == [[2]])
    }

    @Test func anUnregisteredBackupIsRefusedOrSetAside() throws {
        let bench = try SQLiteWorkbench(SQLiteWorkbench.chat + "CREATE TABLE direct_messages_backup (id INTEGER);")
        func backup() throws { _ = try bench.backend.backup(TableName("direct_messages"), context: bench.context()) }
        #expect(bench.failure(backup)?.code == "backup-exists")
        bench.options.setsAside = true
        #expect(bench.failure(backup) == nil)
        #expect(try bench.backend.ledger.backups().map(\.kind) == [.setAside, .table])
    }

    @Test func triggersKeepTheTargetEqualWhateverTheWriterSays() throws {
        let bench = try SQLiteWorkbench(
            """
            CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, sender INTEGER, recipient INTEGER, body TEXT,
                is_read INTEGER DEFAULT 0, conversation_id INTEGER);
            CREATE TABLE conversations (id INTEGER PRIMARY KEY AUTOINCREMENT, lo INTEGER, hi INTEGER, UNIQUE (lo, hi));
            CREATE TABLE enhanced (id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL, body TEXT);
            CREATE TABLE states (message_id INTEGER PRIMARY KEY, status TEXT NOT NULL);
            INSERT INTO messages (sender, recipient, body) VALUES (1, 2, 'a'), (2, 1, 'b'), (3, 3, 'c');
            """)
        let backend = bench.backend
        func name(_ name: String) -> TableName { TableName(name) }
        try bench.work {
            _ = try backend.performEnsure(
                Ensure(
                    source: name("messages"), target: name("conversations"), on: ["lo", "hi"],
                    mapping: bench.statement(
                        "SELECT DISTINCT min(sender, recipient) AS lo, max(sender, recipient) AS hi FROM messages")),
                beforeRow: true, context: bench.context(item: 0))
            _ = try backend.performFill(
                Fill(
                    table: name("messages"), key: "id",
                    mapping: bench.statement(
                        """
                        SELECT m.id, c.id AS conversation_id FROM messages m
                        JOIN conversations c ON c.lo = min(m.sender, m.recipient) AND c.hi = max(m.sender, m.recipient)
                        """)), context: bench.context(item: 1))
            _ = try backend.performSync(
                Sync(
                    source: name("messages"), target: name("enhanced"), key: "id",
                    mapping: bench.statement("SELECT id, conversation_id, body FROM messages")),
                context: bench.context(item: 2))
            _ = try backend.performEnsure(
                Ensure(
                    source: name("messages"), target: name("states"), on: ["message_id"],
                    raise: .init(column: "status", order: ["sent", "read"]),
                    mapping: bench.statement(
                        "SELECT id AS message_id, CASE WHEN is_read THEN 'read' ELSE 'sent' END AS status FROM messages"
                    )),
                beforeRow: false, context: bench.context(item: 3))
        }
        let writer = try SQLiteSession(path: bench.path, access: .readWrite)
        defer { writer.close() }
        for recursive in ["OFF", "ON"] {
            try writer.execute("PRAGMA recursive_triggers = \(recursive)")
            for sql in [
                "INSERT INTO messages (sender, recipient, body) VALUES (5, 4, 'd')",
                "INSERT OR REPLACE INTO messages (id, sender, recipient, body) VALUES (1, 1, 9, 'replaced')",
                "INSERT OR IGNORE INTO messages (id, sender, recipient, body) VALUES (2, 8, 8, 'ignored')",
                "INSERT INTO messages (id, sender, recipient, body) VALUES (2, 2, 1, 'x') ON CONFLICT (id) DO UPDATE SET body = 'upserted'",
                "UPDATE messages SET is_read = 1 WHERE id = 2",
                "UPDATE messages SET is_read = 0 WHERE id = 2",
                "UPDATE OR REPLACE messages SET id = id + 100 WHERE id = 3",
                "DELETE FROM messages WHERE id = 103",
                "INSERT INTO messages (id, sender, recipient, body) VALUES (3, 3, 3, 'again')",
            ] {
                try writer.execute(sql)
                #expect(
                    try writer.query(
                        "SELECT * FROM (SELECT id, conversation_id, body FROM messages EXCEPT SELECT id, conversation_id, body FROM enhanced)"
                    ).isEmpty, "\(sql)")
                #expect(
                    try writer.scalar("SELECT (SELECT count(*) FROM messages) = (SELECT count(*) FROM enhanced)") == 1,
                    "\(sql)")
            }
        }
        #expect(try writer.scalar("SELECT count(*) FROM messages WHERE conversation_id IS NULL") == 0)
        #expect(try writer.scalar("SELECT status FROM states WHERE message_id = 2") == "read")
        try writer.execute("INSERT INTO messages (id, sender, recipient, body) VALUES (500, 6, 7, 'e')")
        #expect(try writer.scalar("SELECT last_insert_rowid()") == 500)
        #expect(try writer.scalar("SELECT changes()") == 1)
        try bench.work { try backend.removeTriggers(ofRevision: "0002", context: bench.context(.downgrade)) }
        #expect(try bench.rows("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'") == [[0]])
    }

    @Test(arguments: [
        "SELECT max(id) AS id, body FROM messages GROUP BY body",
        "SELECT DISTINCT id, body FROM messages",
        "SELECT id, body FROM messages LIMIT 5",
        "SELECT id, body FROM main.messages",
        "SELECT a.id, b.body FROM messages a JOIN messages b ON b.id = a.id",
        "SELECT id, datetime('now') AS body FROM messages",
        "SELECT id, CURRENT_TIMESTAMP AS body FROM messages",
        "SELECT id, random() AS body FROM messages",
        "SELECT id, row_number() OVER (ORDER BY id) AS body FROM messages",
        "SELECT id, body FROM messages_view",
        "SELECT id + 1 AS id, body FROM messages",
    ]) func aMappingThatIsNotRowLocalIsRefused(mapping: String) throws {
        let bench = try SQLiteWorkbench(
            """
            CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT);
            CREATE TABLE copies (id INTEGER PRIMARY KEY, body TEXT);
            CREATE VIEW messages_view AS SELECT * FROM messages;
            INSERT INTO messages VALUES (1, 'a'), (2, 'b');
            """)
        let failure = bench.failure {
            _ = try bench.backend.performSync(
                Sync(
                    source: TableName("messages"), target: TableName("copies"), key: "id",
                    mapping: bench.statement(mapping)), context: bench.context())
        }
        #expect(failure?.code == "mapping-not-row-local")
    }

    @Test func theMigrationLockIsHeldOnceAndFreedByRelease() throws {
        let bench = try SQLiteWorkbench("CREATE TABLE t (a)")
        let other = try SQLiteBackend.open(path: bench.path, access: .writing)
        try bench.backend.acquireMigrationLock(options: RunOptions(), reporter: SilentReporter())
        #expect(throws: MigratorError.self) {
            try other.acquireMigrationLock(options: RunOptions(), reporter: SilentReporter())
        }
        bench.backend.releaseMigrationLock()
        try other.acquireMigrationLock(options: RunOptions(), reporter: SilentReporter())
        other.releaseMigrationLock()
        other.session.close()
    }
}
