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

    /// The SELECT has NULL under the name of a column that this database has already.
    @Test(arguments: ["window", "online"]) func `values in whose place the mapping puts something else are kept`(
        _ mode: String
    ) throws {
        let add = """
            ALTER TABLE direct_messages DROP CONSTRAINT direct_messages_label_lower, ADD updated_at timestamptz;
            UPDATE direct_messages SET updated_at = '2024-05-05' WHERE id IN (24, 25)
            """
        let refused = try Bench(Case(mode: mode, isSelect: true), backup: "")
        try refused.store.run(add)
        let result = try refused.migrate("upgrade 0002 --mode \(mode)")
        #expect(result.status == 4 && result.errorCode == "would-lose-rows", "\(result.standardError)")
        #expect(result.standardError.contains("updated_at"), "\(result.standardError)")

        let bench = try Bench(Case(mode: mode, isSelect: true))
        try bench.store.run(add)
        let upgrade = try bench.migrate("upgrade 0002 --mode \(mode)").checked()
        #expect(upgrade.standardError.contains("column not carried: updated_at"), "\(upgrade.standardError)")
        try bench.store.run("UPDATE messages SET updated_at = '2025-06-06' WHERE id = 25")
        try bench.migrate("downgrade 0001 --mode \(mode)").checked()
        let values = "SELECT string_agg(id || ' ' || updated_at::date, ', ' ORDER BY id) FROM"
        #expect(try bench.store.database.psql("\(values) direct_messages") == "24 2024-05-05, 25 2024-05-05\n")
        let backup = mode == "window" ? "messages_columns_backup" : "messages_backup"
        #expect(try bench.store.database.psql("\(values) \(backup)") == "25 2025-06-06\n")
    }

    static let uncopyable = [
        "CREATE TABLE later (own integer) INHERITS (direct_messages)",
        "CREATE TABLE parent (workspace_id integer NOT NULL); ALTER TABLE direct_messages INHERIT parent",
        "CREATE TABLE log (n integer); CREATE RULE logged AS ON INSERT TO direct_messages DO ALSO INSERT INTO log VALUES (1)",
    ]

    @Test(arguments: uncopyable, ["window", "online"]) func `a table whose copy would lack something is refused`(
        _ change: String, _ mode: String
    ) throws {
        let bench = try Bench(Case(mode: mode, isSelect: false))
        try bench.store.run(change)
        let schema = try RoundTripTests.schema(of: bench.store)
        for line in ["plan 0002 --mode \(mode)", "upgrade 0002 --mode \(mode)"] {
            let result = try bench.migrate(line)
            #expect(result.status == 4 && result.errorCode == "copy-impossible", "\(line): \(result.standardError)")
        }
        #expect(try RoundTripTests.schema(of: bench.store) == schema)
    }

    @Test(arguments: cases) func `values of a column that came after the switch are kept`(_ example: Case) throws {
        let bench = try Bench(example)
        try bench.migrate("upgrade 0002 --mode \(example.mode)").checked()
        try bench.store.run("ALTER TABLE messages ADD pinned text; UPDATE messages SET pinned = 'here' WHERE id = 25")
        try bench.migrate("downgrade 0001 --mode \(example.mode)").checked()
        let backup = example.mode == "window" ? "messages_columns_backup" : "messages_backup"
        #expect(try bench.store.database.psql("SELECT id, pinned FROM \(backup) WHERE pinned <> ''") == "25|here\n")
    }

    /// Subscribers see no more after the switch than before.
    @Test(arguments: cases) func `a publication of some columns and rows stays so`(_ example: Case) throws {
        let bench = try Bench(example)
        let version = Int(try bench.store.database.psql("SHOW server_version_num").prefix(2)) ?? 0
        guard version >= 15 else { return }
        try bench.store.run(
            """
            ALTER TABLE direct_messages REPLICA IDENTITY USING INDEX "Idx Ticket";
            CREATE PUBLICATION part FOR TABLE direct_messages (id, ticket, content) WHERE (ticket > 3)
            """)
        let schema = try RoundTripTests.schema(of: bench.store)
        let shown = "SELECT attnames, rowfilter FROM pg_publication_tables WHERE pubname = 'part'"
        let before = try bench.store.database.psql(shown)
        try bench.migrate("upgrade 0002 --mode \(example.mode)").checked()
        #expect(try bench.store.database.psql(shown) == before)
        try bench.store.run("UPDATE messages SET content = 'published' WHERE id = 25")
        try bench.migrate("downgrade 0001 --mode \(example.mode)").checked()
        #expect(try RoundTripTests.schema(of: bench.store) == schema)
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
