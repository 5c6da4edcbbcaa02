import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Each mechanism that keeps two tables equal, left out on purpose: the comparison before the cut-over notices, names the
/// row, and nothing is cut over. With the mechanism in place the same writes do no harm.
@Suite struct NegativeControlTests {
    struct Control: Sendable, CustomTestStringConvertible {
        var leftOut: String
        /// Made behind the last batch, under REPEATABLE READ, with a snapshot from before the row was copied; else at once.
        var isOlder = false
        var write: String
        /// What the writer sees with the mechanism in place; nil for nothing.
        var expected: String?
        /// The key that is found to differ.
        var key: String

        var testDescription: String { leftOut }
    }

    static let controls = [
        Control(
            leftOut: "guard", isOlder: true, write: "DELETE FROM direct_messages WHERE id = 1500", expected: "40001",
            key: "1500"),
        Control(
            leftOut: "upsert", isOlder: true, write: "UPDATE direct_messages SET content = 'later' WHERE id = 1500",
            expected: "40001", key: "1500"),
        Control(
            leftOut: "early-trigger", write: "UPDATE direct_messages SET content = 'later' WHERE id = 5", key: "5"),
        // A trigger of the application's own writes the message.
        Control(leftOut: "nested-writes", write: "UPDATE users SET first_name = 'later' WHERE id = 2", key: "5"),
    ]

