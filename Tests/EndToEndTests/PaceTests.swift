import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// How a copy beside the application heeds the server's load.
@Suite struct PaceTests {
    static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Copy

        -- migrator:upgrade
        CREATE TABLE letters (id integer PRIMARY KEY, body text);
        -- migrator:switch notes -> letters key=id strategy=copy

        -- migrator:downgrade
        -- migrator:switch letters -> notes key=id

        """

    /// A database with 5,000 notes, and the command that moves them.
    static func prepared() throws -> (database: TestDatabase, project: Project) {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.psql(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text);
            INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 5000) n;
            CREATE TABLE gate (stop boolean NOT NULL); INSERT INTO gate VALUES (true); ANALYZE;
            """)
        return (database, try Project(["migrations/postgresql/0001_copy.sql": script]))
    }

    /// Autovacuum comes to the tables when it likes, and is not what these tests are about.
    private func upgrade(_ database: TestDatabase, _ project: Project, _ options: String...) throws -> RunningCommand {
        try MigratorBinary.start(
            [
                "--database", database.url, "upgrade", "head", "--throttle-query", "SELECT stop FROM gate",
                "--ignore-signal", "autovacuum",
            ] + options, workingFolder: project.path)
    }

    /// As after a restore or pg_upgrade: the server would sort what is left of the table for each batch.
    @Test func `a table without statistics is read once, not once a batch`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.psql(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text) WITH (autovacuum_enabled = off);
            INSERT INTO notes SELECT n, repeat('note ' || n, 10) FROM generate_series(1, 100000) n;
            """)
        let project = try Project(["migrations/postgresql/0001_copy.sql": Self.script])
        let result = try MigratorBinary.start(
            ["--database", database.url, "upgrade", "head", "--ignore-signal", "autovacuum"],
            workingFolder: project.path
        ).wait()
        #expect(result.status == 0, "\(result.standardError)")
        let read = {
            try Int(
                database.psql(
                    "SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'notes_pkey'"
                ).trimmingCharacters(in: .newlines)) ?? 0
        }
        // What a session counted arrives a moment after its end.
        for _ in 0..<50 where try read() < 100_000 { usleep(100_000) }
        let entries = try read()
        #expect((100_000..<500_000).contains(entries), "\(entries) entries of the key's index were read")
    }

    @Test func `a copy waits while the throttle query says so`() throws {
        let (database, project) = try Self.prepared()
        let running = try upgrade(database, project)
        #expect(running.waitForStandardError("waiting: paused: the throttle query says so"))
        let rows = { try database.psql("SELECT rows FROM migrator.checkpoint") }
        let before = try rows()
        usleep(1_500_000)
        #expect(try rows() == before && before == "1000\n")
        try database.psql("DELETE FROM gate")
        let result = try running.wait()
        #expect(result.status == 0, "\(result.standardError)")
        #expect(try database.psql("SELECT count(*) FROM letters") == "5000\n")
    }

    /// The control: it is the query that holds the run above.
    @Test func `a copy whose query is to be ignored does not wait`() throws {
        let (database, project) = try Self.prepared()
        let result = try upgrade(database, project, "--ignore-signal", "query").wait()
        #expect(result.status == 0 && !result.standardError.contains("paused"), "\(result.standardError)")
    }

    @Test func `an interrupted pause ends at once and is taken up again`() throws {
        let (database, project) = try Self.prepared()
        let running = try upgrade(database, project)
        #expect(running.waitForStandardError("paused"))
        running.signal(SIGINT)
        #expect(try running.wait(timeout: .seconds(5)).status == 130)
        try database.psql("UPDATE gate SET stop = false")
        let result = try upgrade(database, project).wait()
        #expect(result.status == 0 && !result.standardError.contains("paused"), "\(result.standardError)")
        #expect(try database.psql("SELECT count(*) FROM letters") == "5000\n")
    }

    @Test func `whoever holds a lock is named while the migrator waits for it`() throws {
        let (database, project) = try Self.prepared()
        try database.psql("DELETE FROM gate")
        let holder = try database.session()
        try holder.execute("BEGIN; UPDATE notes SET body = 'held' WHERE id = 1")
        let running = try upgrade(database, project, "--lock-timeout", "60s")
        #expect(
            running.waitForStandardError("\"notes\" is held by server process \(holder.backendPID), role \"postgres\""))
        #expect(running.waitForStandardError("UPDATE notes SET body"))
        holder.rollback()
        let result = try running.wait()
        #expect(result.status == 0, "\(result.standardError)")
    }

    /// What the step's own statements lock, not what is locked at its beginning.
    @Test func `whoever holds a table that a statement needs is named`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.psql(
            """
            CREATE TABLE users (id integer PRIMARY KEY); CREATE TABLE notes (id integer PRIMARY KEY, owner integer);
            """)
        let project = try Project([
            "migrations/postgresql/0001_copy.sql": Self.script.replacingOccurrences(
                of: "body text", with: "owner integer REFERENCES users")
        ])
        let holder = try database.session()
        try holder.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        let running = try MigratorBinary.start(
            ["--database", database.url, "upgrade", "head", "--lock-timeout", "3s"], workingFolder: project.path)
        let result = try running.wait()
        #expect(result.status == 5, "\(result.standardError)")
        #expect(result.standardError.contains("\"users\" is held by server process \(holder.backendPID)"))
    }

    @Test func `progress is told in lines now and then where there is no terminal`() throws {
        let (database, project) = try Self.prepared()
        try database.psql(
            """
            DELETE FROM gate; INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(5001, 7000) n; ANALYZE;
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$;
            """)
        let script = Self.script.replacingOccurrences(
            of: "body text);",
            with: "body text);\nCREATE TRIGGER slow BEFORE INSERT ON letters FOR EACH ROW EXECUTE FUNCTION slow();")
        try project.folder.write(script, to: "migrations/postgresql/0001_copy.sql")
        let result = try upgrade(database, project).wait()
        #expect(result.status == 0, "\(result.standardError)")
        let lines = result.standardError.split(separator: "\n").filter { $0.contains(", backfill: ") }
        #expect((1...20).contains(lines.count), "\(result.standardError)")
        let pattern =
            #/  switch notes to letters, backfill: [0-9],[0-9]{3} of 7,000 rows \([0-9]+ %\), [0-9,]+ rows/s, about [0-9.]+ s left, batches of [0-9,]+/#
        #expect(lines.first?.wholeMatch(of: pattern) != nil, "\(lines)")
    }

    @Test func `status shows where an unfinished copy stands and what comes next`() throws {
        let (database, project) = try Self.prepared()
        let status = { (options: [String]) in
            try project.run(["--database", database.url, "status"] + options).checked()
        }
        let running = try upgrade(database, project)
        #expect(running.waitForStandardError("paused"))
        let pid = try database.psql(
            """
            SELECT pid FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        ).dropLast()
        let next = try status([]).standardOutput.split(separator: "\n").first {
            $0.contains("next: a migrator works on it: ")
        }
        #expect(next?.contains("server process \(pid)") == true)
        running.signal(SIGKILL)
        _ = try running.wait()
        var text = try status([]).standardOutput
        for _ in 0..<100 where text.contains("a migrator works on it") {
            usleep(50_000)
            text = try status([]).standardOutput
        }
        for line in [
            "unfinished: the upgrade of 0001\n  step 2 of 2: switch notes to letters\n  phases done: detach, expand\n",
            "\n  phase: backfill, done up to key 1000 of 5000\n  1,000 rows",
            "next: the upgrade to 0001 is half done: `migrator upgrade 0001` goes on with step 2 of 2, switch notes to letters, phase backfill after key 1000; `migrator downgrade -1` takes it back\n",
        ] {
            #expect(text.contains(line), "\(text)")
        }
        #expect(text.contains(#/\n  begun 20[-0-9T:.]+Z, last commit 20[-0-9T:.]+Z\n/#), "\(text)")
        let object = try #require(try status(["--json"]).object()["unfinished"] as? [String: Any])
        #expect(object["phase"] as? String == "backfill" && object["cursor"] as? String == "1000")
        #expect(object["rows"] as? Int == 1000 && object["phases_done"] as? [String] == ["detach", "expand"])
        #expect(object["at_work"] is NSNull)
        try database.psql("DELETE FROM gate")
        #expect(try upgrade(database, project).wait().status == 0)
        #expect(try status(["--json"]).object()["unfinished"] is NSNull)
    }
}
