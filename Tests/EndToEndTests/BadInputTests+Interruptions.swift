import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Signals in the middle of the shipped revisions, and the error objects of `--json`.
@Suite struct InterruptionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var command: String
        var before: [String]
        var signal: Int32
        var testDescription: String { "\(command) signal \(signal)" }
    }

    static let cases: [Case] = [SIGINT, SIGTERM, SIGKILL].flatMap { signal in
        [
            Case(command: "upgrade head", before: ["upgrade 0001", " " + sampleMessages], signal: signal),
            Case(
                command: "downgrade 0001", before: ["upgrade 0001", " " + sampleMessages, "upgrade head"],
                signal: signal),
        ]
    }

    @Test(arguments: cases, Dialect.allCases)
    func `After a signal in the middle the same command ends the work`(_ example: Case, _ dialect: Dialect) throws {
        let bench = try Bench(dialect)
        try bench.perform(example.before)
        let undisturbed = try bench.store.copy()
        let counted = try migrate(
            example.command.split(separator: " ").map(String.init), on: undisturbed,
            environment: ["MIGRATOR_FAIL_POINT": "count"], migrations: bench.migrations
        ).checked()
        let wanted = try undisturbed.state()
        let statements = try FailPointTests.counts(in: counted.standardError).statements

        let store = try bench.store.copy()
        let running = try MigratorBinary.start(
            ["--database", store.url, "--migrations", bench.migrations, "--json"]
                + example.command.split(separator: " ").map(String.init),
            environment: ["MIGRATOR_FAIL_POINT": "stop@before:\(statements * 2 / 3)"])
        #expect(running.waitUntilStopped())
        running.signal(example.signal)
        running.signal(SIGCONT)
        let result = try running.wait(timeout: .seconds(30))
        if example.signal == SIGKILL {
            #expect(result.status == 128 + SIGKILL)
        } else {
            #expect(result.status == 130, "\(result.standardError)")
            try expectErrorObject(result, "interrupted", status: 130)
        }
        let again = try migrate(
            example.command.split(separator: " ").map(String.init), on: store, migrations: bench.migrations)
        #expect(again.status == 0, "\(again.standardError)")
        #expect(try store.state() == wanted)
        #expect(try migrate(["verify"], on: store, migrations: bench.migrations).status == 0)
    }

    @Test func `A database that cannot be used is an error object`() throws {
        let folder = try TemporaryFolder()
        try folder.write("no database, whatever its name says", to: "x.db")
        for (url, code) in [
            ("postgresql://u:c4n4ry@127.0.0.1:1/d?connect_timeout=2", "connection-refused"),
            (try PostgreSQLServer.shared().url(database: "nowhere"), "database-missing"),
            (try PostgreSQLServer.shared().url(user: "nobody_knows"), "role-missing"),
            ("sqlite://" + folder.file("x.db"), "not-a-database"),
            ("sqlite://" + folder.file("no/x.db"), "database-missing"),
        ] {
            let result = try MigratorBinary.run([
                "--json", "--database", url, "upgrade", "head", "--migrations",
                MigratorBinary.packageFolder + "/migrations",
            ])
            try expectErrorObject(result, code, status: 69)
            #expect(!(result.standardOutput + result.standardError).contains("c4n4ry"))
        }
    }

    @Test(arguments: Dialect.allCases)
    func `A lock that is held is an error object`(_ dialect: Dialect) throws {
        let bench = try Bench(dialect)
        try bench.perform(["upgrade 0001", " " + sampleMessages])
        if dialect == .postgresql {
            let blocker = try bench.store.session()
            try blocker.execute("BEGIN; LOCK TABLE direct_messages IN ACCESS SHARE MODE")
            defer { blocker.close() }
            try expectErrorObject(
                try bench.run("upgrade head --lock-timeout 200ms --json --mode window"), "table-locked", status: 5)
        }
        let first = try bench.start("upgrade head", environment: ["MIGRATOR_FAIL_POINT": "stop@before:20"])
        #expect(first.waitUntilStopped())
        try expectErrorObject(try bench.run("upgrade head --json"), "migrator-running", status: 5)
        first.signal(SIGCONT)
        #expect(try first.wait().status == 0)
    }
}

/// Standard output is one object that says what standard error says.
func expectErrorObject(_ result: CommandResult, _ code: String, status: Int32) throws {
    #expect(result.status == status, "\(result.standardError)")
    let object = try result.object()
    let error = try #require(object["error"] as? [String: Any], "\(object)")
    #expect(object["schema_version"] as? Int == 1)
    #expect(object["exit_status"] as? Int == Int(status))
    #expect(error["code"] as? String == code, "\(object)")
    let message = try #require(error["message"] as? String)
    #expect(result.standardError.contains(message.split(separator: "\n")[0]), "\(result.standardError)")
    expectPlainWords(result.standardOutput + result.standardError)
}
