import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// What happens to other tools' scripts on the way: failures, rows, late scripts, repeatable ones.
@Suite struct FormatRunTests {
    static func folder(_ files: [String: String]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (name, text) in files { try folder.write(text, to: name) }
        return folder
    }

    @Test(arguments: Dialect.allCases) func `A script that cannot work is refused before anything ran`(
        _ dialect: Dialect
    ) throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id int);",
            "2_b.up.sql": "CREATE TABLE b (id int);\nINSERT INTO b VALUES ('x;",
        ])
        let store = try dialect.makeStore()
        let before = try store.state()
        let refused = try migrate(["upgrade", "head"], on: store, migrations: folder.path)
        #expect(refused.status == 65 && refused.standardError.contains("2_b.up.sql:2:23"), "\(refused.standardError)")
        #expect(try store.state() == before)
    }

    @Test(arguments: Dialect.allCases) func `A failing statement is named by file and line, and leaves nothing`(
        _ dialect: Dialect
    ) throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id int);", "1_a.down.sql": "DROP TABLE a;\nDROP TABLE nowhere;",
            "2_b.up.sql": "-- two\nCREATE TABLE b (id int);\n\nINSERT INTO nowhere VALUES (1);",
        ])
        let store = try dialect.makeStore()
        let failed = try migrate(["upgrade", "head"], on: store, migrations: folder.path)
        #expect(failed.status == 1 && failed.standardError.contains("2_b.up.sql:4:"), "\(failed.standardError)")
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "1\n")
        let state = try store.state()
        #expect(!state.contains("CREATE TABLE b") && !state.contains("public.b "))
        // A way back that is wrong.
        let back = try migrate(["downgrade", "base"], on: store, migrations: folder.path)
        #expect(back.status == 1 && back.standardError.contains("1_a.down.sql:2:"), "\(back.standardError)")
        #expect(try store.state() == state)
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "1\n")
    }

    @Test func `A way back that does not lead back is told at its file`() throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id int);\nCREATE TABLE b (id int);", "1_a.down.sql": "\nDROP TABLE a;",
        ])
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        let state = try store.state()
        let back = try migrate(["downgrade", "base"], on: store, migrations: folder.path)
        #expect(back.status == 2 && back.errorCode == "downgrade-differs")
        #expect(back.standardError.contains("1_a.down.sql:2:1"), "\(back.standardError)")
        #expect(try store.state() == state)
    }

    @Test func `A script that is no transaction goes on from the statement that failed`() throws {
        let files = [
            "1_a.sql":
                "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\nINSERT INTO a SELECT id FROM later;\n-- +goose Down\nDROP TABLE a;"
        ]
        let folder = try Self.folder(files)
        let store = try PostgreSQLStore()
        let failed = try migrate(["upgrade", "head"], on: store, migrations: folder.path)
        #expect(failed.status == 1 && failed.standardError.contains("1_a.sql:5:"))
        // The two tables were committed: that is what the mark asks for.
        #expect(try store.database.psql("SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')") == "2\n")
        try store.run("CREATE TABLE later (id int)")
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "1 (head)\n")
        // Without the mark nothing stays.
        let whole = try Self.folder(
            files.mapValues { $0.replacingOccurrences(of: "-- +goose NO TRANSACTION\n", with: "") })
        let other = try PostgreSQLStore()
        #expect(try migrate(["upgrade", "head"], on: other, migrations: whole.path).status == 1)
        #expect(try other.database.psql("SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')") == "0\n")
    }

    @Test(arguments: Dialect.allCases) func `Rows that a script takes away are kept`(_ dialect: Dialect) throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id integer PRIMARY KEY, word text);", "1_a.down.sql": "DROP TABLE a;",
            "2_b.up.sql": "ALTER TABLE a DROP COLUMN word;", "2_b.down.sql": "ALTER TABLE a ADD COLUMN word text;",
        ])
        let store = try dialect.makeStore()
        try migrate(["upgrade", "1"], on: store, migrations: folder.path).checked()
        try store.run("INSERT INTO a VALUES (1, 'one'), (2, NULL)")
        let upgraded = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(upgraded.standardError.contains("a_columns_backup"))
        let back = try migrate(["downgrade", "base"], on: store, migrations: folder.path).checked()
        #expect(back.standardError.contains("a_backup"))
        let session = try store.session()
        defer { session.close() }
        #expect(try session.query("SELECT id, word FROM a_columns_backup").map { $0[1].asText } == ["one"])
        #expect(try session.scalar("SELECT count(*) FROM a_backup").asInt == 2)
    }

    @Test func `What a run's own scripts put in and take out is no backup's business`() throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id int, word text); INSERT INTO a VALUES (1, 'seed');",
            "2_b.up.sql": "ALTER TABLE a DROP COLUMN word; DROP TABLE a; CREATE TABLE b (id int);",
        ])
        for dialect in Dialect.allCases {
            let store = try dialect.makeStore()
            let upgraded = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
            #expect(!upgraded.standardError.contains("backup"))
            #expect(try !store.state().contains("backup"))
        }
    }

    @Test func `A script that comes late is told, not skipped`() throws {
        let folder = try Self.folder([
            "1_a.up.sql": "CREATE TABLE a (id int);", "3_c.up.sql": "CREATE TABLE c (id int);",
        ])
        let store = try SQLiteStore()
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        try folder.write("CREATE TABLE b (id int);", to: "2_b.up.sql")
        let late = try migrate(["upgrade", "head"], on: store, migrations: folder.path)
        #expect(late.status == 2 && late.errorCode == "pending-below-current")
        #expect(late.standardError.contains("give it a number behind"))
    }

    @Test func `Repeatable scripts run again when they change, behind new versions`() throws {
        let folder = try Self.folder([
            "V1__a.sql": "CREATE TABLE a (id int, b int);", "U1__a.sql": "DROP TABLE a;",
            "R__v.sql": "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT id FROM a;",
        ])
        let store = try PostgreSQLStore()
        func columns() throws -> String {
            try store.database.psql("SELECT attname FROM pg_attribute WHERE attrelid = 'v'::regclass ORDER BY attnum")
        }
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(try columns() == "id\n")
        try folder.write("DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT id, b FROM a;", to: "R__v.sql")
        try folder.write("ALTER TABLE a ADD c int;", to: "V2__c.sql")
        #expect(try migrate(["check"], on: store, migrations: folder.path).status == 3)
        let run = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(run.standardError.components(separatedBy: "Running upgrade").count == 3, "\(run.standardError)")
        #expect(try columns() == "id\nb\n")
        try migrate(["check"], on: store, migrations: folder.path).checked()
        let history = try migrate(["history", "-i"], on: store, migrations: folder.path).checked()
        #expect(history.standardOutput.split(separator: "\n").count == 4, "\(history.standardOutput)")
    }

    @Test func `A baseline stands for what is before it, in an empty database only`() throws {
        let files = [
            "V1__a.sql": "CREATE TABLE a (id int);", "V2__b.sql": "CREATE TABLE b (id int);",
            "V3__c.sql": "CREATE TABLE c (id int);",
        ]
        let old = try SQLiteStore()
        let folder = try Self.folder(files)
        try migrate(["upgrade", "1"], on: old, migrations: folder.path).checked()
        try folder.write("CREATE TABLE a (id int);\nCREATE TABLE b (id int);", to: "B2__all.sql")
        let new = try SQLiteStore()
        let run = try migrate(["upgrade", "head"], on: new, migrations: folder.path).checked()
        #expect(run.standardError.contains("-> B2, all") && !run.standardError.contains("-> 2"))
        let rest = try migrate(["upgrade", "head"], on: old, migrations: folder.path).checked()
        #expect(rest.standardError.contains("1 -> 2, b") && !rest.standardError.contains("-> B2"))
        #expect(try old.state() == new.state())
        for store in [old, new] { try migrate(["check"], on: store, migrations: folder.path).checked() }
    }

    @Test func `A recorded script leads back when its file is gone`() throws {
        let folder = try Self.folder(["1_a.up.sql": "CREATE TABLE a (id int);", "1_a.down.sql": "DROP TABLE a;"])
        let store = try SQLiteStore()
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        for name in ["1_a.up.sql", "1_a.down.sql"] { try FileManager.default.removeItem(atPath: folder.file(name)) }
        try migrate(["downgrade", "base"], on: store, migrations: folder.path).checked()
        #expect(try !store.state().contains("CREATE TABLE"))
    }
}
