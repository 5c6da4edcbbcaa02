import Foundation
import MigratorTestSupport
import Testing

/// What somebody changes on the new table by hand does not stop the way back.
@Suite struct ChangedByHandTests {
    private static func makeStore(_ table: String = "") throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        if !table.isEmpty { try store.run(table) }
        return store
    }

    private static let rows = "SELECT to_jsonb(m) FROM direct_messages m ORDER BY id"

    static let changes = [
        "DROP INDEX idx_messages_recipient_unread",
        "ALTER INDEX idx_messages_sender_recipient RENAME TO mine",
        "ALTER TABLE messages RENAME CONSTRAINT messages_pkey TO mine",
        "ALTER TABLE messages RENAME CONSTRAINT messages_sender_id_fkey TO mine",
        "ALTER TABLE messages DROP CONSTRAINT messages_sender_id_fkey",
        "ALTER TABLE messages ALTER COLUMN content DROP NOT NULL",
    ]

    @Test(arguments: changes, ["window", "online"]) func `names that are gone stay away`(
        _ change: String, _ mode: String
    ) throws {
        for strategy in ["rename", "copy"] {
            let store = try Self.makeStore()
            let scripts = try ShippedScripts(strategy: strategy)
            let before = try RoundTripTests.query(Self.rows, in: store)
            try migrate(["upgrade", "0002", "--mode", mode], on: store, migrations: scripts.path).checked()
            try store.run(change)
            let back = try migrate(["downgrade", "0001", "--mode", mode], on: store, migrations: scripts.path)
            #expect(back.status == 0, "\(strategy): \(back.standardError)")
            #expect(try RoundTripTests.query(Self.rows, in: store) == before)
            try migrate(["upgrade", "0002", "--mode", "window"], on: store, migrations: scripts.path).checked()
            try migrate(["verify"], on: store, migrations: scripts.path).checked()
        }
    }

    @Test(arguments: ["window", "online"]) func `a sequence that has another name is asked for`(_ mode: String) throws {
        let store = try Self.makeStore()
        let scripts = try ShippedScripts(strategy: "copy")
        try migrate(["upgrade", "0002", "--mode", mode], on: store, migrations: scripts.path).checked()
        try store.run("ALTER SEQUENCE direct_messages_id_seq RENAME TO mine")
        let command = ["downgrade", "0001", "--mode", mode]
        let refused = try migrate(command, on: store, migrations: scripts.path)
        #expect(refused.status == 4 && refused.errorCode == "changed-by-hand", "\(refused.standardError)")
        #expect(refused.standardError.contains("direct_messages_id_seq"), "\(refused.standardError)")
        try store.run("ALTER SEQUENCE mine RENAME TO direct_messages_id_seq")
        try migrate(command, on: store, migrations: scripts.path).checked()
    }

    @Test func `what was copied online goes back in a window`() throws {
        let store = try Self.makeStore("SELECT setval('direct_messages_id_seq', 9)")
        let scripts = try ShippedScripts(strategy: "copy")
        let before = try store.state()
        try migrate(["upgrade", "0002", "--mode", "online"], on: store, migrations: scripts.path).checked()
        try store.run("UPDATE messages SET content = 'edited' WHERE id = 1")
        try migrate(["downgrade", "0001", "--mode", "window"], on: store, migrations: scripts.path).checked()
        try store.run("DROP TABLE direct_messages_backup, messages_columns_backup")
        #expect(try store.state() == before.replacing("\"hello\"", with: "\"edited\""))
    }

    // MARK: PostgreSQL 18

    private static let on18 = ConditionTrait.enabled("the server is older than 18") {
        try PostgreSQLServer.shared().majorVersion >= 18
    }

    @Test(on18) func `a NOT NULL that is NOT VALID is refused before the switch`() throws {
        let store = try Self.makeStore("ALTER TABLE direct_messages ADD CONSTRAINT held NOT NULL file_url NOT VALID")
        let before = try store.state()
        for strategy in ["rename", "copy"] {
            let scripts = try ShippedScripts(strategy: strategy)
            for command in [["plan", "0002"], ["upgrade", "0002"], ["upgrade", "0002", "--mode", "window"]] {
                let refused = try migrate(command, on: store, migrations: scripts.path)
                #expect(refused.status == 4 && refused.errorCode == "not-null-not-valid", "\(refused.standardError)")
            }
        }
        #expect(try store.state() == before)
    }

    @Test(on18, arguments: ["rename", "copy"], ["window", "online"])
    func `virtual columns and keys that are not enforced go there and back`(_ strategy: String, _ mode: String) throws {
        let store = try Self.makeStore(
            """
            ALTER TABLE direct_messages ADD COLUMN up text GENERATED ALWAYS AS (upper(content)) VIRTUAL,
                ADD CONSTRAINT short CHECK (length(content) < 10000) NOT ENFORCED;
            ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk,
                ADD CONSTRAINT attachments_direct_message_fk FOREIGN KEY (direct_message_id) REFERENCES direct_messages
                    ON DELETE CASCADE NOT ENFORCED
            """)
        let scripts = try ShippedScripts(strategy: strategy)
        let before = try RoundTripTests.query(Self.rows, in: store)
        for _ in 0..<2 {
            try migrate(["upgrade", "0002", "--mode", mode], on: store, migrations: scripts.path).checked()
            try migrate(["verify", "--full"], on: store, migrations: scripts.path).checked()
            try migrate(["downgrade", "0001", "--mode", mode], on: store, migrations: scripts.path).checked()
            #expect(try RoundTripTests.query(Self.rows, in: store) == before)
        }
    }
}
