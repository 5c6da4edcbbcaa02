import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// What a downgrade archives before it drops the tables.
@Suite struct ArchiveTests {
    /// Online the archive and the end of the tables are transactions of their own, and a run may have been killed between
    /// them: new code that is still there then must not lose what it writes, nor what it changes. On PostgreSQL the table
    /// itself becomes the archive, so that there is one archive whatever is written.
    @Test(arguments: Dialect.allCases, ["UPDATE", "INSERT", ""])
    func `what is written between the archive and the end of the tables is archived`(
        _ dialect: Dialect, _ kind: String
    ) throws {
        let start = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: start).checked()
        try start.run(sampleMessages)
        try migrate(["upgrade", "head"], on: start).checked()
        let downgrade = ["downgrade", "0002", "--mode", "online"]
        let counted = try migrate(downgrade, on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        let write =
            switch kind {
            case "UPDATE": "UPDATE enhanced_messages SET content = 'late' WHERE id = 4"
            case "INSERT":
                "INSERT INTO enhanced_messages (id, conversation_id, sender_id, content) SELECT 90, conversation_id, 1, 'late' FROM enhanced_messages WHERE id = 4"
            default: ""
            }
        var tried = 0
        for commit in 1...commits {
            let store = try start.copy()
            let killed = try migrate(
                downgrade, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(commit)"])
            #expect(killed.status == 128 + SIGKILL)
            let isThere = { (table: String) in
                (try? RoundTripTests.query("SELECT 1 FROM \(table) LIMIT 1", in: store)) != nil
            }
            let isArchived =
                dialect == .sqlite
                ? isThere("enhanced_messages_backup")
                : try RoundTripTests.query(
                    "SELECT 1 FROM migrator.step WHERE kind = 'archive' AND state = 'done'", in: store
                ).count == 1
            guard isThere("enhanced_messages"), isArchived else { continue }
            tried += 1
            if !write.isEmpty { try store.run(write) }
            try migrate(downgrade, on: store).checked()
            let kept = try RoundTripTests.query(
                "SELECT count(*) FROM enhanced_messages_backup WHERE content = 'late'", in: store)
            #expect(kept[0][0].asInt == (write.isEmpty ? 0 : 1), "after commit \(commit)")
            // Nothing is archived again that has not changed.
            let archives = try RoundTripTests.query(
                "SELECT count(*) FROM \(dialect == .sqlite ? "migrator_backup" : "migrator.backup") WHERE kind = 'archive' AND source = 'enhanced_messages'",
                in: store)
            let expected = write.isEmpty || dialect == .postgresql ? 1 : 2
            #expect(archives[0][0].asInt == expected, "after commit \(commit)")
            #expect(try migrate(["backups", "verify"], on: store).status == 0)
        }
        #expect(tried > 0)
    }

    // MARK: Tables that become their own archives

    private static let newTables = [
        "conversations", "conversation_participants", "enhanced_messages", "message_status",
    ]

    /// Table to oid and number of rows, of those that are there and not empty.
    private func filledTables(_ suffix: String, in store: any Store) throws -> [String: [Int?]] {
        var found: [String: [Int?]] = [:]
        for table in Self.newTables {
            guard
                let row = try? RoundTripTests.query(
                    "SELECT '\(table)\(suffix)'::regclass::oid::bigint, count(*) FROM \(table)\(suffix)", in: store)[0]
            else { continue }
            if row[1].asInt != 0 { found[table] = [row[0].asInt, row[1].asInt] }
        }
        return found
    }

    private static let triggers =
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'migrator%'"

    /// From every commit of an unfinished 0003: nothing is copied, every new table that holds rows is the very relation
    /// that stays, and the old state is back.
    @Test func `an unfinished upgrade is undone without copying a row`() throws {
        let start = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: start).checked()
        try start.run(sampleMessages)
        try migrate(["upgrade", "0002"], on: start).checked()
        let before = try start.state()
        let upgrade = ["upgrade", "0003", "--mode", "online"]
        let counted = try migrate(upgrade, on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        var kept = 0
        for commit in stride(from: 1, through: commits, by: FailPointTests.isThorough ? 1 : 3) {
            let store = try start.copy()
            let killed = try migrate(
                upgrade, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(commit)"])
            #expect(killed.status == 128 + SIGKILL)
            let half = try filledTables("", in: store)
            try migrate(["downgrade", "0002"], on: store).checked()
            #expect(try filledTables("_backup", in: store) == half, "after commit \(commit)")
            #expect(try RoundTripTests.query(Self.triggers, in: store).isEmpty, "after commit \(commit)")
            let registered = try RoundTripTests.query(
                "SELECT source, rows FROM migrator.backup WHERE kind = 'archive'", in: store)
            #expect(
                Dictionary(uniqueKeysWithValues: registered.map { ($0[0].asText ?? "", $0[1].asInt) })
                    == half.mapValues { $0[1] }, "after commit \(commit)")
            #expect(try migrate(["backups", "verify"], on: store).status == 0)
            kept += half.count
            // The names are free again, and the archives are nothing but rows.
            try migrate(["upgrade", "0003"], on: store).checked()
            try migrate(["downgrade", "0002"], on: store).checked()
            for table in ["_backup", "_backup_%"] {
                try store.run(
                    "DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname LIKE '%\(table)' AND relname <> 'direct_messages_backup' LOOP EXECUTE format('DROP TABLE %I', t); END LOOP; END $$"
                )
            }
            #expect(try store.state() == before, "after commit \(commit)")
        }
        #expect(kept > 10)
    }

    /// An archive is a table like that which a copy would be: without keys, indexes, triggers, defaults and grants.
    @Test func `a table that is kept has nothing that could change it, and can be restored`() throws {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "head"], on: store).checked()
        try store.run(
            """
            GRANT SELECT ON enhanced_messages TO PUBLIC;
            INSERT INTO conversations (kind, title) VALUES ('group', 'all');
            INSERT INTO enhanced_messages (conversation_id, sender_id, content)
            SELECT id, 1, 'to all' FROM conversations WHERE kind = 'group'
            """)
        let there = try filledTables("", in: store)
        let undone = try migrate(["downgrade", "0002", "--mode", "online"], on: store).checked()
        #expect(undone.standardError.contains("1 row that only enhanced_messages holds"), "\(undone.standardError)")
        #expect(try filledTables("_backup", in: store) == there)
        let left = try RoundTripTests.query(
            """
            SELECT relname, 'index' FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            WHERE relname = ANY ('{conversations_backup,conversation_participants_backup,enhanced_messages_backup,message_status_backup}')
            UNION ALL SELECT relname, conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
            WHERE relname LIKE '%\\_backup' AND relname NOT LIKE 'direct%' AND contype <> 'n'
            UNION ALL SELECT relname, 'default' FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
            WHERE relname LIKE '%\\_backup' AND relname NOT LIKE 'direct%'
            UNION ALL SELECT relname, 'grant' FROM pg_class c, aclexplode(c.relacl) g
            WHERE relname LIKE '%\\_backup' AND relname NOT LIKE 'direct%' AND g.grantee <> c.relowner
            """, in: store)
        #expect(left.isEmpty, "\(left.map { [$0[0].asText, $0[1].asText] })")
        try store.run("DELETE FROM users WHERE id = 1")
        #expect(try migrate(["backups", "verify"], on: store).status == 0)
        try migrate(["backups", "restore", "enhanced_messages_backup", "--into", "looked_at"], on: store).checked()
        #expect(
            try RoundTripTests.query("SELECT count(*) FROM looked_at WHERE content = 'to all'", in: store)[0][0].asInt
                == 1)
        // What has been changed since is found.
        try store.run("UPDATE enhanced_messages_backup SET content = 'forged' WHERE content = 'to all'")
        #expect(try migrate(["backups", "verify"], on: store).status == 2)
    }

    /// A column that `fill` computes goes with nothing but a look at it, unless it holds what nobody would compute.
    @Test(arguments: [
        "", "UPDATE messages SET conversation_id = (SELECT max(id) FROM conversations) WHERE id = 4",
        // Two that have changed places.
        """
        UPDATE messages AS m SET conversation_id = o.conversation_id FROM messages AS o
        WHERE (m.id, o.id) IN ((9, 4), (4, 9))
        """,
        "UPDATE messages SET conversation_id = NULL WHERE id = 4",
    ])
    func `values of a filled column that are not computed are archived`(_ write: String) throws {
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "head"], on: store).checked()
        let before = "SELECT id, conversation_id FROM messages WHERE conversation_id IS NOT NULL ORDER BY 1"
        let computed = try RoundTripTests.query(before, in: store)
        try store.run("SET session_replication_role = replica; \(write.isEmpty ? "SELECT 1" : write)")
        let values = try RoundTripTests.query(before, in: store)
        #expect((values != computed) == !write.isEmpty)
        try migrate(["downgrade", "0002", "--mode", "online"], on: store).checked()
        let kept = try? RoundTripTests.query(
            "SELECT id, conversation_id FROM messages_columns_backup ORDER BY 1", in: store)
        // A value that is missing is none that would be lost.
        let isForeign = !write.isEmpty && !write.contains("NULL WHERE")
        #expect(kept == (isForeign ? values : nil))
    }

    /// Where something between the archive and the end of a table takes rows out of it, the archive is a copy.
    @Test func `a table that loses rows before it is dropped is archived before that`() throws {
        let store = try PostgreSQLStore()
        try store.run("CREATE TABLE notes (id integer PRIMARY KEY)")
        let folder = try TemporaryFolder()
        try folder.write(
            script(
                "0001",
                up: """
                    CREATE TABLE letters (id integer PRIMARY KEY);
                    -- migrator:sync notes -> letters key=id
                    """,
                down: """
                    -- migrator:unsync notes -> letters
                    -- migrator:archive letters
                    DELETE FROM letters WHERE id < 3;
                    DROP TABLE letters;
                    """), to: "m/postgresql/0001_a.sql")
        try migrate(["upgrade", "head"], on: store, migrations: folder.file("m")).checked()
        try store.run("INSERT INTO notes SELECT generate_series(1, 5)")
        try migrate(["downgrade", "base"], on: store, migrations: folder.file("m")).checked()
        let kept = try RoundTripTests.query("SELECT max(rows) FROM migrator.backup WHERE source = 'letters'", in: store)
        #expect(kept[0][0].asInt == 5)
    }
}
