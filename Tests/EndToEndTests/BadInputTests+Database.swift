import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Databases that cannot be used, others that are in the way, and interruptions.
@Suite struct BadDatabaseTests {
    @Test(arguments: [
        ("postgresql://u@127.0.0.1:1/d?connect_timeout=2", "127.0.0.1"),
        ("postgresql://u@no-such-host.invalid/d?connect_timeout=2", "no-such-host.invalid"),
    ])
    func `A server that is not there is exit 69`(_ url: String, _ name: String) throws {
        let result = try MigratorBinary.run(["--database", url, "upgrade", "head", "--migrations", shipped])
        #expect(result.status == 69, "\(result.standardError)")
        #expect(result.standardError.contains(name), "\(result.standardError)")
        expectPlainWords(result.standardError)
    }

    @Test func `A database that is not there is exit 69`() throws {
        let result = try MigratorBinary.run([
            "--database", try PostgreSQLServer.shared().url(database: "nowhere"), "--migrations", shipped,
            "upgrade", "head",
        ])
        #expect(result.status == 69 && result.standardError.contains("\"nowhere\""), "\(result.standardError)")
    }

    @Test func `A server that ends the connection at once is quoted`() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        try database.psql("ALTER DATABASE \(database.name) SET session_preload_libraries = 'missing'")
        let result = try MigratorBinary.run(["--database", database.url, "upgrade", "head", "--migrations", shipped])
        #expect(result.status == 69 && result.errorCode == "connection-failed", "\(result.standardError)")
        #expect(result.standardError.contains(#"could not access file "missing""#), "\(result.standardError)")
    }

    @Test func `A wrong password is exit 69 and is not shown`() throws {
        let server = try PostgreSQLServer(tcp: true)
        try server.run(
            "psql", ["-Xq", server.url(), "-c", "CREATE ROLE ann LOGIN PASSWORD 'right' IN ROLE needs_password"]
        ).checked()
        let result = try MigratorBinary.run([
            "--database", "postgresql://ann:wr0ngSecret@127.0.0.1:\(server.port)/postgres", "--migrations",
            shipped, "upgrade", "head",
        ])
        #expect(result.status == 69 && result.standardError.contains("ann"), "\(result.standardError)")
        #expect(!(result.standardOutput + result.standardError).contains("wr0ngSecret"))
    }

    @Test(arguments: ["", "1"])
    func `Without a database it is exit 78`(_ ci: String) throws {
        let folder = try TemporaryFolder()
        let result = try MigratorBinary.run(
            ["upgrade", "head", "--migrations", shipped], environment: ci.isEmpty ? [:] : ["CI": ci],
            workingFolder: folder.path)
        #expect(result.status == 78 && result.errorCode == "no-database", "\(result.standardError)")
    }

    @Test(arguments: ["upgrade head", "downgrade base", "verify", "current", "stamp 0001"])
    func `A file that is no SQLite database is exit 69`(_ command: String) throws {
        let folder = try TemporaryFolder()
        let text = String(repeating: "not a database\n", count: 100)
        try folder.write(text, to: "x.db")
        for (name, creates) in [("x.db", false), (".", false), ("no/x.db", false), ("missing.db", true)] {
            let result = try MigratorBinary.run(
                ["--database", "sqlite://" + folder.file(name), "--migrations", shipped]
                    + command.split(separator: " ").map(String.init))
            if creates, command.hasPrefix("upgrade") || command.hasPrefix("stamp") { continue }
            #expect(result.status == 69, "\(name): \(result.standardOutput)\(result.standardError)")
            expectPlainWords(result.standardError)
        }
        #expect(try folder.read("x.db") == text)
    }

    @Test func `Only the other dialect's folder is exit 65`() throws {
        let folder = try TemporaryFolder()
        try folder.write(Project.script("0001", revises: "base", "First"), to: "m/postgresql/0001_first.sql")
        let result = try migrate(["upgrade", "head"], on: SQLiteStore(), migrations: folder.file("m"))
        #expect(result.status == 65 && result.standardError.contains("sqlite"), "\(result.standardError)")
    }

    @Test func `A locked table is exit 5 with the blocker`() throws {
        let bench = try Bench(.postgresql)
        try bench.perform(["upgrade 0001", " " + sampleMessages])
        let before = try bench.store.state()
        let blocker = try bench.store.session()
        try blocker.execute("BEGIN; LOCK TABLE direct_messages IN ACCESS SHARE MODE")
        let processID = try blocker.query("SELECT pg_backend_pid() AS pid").first?.text("pid") ?? "none"
        let result = try bench.run("upgrade head --lock-timeout 1s --mode window")
        #expect(result.status == 5, "\(result.standardError)")
        #expect(result.standardError.contains(processID), "\(result.standardError)")
        #expect(try bench.store.state() == before)
        let online = try bench.run("upgrade head --lock-timeout 1s --mode online")
        #expect(online.status == 5, "\(online.standardError)")
        #expect(online.standardError.contains(processID), "\(online.standardError)")
        blocker.close()
        try bench.perform(["upgrade head", "verify"])
    }

    @Test(arguments: Dialect.allCases)
    func `Ctrl-C rolls a long statement back`(_ dialect: Dialect) throws {
        let slow =
            dialect == .postgresql
            ? "SELECT pg_sleep(60);"
            : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;"
        let create = "CREATE TABLE a (id integer);\n"
        let bench = try Bench(dialect, ["0001_a.sql": script("0001", up: create + slow)])
        let running = try bench.start("upgrade head")
        usleep(1_500_000)
        running.signal(SIGINT)
        let result = try running.wait(timeout: .seconds(30))
        #expect(result.status == 130, "\(result.standardError)")
        #expect(!(try bench.store.state().contains("TABLE a")))
        expectPlainWords(result.standardError)
        try bench.change(["0001_a.sql": script("0001", up: create)])
        try bench.perform(["upgrade head"])
    }

    @Test(arguments: Dialect.allCases)
    func `A second migrator is told of the first, or waits for it`(_ dialect: Dialect) throws {
        let counting = try Bench(dialect)
        let counted = try counting.run("upgrade head", environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let middle = try FailPointTests.counts(in: counted.standardError).statements / 2
        let bench = try Bench(dialect)
        let first = try bench.start(
            "upgrade head", environment: ["MIGRATOR_FAIL_POINT": "stop@before:\(middle)"])
        #expect(first.waitUntilStopped())
        let second = try bench.run("upgrade head")
        #expect(second.status == 5, "\(second.standardError)")
        #expect(second.errorCode == "migrator-running", "\(second.standardError)")
        let owner = ["pid \(first.processID) ", "on host \(ProcessInfo.processInfo.hostName)"]
        for text in owner + (dialect == .postgresql ? ["server process", " of \(NSUserName()) on"] : []) {
            #expect(second.standardError.contains(text), "\(second.standardError)")
        }
        let waiting = try bench.start("upgrade head --wait 60s")
        usleep(500_000)
        first.signal(SIGCONT)
        #expect(try first.wait().status == 0)
        let waited = try waiting.wait()
        #expect(waited.status == 0, "\(waited.standardError)")
    }

    private let shipped = MigratorBinary.packageFolder + "/migrations"
}
