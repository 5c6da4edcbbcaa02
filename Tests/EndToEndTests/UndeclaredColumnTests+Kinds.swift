import MigratorTestSupport
import Testing

extension UndeclaredColumnTests {
    /// Another writer has the numbers between.
    @Test(arguments: cases) func `an identity goes on in its own steps`(_ example: Case) throws {
        let bench = try Bench(example)
        let next = "INSERT INTO direct_messages (sender_id, recipient_id, content) VALUES (1, 2, 'n') RETURNING odd"
        try bench.store.run(
            "ALTER TABLE direct_messages ADD odd bigint GENERATED ALWAYS AS IDENTITY (START 101 INCREMENT 2 CYCLE MAXVALUE 9999)"
        )
        let first = try RoundTripTests.query(next, in: bench.store)[0][0].asInt ?? 0
        try bench.migrate("upgrade 0002 --mode \(example.mode)").checked()
        #expect(try RoundTripTests.query(next, in: bench.store)[0][0].asInt == first + 2)
        try bench.migrate("verify").checked()
        try bench.migrate("downgrade 0001 --mode \(example.mode)").checked()
        #expect(try RoundTripTests.query(next, in: bench.store)[0][0].asInt == first + 4)
    }

    @Test func `a child's key keeps its comment through contract and back`() throws {
        let bench = try Bench(Case(mode: "online", isSelect: false))
        try bench.store.run("COMMENT ON CONSTRAINT attachments_direct_message_fk ON attachments IS 'whose it''s'")
        let schema = try RoundTripTests.schema(of: bench.store)
        try bench.migrate("upgrade 0002").checked()
        try bench.migrate("contract 0002").checked()
        let back = try bench.migrate("downgrade 0001")
        #expect(back.status == 0, "\(back.standardError)")
        #expect(try RoundTripTests.schema(of: bench.store) == schema)
    }

    @Test func `no notice of what is not there is shown`() throws {
        let bench = try Bench(Case(mode: "online", isSelect: true))
        let upgrade = try bench.migrate("upgrade 0002").checked()
        #expect(!upgrade.standardError.contains("skipping"), "\(upgrade.standardError)")
    }
}
