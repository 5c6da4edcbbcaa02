import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

@Suite struct PostgreSQLLockTests {
    private static let location = ScriptLocation(file: "x.sql", line: 1)

    private static func items(_ actions: Action...) -> [Item] {
        actions.map { Item(location: location, action: $0) }
    }

    private func origin() -> Ledger.RunOrigin {
        Ledger.RunOrigin(
            command: "upgrade head", toolVersion: "1", user: "ann", host: "there", pid: 1, backendPID: nil)
    }

    @Test func secondMigratorIsRefusedAndToldWhoIsAtWork() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let first = try makeBackend(database)
        try first.prepareLedger()
        let second = try makeBackend(database)
        try first.acquireMigrationLock(options: RunOptions(), reporter: SilentReporter())
        let pid = try first.session.scalar("SELECT pg_backend_pid()").asText ?? "?"
        var runner = origin()
        runner.backendPID = Int(pid)
        _ = try first.ledger.beginRun(runner, direction: .upgrade, from: nil, to: "0001")
        var options = RunOptions()
        let refused = migratorError {
            try second.acquireMigrationLock(options: options, reporter: SilentReporter())
        }
        #expect(refused?.code == "migrator-running" && refused?.status == .locked)
        #expect(refused?.message.contains("server process \(pid)") == true)
        #expect(refused?.message.contains("of ann on host there") == true)
        #expect(refused?.message.contains("(upgrade head)") == true)
        options.wait = .milliseconds(300)
        #expect(
            migratorError { try second.acquireMigrationLock(options: options, reporter: SilentReporter()) }
                != nil)
        first.releaseMigrationLock()
        try second.acquireMigrationLock(options: options, reporter: SilentReporter())
    }

    @Test func heldTableIsNamedWithItsHolderAndNothingStaysOpen() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let backend = try makeBackend(database)
        try backend.prepareLedger()
        try backend.session.execute(
            "CREATE TABLE letters (id integer PRIMARY KEY); CREATE TABLE kids (l integer REFERENCES letters)")
        let run = try backend.ledger.beginRun(origin(), direction: .upgrade, from: nil, to: "0001")
        let other = try database.session()
        try other.execute("BEGIN; SELECT * FROM kids")
        let switching = Self.items(
            .switchTable(Move(source: TableName("letters"), target: TableName("new"), key: "id")))
        var options = RunOptions()
        options.lockTimeout = .milliseconds(400)
        let error = migratorError {
            try backend.beginWork(for: switching, run: run, options: options, reporter: SilentReporter())
        }
        #expect(error?.code == "table-locked" && error?.status == .locked)
        #expect(error?.details.contains { $0.contains("\"kids\"") && $0.contains("\(other.backendPID)") } == true)
        #expect(!backend.session.isInTransaction)
        other.rollback()
        try backend.beginWork(for: switching, run: run, options: options, reporter: SilentReporter())
        #expect(try backend.session.scalar("SHOW lock_timeout") == "400ms")
        try backend.session.execute("SET search_path = ''; SET TimeZone = 'Asia/Tokyo'")
        try backend.commitWork()
        #expect(try backend.session.scalar("SHOW TimeZone") == "UTC")
        #expect(
            try backend.session.scalar("SHOW search_path") == "\"public\""
                || backend.session.scalar("SHOW search_path") == "public")
    }

    @Test func runThatWasTakenOverIsFenced() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let backend = try makeBackend(database)
        try backend.prepareLedger()
        let old = try backend.ledger.beginRun(origin(), direction: .upgrade, from: nil, to: "0001")
        _ = try backend.ledger.beginRun(origin(), direction: .upgrade, from: nil, to: "0001")
        let error = migratorError {
            try backend.beginWork(for: [], run: old, options: RunOptions(), reporter: SilentReporter())
        }
        #expect(error?.code == "fenced" && error?.status == .locked)
        #expect(!backend.session.isInTransaction)
    }

    @Test func locksAreTakenInTheApplicationsOrderAndOnceInTheirFinalMode() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let backend = try makeBackend(database)
        try backend.session.execute(
            """
            CREATE TABLE a (id integer PRIMARY KEY, up integer REFERENCES a);
            CREATE TABLE kids (l integer REFERENCES a); CREATE TABLE b (id integer);
            CREATE VIEW v AS SELECT * FROM b;
            """)
        let names = { (items: [Item]) in
            try backend.tableLocks(for: items).map { "\($0.shown) \($0.mode.rawValue)" }
        }
        let a = TableName("a")
        #expect(
            try names(
                Self.items(
                    .backup(a),
                    .when(
                        .table(a, exists: true),
                        Self.items(.switchTable(Move(source: a, target: TableName("v"), key: "id")))),
                    .copy(Move(source: TableName("b"), target: TableName("absent"), key: "id"))))
                == [
                    "\"v\" ACCESS EXCLUSIVE", "\"a\" ACCESS EXCLUSIVE", "\"b\" SHARE", "\"kids\" ACCESS EXCLUSIVE",
                ])
        #expect(
            try names(
                Self.items(
                    .unsync(source: a, target: TableName("b")),
                    .sync(Sync(source: TableName("b"), target: a, key: "id"))))
                == ["\"a\" ACCESS EXCLUSIVE", "\"b\" SHARE ROW EXCLUSIVE"])
        #expect(try backend.tableLocks(for: []).isEmpty)
    }
}
