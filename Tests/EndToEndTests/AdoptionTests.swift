import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A database that no revision has made: adopted with `stamp`, then migrated (SHAPES.md 2).
@Suite struct AdoptionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        /// What a later state of the application has beyond the fixture.
        var before = ""
        var testDescription: String { before.isEmpty ? "as in the fixture" : before }
    }

    static let cases = [
        Case(),
        Case(before: "ALTER TABLE users ADD COLUMN last_seen DATETIME; ALTER TABLE users ADD COLUMN socket_id TEXT"),
        Case(before: "ALTER TABLE users ADD COLUMN last_seen DATETIME; UPDATE users SET last_seen = '2024-05-01'"),
    ]

    @Test(arguments: cases) func `0003 goes up over messages with groups and a status, and comes back`(
        _ example: Case
    ) throws {
        let store = try SQLiteStore()
        try store.run(try RoundTripTests.fixture("shape2", .sqlite))
        try store.run(example.before)
        let schemaBefore = try RoundTripTests.schema(of: store)
        let rowsBefore = try Self.content(of: store)

        try migrate(["stamp", "0002"], on: store).checked()
        let upgrade = try migrate(["upgrade", "0003"], on: store).checked()
        #expect(upgrade.standardError.contains("2 rows of \"messages\" cannot be placed"))
        try migrate(["verify"], on: store).checked()

        func query(_ sql: String) throws -> [String] {
            try RoundTripTests.query(sql, in: store).map { row in
                row.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }
        }
        // Groups and notes to nobody are no notes to self.
        #expect(try query("SELECT user_lo, user_hi FROM conversations ORDER BY 1, 2") == ["1|1", "1|2", "3|4"])
        #expect(try query("SELECT id FROM messages WHERE conversation_id IS NULL ORDER BY id") == ["5", "6"])
        #expect(
            try query("SELECT row_key, reason FROM migrator_exception ORDER BY row_key") == [
                "5|it has no recipient", "6|it has no recipient",
            ])
        #expect(
            try query("SELECT id, kind FROM enhanced_messages ORDER BY id") == ["1|text", "2|text", "3|text", "9|file"])
        #expect(
            try query("SELECT message_id, user_id, status FROM message_status ORDER BY 1") == [
                "1|2|read", "2|1|delivered", "3|1|sent", "9|3|read",
            ])

        // The application goes on: what it writes is placed, and a status only moves upwards.
        for write in [
            "INSERT INTO messages (sender_id, recipient_id, content) VALUES (2, 3, 'new')",
            "INSERT INTO messages (sender_id, group_id, content) VALUES (2, 7, 'to the group')",
            "INSERT INTO messages (sender_id, recipient_id, type, status, created_at) VALUES (2, 3, NULL, NULL, NULL)",
            "UPDATE messages SET status = 'read' WHERE id = 2",
            "UPDATE messages SET status = 'sent' WHERE id = 9",
        ] { try store.run(write) }
        #expect(
            try query("SELECT message_id, status FROM message_status ORDER BY 1") == [
                "1|read", "2|read", "3|sent", "9|read", "13|sent", "15|sent",
            ])
        #expect(try query("SELECT kind, created_at IS NULL FROM enhanced_messages WHERE id = 15") == ["text|1"])
        try migrate(["verify"], on: store).checked()

        for write in ["DELETE FROM messages WHERE id > 12", "UPDATE messages SET status = 'delivered' WHERE id = 2"] {
            try store.run(write)
        }
        try store.run("UPDATE messages SET status = 'read' WHERE id = 9")
        let taken = try migrate(["downgrade", "0002"], on: store).checked()
        #expect(taken.standardError.contains("enhanced_messages_backup"))
        #expect(try RoundTripTests.schema(of: store) == schemaBefore)
        #expect(try Self.content(of: store) == rowsBefore)
        #expect(try query("SELECT seq FROM sqlite_sequence WHERE name = 'messages'") == ["15"])

        try migrate(["upgrade", "0003"], on: store).checked()
        try migrate(["verify"], on: store).checked()
    }

    /// Every row of the application's tables.
    private static func content(of store: any Store) throws -> [String] {
        try ["users", "contacts", "settings", "messages"].flatMap { table in
            try RoundTripTests.query("SELECT * FROM \(table) ORDER BY 1", in: store).map { row in
                table + " " + zip(row.columns, row.values).map { "\($0)=\($1)" }.joined(separator: " ")
            }
        }
    }
}
