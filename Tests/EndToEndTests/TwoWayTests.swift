import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Two-way sync of the shipped scripts, on each database.
@Suite struct TwoWayTests {
    private static func migratedStore(_ dialect: Dialect, leavingOut mechanism: String = "") throws -> any Store {
        let store = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try MigratorBinary.run(
            ["--database", store.url, "--migrations", try ShippedScripts(strategy: "").path, "upgrade", "head"],
            environment: ["MIGRATOR_LEAVE_OUT": mechanism]
        ).checked()
        return store
    }

    /// What leads back no longer leaves the old table, and is not lost for that.
    @Test(arguments: Dialect.allCases) func `a message that new code puts into a group stays there`(
        _ dialect: Dialect
    ) throws {
        let store = try Self.migratedStore(dialect)
        try store.run("INSERT INTO conversations (kind) VALUES ('group')")
        let direct = try RoundTripTests.query("SELECT conversation_id FROM messages WHERE id = 5", in: store)[0][0]
            .asInt
        func move(to conversation: String) throws -> [Int?] {
            try store.run("UPDATE enhanced_messages SET conversation_id = \(conversation) WHERE id = 5")
            return try ["messages", "enhanced_messages"].map {
                try RoundTripTests.query("SELECT count(*) FROM \($0) WHERE id = 5", in: store)[0][0].asInt
            }
        }
        #expect(try move(to: "(SELECT id FROM conversations WHERE kind = 'group')") == [0, 1])
        #expect(try move(to: "\(direct ?? 0)") == [1, 1])
        try store.run("DELETE FROM enhanced_messages WHERE id = 5")
        #expect(try RoundTripTests.query("SELECT 1 FROM messages WHERE id = 5", in: store).isEmpty)
        #expect(try migrate(["verify"], on: store).status == 0)
    }

