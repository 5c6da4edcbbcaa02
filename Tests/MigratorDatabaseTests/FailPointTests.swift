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
    func theProcessBreaksAtThePoint(text: String, rows: Int?) throws {
        let folder = try TemporaryFolder()
        let database = try PostgreSQLServer.shared().createDatabase()
        let sqlite = try SQLiteSession(path: folder.file("app.db"), access: .create)
        let postgres = try database.session()
        for session in [sqlite, postgres] as [any Session] { try session.execute("CREATE TABLE t (a int)") }
        for url in ["sqlite://\(sqlite.path)", database.url] {
            #expect(try FailPointChildTests.run("insertsTwice", at: text, in: url).status == 128 + SIGKILL)
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
    func aFailureIsThrownAndRolledBack(text: String) throws {
        let folder = try TemporaryFolder()
        let sqlite = try SQLiteSession(path: folder.file("app.db"), access: .create)
        try sqlite.execute("CREATE TABLE t (a int)")
        try FailPointChildTests.run("isRolledBack", at: text, in: "sqlite://\(sqlite.path)").checked()
        #expect(try sqlite.scalar("SELECT count(*) FROM t") == 0)
    }

    @Test func aCommitWhoseReplyIsLostIsALostConnection() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.session().execute("CREATE TABLE t (a int)")
        try FailPointChildTests.run("losesItsConnection", at: "fail@during-commit:1", in: database.url).checked()
    }

    @Test func statementsAndCommitsAreCounted() throws {
        let folder = try TemporaryFolder()
        _ = try SQLiteSession(path: folder.file("app.db"), access: .create)
        try FailPointChildTests.run("counts", at: "count", in: "sqlite://" + folder.file("app.db")).checked()
    }
}

/// What runs with a fail point.
@Suite(ChildTest.trait) struct FailPointChildTests {
    static func run(_ name: String, at point: String, in url: String) throws -> CommandResult {
        try ChildTest.run(
            "FailPointChildTests/\(name)",
            environment: ["MIGRATOR_FAIL_POINT": point, "MIGRATOR_TEST_DATABASE": url])
    }

    private static func session() throws -> any Session {
        let url = try ChildTest.value("MIGRATOR_TEST_DATABASE")
        let prefix = "sqlite://"
        guard url.hasPrefix(prefix) else { return try PostgreSQLSession(PostgreSQLLocator(url)) }
        return try SQLiteSession(path: String(url.dropFirst(prefix.count)), access: .readWrite)
    }

    private func insertTwice(_ session: any Session) throws {
        for number in [1, 2] {
            try session.transaction { try session.run("INSERT INTO t VALUES (\(number))") }
        }
    }

    @Test func insertsTwice() throws { try insertTwice(Self.session()) }

    @Test func isRolledBack() throws {
        let session = try Self.session()
        let error = try databaseError { try insertTwice(session) }
        #expect(error.kind == .statement && !session.isInTransaction)
    }

    @Test func losesItsConnection() throws {
        let session = try Self.session()
        #expect(try databaseError { try insertTwice(session) }.kind == .connectionLost)
        #expect(try databaseError { try session.execute("SELECT 1") }.kind == .connectionLost)
    }

    @Test func counts() throws {
        let session = try Self.session()
        try session.execute("CREATE TABLE t (a int); -- nothing more")
        try insertTwice(session)
        #expect(FailPoint.isCounting && FailPoint.summary == "fail points: statements 7 commits 2")
    }
}