    @Test(arguments: controls, [false, true])
    func `what a mechanism prevents is found where it is left out`(_ control: Control, isLeftOut: Bool) throws {
        let setting = try Setting()
        let running = try setting.start(environment: isLeftOut ? ["MIGRATOR_LEAVE_OUT": control.leftOut] : [:])
        let writer = try setting.store.database.session()
        if control.isOlder {
            try writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM direct_messages LIMIT 1")
            setting.goOn()
            try setting.waitFor(Setting.isIndexBegun)
        }
        var seen: String?
        do {
            try writer.execute(control.write)
            if control.isOlder { try writer.execute("COMMIT") }
        } catch {
            seen = error.sqlState
            writer.rollback()
        }
        writer.close()
        if !control.isOlder { setting.goOn() }
        let result = try running.wait()
        if isLeftOut {
            #expect(result.status == 2, "\(result.standardError)")
            #expect(result.standardError.contains("messages \(control.key): "), "\(result.standardError)")
            #expect(
                try setting.store.database.psql("SELECT relkind FROM pg_class WHERE oid = 'direct_messages'::regclass")
                    == "r\n")
            try setting.migrate("downgrade", "0001").checked()
            #expect(try setting.store.database.psql("SELECT to_regclass('messages') IS NULL") == "t\n")
        } else {
            #expect(seen == control.expected)
            #expect(result.status == 0, "\(result.standardError)")
            try setting.migrate("verify").checked()
        }
    }

    struct Deletion: Sendable {
        var key: Int
        /// Whether it commits behind the last batch.
        var isLate: Bool
    }

    static let deletions = [1431, 1500].flatMap { key in
        [false, true].map { Deletion(key: key, isLate: $0) }
    }

    /// A batch waits for the slow writer. It has copied message 1,431, which nobody answers, has still to write 1,500, and
    /// sees both. The deletion commits before the batch, or after the last one.
    @Test(arguments: deletions, [nil, "deletion-log", "older-writers"])
    func `a row that is deleted beside its batch does not stay`(_ deletion: Deletion, leftOut: String?) throws {
        let (key, isLate) = (deletion.key, deletion.isLate)
        let setting = try Setting()
        let running = try setting.start(environment: leftOut.map { ["MIGRATOR_LEAVE_OUT": $0] } ?? [:])
        let slow = try setting.store.database.session()
        let writer = try setting.store.database.session()
        defer {
            slow.close()
            writer.close()
        }
        try slow.execute("BEGIN; UPDATE direct_messages SET content = 'slow' WHERE id = 1450")
        setting.goOn()
        try writer.execute("\(WaitingBatch.untilThere); BEGIN; DELETE FROM direct_messages WHERE id = \(key)")
        if !isLate { try writer.execute("COMMIT") }
        try slow.execute("ROLLBACK")
        if isLate {
            if leftOut == "older-writers" {
                try setting.waitFor(Setting.isIndexBegun)
            } else if !running.waitForStandardError("began before") {
                throw CommandError(message: "it did not wait")
            }
            try writer.execute("COMMIT")
        }
        let isLeft = leftOut == "deletion-log" || isLate && leftOut == "older-writers"
        try setting.check(running.wait(), key: key, isLeftOut: isLeft)
    }

    /// What is taken out is the copy that was left behind, and not the row that has taken its place since.
    @Test func `a row that comes back while deleted ones are taken out stays`() throws {
        let setting = try Setting()
        // Else it would wait for the transaction in which the row comes back.
        let running = try setting.start(environment: ["MIGRATOR_LEAVE_OUT": "older-writers"])
        let slow = try setting.store.database.session()
        let writer = try setting.store.database.session()
        defer {
            slow.close()
            writer.close()
        }
        try slow.execute("BEGIN; UPDATE direct_messages SET content = 'slow' WHERE id = 1450")
        setting.goOn()
        try writer.execute("\(WaitingBatch.untilThere); DELETE FROM direct_messages WHERE id = 1431")
        try setting.pause()
        try slow.execute("ROLLBACK")
        try setting.waitFor("SELECT EXISTS (SELECT FROM messages WHERE id = 1431)")
        try writer.execute(
            "BEGIN; INSERT INTO direct_messages SELECT * FROM direct_messages_backup WHERE id = 1431")
        setting.goOn()
        try setting.waitFor(WaitingBatch.isThere)
        try writer.execute("\(WaitingBatch.untilThere); COMMIT")
        try running.wait().checked()
        #expect(try setting.store.database.psql("SELECT count(*) FROM messages WHERE id = 1431") == "1\n")
        try setting.migrate("verify").checked()
    }

    struct OwnTrigger: Sendable {
        var event: String
        var statement: String
        /// What makes it fire, up to the message's id.
        var write: String
    }

    static let ownTriggers = [
        OwnTrigger(
            event: "UPDATE", statement: "UPDATE direct_messages SET content = 'own' WHERE id = NEW.id",
            write: "UPDATE direct_messages SET content = 'later' WHERE id ="),
        OwnTrigger(
            event: "DELETE", statement: "INSERT INTO direct_messages SELECT OLD.*",
            write: "DELETE FROM direct_messages WHERE id ="),
    ]

    /// The application's own trigger, which fires before the migrator's, writes its row once more, or puts it back: message 31,
    /// which has been copied, and 1,431, whose turn is still to come.
    @Test(arguments: ownTriggers, [false, true])
    func `a row that another trigger writes again is copied as it stands`(_ own: OwnTrigger, isLeftOut: Bool) throws {
        let setting = try Setting()
        try setting.store.run(
            """
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \(own.statement); RETURN NULL; END $$;
            CREATE TRIGGER a_first AFTER \(own.event) ON direct_messages FOR EACH ROW WHEN (pg_trigger_depth() = 0)
                EXECUTE FUNCTION own()
            """)
        let running = try setting.start(environment: isLeftOut ? ["MIGRATOR_LEAVE_OUT": "nested-order"] : [:])
        for id in [31, 1431] { try setting.store.run("\(own.write) \(id)") }
        setting.goOn()
        let result = try running.wait()
        #expect(result.status == (isLeftOut ? 2 : 0), "\(result.standardError)")
        if isLeftOut {
            #expect(result.standardError.contains("messages 31: "), "\(result.standardError)")
        } else {
            try setting.migrate("verify").checked()
        }
    }

    /// The comparison itself left out: the harness still finds what went wrong.
    @Test func `the harness finds a stale row that nobody compared`() throws {
        let setting = try Setting()
        let running = try setting.start(environment: ["MIGRATOR_LEAVE_OUT": "early-trigger,comparison"])
        try setting.store.run("UPDATE direct_messages SET content = 'later' WHERE id = 5")
        setting.goOn()
        try running.wait().checked()
        #expect(try setting.store.database.psql("SELECT content = 'later' FROM messages WHERE id = 5") == "f\n")
        #expect(try setting.migrate("verify").status == 2)
    }

    /// A database of 3,000 messages, and an online copy that waits after its first batch.
    private struct Setting {
        let store: PostgreSQLStore
        let scripts: ShippedScripts
        let folder: TemporaryFolder

        init() throws {
            store = try PostgreSQLStore()
            try store.run(RoundTripTests.fixture("shape1", .postgresql))
            try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 3000))
            try store.run(
                """
                CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    UPDATE direct_messages SET content = 'from ' || NEW.first_name WHERE id = 5;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER greet AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION greet()
                """)
            scripts = try ShippedScripts(strategy: "copy")
            folder = try TemporaryFolder()
            try migrate("stamp", "0001").checked()
        }

        func migrate(_ arguments: String...) throws -> CommandResult {
            try MigratorBinary.run(["--database", store.url, "--migrations", scripts.path] + arguments)
        }

        /// Starts the upgrade, which waits after its first batch.
        func start(environment: [String: String]) throws -> RunningCommand {
            try pause()
            let running = try MigratorBinary.start(
                [
                    "--database", store.url, "--migrations", scripts.path, "upgrade", "0002", "--pause-file",
                    folder.file("wait"),
                ], environment: environment)
            guard running.waitForStandardError("paused") else { throw CommandError(message: "it did not wait") }
            return running
        }

        /// - Parameter key: of the message that was deleted.
        func check(_ result: CommandResult, key: Int, isLeftOut: Bool) throws {
            try WaitingBatch.expectGone(key, from: "messages", of: store, after: result, isLeftOut: isLeftOut)
            if !isLeftOut { try migrate("verify").checked() }
        }

        static let isIndexBegun = """
            SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass('messages') AND NOT indisvalid)
            """

        func pause() throws { _ = try folder.write("", to: "wait") }

        func goOn() { try? FileManager.default.removeItem(atPath: folder.file("wait")) }

        func waitFor(_ condition: String) throws {
            for _ in 0..<200 {
                if try store.database.psql(condition) == "t\n" { return }
                usleep(50_000)
            }
            throw CommandError(message: "it did not come to this: \(condition)")
        }
    }
}
