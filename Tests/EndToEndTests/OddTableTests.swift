import Foundation
import MigratorTestSupport
import Testing

/// Tables that a server treats unlike others.
@Suite struct OddTableTests {
    private static func script(strategy: String = "strategy=copy", declaration: String) -> String {
        """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Odd

        -- migrator:upgrade
        -- migrator:backup old_notes
        CREATE TABLE notes (\(declaration));
        -- migrator:switch old_notes -> notes key=id \(strategy)

        -- migrator:downgrade
        -- migrator:switch notes -> old_notes key=id

        """
    }

    private func setting(_ script: String, _ sql: String) throws -> (PostgreSQLStore, (String) throws -> CommandResult)
    {
        let store = try PostgreSQLStore()
        try store.run(sql)
        let project = try Project(["m/postgresql/0001_odd.sql": script])
        return (
            store,
            { try migrate($0.split(separator: " ").map(String.init), on: store, migrations: project.folder.file("m")) }
        )
    }

    /// A row has at most 1,664 columns for the server, and a comparison pairs two.
    @Test(arguments: ["window", "online"]) func `of 1,500 columns are copied, compared, and come back`(
        _ mode: String
    ) throws {
        let columns = (1...1499).map { "c\($0) \($0 % 3 == 0 ? "integer" : $0 % 3 == 1 ? "text" : "numeric")" }
        let (store, run) = try setting(
            Self.script(declaration: "id integer PRIMARY KEY"),
            """
            CREATE TABLE old_notes (id integer PRIMARY KEY, \(columns.joined(separator: ", ")));
            INSERT INTO old_notes (id, c1, c1498, c1499, c1497) SELECT n, 'first', 'last', n + 0.50, n FROM generate_series(1, 20) n
            """)
        try run("upgrade head --mode \(mode)").checked()
        try store.run("UPDATE notes SET c1498 = 'later', c1497 = 5 WHERE id = 3; DELETE FROM notes WHERE id = 4")
        try run("verify --full").checked()
        if mode == "online" {
            let faulty = try PostgreSQLStore(template: store.database.name)
            try faulty.run("SET session_replication_role = replica; UPDATE notes SET c1496 = 0.10 WHERE id = 7")
            let verify = try MigratorBinary.run(["--database", faulty.url, "verify", "--show-values"])
            #expect(verify.status == 2, "\(verify.standardOutput)")
            #expect(verify.standardOutput.contains("further columns"), "\(verify.standardOutput)")
        }
        try run("downgrade base --mode \(mode)").checked()
        #expect(
            try store.database.psql("SELECT count(*), max(c1498) FILTER (WHERE id = 3), sum(c1497) FROM old_notes")
                == "19|later|208\n")
    }

    /// The server refuses to add a filled column to a table whose row type another one uses; a copy needs none.
    @Test(
        arguments: ["notes_kept old_notes", "notes_kept old_notes[]", "notes_kept wrapped"], ["window", "online"]
    ) func `whose rows are values of another table are copied`(_ column: String, _ mode: String) throws {
        let (store, run) = try setting(
            Self.script(strategy: "", declaration: "id integer PRIMARY KEY, text text, seen boolean DEFAULT false"),
            """
            CREATE TABLE old_notes (id integer PRIMARY KEY, text text); INSERT INTO old_notes VALUES (1, 'a'), (2, 'b');
            CREATE TYPE wrapped AS (note old_notes, n integer); CREATE TABLE kept (id integer, \(column));
            INSERT INTO kept SELECT id, \(
                column.hasSuffix("[]") ? "ARRAY[n]" : column.hasSuffix("wrapped") ? "ROW(n, 1)::wrapped" : "n"
            ) FROM old_notes n
            """)
        let before = try store.database.psql("SELECT * FROM kept ORDER BY id")
        let plan = try run("plan head --mode \(mode)").checked()
        #expect(
            plan.standardOutput.contains("column notes_kept of \"kept\"")
                || plan.standardOutput.contains("column note of \"wrapped\""), "\(plan.standardOutput)")
        try run("upgrade head --mode \(mode)").checked()
        #expect(try store.database.psql("SELECT * FROM kept ORDER BY id") == before)
        try run("downgrade base --mode \(mode)").checked()
        #expect(try store.database.psql("SELECT * FROM kept ORDER BY id") == before)
        #expect(try store.database.psql("SELECT count(*) FROM old_notes") == "2\n")
    }

    @Test func `that have to be renamed for all that are refused in words`() throws {
        let (store, run) = try setting(
            Self.script(
                strategy: "strategy=rename", declaration: "id integer PRIMARY KEY, seen boolean DEFAULT false"),
            "CREATE TABLE old_notes (id integer PRIMARY KEY); CREATE TABLE kept (note old_notes)")
        let before = try store.state()
        for command in ["plan head", "upgrade head --mode window"] {
            let refused = try run(command)
            #expect(refused.status == 4 && refused.errorCode == "rename-impossible", "\(refused.standardError)")
            #expect(refused.standardError.contains("column note of \"kept\""), "\(refused.standardError)")
        }
        #expect(try store.state() == before)
    }

    /// A CHECK of the target that names the row as a whole.
    @Test func `whose checks look at whole rows are copied while the application writes`() throws {
        let declaration = """
            id integer PRIMARY KEY, text text NOT NULL, CONSTRAINT whole CHECK (notes IS NOT NULL),
            CONSTRAINT short CHECK (length(row_to_json(notes)::text) < 60)
            """
        let (store, run) = try setting(
            Self.script(declaration: declaration),
            "CREATE TABLE old_notes (id integer PRIMARY KEY, text text); INSERT INTO old_notes VALUES (1, 'a'), (2, repeat('b', 90))"
        )
        let refused = try run("upgrade head --mode online")
        #expect(refused.status == 2 && refused.errorCode == "value-does-not-fit", "\(refused.standardError)")
        #expect(refused.standardError.contains("old_notes id 2: \"short\""), "\(refused.standardError)")
        try store.run("UPDATE old_notes SET text = 'b' WHERE id = 2")
        try run("upgrade head --mode online").checked()
        #expect(throws: (any Error).self) { try store.run("INSERT INTO notes VALUES (3, repeat('c', 90))") }
        try run("downgrade base").checked()
        #expect(try store.database.psql("SELECT count(*) FROM old_notes") == "2\n")
    }

    /// Settings of the database that would end the migrator's own session while it waits.
    @Test func `of a database with idle timeouts wait as long as the pause lasts`() throws {
        let (store, _) = try setting(
            Self.script(declaration: "id integer PRIMARY KEY"), "CREATE TABLE old_notes (id integer PRIMARY KEY)")
        let project = try Project([
            "m/postgresql/0001_odd.sql": Self.script(declaration: "id integer PRIMARY KEY"), "pause": "",
        ])
        try store.run(
            """
            INSERT INTO old_notes SELECT generate_series(1, 5000);
            ALTER DATABASE \(store.database.name) SET idle_session_timeout = '200ms';
            ALTER DATABASE \(store.database.name) SET idle_in_transaction_session_timeout = '200ms'
            """)
        let pause = project.folder.file("pause")
        let running = try MigratorBinary.start([
            "--database", store.url, "--migrations", project.folder.file("m"), "upgrade", "head", "--mode", "online",
            "--pause-file", pause,
        ])
        #expect(running.waitForStandardError("paused"))
        Thread.sleep(forTimeInterval: 2)
        try FileManager.default.removeItem(atPath: pause)
        let finished = try running.wait()
        #expect(finished.status == 0, "\(finished.standardError)")
    }
}
