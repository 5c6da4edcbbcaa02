import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Full-text indexes that read a switched table by its name, as docs/sqlite.md says.
@Suite struct SQLiteFullTextTests {
    /// The table's own index, with the triggers that fill it.
    private static func index(of table: String) -> String {
        """
        CREATE VIRTUAL TABLE IF NOT EXISTS \(table)_fts USING fts5(content, content='\(table)', content_rowid='id');
        INSERT INTO \(table)_fts (\(table)_fts) VALUES ('rebuild');
        CREATE TRIGGER IF NOT EXISTS \(table)_fts_insert AFTER INSERT ON \(table) BEGIN
            INSERT INTO \(table)_fts (rowid, content) VALUES (NEW.id, NEW.content);
        END;
        CREATE TRIGGER IF NOT EXISTS \(table)_fts_delete AFTER DELETE ON \(table) BEGIN
            INSERT INTO \(table)_fts (\(table)_fts, rowid, content) VALUES ('delete', OLD.id, OLD.content);
        END;

        """
    }

    private static func drop(_ table: String) -> String {
        """
        DROP TRIGGER IF EXISTS \(table)_fts_insert;
        DROP TRIGGER IF EXISTS \(table)_fts_delete;
        DROP TABLE IF EXISTS \(table)_fts;

        """
    }

    /// The shipped revisions; the switch takes the index along.
    private static func scripts() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["0001_chat_baseline", "0002_direct_messages_to_messages", "0003_additive_chat"] {
            var text = try String(
                contentsOfFile: "\(MigratorBinary.packageFolder)/migrations/sqlite/\(name).sql", encoding: .utf8)
            let (old, new) = ("direct_messages", "messages")
            for (anchor, before, after) in [
                ("CREATE TABLE messages (", drop(old), ""),
                ("-- migrator:switch \(old) -> \(new) key=id\n", "", index(of: new)),
                ("-- migrator:switch \(new) -> \(old) key=id\n", drop(new), index(of: old)),
            ] where name.hasPrefix("0002") {
                let place = try #require(text.range(of: anchor))
                text.replaceSubrange(place, with: before + anchor + after)
            }
            try folder.write(text, to: "migrations/sqlite/\(name).sql")
        }
        return folder
    }

    private static func found(_ word: String, in table: String, _ store: SQLiteStore) throws -> [Int] {
        try RoundTripTests.query("SELECT content FROM \(table)_fts WHERE \(table)_fts MATCH '\(word)'", in: store)
            .map { _ in 1 }
    }

    @Test(arguments: ["window", "online"]) func `a search goes on where the script takes its index along`(
        _ mode: String
    ) throws {
        let store = try SQLiteOddSchemaTests.makeStore(Self.index(of: "direct_messages"))
        let schema = try RoundTripTests.schema(of: store)
        let folder = try Self.scripts()
        func run(_ arguments: String...) throws {
            let mode = arguments[0].hasSuffix("grade") ? ["--mode", mode] : []
            try migrate(arguments + mode, on: store, migrations: folder.file("migrations")).checked()
        }
        try run("plan", "0002")
        try run("upgrade", "head")
        try store.run("INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'a zebra crossing')")
        #expect(try Self.found("zebra", in: "messages", store).count == 1)
        #expect(try Self.found("message", in: "messages", store).count > 20)
        try run("verify", "--full")
        try run("downgrade", "0001")
        #expect(try Self.found("zebra", in: "direct_messages", store).count == 1)
        try store.run("DELETE FROM direct_messages WHERE content LIKE '%zebra%'")
        #expect(try Self.found("zebra", in: "direct_messages", store).isEmpty)
        #expect(
            try RoundTripTests.schema(of: store).replacingOccurrences(of: "IF NOT EXISTS ", with: "")
                == schema.replacingOccurrences(of: "IF NOT EXISTS ", with: ""))
    }

    /// The shipped script knows nothing of it: after the switch every search would fail.
    @Test(arguments: [
        "fts5(content, content='Direct_Messages', content_rowid='id')", "fts4(content=\"direct_messages\", content)",
    ])
    func `an index that would read nothing any more is refused`(_ module: String) throws {
        let store = try SQLiteOddSchemaTests.makeStore("CREATE VIRTUAL TABLE \"the index\" USING \(module)")
        let before = try store.state()
        for command in [["plan", "0002"], ["upgrade", "0002"], ["upgrade", "0002", "--mode", "online"]] {
            let refused = try migrate(command, on: store)
            #expect(refused.status == 4 && refused.errorCode == "virtual-table-in-the-way", "\(refused.standardError)")
            #expect(refused.standardError.contains("\"the index\""), "\(refused.standardError)")
        }
        #expect(try store.state() == before)

        // One that names the new table stops the way back.
        try store.run("DROP TABLE \"the index\"")
        try migrate(["upgrade", "0002"], on: store).checked()
        try store.run("CREATE VIRTUAL TABLE later USING fts5(content, content=messages, content_rowid=id)")
        for mode in ["window", "online"] {
            let refused = try migrate(["downgrade", "0001", "--mode", mode], on: store)
            #expect(refused.status == 4 && refused.errorCode == "virtual-table-in-the-way", "\(refused.standardError)")
        }
        try store.run("DROP TABLE later")
        try migrate(["downgrade", "0001"], on: store).checked()
    }

    /// An index with rows of its own is rows, which a script may not drop unasked.
    @Test func `an index that keeps its content is counted as loss`() throws {
        let store = try SQLiteStore()
        try store.run("CREATE VIRTUAL TABLE pages USING fts5(body); INSERT INTO pages VALUES ('one'), ('two')")
        let folder = try TemporaryFolder()
        try folder.write(
            """
            -- migrator:revision 0001
            -- migrator:revises base

            -- migrator:upgrade
            DROP TABLE pages;

            -- migrator:downgrade
            SELECT 1;
            """, to: "migrations/sqlite/0001_pages.sql")
        let refused = try migrate(["upgrade", "head"], on: store, migrations: folder.file("migrations"))
        #expect(refused.status == 4 && refused.errorCode == "would-lose-rows", "\(refused.standardError)")
        #expect(refused.standardError.contains("2 rows of \"pages\""), "\(refused.standardError)")
        #expect(!refused.standardError.contains("pages_data"), "\(refused.standardError)")
    }
}
