import MigratorScript
import MigratorTestSupport
import Testing

/// What an operator changes between an upgrade and its downgrade is his, and no reason to stop on the way back.
@Suite struct DriftTests {
    static let changes = [
        "CREATE INDEX by_hand ON messages (type)",
        "CREATE POLICY by_hand ON messages USING (sender_id > 0); ALTER TABLE messages ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON messages TO PUBLIC",
        "ALTER TABLE messages ADD COLUMN by_hand text",
        "COMMENT ON TABLE messages IS 'by hand'",
        "ALTER TABLE messages ADD CONSTRAINT by_hand CHECK (id > -5)",
        "CREATE STATISTICS by_hand ON sender_id, type FROM messages",
        "ALTER TABLE messages SET (fillfactor = 80)",
        "CREATE TRIGGER by_hand AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION by_hand()",
        "ALTER TABLE users ADD COLUMN by_hand text",
    ]

    private func upgraded(to target: String) throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", target], on: store).checked()
        return store
    }

    @Test(arguments: changes, ["window", "online"]) func `goes back along with the table`(
        _ change: String, _ mode: String
    ) throws {
        let store = try upgraded(to: "head")
        try store.run(
            "CREATE FUNCTION by_hand() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \(change)")
        let downgrade = try migrate(["downgrade", "0001", "--mode", mode], on: store)
        #expect(downgrade.status == 0, "\(downgrade.standardError)")
        #expect(try RoundTripTests.query("SELECT count(*) FROM direct_messages", in: store)[0][0].asInt == 4)
    }

    private static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Notes

        -- migrator:upgrade
        ALTER TABLE people ADD COLUMN nick text;
        CREATE TABLE notes (id integer PRIMARY KEY, text text, more text);
        -- migrator:switch old_notes -> notes key=id

        -- migrator:downgrade
        -- migrator:switch notes -> old_notes key=id

        """

    /// What the downgrade itself leaves behind is found beside it.
    @Test(arguments: ["window", "online"]) func `hides no difference of the downgrade`(_ mode: String) throws {
        let store = try PostgreSQLStore()
        try store.run(
            """
            CREATE TABLE people (id integer PRIMARY KEY); CREATE TABLE old_notes (id integer PRIMARY KEY, text text)
            """)
        let project = try Project(["m/postgresql/0001_notes.sql": Self.script])
        let migrations = project.folder.file("m")
        try migrate(["upgrade", "head"], on: store, migrations: migrations).checked()
        try store.run("CREATE INDEX by_hand ON notes (text); ALTER TABLE people ADD COLUMN by_hand text")
        let downgrade = try migrate(["downgrade", "base", "--mode", mode], on: store, migrations: migrations)
        #expect(downgrade.status == 2 && downgrade.errorCode == "downgrade-differs", "\(downgrade.standardError)")
        #expect(downgrade.standardError.contains("public.people: + column nick text"), "\(downgrade.standardError)")
        #expect(!downgrade.standardError.contains("by_hand"), "\(downgrade.standardError)")
        let says = mode == "online" ? "what it has done stands" : "nothing was committed"
        #expect(downgrade.standardError.contains(says), "\(downgrade.standardError)")
    }

    // MARK: The old name

    static let occupants = [
        "CREATE VIEW direct_messages AS SELECT 1 AS mine",
        "CREATE TABLE direct_messages AS SELECT 1 AS mine",
    ]

    @Test(arguments: occupants, ["window", "online"]) func `under the old name is neither dropped nor run into`(
        _ occupant: String, _ mode: String
    ) throws {
        let store = try upgraded(to: "0002")
        try store.run("DROP VIEW direct_messages; \(occupant)")
        let before = try store.state()
        let isView = occupant.contains("VIEW")
        let contracted = try store.copy()
        let contract = try migrate(["contract", "0002"], on: contracted)
        #expect(contract.status == (isView ? 4 : 0), "\(contract.standardError)")
        #expect(isView == contract.standardError.contains("error[view-replaced]"), "\(contract.standardError)")
        #expect(!contract.standardError.contains("direct_messages dropped"), "\(contract.standardError)")

        let downgrade = ["downgrade", "0001", "--mode", mode]
        for store in [store, contracted] {
            let refused = try migrate(downgrade, on: store)
            #expect(refused.status == 4 && refused.errorCode == "source-exists", "\(refused.standardError)")
            #expect(try RoundTripTests.query("SELECT mine FROM direct_messages", in: store)[0][0].asInt == 1)
        }
        #expect(try store.state() == before)

        try store.run("ALTER TABLE direct_messages RENAME TO mine")
        try migrate(downgrade, on: store).checked()
        #expect(try RoundTripTests.query("SELECT count(*) FROM direct_messages", in: store)[0][0].asInt == 4)
        #expect(try RoundTripTests.query("SELECT mine FROM mine", in: store)[0][0].asInt == 1)
    }
}
