import MigratorTestSupport
import Testing

/// A table whose row-level security is forced hides its rows from its owner too: what counts, archives or drops it must
/// not take it for empty.
@Suite struct RowSecurityTests {
    static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Letters

        -- migrator:upgrade
        CREATE TABLE letters (id integer PRIMARY KEY, text text);

        -- migrator:downgrade
        ARCHIVE
        DROP TABLE letters;

        """

    @Test(
        arguments: ["-- migrator:archive letters", ""], ["window", "online"]
    ) func `is not taken for an empty table`(_ archive: String, _ mode: String) throws {
        let store = try PostgreSQLStore()
        let role = "owner_\(store.database.name)"
        try store.run("CREATE ROLE \(role) LOGIN; ALTER DATABASE \(store.database.name) OWNER TO \(role)")
        try store.run("GRANT ALL ON SCHEMA public TO \(role)")
        let project = try Project([
            "m/postgresql/0001_letters.sql": Self.script.replacing("ARCHIVE", with: archive)
        ])
        func run(_ database: TestDatabase, _ arguments: [String], leavingOut: String = "") throws -> CommandResult {
            try project.run(
                ["--database", database.url(user: role), "--migrations", "m"] + arguments,
                environment: ["MIGRATOR_LEAVE_OUT": leavingOut])
        }
        try run(store.database, ["upgrade", "head"]).checked()
        try store.run("INSERT INTO letters VALUES (1, 'a'), (2, 'b')")
        let hide = "ALTER TABLE letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        try store.run(hide)
        let careless = try PostgreSQLStore(template: store.database.name)
        let downgrade = ["downgrade", "base", "--mode", mode]

        let refused = try run(store.database, downgrade)
        #expect(refused.status == 69 && refused.errorCode == "row-security", "\(refused.standardError)")
        #expect(refused.standardError.contains("NO FORCE ROW LEVEL SECURITY"), "\(refused.standardError)")
        #expect(try store.database.psql("SELECT count(*) FROM letters") == "2\n")
        try store.run("ALTER TABLE letters NO FORCE ROW LEVEL SECURITY")
        let second = try run(store.database, downgrade)
        if archive.isEmpty {
            #expect(second.status == 4, "\(second.standardError)")
            #expect(try store.database.psql("SELECT count(*) FROM letters") == "2\n")
        } else {
            try second.checked()
            #expect(try store.database.psql("SELECT count(*) FROM letters_backup") == "2\n")
        }

        // Without it the rows are lost.
        try run(careless.database, downgrade, leavingOut: "row-security").checked()
        #expect(
            try careless.database.psql(
                "SELECT count(*) FROM pg_class WHERE relname IN ('letters', 'letters_backup') AND pg_relation_size(oid) > 0"
            ) == "0\n")
    }
}
