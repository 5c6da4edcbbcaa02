import Foundation
import MigratorTestSupport
import Testing

/// Tables of any make that an online downgrade archives and then drops: they become their own archives.
@Suite struct KeptTableTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var table = "letters"
        var up: String
        /// After the archive, the end of the table among it.
        var down: [String]

        /// Before PostgreSQL 15 a column that was generated once goes with the function.
        var isCopied: Bool {
            get throws { try up.contains("GENERATED ALWAYS AS (") && PostgreSQLServer.shared().majorVersion < 15 }
        }
    }

    /// Whatever hangs on a table goes with it as if it had been dropped, so that it can be made again.
    static let cases = [
        Case(
            testDescription: "a serial key", up: "CREATE TABLE letters (id serial PRIMARY KEY, name text)",
            down: ["DROP TABLE letters"]),
        Case(
            testDescription: "a sequence that the table owns",
            up: """
                CREATE SEQUENCE numbers; CREATE TABLE letters (id integer DEFAULT nextval('numbers'), name text);
                ALTER SEQUENCE numbers OWNED BY letters.id
                """, down: ["DROP TABLE letters"]),
        Case(
            testDescription: "statistics",
            up: """
                CREATE TABLE letters (id bigint GENERATED ALWAYS AS IDENTITY, name text, kind text);
                CREATE STATISTICS letter_kinds ON name, kind FROM letters
                """, down: ["DROP TABLE letters"]),
        Case(
            testDescription: "a generated column, and its function",
            up: """
                CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
                CREATE TABLE letters (name text, slug text GENERATED ALWAYS AS (slug(name)) STORED)
                """, down: ["DROP TABLE letters", "DROP FUNCTION slug(text)"]),
        Case(
            testDescription: "another schema", table: "post.letters",
            up: "CREATE SCHEMA IF NOT EXISTS post; CREATE TABLE post.letters (id serial PRIMARY KEY, name text)",
            down: ["DROP TABLE post.letters"]),
    ]

    @Test(arguments: cases) func `a table is kept, made again and kept again`(_ example: Case) throws {
        let bench = try Bench(example)
        for round in 1...2 {
            try bench.migrate("upgrade head").checked()
            let verified = try bench.migrate("verify")
            #expect(verified.status == 0, "\(round): \(verified.standardOutput)")
            try bench.store.run("INSERT INTO \(example.table) (name) VALUES ('Ann'), ('Bob')")
            let undone = try bench.migrate("downgrade base")
            #expect(undone.status == 0, "\(round): \(undone.standardError)")
            if try !example.isCopied {
                #expect(undone.standardError.contains("the same relation"), "\(round): \(undone.standardError)")
            }
            #expect(try bench.count(of: "\(example.table)_backup") == "2\n")
            #expect(try bench.registered == "\(2 * round)\n")
            #expect(try bench.migrate("backups verify").status == 0)
        }
    }

    /// Both names are cut to the same.
    @Test func `two tables of long names do not share an archive's name`() throws {
        let (one, other) = (String(repeating: "l", count: 60) + "one", String(repeating: "l", count: 60) + "two")
        let bench = try Bench(
            Case(
                testDescription: "", table: "\(one), \(other)",
                up: "CREATE TABLE \(one) (name text); CREATE TABLE \(other) (name text)",
                down: ["DROP TABLE \(one)", "DROP TABLE \(other)"]))
        try bench.migrate("upgrade head").checked()
        try bench.store.run("INSERT INTO \(one) VALUES ('a'); INSERT INTO \(other) VALUES ('b'), ('c')")
        try bench.migrate("downgrade base").checked()
        #expect(try bench.registered == "3\n")
        #expect(try bench.migrate("backups verify").status == 0)
    }

    // MARK: What an archive needs

    static let needed = [
        ("CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE letters (name text, mood mood)", "letters", "DROP TYPE mood"),
        ("CREATE SCHEMA post; CREATE TABLE post.letters (name text)", "post.letters", "DROP SCHEMA post"),
    ]

    /// In a window the archive is a copy, which needs as much.
    @Test(arguments: needed, ["window", "online"])
    func `what an archive needs is not taken from it`(
        _ example: (up: String, table: String, drop: String), _ mode: String
    ) throws {
        for cascade in ["", " CASCADE"] {
            let bench = try Bench(
                Case(
                    testDescription: "", table: example.table, up: example.up,
                    down: ["DROP TABLE \(example.table)", example.drop + cascade]))
            try bench.migrate("upgrade head --mode \(mode)").checked()
            try bench.store.run("INSERT INTO \(example.table) (name) VALUES ('Ann'), ('Bob')")
            let refused = try bench.migrate("downgrade base --mode \(mode)")
            #expect(refused.status == 4, "\(refused.standardError)")
            #expect(refused.errorCode == (cascade.isEmpty ? "backup-needs-it" : "would-lose-rows"))
            #expect(refused.standardError.contains("the backup \"letters_backup\""), "\(refused.standardError)")
            let kept = mode == "online" ? "\(example.table)_backup" : example.table
            #expect(try bench.count(of: kept) == "2\n")
            // As the hint says.
            try bench.write(down: ["DROP TABLE \(example.table)"])
            try bench.migrate("downgrade base --mode \(mode)").checked()
            #expect(try bench.registered == "2\n")
            #expect(try bench.migrate("backups verify").status == 0)
        }
    }

    @Test(arguments: ["window", "online"]) func `rows of another schema that no archive holds are not dropped`(
        _ mode: String
    ) throws {
        let bench = try Bench(
            Case(
                testDescription: "", table: "letters",
                up: "CREATE SCHEMA post; CREATE TABLE post.stamps (name text); CREATE TABLE letters (name text)",
                down: ["DROP TABLE letters", "DROP SCHEMA post CASCADE"]))
        try bench.migrate("upgrade head --mode \(mode)").checked()
        try bench.store.run("INSERT INTO post.stamps VALUES ('blue')")
        let refused = try bench.migrate("downgrade base --mode \(mode)")
        #expect(refused.status == 4 && refused.errorCode == "would-lose-rows", "\(refused.standardError)")
        #expect(refused.standardError.contains("1 row of \"stamps\""), "\(refused.standardError)")
        #expect(try bench.count(of: "post.stamps") == "1\n")
    }

    /// A revision that may run online, which makes tables and archives one.
    final class Bench {
        let store: PostgreSQLStore
        private let folder: TemporaryFolder
        private let example: Case

        init(_ example: Case) throws {
            (store, folder, self.example) = (try PostgreSQLStore(), try TemporaryFolder(), example)
            try store.run("CREATE TABLE notes (id integer PRIMARY KEY)")
            try write(down: example.down)
        }

        func write(down: [String]) throws {
            try folder.write(
                script(
                    "0001",
                    up: """
                        CREATE TABLE copies (id integer PRIMARY KEY);
                        -- migrator:sync notes -> copies key=id
                        \(example.up);
                        """,
                    down: """
                        -- migrator:unsync notes -> copies
                        DROP TABLE copies;
                        -- migrator:archive \(example.table)
                        \(down.map { $0 + ";" }.joined(separator: "\n"))
                        """), to: "m/postgresql/0001_a.sql")
        }

        func migrate(_ line: String) throws -> CommandResult {
            try EndToEndTests.migrate(
                line.split(separator: " ").map(String.init), on: store, migrations: folder.file("m"))
        }

        func count(of table: String) throws -> String { try store.database.psql("SELECT count(*) FROM \(table)") }

        /// The rows that registered backups hold.
        var registered: String {
            get throws {
                try store.database.psql("SELECT sum(rows) FROM migrator.backup WHERE removed_at IS NULL")
            }
        }
    }
}
