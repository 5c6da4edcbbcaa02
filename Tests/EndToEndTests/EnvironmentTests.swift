import Foundation
import MigratorTestSupport
import Testing

/// `.env`, variables in `migrator.toml`, and a database that comes up later.
@Suite struct EnvironmentTests {
    private func place(_ project: Project, _ arguments: String..., environment: [String: String] = [:]) throws -> String
    {
        let result = try project.run(arguments + ["current", "-v"], environment: environment)
        return result.standardOutput + result.standardError
    }

    @Test func `A variable of the file names the database, and the environment wins`() throws {
        let project = try Project.threeRevisions()
        try project.folder.write(
            "# the local one\n\nexport DATABASE_URL=sqlite:one.db # here\nOTHER='a b'\n", to: ".env")
        try project.run("upgrade", "head").checked()
        #expect(FileManager.default.fileExists(atPath: project.path + "/one.db"))
        let given = try project.run("upgrade", "head", environment: ["DATABASE_URL": "sqlite:two.db"])
        #expect(given.status == 0 && FileManager.default.fileExists(atPath: project.path + "/two.db"))
        try project.folder.write("DATABASE_URL=\"sqlite:three.db\"\n", to: "other.env")
        try project.run("upgrade", "head", "--env-file", "other.env").checked()
        #expect(FileManager.default.fileExists(atPath: project.path + "/three.db"))
        let inCI = try project.run("current", environment: ["CI": "1"])
        #expect(inCI.status == 78, "nothing is assumed in CI: \(inCI.standardOutput)")
    }

    @Test(arguments: ["1X=1", "NAME", "A B=c", "X=\"open", "X='open"])
    func `A malformed line is refused with its place, and is not quoted`(_ line: String) throws {
        let project = try Project.threeRevisions()
        try project.folder.write("A=1\n\(line) canary-word\n", to: ".env")
        let result = try project.run("current", "--database", "sqlite:x.db")
        #expect(result.status == 78 && result.standardError.contains(".env:2:1"), "\(result.standardError)")
        #expect(!result.standardError.contains("canary-word"))
    }

    @Test func `A value of the configuration takes variables`() throws {
        let project = try Project.threeRevisions()
        try project.folder.write(
            "[environments.prod]\ndatabase = \"sqlite:${PLACE}-$$.db\"\n", to: "migrator.toml")
        let missing = try project.run("upgrade", "head", "--env", "prod")
        #expect(missing.status == 78 && missing.standardError.contains("migrator.toml:2"), "\(missing.standardError)")
        #expect(missing.standardError.contains("no variable \"PLACE\""))
        try project.run("upgrade", "head", "--env", "prod", environment: ["PLACE": "there"]).checked()
        #expect(FileManager.default.fileExists(atPath: project.path + "/there-$.db"))
    }

    @Test func `A server that comes up is waited for, a wrong password is not`() throws {
        let project = try Project.threeRevisions()
        let start = ContinuousClock.now
        let never = try project.run(
            "--wait-for-database", "1s", "current", "--database", "postgresql://me@127.0.0.1:1/x")
        #expect(never.status == 69 && ContinuousClock.now - start >= .seconds(1))
        #expect(never.standardError.contains("waiting for the database"))
        let store = try PostgreSQLStore()
        try project.run("current", "--database", store.url, "--wait-for-database").checked()
    }

    @Test func `A tag stands in the ledger with its command`() throws {
        let project = try Project.threeRevisions()
        try project.run("upgrade", "head", "--tag", "build-17", "--database", "sqlite:x.db").checked()
        let store = try SQLiteStore()
        try FileManager.default.copyItem(atPath: project.path + "/x.db", toPath: store.path)
        let session = try store.session()
        defer { session.close() }
        let command = try session.scalar("SELECT command FROM migrator_run ORDER BY id DESC LIMIT 1").asText
        #expect(command == "migrator upgrade head --tag build-17")
    }
}
