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

    /// What an administrator has set for the database while it is at 0001.
    @Test(arguments: [
        "quote_all_identifiers = on", "DateStyle = 'SQL, DMY'", "statement_timeout = '20ms'", "lock_timeout = '1ms'",
        "default_transaction_isolation = 'serializable'",
    ])
    func `the settings of the database do not matter`(_ setting: String) throws {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        let rows = "SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM direct_messages AS m"
        let before = try store.database.psql(rows)
        try store.run("ALTER DATABASE \(store.database.name) SET \(setting)")
        for mode in ["online", "window"] {
            try migrate(["upgrade", "head", "--mode", mode], on: store).checked()
            try migrate(["verify", "--full"], on: store).checked()
            try migrate(["downgrade", "0001", "--mode", mode], on: store).checked()
        }
        try store.run("ALTER DATABASE \(store.database.name) RESET ALL")
        #expect(try store.database.psql(rows) == before)
    }
}