    /// What somebody has read in a group, he has read where it goes.
    @Test(arguments: Dialect.allCases) func `a message that comes from a group is as read as it was there`(
        _ dialect: Dialect
    ) throws {
        let store = try Self.migratedStore(dialect)
        let direct = try #require(
            RoundTripTests.query("SELECT conversation_id FROM messages WHERE id = 5", in: store)[0][0].asInt)
        let status = """
            UPDATE message_status SET status = 'read', read_at = '2026-01-01 00:00:00+00'
            WHERE message_id = 5 AND user_id = (SELECT recipient_id FROM messages WHERE id = 5)
            """
        try store.run(
            """
            INSERT INTO conversations (kind) VALUES ('group');
            UPDATE messages SET is_read = false, read_at = NULL WHERE id = 5;
            \(status);
            UPDATE enhanced_messages SET \(Self.toGroup) WHERE id = 5
            """)
        #expect(try RoundTripTests.query("SELECT 1 FROM messages WHERE id = 5", in: store).isEmpty)
        try store.run("UPDATE enhanced_messages SET conversation_id = \(direct) WHERE id = 5")
        let read = "SELECT 1 FROM messages WHERE id = 5 AND is_read AND read_at IS NOT NULL"
        #expect(try RoundTripTests.query(read, in: store).count == 1)
        // What old code writes stays as it wrote it.
        try store.run(
            """
            INSERT INTO messages (sender_id, recipient_id, content, is_read, read_at)
            VALUES (3, 1, 'new', false, '2026-01-01 00:00:00+00')
            """)
        let unread = "SELECT 1 FROM messages WHERE content = 'new' AND NOT is_read"
        #expect(try RoundTripTests.query(unread, in: store).count == 1)
        #expect(try migrate(["verify"], on: store).status == 0)
    }

    private static let toGroup = "conversation_id = (SELECT id FROM conversations WHERE kind = 'group')"

    /// Message 4 replies to message 1.
    static let writesOfBoth = [
        "DELETE FROM enhanced_messages WHERE id IN (1, 4)", "DELETE FROM enhanced_messages",
        "DELETE FROM messages WHERE id IN (1, 4)",
        "UPDATE enhanced_messages SET \(toGroup) WHERE id IN (1, 4)",
        "UPDATE enhanced_messages SET \(toGroup) WHERE id = 1",
        "UPDATE enhanced_messages SET \(toGroup) WHERE id = 4",
        "UPDATE enhanced_messages SET content = 'both' WHERE id IN (1, 4)",
        "UPDATE messages SET content = 'both' WHERE id IN (1, 4)",
        "DELETE FROM message_status WHERE message_id IN (1, 4); DELETE FROM enhanced_messages WHERE id IN (1, 4)",
    ]

    /// The reference goes with its parent, which is a write of the other side in the middle of this one.
    @Test(arguments: Dialect.allCases, writesOfBoth)
    func `a message and its reply are written by one statement`(_ dialect: Dialect, _ write: String) throws {
        let store = try Self.migratedStore(dialect)
        try store.run("INSERT INTO conversations (kind, title) VALUES ('group', 'g')")
        let isMove = write.contains(Self.toGroup)
        func rows(_ table: String, _ condition: String) throws -> [Int] {
            try RoundTripTests.query("SELECT id FROM \(table) WHERE \(condition) ORDER BY id", in: store).compactMap {
                $0[0].asInt
            }
        }
        try store.run(write)
        let written = [1, 4].filter { write.contains("\($0)") }
        if isMove {
            #expect(try rows("messages", "id IN (1, 4)") == [1, 4].filter { !written.contains($0) })
            #expect(try rows("enhanced_messages", Self.toGroup) == written)
            // A reply stays one where it goes along; SQLite goes from row to row.
            let isReply = written == [4] || written == [1, 4] && dialect == .postgresql
            #expect(try rows("enhanced_messages", "reply_to_id = 1") == (isReply ? [4] : []))
        } else {
            for table in ["messages", "enhanced_messages"] {
                #expect(try rows(table, "id IN (1, 4)") == (write.hasPrefix("DELETE") ? [] : [1, 4]), "\(table)")
            }
        }
        #expect(try rows("messages", "content = 'both'") == rows("enhanced_messages", "content = 'both'"))
        let result = try migrate(["verify"], on: store)
        #expect(result.status == 0, "\(result)")
    }

    /// What new code writes goes to `messages`, and comes back from there as what is there already.
    @Test func `a trigger of new code's table sees each write once`() throws {
        let store = try Self.migratedStore(.postgresql)
        try store.run(
            """
            CREATE TABLE seen (operation text, content text, position serial);
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO seen VALUES (TG_OP, coalesce(NEW.content, OLD.content)); RETURN NULL; END $$;
            CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON enhanced_messages
            FOR EACH ROW EXECUTE FUNCTION see();
            INSERT INTO enhanced_messages (id, conversation_id, sender_id, content)
            SELECT 1000, conversation_id, sender_id, 'new' FROM enhanced_messages WHERE id = 5;
            UPDATE enhanced_messages SET content = 'edited' WHERE id = 1000;
            UPDATE messages SET is_read = true WHERE id = 1000;
            UPDATE messages SET content = 'by old code' WHERE id = 1000;
            DELETE FROM enhanced_messages WHERE id = 1000
            """)
        let seen = try RoundTripTests.query("SELECT operation || ' ' || content FROM seen ORDER BY position", in: store)
        #expect(
            seen.map { $0[0].asText } == [
                "INSERT new", "UPDATE edited", "UPDATE by old code", "DELETE by old code",
            ])
    }

    @Test func `a write that a trigger of the other side swallows is refused`() throws {
        let store = try Self.migratedStore(.postgresql)
        try store.run(
            """
            CREATE FUNCTION drop_spam() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RETURN CASE WHEN NEW.content <> 'spam' THEN NEW END; END $$;
            CREATE TRIGGER drop_spam BEFORE INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION drop_spam()
            """)
        let insertion =
            "INSERT INTO enhanced_messages (conversation_id, sender_id, content) "
            + "SELECT conversation_id, sender_id, 'ham' FROM enhanced_messages WHERE id = 5"
        for write in [insertion, "UPDATE enhanced_messages SET content = 'ham' WHERE id = 5"] {
            #expect {
                try store.run(write.replacing("ham", with: "spam"))
            } throws: {
                "\($0)".contains("a row of enhanced_messages cannot be brought to messages")
            }
            try store.run(write)
        }
        try store.run("DROP FUNCTION drop_spam() CASCADE")
        #expect(try migrate(["verify"], on: store).status == 0)
    }

    /// To `messages` each of them is what it was before.
    static let writesOfTheSame = [
        "UPDATE enhanced_messages SET content = '' WHERE id = 5; UPDATE enhanced_messages SET content = NULL WHERE id = 5",
        "UPDATE enhanced_messages SET edited_at = created_at WHERE id = 5",
    ]

    @Test(arguments: Dialect.allCases, writesOfTheSame)
    func `a write that is the same on the other side becomes what it is there`(
        _ dialect: Dialect, _ write: String
    ) throws {
        let store = try Self.migratedStore(dialect)
        for _ in 1...2 { try store.run(write) }
        let result = try migrate(["verify"], on: store)
        #expect(result.status == 0, "\(result)")
    }

    /// Its snapshot shows the row that has gone beside the one that comes in its place: done, or to be tried again.
    @Test(arguments: ["messages", "enhanced_messages"])
    func `a message is written again that another transaction has deleted`(_ table: String) throws {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "head"], on: store).checked()
        let writer = try store.database.session()
        defer { writer.close() }
        try writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1")
        try store.run("DELETE FROM \(table) WHERE id = 5")
        let place = table == "messages" ? "recipient_id" : "conversation_id"
        let outcome = Result {
            try writer.execute(
                """
                INSERT INTO \(table) (id, sender_id, \(place), content)
                SELECT id, sender_id, \(place), 'again' FROM \(table) WHERE id = 5
                ON CONFLICT (id) DO UPDATE SET content = excluded.content;
                COMMIT
                """)
        }
        var expected = ["again"]
        if case .failure(let error) = outcome {
            #expect((error as? DatabaseError)?.sqlState == "40001", "\(error)")
            expected = []
        }
        for side in ["messages", "enhanced_messages"] {
            let rows = try RoundTripTests.query("SELECT content FROM \(side) WHERE id = 5", in: store)
            #expect(rows.map { $0[0].asText } == expected, "\(side)")
        }
        #expect(try migrate(["verify"], on: store).status == 0)
    }

    static let deletionsBesideAnEdit = [
        """
        WITH gone AS (DELETE FROM enhanced_messages WHERE id = 1 RETURNING id)
        UPDATE enhanced_messages e SET content = 'edited' FROM gone WHERE e.reply_to_id = gone.id
        """,
        """
        WITH edited AS (UPDATE enhanced_messages SET content = 'edited' WHERE id = 4 RETURNING reply_to_id)
        DELETE FROM enhanced_messages e USING edited WHERE e.id = edited.reply_to_id
        """,
    ]

    @Test(arguments: deletionsBesideAnEdit) func `a message goes while its reply is edited`(_ write: String) throws {
        let store = try Self.migratedStore(.postgresql)
        try store.run(write)
        for table in ["messages", "enhanced_messages"] {
            let rows = try RoundTripTests.query(
                "SELECT id, content, reply_to_id FROM \(table) WHERE id IN (1, 4)", in: store)
            #expect(rows.count == 1, "\(table)")
            #expect(rows.first?[1].asText == "edited" && rows.first?[2].asInt == nil, "\(table)")
        }
        let result = try migrate(["verify"], on: store)
        #expect(result.status == 0, "\(result)")
    }

    /// A trigger of the application's own changes a row beside the one that is led back, which was copied behind the
    /// writer's snapshot.
    @Test func `a row that is not seen on the other side is not left stale`() throws {
        let project = try Project([
            "migrations/postgresql/0001_b.sql": """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:message Copies

            -- migrator:upgrade
            CREATE TABLE copies (id integer PRIMARY KEY, body text);
            -- migrator:sync notes <-> copies key=id yields=copies

            -- migrator:downgrade
            DROP TABLE copies;
            """
        ])
        let store = try PostgreSQLStore()
        try store.run(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text);
            INSERT INTO notes VALUES (1, 'first');
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN UPDATE notes SET body = 'touched' WHERE id = 1; RETURN NULL; END $$;
            CREATE TRIGGER touch AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touch()
            """)
        let writer = try store.database.session()
        defer { writer.close() }
        try writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1")
        try project.run(["--database", store.url, "upgrade", "head"]).checked()
        #expect {
            try writer.execute("INSERT INTO copies VALUES (2, 'new')")
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "40001"
        }
    }

    @Test func `a reply that is led over as a whole comes back`() throws {
        let store = try Self.migratedStore(.postgresql, leavingOut: "leading-back")
        try store.run("DELETE FROM enhanced_messages WHERE id IN (1, 4)")
        #expect(try RoundTripTests.query("SELECT id FROM enhanced_messages WHERE id = 4", in: store).count == 1)
        #expect(try migrate(["verify"], on: store).status == 2)
    }

    /// A trigger of the application's own, the write that makes it fire, and what both tables are to hold then.
    struct OwnTrigger: Sendable, CustomTestStringConvertible {
        var event: String
        var body: String
        var write: String
        var content: String
        var condition = "pg_trigger_depth() = 0"
        var testDescription: String { "\(event): \(body)" }
    }

    private static let change = "UPDATE enhanced_messages SET content = 'later' WHERE id = 5"
    private static let insertion =
        "UPDATE enhanced_messages SET content = 'old' WHERE id = 5; "
        + "INSERT INTO enhanced_messages (conversation_id, sender_id) "
        + "SELECT conversation_id, sender_id FROM enhanced_messages WHERE id = 5"

    /// Those after a write fire before the migrator's, and write the row once more; those before it change the row.
    static let ownTriggers = [
        OwnTrigger(
            event: "a AFTER UPDATE ON enhanced_messages",
            body: "UPDATE enhanced_messages SET content = 'own' WHERE id = NEW.id", write: change, content: "own"),
        OwnTrigger(
            event: "a AFTER UPDATE ON enhanced_messages", body: "DELETE FROM enhanced_messages WHERE id = NEW.id",
            write: change, content: ""),
        OwnTrigger(
            event: "a AFTER INSERT ON enhanced_messages",
            body: "UPDATE enhanced_messages SET content = 'own' WHERE id = NEW.id", write: insertion,
            content: "old, own"),
        OwnTrigger(
            event: "a AFTER INSERT ON enhanced_messages", body: "DELETE FROM enhanced_messages WHERE id = NEW.id",
            write: insertion, content: "old"),
        OwnTrigger(
            event: "a AFTER DELETE ON enhanced_messages",
            body: "OLD.content := 'own'; INSERT INTO enhanced_messages SELECT OLD.*",
            write: "DELETE FROM enhanced_messages WHERE id = 5", content: "own"),
        OwnTrigger(
            event: "a AFTER UPDATE ON messages", body: "UPDATE messages SET content = 'own' WHERE id = NEW.id",
            write: "UPDATE messages SET content = 'later' WHERE id = 5", content: "own"),
        OwnTrigger(
            event: "a AFTER DELETE ON messages", body: "OLD.content := 'own'; INSERT INTO messages SELECT OLD.*",
            write: "DELETE FROM messages WHERE id = 5", content: "own"),
        OwnTrigger(
            event: "a AFTER INSERT ON messages", body: "DELETE FROM messages WHERE id = NEW.id",
            write: "INSERT INTO messages (sender_id, recipient_id, content) VALUES (3, 1, 'new')", content: "it's"),
        OwnTrigger(
            event: "a AFTER INSERT ON message_status",
            body: "UPDATE message_status SET status = 'read' WHERE message_id = NEW.message_id",
            write: "INSERT INTO messages (sender_id, recipient_id, content) VALUES (3, 1, 'new')", content: "it's, new",
            condition: "true"),
        // A counter of replies, and then a message that goes while its reply is written.
        OwnTrigger(
            event: "a AFTER INSERT ON enhanced_messages",
            body: "UPDATE enhanced_messages SET file_size = coalesce(file_size, 0) + 1 WHERE id = NEW.reply_to_id",
            write: """
                INSERT INTO enhanced_messages (conversation_id, sender_id, content, reply_to_id)
                SELECT conversation_id, sender_id, 'reply', 5 FROM enhanced_messages WHERE id = 5;
                BEGIN;
                INSERT INTO enhanced_messages (conversation_id, sender_id, content, reply_to_id)
                SELECT conversation_id, sender_id, 'again', 5 FROM enhanced_messages WHERE id = 5;
                WITH gone AS (DELETE FROM enhanced_messages WHERE id = 5 RETURNING id)
                UPDATE enhanced_messages e SET content = 'x' FROM gone WHERE e.reply_to_id = gone.id;
                COMMIT
                """, content: "x, x"),
        OwnTrigger(
            event: "z BEFORE INSERT ON messages", body: "NEW.recipient_id := 2",
            write: "DELETE FROM messages WHERE id = 5; "
                + "INSERT INTO messages (sender_id, recipient_id, content) VALUES (3, 1, 'new')",
            content: "new"),
        OwnTrigger(
            event: "z BEFORE UPDATE ON messages", body: "NEW.recipient_id := 2",
            write: "UPDATE messages SET content = 'moved' WHERE id = 5", content: "moved"),
        OwnTrigger(
            event: "z BEFORE UPDATE ON enhanced_messages", body: "NEW.content := 'own'", write: change, content: "own"),
    ]

    @Test(arguments: ownTriggers) func `a row that the application's trigger writes is led as it stands`(
        _ own: OwnTrigger
    ) throws {
        let store = try Self.store(after: own)
        for table in ["messages", "enhanced_messages"] {
            #expect(try Self.content(of: table, in: store) == own.content, "\(table)")
        }
        let result = try migrate(["verify"], on: store)
        #expect(result.status == 0, "\(result)")
    }

    @Test func `a row that is led as it was written first is stale`() throws {
        let store = try Self.store(after: Self.ownTriggers[0], leavingOut: "nested-order")
        #expect(try Self.content(of: "messages", in: store) == "later")
    }

    private static func store(after own: OwnTrigger, leavingOut mechanism: String = "") throws -> any Store {
        let store = try migratedStore(.postgresql, leavingOut: mechanism)
        try store.run(
            """
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \(own.body); RETURN NEW; END $$;
            CREATE TRIGGER \(own.event) FOR EACH ROW WHEN (\(own.condition)) EXECUTE FUNCTION own();
            \(own.write);
            DROP FUNCTION own() CASCADE
            """)
        return store
    }

    private static func content(of table: String, in store: any Store) throws -> String {
        try RoundTripTests.query("SELECT content FROM \(table) WHERE id NOT IN (1, 4, 9) ORDER BY id", in: store)
            .compactMap { $0[0].asText }.joined(separator: ", ")
    }
}
