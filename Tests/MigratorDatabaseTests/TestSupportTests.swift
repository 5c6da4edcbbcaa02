import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

@Suite struct TestSupportTests {
    @Test func bigOutputsOnBothStreamsAreKeptApart() throws {
        let script =
            "head -c 3000000 /dev/zero | tr '\\0' a & head -c 3000000 /dev/zero | tr '\\0' b >&2; wait; exit 7"
        let result = try run("/bin/sh", ["-c", script])
        #expect(result.standardOutput.count == 3_000_000 && result.standardOutput.first == "a")
        #expect(result.standardError.count == 3_000_000 && result.standardError.first == "b")
        #expect(result.status == 7)
    }

    @Test func inputFolderAndEnvironmentArrive() throws {
        let folder = try TemporaryFolder()
        let result = try run(
            "/bin/sh", ["-c", "cat; pwd; echo $WORD"], environment: ["WORD": "x", "PATH": "/usr/bin:/bin"],
            standardInput: "given\n", workingFolder: folder.path)
        #expect(result.standardOutput == "given\n\(folder.path)\nx\n")
    }

    @Test func aTimeOutEndsTheWholeGroup() throws {
        let result = try run("/bin/sh", ["-c", "sleep 50 & sleep 50"], timeout: .milliseconds(200))
        #expect(result.wasTimedOut)
        #expect(result.status == 128 + SIGKILL)
    }

    @Test func aMissingProgramIsAnError() {
        #expect(throws: CommandError.self) { try run("/nothing/here") }
    }

    @Test func everyDatabaseIsItsOwn() throws {
        let server = try PostgreSQLServer.shared()
        let first = try server.createDatabase()
        let second = try server.createDatabase()
        try first.psql("CREATE TABLE only_here (a int)")
        #expect(try second.session().scalar("SELECT to_regclass('only_here')::text") == .null)
        #expect(try server.run("pg_dump", ["-s", first.url]).checked().standardOutput.contains("only_here"))
    }

    @Test func aServerEndsWithItsProcess() throws {
        let folder = try TemporaryFolder()
        let child = try ChildTest.run(
            "TestSupportChildTests/startsAServerAndDies", environment: ["NOTE": folder.file("note")])
        #expect(child.status == 128 + SIGKILL)
        let socketFolder = try folder.read("note")
        #expect(socketFolder.contains("/migrator-"))
        let deadline = ContinuousClock.now + .seconds(20)
        while FileManager.default.fileExists(atPath: socketFolder), ContinuousClock.now < deadline {
            usleep(20_000)
        }
        #expect(!FileManager.default.fileExists(atPath: socketFolder))
    }

    @Test func aServerOnTCPWantsPasswords() throws {
        let server = try PostgreSQLServer(tcp: true)
        let local = try server.session()
        try local.execute("CREATE ROLE guest LOGIN PASSWORD 'right'")
        let place = "127.0.0.1:\(server.port)/postgres"
        let session = try PostgreSQLSession(PostgreSQLLocator("postgresql://guest:right@\(place)"))
        #expect(try session.scalar("SELECT current_user") == "guest")
        let error = try databaseError {
            _ = try PostgreSQLSession(PostgreSQLLocator("postgresql://guest:wrong@\(place)"))
        }
        #expect(error.sqlState == "28P01")
        let none = try databaseError {
            _ = try PostgreSQLSession(PostgreSQLLocator("postgresql://guest@\(place)"))
        }
        #expect(none.kind == .connectionFailed)
        server.stop()
        server.stop()
        let lost = try databaseError { try local.execute("SELECT 1") }
        #expect(lost.kind == .connectionLost, "\(lost)")
    }
}

@Suite(ChildTest.trait) struct TestSupportChildTests {
    @Test func startsAServerAndDies() throws {
        let server = try PostgreSQLServer()
        try Data(server.socketFolder.utf8).write(to: URL(fileURLWithPath: ChildTest.value("NOTE")))
        kill(getpid(), SIGKILL)
    }
}
