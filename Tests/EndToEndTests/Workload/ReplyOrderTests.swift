import MigratorTestSupport
import Testing

/// Statements that write a reply before the message above it, which a table's own foreign key lets pass, since it is looked
/// at behind the statement. Rows are led over one by one.
@Suite struct ReplyOrderTests {
    enum Moment: CaseIterable {
        case beforeCutOver, afterCopy, oldCode, newCode

        /// Where the application writes, and where that is led to.
        var tables: (from: String, to: String) {
            switch self {
            case .beforeCutOver: ("direct_messages", "messages")
            case .afterCopy: ("messages", "migrator.follower_0002_7_direct_messages")
            case .oldCode: ("messages", "enhanced_messages")
            case .newCode: ("enhanced_messages", "messages")
            }
        }

        /// Of messages from the first user to the second.
        var columns: String { self == .newCode ? "conversation_id, sender_id" : "sender_id, recipient_id" }

        /// Two replies to 303, which replies to 302. A trigger of the application's own, which fires before the migrator's,
        /// answers each.
        var write: String {
            let people = self == .newCode ? "(SELECT conversation_id FROM enhanced_messages WHERE id = 1), 1" : "1, 2"
            let rows = [(304, "303"), (303, "302"), (302, "NULL"), (305, "303")].map {
                "(\($0), \(people), 'new', \($1))"
            }
            let (table, columns) = (tables.from, columns)
            return """
                CREATE FUNCTION answer() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO \(table) (id, \(columns), content, reply_to_id)
                    SELECT id + 100, \(columns), 'answer', id FROM \(table) WHERE id = NEW.id;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER answer AFTER INSERT ON \(table) FOR EACH ROW WHEN (NEW.content = 'new')
                    EXECUTE FUNCTION answer();
                INSERT INTO \(table) (id, \(columns), content, reply_to_id) VALUES \(rows.joined(separator: ", "));
                DROP FUNCTION answer() CASCADE;
                SELECT setval('direct_messages_id_seq', 500)
                """
        }
    }

    @Test(arguments: Moment.allCases, [false, true])
    func `a reply comes before the message above it`(_ moment: Moment, isLeftOut: Bool) throws {
        let store = try PostgreSQLStore()
        let scripts = try ShippedScripts(strategy: "copy")
        try migrate(["upgrade", "0001"], on: store, migrations: scripts.path).checked()
        try store.run(sampleMessages)
        let holder = try store.database.session()
        defer { holder.close() }
        if moment == .beforeCutOver { try holder.execute("BEGIN; SELECT FROM direct_messages LIMIT 1") }
        let running = try MigratorBinary.start(
            ["--database", store.url, "--migrations", scripts.path, "upgrade"]
                + [moment == .oldCode || moment == .newCode ? "head" : "0002"],
            environment: isLeftOut ? ["MIGRATOR_LEAVE_OUT": "rows-above"] : [:])
        if moment == .beforeCutOver {
            #expect(running.waitForStandardError("is held by server process \(holder.backendPID)"))
        } else {
            try running.wait().checked()
        }
        var failure: String?
        do {
            try holder.execute(moment.write)
        } catch {
            failure = error.sqlState
        }
        if moment == .beforeCutOver {
            try holder.execute(failure == nil ? "COMMIT" : "ROLLBACK")
            try running.wait().checked()
        }
        #expect(failure == (isLeftOut ? "23503" : nil))
        if isLeftOut { return }
        let replies =
            "SELECT string_agg(id || '>' || reply_to_id, ' ' ORDER BY id) FROM \(moment.tables.to) WHERE id > 300"
        #expect(try store.database.psql(replies) == "303>302 304>303 305>303 402>302 403>303 404>304 405>305\n")
        let result = try migrate(["verify"], on: store, migrations: scripts.path)
        #expect(result.status == 0, "\(result)")
    }
}
