import Foundation
import MigratorTestSupport
import Testing

/// What a script leaves behind in the session is no matter to the revisions after it.
@Suite struct SessionStateTests {
    @Test(arguments: ["DEALLOCATE ALL", "DISCARD PLANS", "SET search_path = ''", "PREPARE kept AS SELECT 1"])
    func `the tool's own queries outlive what a script does to its session`(_ statement: String) throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let project = try Project.threeRevisions()
        try project.folder.write(
            Project.script("0002", revises: "0001", "Second").replacingOccurrences(
                of: "t0002 (id integer PRIMARY KEY);", with: "t0002 (id integer PRIMARY KEY);\n\(statement);"),
            to: "migrations/postgresql/0002_second.sql")
        for command in [["upgrade", "head"], ["verify"], ["downgrade", "base"], ["upgrade", "head"], ["verify"]] {
            try project.run(["--database", database.url] + command).checked()
        }
        #expect(
            try database.psql("SELECT count(*) FROM migrator.fingerprint WHERE after_definition IS NOT NULL") == "3\n")
    }
}
