import Foundation
import MigratorTestSupport
import Testing

/// A real PgBouncer between the tool and the server.
@Suite struct PoolerTests {
    /// Runs `body` with the URL of the database behind a PgBouncer, and ends that.
    private func withPooler(mode: String, before database: TestDatabase, _ body: (String) throws -> Void) throws {
        let server = database.server
        let folder = try TemporaryFolder()
        chmod(folder.path, 0o777)
        let settings = try folder.write(
            """
            [databases]
            chat = host=\(server.socketFolder) port=\(server.port) dbname=\(database.name) user=postgres
            [pgbouncer]
            listen_port = 6432
            unix_socket_dir = \(folder.path)
            auth_type = any
            pool_mode = \(mode)
            """, to: "pgbouncer.ini")
        let words = server.installation.asUser(["/usr/sbin/pgbouncer", settings])
        let pooler = try RunningCommand(words[0], Array(words.dropFirst()), workingFolder: folder.path)
        defer {
            pooler.signal(SIGINT)
            _ = try? pooler.wait()
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while !FileManager.default.fileExists(atPath: folder.file(".s.PGSQL.6432")), ContinuousClock.now < deadline {
            usleep(20_000)
        }
        try body("postgresql:///chat?host=\(folder.path)&port=6432&user=postgres")
    }

    @Test(arguments: ["transaction", "session", "statement"])
    func `behind PgBouncer everything that writes is refused and nothing is written`(_ mode: String) throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let project = try Project.threeRevisions()
        try project.run("--database", database.url, "upgrade", "0001").checked()
        let before = try database.psql("SELECT * FROM migrator.run; SELECT * FROM migrator.revision")
        try withPooler(mode: mode, before: database) { url in
            for command in [["upgrade", "head"], ["downgrade", "-1"], ["stamp", "head"], ["contract", "0001"]] {
                let result = try project.run(["--database", url] + command)
                #expect(result.status == 69, "\(command): \(result.standardError)")
                #expect(result.standardError.contains("connection-pooler"), "\(command): \(result.standardError)")
            }
            // Reading takes a transaction, which statement mode does not have.
            if mode != "statement" { try project.run("--database", url, "current").checked() }
        }
        #expect(try database.psql("SELECT * FROM migrator.run; SELECT * FROM migrator.revision") == before)
    }
}
