import MigratorScript
import MigratorTestSupport
import Testing

/// Two-way sync of the shipped scripts, on each database.
@Suite struct TwoWayTests {
    /// What leads back no longer leaves the old table, and is not lost for that.
    @Test(arguments: Dialect.allCases) func `a message that new code puts into a group stays there`(
        _ dialect: Dialect
    ) throws {
        let store = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "head"], on: store).checked()
        try store.run("INSERT INTO conversations (kind) VALUES ('group')")
        let direct = try RoundTripTests.query("SELECT conversation_id FROM messages WHERE id = 5", in: store)[0][0]
            .asInt
        func move(to conversation: String) throws -> [Int?] {
            try store.run("UPDATE enhanced_messages SET conversation_id = \(conversation) WHERE id = 5")
            return try ["messages", "enhanced_messages"].map {
                try RoundTripTests.query("SELECT count(*) FROM \($0) WHERE id = 5", in: store)[0][0].asInt
            }
        }
        #expect(try move(to: "(SELECT id FROM conversations WHERE kind = 'group')") == [0, 1])
        #expect(try move(to: "\(direct ?? 0)") == [1, 1])
        try store.run("DELETE FROM enhanced_messages WHERE id = 5")
        #expect(try RoundTripTests.query("SELECT 1 FROM messages WHERE id = 5", in: store).isEmpty)
        #expect(try migrate(["verify"], on: store).status == 0)
    }
}
