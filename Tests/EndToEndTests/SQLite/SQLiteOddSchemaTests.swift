import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// What an application's own schema has beside the tables of a switch, on SQLite.
@Suite struct SQLiteOddSchemaTests {
    static func makeStore(_ more: String = "", messages: Int = 200) throws -> SQLiteStore {
        let store = try SQLiteStore()
        try store.run(RoundTripTests.fixture("shape1", .sqlite))
        try store.run(RoundTripTests.fixture("shape1_messages", .sqlite, count: messages))
        try store.run(more)
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    /// SQLite looks into all of them when it renames a table.
    @Test(
        arguments: ["window", "online"],
        [
            ("old_view", "CREATE TABLE gone (a); CREATE VIEW old_view AS SELECT a FROM gone; DROP TABLE gone"),
            (
                "old_trigger",
                "CREATE TABLE gone (a); CREATE TRIGGER old_trigger AFTER INSERT ON users BEGIN INSERT INTO gone VALUES (1); END; DROP TABLE gone"
            ),
        ])
    func `what has long been broken is named before anything is done`(
        _ mode: String, _ broken: (name: String, sql: String)
    ) throws {
        let store = try Self.makeStore(broken.sql)
        let before = try store.state()
        let refused = try migrate(["upgrade", "0002", "--mode", mode], on: store)
        #expect(refused.status == 4 && refused.errorCode == "schema-broken", "\(refused.standardError)")
        #expect(refused.standardError.contains("repair \"\(broken.name)\" or drop it"), "\(refused.standardError)")
        #expect(try store.state() == before)
        if broken.name == "old_view" { #expect(try migrate(["plan", "0002"], on: store).status == 4) }

        try store.run("DROP \(broken.name == "old_view" ? "VIEW" : "TRIGGER") \(broken.name)")
        try migrate(["upgrade", "0002", "--mode", mode], on: store).checked()
        try store.run(broken.sql)
        let back = try migrate(["downgrade", "0001", "--mode", mode], on: store)
        #expect(back.status == 4 && back.errorCode == "schema-broken", "\(back.standardError)")
        try store.run("DROP \(broken.name == "old_view" ? "VIEW" : "TRIGGER") \(broken.name)")
        try migrate(["downgrade", "0001", "--mode", mode], on: store).checked()
    }

    /// DROP COLUMN rewrites them as strings, in every trigger and view of the database.
    @Test(arguments: ["window", "online"]) func `strings in double quotes do not hold a downgrade up`(
        _ mode: String
    ) throws {
        let store = try Self.makeStore(
            #"""
            CREATE TABLE log (kind TEXT NOT NULL DEFAULT "none" CHECK (kind IN ("none", "It's ""new""")), at TEXT);
            CREATE VIEW texts AS SELECT id FROM direct_messages WHERE type = "text";
            CREATE TRIGGER images AFTER INSERT ON direct_messages WHEN NEW.type = "Image"
                BEGIN INSERT INTO log (kind) VALUES ("It's ""new"""); END;
            """#)
        try migrate(["upgrade", "head", "--mode", mode], on: store).checked()
        try migrate(["verify", "--full"], on: store).checked()
        for target in ["0002", "0001"] {
            try migrate(["downgrade", target, "--mode", mode], on: store).checked()
            try migrate(["verify", "--full"], on: store).checked()
        }
        // What says something else is found all the same.
        try migrate(["upgrade", "0002", "--mode", mode], on: store).checked()
        try store.run(
            "DROP TRIGGER images; CREATE TRIGGER images AFTER INSERT ON messages WHEN NEW.type = 'Images' BEGIN INSERT INTO log (kind) VALUES ('none'); END"
        )
        #expect(try migrate(["verify"], on: store).status == 2)
    }

    @Test(arguments: ["window", "online"]) func `a unique index that the script lacks is told`(_ mode: String) throws {
        let store = try Self.makeStore(
            """
            CREATE UNIQUE INDEX once ON direct_messages (sender_id, recipient_id, created_at);
            CREATE UNIQUE INDEX one_file ON direct_messages (file_url) WHERE file_url IS NOT NULL;
            ALTER TABLE direct_messages ADD COLUMN client_key TEXT;
            CREATE UNIQUE INDEX one_key ON direct_messages (client_key);
            CREATE UNIQUE INDEX id_and_type ON direct_messages (id, type);
            """)
        let result = try migrate(["upgrade", "0002", "--mode", mode], on: store).checked()
        let warnings = result.standardError.split(separator: "\n").filter { $0.contains("declares no unique") }
        #expect(warnings.count == 2, "\(result.standardError)")
        #expect(result.standardError.contains("no unique (sender_id, recipient_id, created_at)"))
        #expect(result.standardError.contains("no unique index \"one_file\""))
    }

    /// The highest id that there can be: no further one is given, and none is computed.
    @Test(arguments: ["window", "online"]) func `ids at both ends go up and come back`(_ mode: String) throws {
        let store = try Self.makeStore(
            """
            INSERT INTO direct_messages (id, sender_id, recipient_id, content) VALUES
                (9223372036854775807, 1, 2, 'highest'), (-9223372036854775808, 1, 2, 'lowest'), (0, 1, 2, 'zero')
            """)
        let rows = try RoundTripTests.rows(of: "direct_messages", in: store)
        try migrate(["upgrade", "head", "--mode", mode], on: store).checked()
        let verified = try migrate(["verify", "--full"], on: store).checked()
        #expect(verified.standardOutput.contains("messages.id: no id is left"), "\(verified.standardOutput)")
        try migrate(["downgrade", "0001", "--mode", mode], on: store).checked()
        #expect(try RoundTripTests.rows(of: "direct_messages", in: store) == rows)
    }

    /// Bytes that are no UTF-8 stand in no parameter: they must not be compared as something else.
    @Test(arguments: ["window", "online"]) func `keys of any bytes go up and come back`(_ mode: String) throws {
        let store = try SQLiteStore()
        try store.run(
            """
            CREATE TABLE notes (id TEXT PRIMARY KEY, body);
            INSERT INTO notes VALUES (CAST(x'ff41' AS TEXT), 'a'), (CAST(x'80' AS TEXT), -0.0), (CAST(x'6100' AS TEXT), 'c'),
                (CAST(x'ff4100' AS TEXT), 9e999), ('', x'00'), ('o''' || char(769), 0.1), ('zz', CAST(x'c3' AS TEXT))
            """)
        let folder = try TemporaryFolder()
        try folder.write(
            """
            -- migrator:revision 0001
            -- migrator:revises base

            -- migrator:upgrade
            -- migrator:backup notes
            CREATE TABLE letters (id TEXT PRIMARY KEY, body, color TEXT);
            -- migrator:switch notes -> letters key=id

            -- migrator:downgrade
            -- migrator:switch letters -> notes key=id
            """, to: "migrations/sqlite/0001_letters.sql")
        let folders = folder.file("migrations")
        let values =
            "SELECT group_concat(typeof(body) || hex(id) || hex(body)) FROM (SELECT * FROM NEW ORDER BY hex(id))"
        let rows = try RoundTripTests.query(RoundTripTests.named(values, new: "notes", old: ""), in: store)
        try migrate(["upgrade", "head", "--mode", mode], on: store, migrations: folders).checked()
        try migrate(["verify", "--full"], on: store, migrations: folders).checked()
        #expect(try RoundTripTests.query(RoundTripTests.named(values, new: "letters", old: ""), in: store) == rows)
        try migrate(["downgrade", "base", "--mode", mode], on: store, migrations: folders).checked()
        #expect(try RoundTripTests.query(RoundTripTests.named(values, new: "notes", old: ""), in: store) == rows)
    }

    /// Of one revision: notes become letters.
    private static func lettersScript(_ definition: String, _ mapping: String, backup: Bool) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(
            """
            -- migrator:revision 0001
            -- migrator:revises base

            -- migrator:upgrade
            \(backup ? "-- migrator:backup notes" : "")
            CREATE TABLE letters (\(definition));
            -- migrator:switch notes -> letters key=id\(mapping)

            -- migrator:downgrade
            -- migrator:switch letters -> notes key=id
            """, to: "migrations/sqlite/0001_letters.sql")
        return folder
    }

    /// What the SELECT does not pass on is in no other place.
    @Test(arguments: ["window", "online"], ["", ", 'x' AS color", ", upper(color) AS color", ", NULL AS color"])
    func `values that a SELECT replaces need a backup`(_ mode: String, _ yielded: String) throws {
        func result(backup: Bool) throws -> (result: CommandResult, store: SQLiteStore) {
            let store = try SQLiteStore()
            try store.run(
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, color TEXT); INSERT INTO notes VALUES (1, 'a', 'red'), (2, 'b', NULL)"
            )
            let folder = try Self.lettersScript(
                "id INTEGER PRIMARY KEY, body TEXT, color TEXT",
                " mapping=select\nSELECT id, body\(yielded) FROM notes;", backup: backup)
            return (
                try migrate(["upgrade", "head", "--mode", mode], on: store, migrations: folder.file("migrations")),
                store
            )
        }
        let lost = try result(backup: false)
        #expect(lost.result.status == 4 && lost.result.errorCode == "would-lose-rows", "\(lost.result.standardError)")
        #expect(lost.result.standardError.contains("1 row with other values in color"), "\(lost.result.standardError)")
        let rows = try RoundTripTests.query("SELECT color FROM notes ORDER BY id", in: lost.store)
        #expect(rows.map { $0[0] } == ["red", .null])
        try result(backup: true).result.checked()
    }

    @Test(arguments: ["window", "online"]) func `rows that nothing tells apart are refused`(_ mode: String) throws {
        let store = try SQLiteStore()
        try store.run("CREATE TABLE notes (id INTEGER, rowid, _rowid_, oid); INSERT INTO notes VALUES (1, 2, 3, 4)")
        let folder = try Self.lettersScript("id INTEGER, rowid, _rowid_, oid", "", backup: true)
        let refused = try migrate(
            ["upgrade", "head", "--mode", mode], on: store, migrations: folder.file("migrations"))
        #expect(refused.status == 4 && refused.errorCode == "no-row-identity", "\(refused.standardError)")
    }

    /// From the first write of the ledger on.
    @Test func `a writer is waited for as long as is said`() throws {
        let store = try Self.makeStore()
        // Used by one thread at a time.
        nonisolated(unsafe) let writer = try store.session()
        try writer.begin()
        let clock = ContinuousClock()
        let start = clock.now
        for command in [["upgrade", "0002"], ["contract", "0001"]] {
            let refused = try migrate(command + ["--lock-timeout", "300ms"], on: store)
            #expect(refused.status == 5 && refused.errorCode == "table-locked", "\(refused.standardError)")
        }
        #expect(clock.now - start < .seconds(4))
        let release = Thread {
            Thread.sleep(forTimeInterval: 6)
            writer.rollback()
        }
        release.start()
        try migrate(["upgrade", "0002", "--lock-timeout", "60s"], on: store).checked()
        #expect(clock.now - start > .seconds(5))
    }
}
