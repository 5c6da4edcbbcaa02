import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// The error that `body` throws; a test fails where there is none.
func databaseError(_ body: () throws -> Void) throws -> DatabaseError {
    do { try body() } catch let error as DatabaseError { return error }
    throw CommandError(message: "nothing was thrown")
}

/// Carries a handle to another thread.
func cancel(_ handle: any CancelHandle, after delay: Duration) {
    Thread.detachNewThread {
        Thread.sleep(forTimeInterval: delay / .seconds(1))
        handle.cancel()
    }
}

struct Stop: Error {}

@Suite struct PostgreSQLSessionTests {
    let session: PostgreSQLSession

    init() throws {
        session = try PostgreSQLServer.shared().session()
    }

    @Test func valuesComeBackAsTheyWereSent() throws {
        let row = try #require(
            try session.query(
                "SELECT $1::text AS t, $2::bigint AS i, $3::float8 AS r, $4::bytea AS b, $5::text AS n",
                ["a'b\u{1F600}", .integer(.max), .real(0.1), .blob([0, 255, 16]), .null]
            ).first)
        #expect(row["t"] == "a'b\u{1F600}")
        #expect(row.int("i") == .max)
        #expect(row["r"] == "0.1")
        #expect(row["b"] == "\\x00ff10")
        #expect(row["n"] == .null)
    }

    @Test func rowsAffectedAreCounted() throws {
        try session.execute("CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (7)")
        #expect(try session.run("INSERT INTO t SELECT generate_series(1, $1::int)", [3]) == 3)
        #expect(try session.run("UPDATE t SET a = 0 WHERE a < $1", [3]) == 2)
        #expect(try session.run("SELECT * FROM t") == 0)
        #expect(try session.run("DELETE FROM t") == 4)
        #expect(try session.run("CREATE TABLE pg_temp.u (a int)") == 0)
    }

    @Test(arguments: [
        ("SELEC 1", "42601", DatabaseError.Kind.statement, 1 as Int?),
        ("SELECT 'é', nothing", "42703", .statement, 13),
        ("SELECT 1/0", "22012", .statement, nil),
        ("TABLE pg_temp.nothing", "42P01", .statement, 7),
        ("BEGIN; SET TRANSACTION READ ONLY; CREATE TABLE x (a int)", "25006", .readOnly, nil),
        ("SET statement_timeout = 20; SELECT pg_sleep(5)", "57014", .statement, nil),
        ("SET ROLE pg_monitor; CREATE TABLE pg_catalog.x (a int)", "42501", .insufficientPrivilege, nil),
    ])
    func errorsAreData(sql: String, state: String, kind: DatabaseError.Kind, position: Int?) throws {
        let session = try PostgreSQLServer.shared().session()
        let error = try databaseError { try session.execute(sql) }
        #expect(error.sqlState == state)
        #expect(error.kind == kind)
        if let position { #expect(error.position == position) }
        session.rollback()
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test func aViolatedConstraintIsNamed() throws {
        try session.execute("CREATE TEMP TABLE t (a int CONSTRAINT positive CHECK (a > 0))")
        let error = try databaseError { try session.run("INSERT INTO t VALUES ($1)", [-1]) }
        #expect(error.constraint == "positive")
        #expect(error.table == "t")
        #expect(error.detail?.contains("-1") == true)
    }

    @Test func aLockTimeoutIsALockNotAvailable() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let (first, second) = (try database.session(), try database.session())
        try first.execute("CREATE TABLE t (a int)")
        try first.execute("BEGIN; LOCK t")
        try second.execute("SET lock_timeout = 50; BEGIN")
        let late = try databaseError { try second.execute("LOCK t") }
        #expect(late.kind == .lockNotAvailable)
        #expect(late.sqlState == "55P03")
    }

    @Test func textWithNULIsRefused() throws {
        #expect(try databaseError { try session.run("SELECT $1::text", ["a\0b"]) }.kind == .unsendable)
        #expect(try databaseError { try session.execute("SELECT 1\0") }.kind == .unsendable)
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test(arguments: ["execute", "query", "forEachRow"])
    func aStatementIsCancelledFromAnotherThread(way: String) throws {
        let session = try PostgreSQLServer.shared().session()
        cancel(session.cancelHandle, after: .milliseconds(100))
        let start = ContinuousClock.now
        let error = try databaseError {
            switch way {
            case "execute": try session.execute("SELECT pg_sleep(20)")
            case "query": _ = try session.query("SELECT pg_sleep(20)")
            default: try session.forEachRow("SELECT pg_sleep(20)", []) { _ in }
            }
        }
        #expect(error.kind == .cancelled)
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test func aCancelBetweenStatementsDoesNothing() throws {
        session.cancelHandle.cancel()
        #expect(try session.scalar("SELECT pg_sleep(0.05)::text") == "")
    }

    @Test func noticesAreReceived() throws {
        var notices: [String] = []
        session.onNotice = { notices.append($0) }
        try session.execute("DO $$ BEGIN RAISE WARNING 'look here'; END $$")
        #expect(notices == ["WARNING: look here"])
    }

    @Test func aTransactionIsCommittedOrRolledBack() throws {
        try session.execute("CREATE TEMP TABLE t (a int)")
        #expect(!session.isInTransaction)
        try session.transaction {
            #expect(session.isInTransaction)
            try session.run("INSERT INTO t VALUES (1)")
        }
        #expect(throws: Stop.self) {
            try session.transaction {
                try session.run("INSERT INTO t VALUES (2)")
                throw Stop()
            }
        }
        #expect(!session.isInTransaction)
        session.rollback()
        #expect(try session.scalar("SELECT count(*) FROM t") == "1")
    }

    @Test func theCommitOfAFailedTransactionThrows() throws {
        try session.begin()
        _ = try databaseError { try session.execute("SELECT 1/0") }
        #expect(session.isInTransaction)
        #expect(try databaseError { try session.commit() }.sqlState == "25P02")
        #expect(!session.isInTransaction)
    }

    @Test func aSavepointKeepsTheTransactionAlive() throws {
        try session.execute("CREATE TEMP TABLE t (a int)")
        try session.transaction {
            _ = try databaseError { try session.savepoint { try session.execute("SELECT 1/0") } }
            try session.savepoint(keeping: false) { try session.execute("INSERT INTO t VALUES (1)") }
            try session.savepoint { try session.execute("INSERT INTO t VALUES (2)") }
        }
        #expect(try session.scalar("SELECT sum(a) FROM t") == "2")
    }

    @Test(.timeLimit(.minutes(5)))
    func aCopyInsideABatchDoesNotHang() throws {
        try session.execute("CREATE TEMP TABLE t (a int)")
        let error = try databaseError { try session.execute("SELECT 1; COPY t FROM STDIN; SELECT 2") }
        #expect(error.sqlState == "57014")
        #expect(error.kind == .statement)
        try session.execute("COPY (SELECT generate_series(1, 1000)) TO STDOUT; SELECT 1")
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test func aKilledServerProcessIsALostConnection() throws {
        let other = try PostgreSQLServer.shared().session()
        try other.execute("SELECT pg_terminate_backend(\(session.backendPID))")
        usleep(100_000)
        #expect(try databaseError { try session.execute("SELECT 1") }.kind == .connectionLost)
        #expect(try databaseError { _ = try session.query("SELECT 1") }.kind == .connectionLost)
        session.rollback()
        session.close()
        #expect(try databaseError { try session.execute("SELECT 1") }.kind == .connectionLost)
    }

    @Test func aMillionRowsAreReadInBoundedMemory() throws {
        let before = try residentKilobytes()
        var sum = 0
        try session.forEachRow("SELECT g, repeat('x', 100) FROM generate_series(1, 1000000) g", []) {
            sum += $0[0].asInt ?? 0
        }
        #expect(sum == 500_000_500_000)
        #expect(try residentKilobytes() - before < 60_000)
    }

    @Test func anErrorInTheRowsReceiverEndsTheStatement() throws {
        var seen = 0
        #expect(throws: Stop.self) {
            try session.forEachRow("SELECT generate_series(1, 100000000)", []) { _ in
                seen += 1
                if seen == 10 { throw Stop() }
            }
        }
        #expect(seen == 10)
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test func anErrorInMidResultIsThrown() throws {
        let error = try databaseError {
            try session.forEachRow("SELECT 1 / (g - 50) FROM generate_series(1, 100) g", []) { _ in }
        }
        #expect(error.sqlState == "22012")
    }

    @Test func aStatementInsideAnothersRowsIsRefused() throws {
        _ = try databaseError {
            try session.forEachRow("SELECT 1", []) { _ in try session.execute("SELECT 2") }
        }
        #expect(try session.scalar("SELECT 1") == "1")
    }

    @Test func dataFlowsThroughCopy() throws {
        try session.execute("CREATE TEMP TABLE t (a int, b text)")
        var pieces = [[UInt8]("1\tone\n2\tt".utf8), [UInt8]("wo\n".utf8)][...]
        #expect(try session.copyIn("COPY t FROM STDIN") { pieces.popFirst() } == 2)
        var out: [UInt8] = []
        try session.copyOut("COPY (SELECT * FROM t ORDER BY a) TO STDOUT") { out += $0 }
        #expect(String(decoding: out, as: UTF8.self) == "1\tone\n2\ttwo\n")
        #expect(throws: Stop.self) { try session.copyIn("COPY t FROM STDIN") { throw Stop() } }
        #expect(throws: Stop.self) {
            try session.copyOut("COPY (SELECT generate_series(1, 9999999)) TO STDOUT") { _ in throw Stop() }
        }
        let bad = try databaseError {
            var once = [[UInt8]("x\n".utf8)][...]
            try session.copyIn("COPY t (a) FROM STDIN") { once.popFirst() }
        }
        #expect(bad.sqlState == "22P02")
        #expect(try databaseError { try session.copyOut("SELECT 1") { _ in } }.kind == .statement)
        #expect(try session.scalar("SELECT count(*) FROM t") == "2")
    }

    @Test func columnsAreDescribedWithoutRunning() throws {
        #expect(try session.describe("SELECT 1/0 AS a, $1::int AS \"B c\"") == ["a", "B c"])
        #expect(try databaseError { _ = try session.describe("SELECT nothing") }.position == 8)
        #expect(try session.scalar("SELECT count(*) FROM pg_prepared_statements") == "0")
    }

    @Test(arguments: [
        ("postgresql:///nothing?host=%s&port=%p&user=postgres", "3D000"),
        ("postgresql:///postgres?host=%s&port=%p&user=nobody_here", "28000"),
        ("postgresql:///postgres?host=/nowhere&port=%p", nil),
        ("postgresql://127.0.0.1:1/x", nil),
    ])
    func aRefusedConnectionSaysWhy(url: String, state: String?) throws {
        let server = try PostgreSQLServer.shared()
        let text = url.replacingOccurrences(of: "%s", with: server.socketFolder)
            .replacingOccurrences(of: "%p", with: "\(server.port)")
        let error = try databaseError { _ = try PostgreSQLSession(PostgreSQLLocator(text)) }
        #expect(error.kind == .connectionFailed)
        #expect(error.sqlState == state)
        #expect(!error.message.contains(".c:"))
        if let state { #expect(!error.message.contains(state)) }
    }

    @Test(arguments: ["simple", "p@ss/w:rd?&=#%", "it's \\ \"q\"", "pässwörd"])
    func aPasswordConnectsAndIsNeverShown(password: String) throws {
        let server = try PostgreSQLServer.shared()
        let role = "role_\(UInt32.random(in: .min ... .max))"
        try session.execute(
            "CREATE ROLE \(role) LOGIN PASSWORD \(password.quotedLiteral) IN ROLE needs_password")
        let encoded = password.utf8.map { String(format: "%%%02X", $0) }.joined()
        let place = "host=\(server.socketFolder)&port=\(server.port)"
        let locator = try PostgreSQLLocator("postgresql://\(role):\(encoded)@/postgres?\(place)")
        let connected = try PostgreSQLSession(locator)
        #expect(try connected.scalar("SELECT current_user") == .text(role))

        let echo = try databaseError {
            try connected.execute(
                "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = \(("a " + password).quotedLiteral); END $$")
        }
        #expect(!String(describing: echo).contains(password))
        #expect(echo.message.contains("***"))

        let wrong = try PostgreSQLLocator("postgresql://\(role):\(encoded)x@/postgres?\(place)")
        let refused = try databaseError { _ = try PostgreSQLSession(wrong) }
        #expect(refused.sqlState == "28P01")
        for text in [locator.shown, "\(locator)", String(reflecting: locator), "\(refused)"] {
            #expect(!text.contains(password))
            #expect(!text.contains(encoded))
        }
    }

    @Test func theServerTellsWhatItIs() throws {
        #expect(session.serverVersion / 10_000 == (try PostgreSQLServer.shared().majorVersion))
        #expect(session.parameterStatus("client_encoding") == "UTF8")
        #expect(session.parameterStatus("nothing") == nil)
        #expect(try session.scalar("SHOW application_name") == "migrator")
    }
}

func residentKilobytes() throws -> Int {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
    return (Int(pages) ?? 0) * 4
}
