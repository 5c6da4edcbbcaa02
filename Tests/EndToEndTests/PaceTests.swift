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

    private func upgrade(_ database: TestDatabase, _ project: Project, _ options: String...) throws -> RunningCommand {
        try MigratorBinary.start(
            ["--database", database.url, "upgrade", "head", "--throttle-query", "SELECT stop FROM gate"] + options,
            workingFolder: project.path)
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
}
