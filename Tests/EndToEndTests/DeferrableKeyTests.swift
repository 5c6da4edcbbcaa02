import MigratorDatabase
import MigratorTestSupport
import Testing

/// Primary keys that are looked at when a transaction ends: a trigger cannot go by them (`ON CONFLICT`).
@Suite struct DeferrableKeyTests {
    private static func makeStore() throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 100))
        try store.run(
            """
            ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk;
            ALTER TABLE direct_messages DROP CONSTRAINT direct_messages_reply_to_id_fkey,
                DROP CONSTRAINT direct_messages_pkey,
                ADD CONSTRAINT direct_messages_pkey PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED
            """)
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    /// The old table would follow the new one, and every write to that would fail.
    @Test(arguments: ["", "copy"])
    func `an online copy of a table with a deferrable key is refused before anything is done`(
        _ strategy: String
    ) throws {
        let store = try Self.makeStore()
        let scripts = try ShippedScripts(strategy: strategy)
        let before = try store.state()
        for command in ["plan", "upgrade"] {
            let refused = try migrate([command, "0002", "--mode", "online"], on: store, migrations: scripts.path)
            #expect(refused.status == 4 && refused.errorCode == "key-deferrable", "\(refused)")
        }
        #expect(try store.state() == before)
        let write = "(sender_id, recipient_id, content) VALUES (1, 2, 'still written')"
        try store.run("INSERT INTO direct_messages \(write)")
        try migrate(["upgrade", "0002", "--mode", "window"], on: store, migrations: scripts.path).checked()
        try store.run("INSERT INTO messages \(write); UPDATE messages SET content = 'edited' WHERE id = 5")
        try migrate(["verify"], on: store, migrations: scripts.path).checked()
        try migrate(["downgrade", "0001", "--mode", "window"], on: store, migrations: scripts.path).checked()
        let count = "SELECT count(*) FROM direct_messages WHERE content IN ('still written', 'edited')"
        #expect(try store.database.psql(count) == "3\n")
    }

    @Test func `without the refusal every write of the application fails`() throws {
        let store = try Self.makeStore()
        let scripts = try ShippedScripts(strategy: "copy")
        try migrate(
            ["upgrade", "0002", "--mode", "online"], on: store, environment: ["MIGRATOR_LEAVE_OUT": "deferrable-keys"],
            migrations: scripts.path
        ).checked()
        let failure = #expect(throws: (any Error).self) {
            try store.run("INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'refused')")
        }
        #expect(String(describing: failure).contains("ON CONFLICT"), "\(String(describing: failure))")
    }
}
