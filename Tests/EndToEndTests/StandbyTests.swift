import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A primary with a real hot standby.
@Suite struct StandbyTests {
    /// The copy takes some five seconds.
    private static let slowly = """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON letters FOR EACH ROW EXECUTE FUNCTION slow();

        """

    private let primary: PostgreSQLServer
    private let standby: PostgreSQLServer
    private let database: TestDatabase
    private let project: Project

    init() throws {
        primary = try PostgreSQLServer()
        standby = try PostgreSQLServer(standbyOf: primary)
        database = try primary.createDatabase()
        try database.psql(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text);
            INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 5000) n; ANALYZE;
            """)
        let script = PaceTests.script.replacing(
            "-- migrator:switch notes", with: Self.slowly + "-- migrator:switch notes")
        project = try Project(["migrations/postgresql/0001_copy.sql": script])
    }

    private var url: String { standby.url(database: database.name) }

    private func onStandby(_ sql: String) throws -> String {
        try standby.run("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", sql]).checked().standardOutput
    }

    /// Waits until the standby has replayed what the primary has written by now.
    private func catchUp() throws {
        let position = try database.psql("SELECT pg_current_wal_lsn()").trimmingCharacters(in: .newlines)
        for _ in 0..<300 {
            if try onStandby("SELECT pg_last_wal_replay_lsn() >= '\(position)'") == "t\n" { return }
            usleep(100_000)
        }
        Issue.record("the standby does not catch up with \(position)")
    }

    private func upgrade(_ options: String...) throws -> RunningCommand {
        try MigratorBinary.start(
            ["--database", database.url, "upgrade", "head", "--ignore-signal", "autovacuum"] + options,
            workingFolder: project.path)
    }

    @Test func `a copy waits while the replica is behind, and goes on when it has caught up`() throws {
        try catchUp()
        _ = try onStandby("SELECT pg_wal_replay_pause()")
        let running = try upgrade("--max-lag", "500ms")
        #expect(running.waitForStandardError("paused: replica walreceiver is "))
        let rows = { try database.psql("SELECT rows FROM migrator.checkpoint") }
        usleep(500_000)
        let before = try rows()
        usleep(2_000_000)
        #expect(try rows() == before && before != "5000\n", "\(before)")
        _ = try onStandby("SELECT pg_wal_replay_resume()")
        let result = try running.wait()
        #expect(result.status == 0, "\(result.standardError)")
        #expect(result.standardError.contains("(limit 0.5 s)"), "\(result.standardError)")
        try catchUp()
        #expect(try onStandby("SELECT count(*) FROM letters") == "5000\n")
    }

    /// The control: it is the replica that holds the run above.
    @Test func `a copy that is to ignore the replica does not wait`() throws {
        try catchUp()
        _ = try onStandby("SELECT pg_wal_replay_pause()")
        let result = try upgrade("--max-lag", "500ms", "--ignore-signal", "replay-lag").wait()
        #expect(result.status == 0 && !result.standardError.contains("paused"), "\(result.standardError)")
        #expect(try onStandby("SELECT count(*) FROM notes") == "5000\n")
    }

    @Test func `what only reads works on the replica, and finds what has got lost there`() throws {
        _ = try upgrade().wait()
        try catchUp()
        let folder = ["--migrations", project.folder.file("migrations")]
        func onReplica(_ arguments: String...) throws -> CommandResult {
            try MigratorBinary.run(["--database", url] + folder + arguments)
        }
        for command in ["verify", "status", "history", "check"] { try onReplica(command).checked() }
        let refused = try onReplica("downgrade", "-1")
        #expect(refused.status == 69 && refused.errorCode == "read-only-replica", "\(refused.standardError)")
        // Behind the follower's back.
        try database.psql("SET session_replication_role = replica; DELETE FROM letters WHERE id = 7")
        try catchUp()
        let differs = try onReplica("verify")
        #expect(differs.status == 2 && differs.standardOutput.contains("7"), "\(differs.standardOutput)")
    }
}
