import MigratorDatabase
import MigratorScript
import Testing

@testable import MigratorEngine

@Suite struct SQLiteBackupTests {
    /// Text ids, epochs, a nullable column inside a UNIQUE constraint, a trigger on the table.
    static let textIDs = """
        CREATE TABLE direct_messages (id TEXT PRIMARY KEY, from_user TEXT, thread TEXT, body TEXT, sent INTEGER,
            UNIQUE (thread, from_user));
        CREATE TABLE log (id TEXT);
        CREATE TRIGGER noted AFTER INSERT ON direct_messages BEGIN INSERT INTO log VALUES (NEW.id); END;
        INSERT INTO direct_messages VALUES ('b-2', NULL, 't', 'two', 2), ('a-1', NULL, 't', 'one', 1);
        DELETE FROM log;
        """

    @Test func textIDsGoThereAndBack() throws {
        let bench = try SQLiteWorkbench(Self.textIDs)
        let schema = try bench.backend.schemaSnapshot(of: nil)
        try bench.work {
            try bench.upgrade(
                """
                CREATE TABLE messages (id TEXT PRIMARY KEY, from_user TEXT, thread TEXT, body TEXT, sent INTEGER,
                    edited INTEGER, UNIQUE (thread, from_user))
                """)
        }
        try bench.backend.session.execute("INSERT INTO messages (id, body) VALUES ('c-3', 'three')")
        #expect(try bench.rows("SELECT id FROM log") == [["c-3"]])
        try bench.work { try bench.downgrade() }
        #expect(try bench.rows("SELECT id FROM direct_messages ORDER BY id") == [["a-1"], ["b-2"], ["c-3"]])
        #expect(try bench.rows("SELECT id FROM log") == [["c-3"]])
        #expect(try bench.backend.schemaSnapshot(of: nil) == schema)
    }

    @Test func aRestoredBackupIsEqualAndAChangedOneIsRefused() throws {
        let bench = try SQLiteWorkbench(Self.textIDs)
        let backend = bench.backend
        try bench.work { _ = try backend.backup(TableName("direct_messages"), context: bench.context()) }
        let backup = try #require(try backend.ledger.backups().first)
        try bench.work { _ = try backend.restore(backup, into: "again", context: bench.context()) }
        #expect(
            try backend.contentHash(of: TableName("again"), columns: backup.columns).hash == backup.hash)
        try backend.session.execute("UPDATE direct_messages_backup SET sent = '1 ' WHERE id = 'a-1'")
        try backend.session.execute("UPDATE direct_messages_backup SET body = 'One' WHERE id = 'a-1'")
        let failure = bench.failure { _ = try backend.restore(backup, into: "third", context: bench.context()) }
        #expect(failure?.code == "backup-differs")
    }

    /// Whatever the encoding of the file is: the export is read into one of its own.
    @Test(arguments: ["UTF-8", "UTF-16le", "UTF-16be"])
    func theExportRestoresEveryValueBitByBit(_ encoding: String) throws {
        let bench = try SQLiteWorkbench(
            """
            PRAGMA encoding = '\(encoding)';
            CREATE TABLE odd (id INTEGER PRIMARY KEY, a);
            INSERT INTO odd (a) VALUES ('it''s' || char(0) || '"x"' || char(0)), ('Grüße 世界 👋🏽'), ('o''' || char(769)),
                (char(13, 10, 9) || 'b'), (''), (x''), (x'00ff'), (9e999), (-9e999), (-0.0), (0.1 + 0.2), (1700000000.123456),
                (1e300 / 3), (4.9406564584124654e-324), (2.2250738585072014e-308), (1.7976931348623157e308), (1e15), (1e22),
                (-9223372036854775808), (9223372036854775807), (9007199254740993), (NULL)
            """)
        if encoding == "UTF-8" {
            try bench.backend.session.execute("INSERT INTO odd (a) VALUES (CAST(x'ff80fe' AS TEXT))")
        }
        try bench.work { _ = try bench.backend.backup(TableName("odd"), context: bench.context()) }
        let backup = try #require(try bench.backend.ledger.backups().first)
        var sql = ""
        try bench.backend.export([backup]) { sql += $0 }
        for other in [try SQLiteWorkbench(sql), try SQLiteWorkbench("PRAGMA encoding = '\(encoding)';\n" + sql)] {
            #expect(
                try other.backend.contentHash(of: TableName("odd_backup"), columns: backup.columns).hash == backup.hash)
        }
    }

    @Test func theExportRestoresEveryValue() throws {
        let bench = try SQLiteWorkbench(
            """
            CREATE TABLE odd (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL);
            INSERT INTO odd VALUES (1, 'it''s' || char(0) || 'x', x'00ff', 0.1), (2, NULL, '', -1e300);
            """)
        try bench.work { _ = try bench.backend.backup(TableName("odd"), context: bench.context()) }
        let backup = try #require(try bench.backend.ledger.backups().first)
        var sql = ""
        try bench.backend.export([backup]) { sql += $0 }
        let other = try SQLiteWorkbench(sql)
        #expect(
            try other.backend.contentHash(of: TableName("odd_backup"), columns: backup.columns).hash == backup.hash)
    }
}
