import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A switch of a table that has columns of which the script knows nothing, on SQLite.
@Suite struct SQLiteUndeclaredColumnTests {
    private static let columns = """
            file_type VARCHAR(100),
            client_key TEXT UNIQUE, -- of the application, its (own)
            "Root Id" INTEGER REFERENCES direct_messages (id) ON DELETE SET NULL,
            label TEXT COLLATE NOCASE CHECK (length(label) < 20 /* short, please */) DEFAULT 'it''s, (so)',
            content_length INTEGER GENERATED ALWAYS AS (length(content)) STORED,
        """

    private static func makeStore(_ messages: Int = 200) throws -> SQLiteStore {
        let store = try SQLiteStore()
        let shape = try RoundTripTests.fixture("shape1", .sqlite)
        let cut = try #require(shape.range(of: "    file_type VARCHAR(100),\n"))
        try store.run(shape.replacingCharacters(in: cut, with: columns + "\n"))
        try store.run(RoundTripTests.fixture("shape1_messages", .sqlite, count: messages))
        try store.run(
            """
            CREATE TABLE workspaces (id INTEGER PRIMARY KEY, name TEXT);
            INSERT INTO workspaces VALUES (1, 'north'), (2, 'south'), (3, 'east');
            ALTER TABLE direct_messages ADD COLUMN workspace_id INTEGER REFERENCES workspaces (id);
            UPDATE direct_messages SET workspace_id = 1 + id % 3, client_key = 'k' || id, "Root Id" = reply_to_id,
                label = CASE WHEN id % 2 = 0 THEN 'L' || id END;
            CREATE INDEX idx_direct_messages_workspace ON direct_messages (workspace_id, created_at DESC);
            CREATE INDEX idx_direct_messages_label ON direct_messages (lower(label), id) WHERE label IS NOT NULL
            """)
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    private static let writes = [
        "UPDATE NEW SET label = 'moved', workspace_id = 2 WHERE id BETWEEN 20 AND 40",
        "INSERT INTO NEW (sender_id, recipient_id, content, created_at, workspace_id, client_key) VALUES (1, 2, 'new', '2025-01-01', 3, 'k-new')",
        "UPDATE NEW SET content = 'edited' WHERE id = 47",
        "UPDATE NEW SET \"Root Id\" = 12 WHERE id = 49",
        "DELETE FROM NEW WHERE id IN (12, 48)",
    ]

    private static let refused = [
        "UPDATE messages SET label = 'a label that is far too long' WHERE id = 23",
        "UPDATE messages SET client_key = 'k24' WHERE id = 23",
        "UPDATE messages SET workspace_id = 99 WHERE id = 23",
        "UPDATE messages SET \"Root Id\" = 99999 WHERE id = 23",
        "UPDATE messages SET content_length = 1 WHERE id = 23",
    ]

    @Test(arguments: ["window", "online"]) func `go up, are written, come back, and go up again`(
        _ mode: String
    ) throws {
        let store = try Self.makeStore()
        let model = try store.copy()
        let schema = try RoundTripTests.schema(of: store)
        let upgrade = try migrate(["upgrade", "0002", "--mode", mode], on: store).checked()
        #expect(
            upgrade.standardError.contains(
                "columns carried that the script does not declare: client_key, Root Id, label, workspace_id, content_length"
            ),
            "\(upgrade.standardError)")
        try migrate(["verify", "--unchanged"], on: store).checked()
        let list = "SELECT id, client_key, \"Root Id\", label, content_length, workspace_id FROM"
        #expect(
            try RoundTripTests.query("\(list) messages ORDER BY id", in: store)
                == RoundTripTests.query("\(list) direct_messages ORDER BY id", in: model))
        #expect(
            try RoundTripTests.query(
                "SELECT sql FROM sqlite_schema WHERE name LIKE 'idx_direct%' ORDER BY 1", in: store
            )
            .map { $0[0].asText?.contains(" ON \"messages\"") } == [true, true])

        for write in Self.writes {
            try store.run(RoundTripTests.named(write, new: "messages", old: ""))
            try model.run(RoundTripTests.named(write, new: "direct_messages", old: ""))
        }
        for statement in Self.refused { #expect(throws: (any Error).self) { try store.run(statement) } }
        try migrate(["verify"], on: store).checked()
        let unchanged = try migrate(["verify", "--unchanged"], on: store)
        #expect(unchanged.status == 2, "\(unchanged.standardOutput)")

        try migrate(["downgrade", "0001", "--mode", mode], on: store).checked()
        for table in ["users", "direct_messages", "attachments"] {
            #expect(
                try RoundTripTests.rows(of: table, in: store) == RoundTripTests.rows(of: table, in: model), "\(table)")
        }
        #expect(try RoundTripTests.schema(of: store) == schema)
        try migrate(["upgrade", "0002", "--mode", mode], on: store).checked()
        try migrate(["verify", "--unchanged"], on: store).checked()
    }

    /// As most object-relational mappers write them: behind the columns.
    @Test(arguments: ["window", "online"]) func `constraints of the table come along with the columns`(
        _ mode: String
    ) throws {
        let store = try SQLiteStore()
        try store.run(
            """
            CREATE TABLE spaces (id INTEGER PRIMARY KEY);
            INSERT INTO spaces VALUES (1);
            CREATE TABLE notes (id INTEGER NOT NULL, body TEXT, gone TEXT, parent INTEGER, code TEXT, space INTEGER,
                PRIMARY KEY (id), UNIQUE (code, space), FOREIGN KEY (parent) REFERENCES notes (id) ON DELETE SET NULL,
                CONSTRAINT short CHECK (length(code) < 5), FOREIGN KEY (space) REFERENCES spaces (id));
            INSERT INTO notes VALUES (1, 'a', NULL, NULL, 'x', 1), (2, 'b', NULL, 1, 'y', 1);
            ALTER TABLE notes ADD COLUMN late INTEGER
            """)
        let table = "SELECT replace(sql, '\"', '') FROM sqlite_schema WHERE name = 'notes'"
        let definition = try RoundTripTests.query(table, in: store)
        let folder = try TemporaryFolder()
        try folder.write(
            script(
                "0001",
                up: """
                    CREATE TABLE entries (id INTEGER PRIMARY KEY, body TEXT, gone TEXT);
                    -- migrator:switch notes -> entries key=id
                    """, down: "-- migrator:switch entries -> notes key=id"), to: "m/sqlite/0001_a.sql")
        let folders = folder.file("m")
        try migrate(["upgrade", "head", "--mode", mode], on: store, migrations: folders).checked()
        for (statement, isTaken) in [
            ("INSERT INTO entries (body, code, space, late) VALUES ('c', 'x', 1, 7)", false),
            ("INSERT INTO entries (body, code) VALUES ('c', 'too long')", false),
            ("INSERT INTO entries (body, space) VALUES ('c', 9)", false),
            ("INSERT INTO entries (body, parent) VALUES ('c', 9)", false),
            ("INSERT INTO entries (body, code, space, parent) VALUES ('c', 'z', 1, 2)", true),
            ("DELETE FROM entries WHERE id = 1", true),
        ] {
            #expect(((try? store.run(statement)) != nil) == isTaken, "\(statement)")
        }
        try migrate(["verify"], on: store, migrations: folders).checked()
        try migrate(["downgrade", "base", "--mode", mode], on: store, migrations: folders).checked()
        let rows = try RoundTripTests.query("SELECT id, parent, code FROM notes ORDER BY id", in: store)
        #expect(rows.map { [$0[0].asInt, $0[1].asInt] } == [[2, nil], [3, 2]])
        #expect(try RoundTripTests.query(table, in: store) == definition)
    }

    /// The script's SELECT does not know them: a view would show less than there was, and values need a backup.
    @Test(arguments: ["window", "online"]) func `stay behind a SELECT only with a backup and without a view`(
        _ mode: String
    ) throws {
        func result(_ backup: String, view: String) throws -> (CommandResult, SQLiteStore) {
            let store = try SQLiteStore()
            try store.run(
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, color TEXT); INSERT INTO notes VALUES (1, 'a', 'red'), (2, 'b', NULL)"
            )
            let folder = try TemporaryFolder()
            try folder.write(
                """
                -- migrator:revision 0001
                -- migrator:revises base

                -- migrator:upgrade
                \(backup)
                CREATE TABLE letters (id INTEGER PRIMARY KEY, body TEXT);
                -- migrator:switch notes -> letters key=id\(view) mapping=select
                SELECT id, body FROM notes;

                -- migrator:downgrade
                -- migrator:switch letters -> notes key=id
                """, to: "migrations/sqlite/0001_letters.sql")
            let result = try migrate(
                ["upgrade", "head", "--mode", mode], on: store, migrations: folder.file("migrations"))
            return (result, store)
        }
        let backup = "-- migrator:backup notes"
        let (viewed, _) = try result(backup, view: " view=notes")
        #expect(viewed.status == 4 && viewed.errorCode == "view-impossible", "\(viewed.standardError)")
        #expect(viewed.standardError.contains("\"color\""), "\(viewed.standardError)")
        let (lost, _) = try result("", view: "")
        #expect(lost.status == 4 && lost.errorCode == "would-lose-rows", "\(lost.standardError)")
        #expect(lost.standardError.contains("1 row with values in color"), "\(lost.standardError)")
        let (kept, store) = try result(backup, view: "")
        #expect(kept.status == 0 && kept.standardError.contains("column not carried: color"), "\(kept.standardError)")
        #expect(try RoundTripTests.query("SELECT count(color) FROM notes_backup", in: store)[0][0].asInt == 1)
    }
}
