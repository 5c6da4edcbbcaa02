import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// What an online migration promises apart from the rows: names, locks, waits, and the ways back.
@Suite struct OnlineSwitchTests {
    private static func migrate(_ line: String, on store: any Store, scripts: String) throws -> CommandResult {
        try EndToEndTests.migrate(line.split(separator: " ").map(String.init), on: store, migrations: scripts)
    }

    // MARK: Ways back

    @Test(arguments: ["rename", "copy"]) func `a soak ends with contract, and there is a way back after it`(
        _ strategy: String
    ) throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        let scripts = try ShippedScripts(strategy: strategy)
        let schema = try RoundTripTests.schema(of: store)
        let rows = try RoundTripTests.rows(of: "direct_messages", in: store)
        for line in ["stamp 0001", "upgrade head", "verify", "contract 0002", "verify", "contract 0002"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
        #expect(try store.database.psql("SELECT to_regclass('direct_messages') IS NULL") == "t\n")
        for line in ["downgrade 0002", "verify", "downgrade 0001", "verify"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
        #expect(try RoundTripTests.schema(of: store) == schema)
        #expect(try RoundTripTests.rows(of: "direct_messages", in: store) == rows)
        try Self.migrate("upgrade head", on: store, scripts: scripts.path).checked()
    }

    @Test func `a soak does not end while the follower differs`() throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        let scripts = try ShippedScripts(strategy: "copy")
        for line in ["stamp 0001", "upgrade 0002"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
        try store.run(
            "SET session_replication_role = replica; UPDATE messages SET content = 'past every trigger' WHERE id = 1")
        for line in ["verify", "contract 0002", "downgrade 0001"] {
            let result = try Self.migrate(line, on: store, scripts: scripts.path)
            #expect(result.status == 2, "\(line): \(result)")
            #expect((result.standardOutput + result.standardError).contains("1"), "\(line): \(result)")
        }
        #expect(try store.database.psql("SELECT to_regclass('messages') IS NOT NULL") == "t\n")
    }

    @Test(arguments: ["rename", "copy"], ["online", "window"])
    func `the application's triggers stay on or off as they were`(_ strategy: String, _ mode: String) throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        try store.run("CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        for state in ["ENABLE", "DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"] {
            let name = "\"\(state.lowercased())\""
            try store.run(
                """
                CREATE TRIGGER \(name) AFTER INSERT ON direct_messages FOR EACH ROW EXECUTE FUNCTION greet();
                ALTER TABLE direct_messages \(state) TRIGGER \(name);
                COMMENT ON TRIGGER \(name) ON direct_messages IS 'greets'
                """)
        }
        func states(of table: String) throws -> String {
            try store.database.psql(
                """
                SELECT string_agg(tgname || ' ' || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger
                WHERE tgrelid = '\(table)'::regclass AND tgfoid = 'greet'::regproc
                """)
        }
        let before = try states(of: "direct_messages")
        let scripts = try ShippedScripts(strategy: strategy)
        for line in ["stamp 0001", "upgrade 0002 --mode \(mode)", "verify"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
        #expect(try states(of: "messages") == before)
        for line in ["downgrade 0001 --mode \(mode)", "verify"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
        #expect(try states(of: "direct_messages") == before)
    }

    // MARK: Keys

    private func notesToEntries(key type: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(
            script(
                "0001",
                up: """
                    CREATE TABLE entries (id \(type) PRIMARY KEY, body text);
                    -- migrator:switch notes -> entries key=id strategy=copy
                    """, down: "-- migrator:switch entries -> notes key=id"), to: "m/postgresql/0001_a.sql")
        return folder
    }

    /// 5 and 5.00 are one key, and not the same value.
    @Test func `a key that is written otherwise goes to the other table`() throws {
        let store = try PostgreSQLStore()
        try store.run(
            "CREATE TABLE notes (id numeric PRIMARY KEY, body text); INSERT INTO notes SELECT n FROM generate_series(1, 9) AS n"
        )
        let folder = try notesToEntries(key: "numeric")
        let scripts = folder.file("m")
        try Self.migrate("upgrade head", on: store, scripts: scripts).checked()
        try store.run("UPDATE entries SET id = 5.00 WHERE id = 5")
        try Self.migrate("verify", on: store, scripts: scripts).checked()
        try Self.migrate("downgrade base", on: store, scripts: scripts).checked()
        #expect(try store.database.psql("SELECT id FROM notes WHERE id = 5") == "5.00\n")
    }

    /// An extension's operators stand in its schema, which is in nobody's search path.
    @Test func `the application writes by a key whose type is of another schema`() throws {
        let store = try PostgreSQLStore()
        try store.run(
            """
            CREATE SCHEMA ext;
            CREATE EXTENSION citext SCHEMA ext;
            CREATE TABLE notes (id ext.citext PRIMARY KEY, body text);
            INSERT INTO notes SELECT 'n' || n, 'note' FROM generate_series(1, 1500) AS n
            """)
        let folder = try notesToEntries(key: "ext.citext")
        let scripts = folder.file("m")
        let arguments = ["--database", store.url + "&options=-csearch_path%3Dpublic,ext", "--migrations", scripts]
        try MigratorBinary.run(arguments + ["upgrade", "head"]).checked()
        try store.run("UPDATE entries SET id = 'N5' WHERE id::text = 'n5'; DELETE FROM entries WHERE id::text = 'n6'")
        try MigratorBinary.run(arguments + ["verify"]).checked()
        try MigratorBinary.run(arguments + ["downgrade", "base"]).checked()
        #expect(try store.database.psql("SELECT id FROM notes WHERE id::text IN ('n5', 'N5', 'n6')") == "N5\n")
    }

    @Test func `a key that equals none of the old ones is refused before a trigger is made`() throws {
        let store = try PostgreSQLStore()
        try store.run("CREATE TABLE notes (id integer PRIMARY KEY, body text); INSERT INTO notes VALUES (1, 'note')")
        let folder = try notesToEntries(key: "text")
        let result = try Self.migrate("upgrade head --mode online", on: store, scripts: folder.file("m"))
        #expect(result.status == 4)
        #expect(result.standardError.contains("text = integer"), "\(result.standardError)")
        try store.run("DELETE FROM notes")
    }

    /// It lets nobody change rows of a table that has no key.
    @Test func `a publication of all tables is in nobody's way`() throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 100))
        try store.run("CREATE PUBLICATION everything FOR ALL TABLES")
        let scripts = try ShippedScripts(strategy: "copy")
        for line in ["stamp 0001", "upgrade head", "verify", "contract 0002"] {
            try Self.migrate(line, on: store, scripts: scripts.path).checked()
        }
    }

    @Test(arguments: ["uuid", "bigint", "text", "char(8)"], ["rename", "copy"])
    func `a switch goes by any key of one column`(_ type: String, _ strategy: String) throws {
        let store = try PostgreSQLStore()
        let value =
            ["uuid": "gen_random_uuid()", "bigint": "5000000000 + n", "text": "'k' || n", "char(8)": "'k' || n"][type]
            ?? ""
        try store.run(
            """
            CREATE TABLE notes (id \(type) PRIMARY KEY, body text NOT NULL, parent \(type) REFERENCES notes (id));
            CREATE TABLE pins (id serial PRIMARY KEY, note \(type) REFERENCES notes (id) ON DELETE CASCADE);
            INSERT INTO notes SELECT \(value), 'note ' || n FROM generate_series(1, 2500) AS n;
            INSERT INTO pins (note) SELECT id FROM notes LIMIT 10
            """)
        let folder = try TemporaryFolder()
        try folder.write(
            script(
                "0001",
                up: """
                    -- migrator:backup notes
                    CREATE TABLE entries (
                        id \(type) PRIMARY KEY, body text NOT NULL, parent \(type) REFERENCES entries (id),
                        stars integer NOT NULL DEFAULT 0);
                    CREATE INDEX idx_entries_stars ON entries (stars);
                    -- migrator:switch notes -> entries key=id view=notes strategy=\(strategy)
                    """, down: "-- migrator:switch entries -> notes key=id"), to: "m/postgresql/0001_a.sql")
        let scripts = folder.file("m")
        let schema = try RoundTripTests.schema(of: store)
        try Self.migrate("upgrade head", on: store, scripts: scripts).checked()
        try store.run("UPDATE entries SET stars = 5 WHERE body = 'note 7'; DELETE FROM notes WHERE body = 'note 2000'")
        let verified = try Self.migrate("verify", on: store, scripts: scripts)
        #expect(verified.status == 0, "\(verified.standardOutput)")
        try Self.migrate("downgrade base", on: store, scripts: scripts).checked()
        #expect(try store.database.psql("SELECT count(*) FROM notes") == "2499\n")
        #expect(try RoundTripTests.schema(of: store) == schema)
    }

    @Test func `a key of two columns is refused with a sentence`() throws {
        let store = try PostgreSQLStore()
        try store.run("CREATE TABLE notes (a integer, b integer, body text, PRIMARY KEY (a, b))")
        let folder = try TemporaryFolder()
        try folder.write(
            script(
                "0001",
                up: "CREATE TABLE entries (a integer, b integer, body text, PRIMARY KEY (a, b));\n"
                    + "-- migrator:switch notes -> entries key=a strategy=copy",
                down: "-- migrator:switch entries -> notes key=a"), to: "m/postgresql/0001_a.sql")
        let before = try store.state()
        let result = try Self.migrate("upgrade head", on: store, scripts: folder.file("m"))
        #expect(result.status == 4, "\(result.standardError)")
        #expect(result.standardError.contains("primary key is (a, b)"), "\(result.standardError)")
        #expect(try store.state() == before)
    }

    // MARK: Both sides at once

    /// The old side waits, the new side yields at once.
    @Test func `two writers of one message never wait for each other in a circle`() throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        for line in ["stamp 0001", "upgrade head"] {
            try Self.migrate(line, on: store, scripts: "\(MigratorBinary.packageFolder)/migrations").checked()
        }
        let old = try store.database.session()
        let new = try store.database.session()
        func error(_ session: PostgreSQLSession, _ sql: String) -> String? {
            do {
                try session.execute(sql)
                return nil
            } catch {
                return error.sqlState
            }
        }
        for write in [
            "UPDATE enhanced_messages SET content = 'new' WHERE id = 1", "DELETE FROM enhanced_messages WHERE id = 1",
            "UPDATE message_status SET status = 'read' WHERE message_id = 1",
        ] {
            try old.execute("BEGIN; UPDATE messages SET content = 'old' WHERE id = 1")
            #expect(error(new, write) != nil)
            try old.execute("COMMIT")
        }
        try old.execute("BEGIN; UPDATE messages SET content = 'older' WHERE id = 1")
        // The row of the yielding side is not locked by the statement itself here.
        #expect(error(new, "UPDATE enhanced_messages SET content = 'new' WHERE id = 1") ?? "" != "40P01")
        try old.execute("ROLLBACK")
        try new.execute("BEGIN; UPDATE enhanced_messages SET content = 'new' WHERE id = 1")
        try old.execute("SET lock_timeout = '200ms'")
        #expect(error(old, "UPDATE messages SET content = 'old' WHERE id = 1") == "55P03")
        try new.execute("COMMIT")
        #expect(error(old, "UPDATE messages SET content = 'old' WHERE id = 1") == nil)
        #expect(try store.database.psql("SELECT content FROM enhanced_messages WHERE id = 1") == "old\n")
        old.close()
        new.close()
    }

    // MARK: Locks

    /// A vacuum, or anybody else who holds a lock for long: to queue behind them would make all writers wait.
    @Test(arguments: ["SHARE UPDATE EXCLUSIVE", "ROW EXCLUSIVE"])
    func `a lock that is held for long is not queued for`(_ mode: String) throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        let scripts = try ShippedScripts(strategy: "copy")
        try Self.migrate("stamp 0001", on: store, scripts: scripts.path).checked()
        let holder = try store.database.session()
        defer { holder.close() }
        try holder.execute("BEGIN; LOCK TABLE direct_messages IN \(mode) MODE; SELECT pg_sleep(0.2)")
        let running = try MigratorBinary.start(
            ["--database", store.url, "--migrations", scripts.path, "upgrade", "0002"])
        #expect(running.waitForStandardError("\"direct_messages\" is held by server process \(holder.backendPID)"))
        let writer = try store.database.session()
        defer { writer.close() }
        for _ in 0..<15 {
            // Nobody stands before the writer.
            try writer.execute("BEGIN; LOCK TABLE direct_messages IN ROW EXCLUSIVE MODE NOWAIT; COMMIT")
            usleep(50_000)
        }
        try holder.execute("COMMIT")
        let result = try running.wait()
        #expect(result.status == 0, "\(result.standardError)")
    }

    struct Trace: Sendable, CustomTestStringConvertible {
        var before: [String]
        var command: String
        var strategy: String
        /// Tables that are locked against everybody, or against writers, in any of the transactions.
        var exclusive: Set<String>
        var testDescription: String { "\(command) \(strategy)" }
    }

    static let traces = [
        Trace(before: ["upgrade 0001"], command: "upgrade 0002", strategy: "rename", exclusive: ["direct_messages"]),
        Trace(
            before: ["upgrade 0001"], command: "upgrade 0002", strategy: "copy",
            // Taking a key off the new table locks the table that it refers to, for a moment.
            exclusive: ["direct_messages", "attachments", "users"]),
        Trace(
            before: ["upgrade 0002"], command: "upgrade 0003", strategy: "rename",
            exclusive: ["messages", "users"]),
    ]

    @Test(arguments: traces) func `no table is locked against everybody that is not listed`(_ trace: Trace) throws {
        let scripts = try ShippedScripts(strategy: trace.strategy)
        let start = try PostgreSQLStore()
        for line in ["upgrade 0001"] + trace.before.filter({ $0 != "upgrade 0001" }) {
            try Self.migrate(line, on: start, scripts: scripts.path).checked()
            if line == "upgrade 0001" { try start.run(sampleMessages) }
        }
        let tables = try start.database.psql(
            "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).split(whereSeparator: \.isWhitespace).map(String.init)
        let counted = try EndToEndTests.migrate(
            trace.command.split(separator: " ").map(String.init), on: start.copy(),
            environment: ["MIGRATOR_FAIL_POINT": "count"], migrations: scripts.path
        ).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        var locked: Set<String> = []
        for commit in 1...commits {
            let store = try PostgreSQLStore(template: start.database.name)
            let running = try MigratorBinary.start(
                ["--database", store.url, "--migrations", scripts.path]
                    + trace.command.split(separator: " ").map(String.init),
                environment: ["MIGRATOR_FAIL_POINT": "stop@before-commit:\(commit)"])
            guard running.waitUntilStopped() else { throw CommandError(message: "it did not stop at \(commit)") }
            locked.formUnion(
                try store.database.psql(
                    """
                    SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                    WHERE l.granted AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock') AND c.relkind = 'r'
                    AND c.relnamespace = 'public'::regnamespace AND l.pid <> pg_backend_pid()
                    """
                ).split(whereSeparator: \.isWhitespace).map(String.init))
            running.signal(SIGCONT)
            _ = try running.wait()
        }
        #expect(locked.intersection(tables) == trace.exclusive)
    }
}
