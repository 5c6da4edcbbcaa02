import Foundation
import MigratorTestSupport
import Testing

/// Databases whose schemas hold the same tables, as where each tenant has one.
@Suite struct SchemaTests {
    private let shipped = MigratorBinary.packageFolder + "/migrations"
    private let store: PostgreSQLStore
    private let folder: TemporaryFolder

    init() throws {
        store = try PostgreSQLStore()
        folder = try TemporaryFolder()
        try store.run("CREATE SCHEMA one; CREATE SCHEMA \"the Other\"")
        try folder.write(
            """
            [environments.one]
            database = "\(store.url)"
            schema = "one"

            [environments.other]
            database = "\(store.url)"
            schema = "the Other"
            ledger_schema = "the ledger"
            """, to: "migrator.toml")
    }

    private func run(_ line: String, in environment: String = "one") throws -> CommandResult {
        try MigratorBinary.run(
            line.split(separator: " ").map(String.init)
                + ["--config", folder.file("migrator.toml"), "--env", environment, "--migrations", shipped])
    }

    private func fill(_ schema: String) throws { try store.run("SET search_path = \(schema); \(sampleMessages)") }

    private func messages(_ schema: String) throws -> String {
        try store.database.psql("SELECT string_agg(m::text, ';' ORDER BY id) FROM \(schema).direct_messages AS m")
    }

    @Test func `each schema with a ledger of its own goes its own way`() throws {
        try run("upgrade 0001").checked()
        try run("upgrade 0001", in: "other").checked()
        try fill("one")
        try fill("\"the Other\"")
        for line in ["stamp base", "stamp 0001"] { try run(line, in: "other").checked() }
        let before = try messages("\"the Other\"")
        for mode in ["window", "online"] {
            try run("upgrade head --mode \(mode)", in: "other").checked()
            #expect(try run("current").standardOutput.hasPrefix("0001"))
            #expect(try messages("one") == before)
            for line in ["verify --full", "verify --functional", "rehearse", "check", "backups verify"] {
                try run(line, in: "other").checked()
            }
            try run("downgrade 0001 --mode \(mode)", in: "other").checked()
            #expect(try messages("\"the Other\"") == before)
            try run("verify", in: "other").checked()
        }
        try run("upgrade head").checked()
        try run("verify --full").checked()
        #expect(try run("current", in: "other").standardOutput.hasPrefix("0001"))
    }

    @Test(arguments: ["--schema", "search_path"])
    func `one ledger is not taken for two schemas`(_ way: String) throws {
        try run("upgrade head").checked()
        let ledger = "SELECT md5(string_agg(r::text, '' ORDER BY position)) FROM migrator.revision AS r"
        let before = try store.database.psql(ledger)
        let other =
            way == "--schema"
            ? ["--database", store.url, "--schema", "the Other"]
            : ["--database", store.url + "&options=-csearch_path%3D%22the%5C%20Other%22"]
        for line in [
            "upgrade head", "downgrade base", "stamp 0001", "current", "status", "check", "verify", "plan head",
            "rehearse",
            "upgrade head --sql",
        ] {
            let words = line.split(separator: " ").map(String.init)
            let result = try MigratorBinary.run(words + other + ["--migrations", shipped])
            #expect(result.status == 78 && result.errorCode == "schema-differs", "\(line): \(result.standardError)")
            #expect(result.standardError.contains(#"schema "one", not of "the Other""#), "\(result.standardError)")
            expectPlainWords(result.standardError)
        }
        #expect(try store.database.psql(ledger) == before)
    }

    @Test func `of two that begin one ledger at once, one is refused`() throws {
        let runs = try ["one", "the Other"].map { schema in
            try MigratorBinary.start([
                "--database", store.url, "--migrations", shipped, "--schema", schema, "upgrade", "0001", "--wait",
                "60s",
            ])
        }
        let statuses = try runs.map { try $0.wait().status }
        #expect(statuses.sorted() == [0, 78])
    }

    /// Under another name the schema is the same one; and at base the ledger is about none.
    @Test func `a ledger goes with its schema, and is free at base`() throws {
        try run("upgrade 0001").checked()
        try store.run("ALTER SCHEMA one RENAME TO renamed")
        func migrated(_ line: String, _ schema: String) throws -> CommandResult {
            try migrate(line.split(separator: " ").map(String.init) + ["--schema", schema], on: store)
        }
        try migrated("stamp 0001", "renamed").checked()
        #expect(try migrated("current", "the Other").status == 78)
        try migrated("stamp base", "renamed").checked()
        try migrated("upgrade 0001", "the Other").checked()
        #expect(try migrated("current", "renamed").status == 78)
    }

    @Test func `a ledger that does not know its schema learns it from its backups`() throws {
        try run("upgrade head").checked()
        try store.run("ALTER TABLE migrator.format DROP COLUMN schema_name; UPDATE migrator.format SET version = 2")
        try migrate(["current", "--schema", "the Other"], on: store).checked()
        try run("downgrade -1").checked()
        #expect(try migrate(["current", "--schema", "the Other"], on: store).status == 78)
        try run("verify").checked()
    }
}
