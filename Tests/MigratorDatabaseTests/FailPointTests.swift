import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

@Suite struct FailPointTests {
    @Test(arguments: [
        ("kill@before:1", FailPoint(action: .kill, moment: .before, number: 1)),
        ("fail@after:12", FailPoint(action: .fail, moment: .after, number: 12)),
        ("stop@before-commit:3", FailPoint(action: .stop, moment: .beforeCommit, number: 3)),
        ("kill@during-commit:1", FailPoint(action: .kill, moment: .duringCommit, number: 1)),
        ("kill@after-commit:2", FailPoint(action: .kill, moment: .afterCommit, number: 2)),
        ("count", nil),
    ])
    func aValueIsRead(text: String, point: FailPoint?) throws {
        #expect(try FailPoint.parse(text) == point)
    }

    @Test(arguments: [
        "kill", "kill@", "@before:1", "kill@before", "kill@before:0", "kill@before:-1", "kill@before:+1",
        "kill@before:x", "kill@before:1:2", "kill@between:1", "burn@before:1", "kill@before:1@", " count",
        "kill@before:99999999999999999999",
    ])
    func aMalformedValueIsRefused(text: String) {
        #expect(throws: FailPoint.ValueError.self) { try FailPoint.parse(text) }
    }

    /// What is in the table after a process broke at the point; it inserts 1, commits, inserts 2, commits.
    @Test(arguments: [
        ("kill@before:1", 0), ("kill@after:2", 0), ("kill@before-commit:1", 0), ("kill@during-commit:1", nil),
        ("kill@after-commit:1", 1), ("kill@before:5", 1), ("kill@before-commit:2", 1),
        ("kill@after-commit:2", 2), ("kill@after:6", 2),
    ])
    func theProcessBreaksAtThePoint(text: String, rows: Int?) async throws {
        let folder = try TemporaryFolder()
        let database = try PostgreSQLServer.shared().createDatabase()
        let sqlite = try SQLiteSession(path: folder.file("app.db"), access: .create)
        let postgres = try database.session()
        for session in [sqlite, postgres] as [any Session] { try session.execute("CREATE TABLE t (a int)") }
        await #expect(processExitsWith: .signal(SIGKILL)) { [text, path = sqlite.path as String] in
            setenv("MIGRATOR_FAIL_POINT", text, 1)
            try insertTwice(try SQLiteSession(path: path, access: .readWrite))
        }
        await #expect(processExitsWith: .signal(SIGKILL)) { [text, url = database.url as String] in
            setenv("MIGRATOR_FAIL_POINT", text, 1)
            try insertTwice(try PostgreSQLSession(PostgreSQLLocator(url)))
        }
        // A COMMIT that was sent takes effect or not; the statement before it alone never does.
        let left = try #require(try sqlite.scalar("SELECT count(*) FROM t").asInt)
        if let rows { #expect(left == rows) } else { #expect(left <= 1) }
        let deadline = ContinuousClock.now + .seconds(10)
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        while try postgres.scalar(others) != "1", ContinuousClock.now < deadline { usleep(10_000) }
        let kept = try #require(try postgres.scalar("SELECT count(*) FROM t").asInt)
        if let rows { #expect(kept == rows) } else { #expect(kept == 1) }
    }

    @Test(arguments: ["fail@before:2", "fail@after:2", "fail@before-commit:1", "fail@during-commit:1"])
    func aFailureIsThrownAndRolledBack(text: String) async throws {
        let folder = try TemporaryFolder()
        let sqlite = try SQLiteSession(path: folder.file("app.db"), access: .create)
        try sqlite.execute("CREATE TABLE t (a int)")
        await #expect(processExitsWith: .success) { [text, path = sqlite.path as String] in
            setenv("MIGRATOR_FAIL_POINT", text, 1)
            let session = try SQLiteSession(path: path, access: .readWrite)
            let error = try databaseError { try insertTwice(session) }
            guard error.kind == .statement, !session.isInTransaction else { throw Stop() }
        }
        #expect(try sqlite.scalar("SELECT count(*) FROM t") == 0)
    }

    @Test func aCommitWhoseReplyIsLostIsALostConnection() async throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.session().execute("CREATE TABLE t (a int)")
        await #expect(processExitsWith: .success) { [url = database.url as String] in
            setenv("MIGRATOR_FAIL_POINT", "fail@during-commit:1", 1)
            let session = try PostgreSQLSession(PostgreSQLLocator(url))
            let error = try databaseError { try insertTwice(session) }
            guard error.kind == .connectionLost else { throw Stop() }
            guard try databaseError({ try session.execute("SELECT 1") }).kind == .connectionLost else {
                throw Stop()
            }
        }
    }

    @Test func statementsAndCommitsAreCounted() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .success) { [path = folder.file("app.db") as String] in
            setenv("MIGRATOR_FAIL_POINT", "count", 1)
            let session = try SQLiteSession(path: path, access: .create)
            try session.execute("CREATE TABLE t (a int); -- nothing more")
            try insertTwice(session)
            guard FailPoint.isCounting, FailPoint.summary == "fail points: statements 7 commits 2" else {
                throw Stop()
            }
        }
    }
}

private func insertTwice(_ session: any Session) throws {
    for number in [1, 2] {
        try session.transaction { try session.run("INSERT INTO t VALUES (\(number))") }
    }
}
