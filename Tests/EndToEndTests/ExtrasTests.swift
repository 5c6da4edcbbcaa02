import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A database with more than the shape: columns, checks, a unique constraint, partial and expression indexes,
/// settings, and grants to the role that the application uses.
@Suite struct ExtrasTests {
    /// What the application's role does, through the old name and through the new one.
    static let writes = [
        "UPDATE OLD SET content = 'edited through the old name' WHERE id = 3",
        "UPDATE NEW SET content = 'edited through the new name' WHERE id = 6",
        "INSERT INTO NEW (sender_id, recipient_id, content, created_at) VALUES (1, 2, 'new', '2025-01-01 00:00:00')",
        "INSERT INTO OLD (sender_id, recipient_id, content, created_at) VALUES (2, 1, 'old', '2025-01-01 00:00:01')",
    ]

    /// What its grants, its checks and its unique constraint forbid, after the switch as before.
    static let refused = [
        ("SET ROLE chat_app; DELETE FROM messages WHERE id = 3", "permission denied"),
        ("SET ROLE chat_app; UPDATE messages SET sender_id = 2 WHERE id = 3", "permission denied"),
        ("UPDATE messages SET recipient_id = sender_id WHERE id = 3", "direct_messages_not_to_self"),
        ("UPDATE messages SET content = '' WHERE id = 3", "direct_messages_content_check"),
        (
            "UPDATE messages SET client_id = (SELECT client_id FROM messages WHERE id = 6) WHERE id = 3",
            "direct_messages_client_id_key"
        ),
    ]

    @Test func `what a database has beyond the shape goes up and comes back`() throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_extras", .postgresql))
        let model = try store.copy()
        let schemaBefore = try RoundTripTests.schema(of: store)

        try migrate(["stamp", "0001"], on: store).checked()
        try migrate(["upgrade", "head"], on: store).checked()
        try migrate(["verify", "--unchanged"], on: store).checked()

        for write in Self.writes {
            let named = RoundTripTests.named(write, new: "messages", old: "direct_messages")
            try store.run("SET ROLE chat_app; \(named)")
            try model.run(RoundTripTests.named(write, new: "direct_messages", old: "direct_messages"))
        }
        for (statement, reason) in Self.refused {
            let result = try store.database.server.run(
                "psql", ["-Xq", "-v", "ON_ERROR_STOP=1", "-c", statement, store.url])
            #expect(
                result.status != 0 && result.standardError.contains(reason),
                "\(statement): \(result.standardError)")
        }
        try migrate(["verify"], on: store).checked()

        try migrate(["downgrade", "0001"], on: store).checked()
        for table in ["users", "direct_messages", "attachments"] {
            #expect(
                try RoundTripTests.rows(of: table, in: store) == RoundTripTests.rows(of: table, in: model),
                "\(table)")
        }
        #expect(try RoundTripTests.schema(of: store) == schemaBefore)

        try migrate(["upgrade", "head"], on: store).checked()
        try migrate(["verify", "--unchanged"], on: store).checked()
    }
}
