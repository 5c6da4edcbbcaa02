import MigratorTestSupport
import Testing

/// Who may see what through the view under the old name.
@Suite struct CompatibilityViewTests {
    static let copying = [("rename", "window"), ("rename", "online"), ("copy", "window"), ("copy", "online")]

    @Test(arguments: copying) func `a role reads the columns that it may read`(strategy: String, mode: String) throws {
        let store = try upgraded(strategy, mode, securing: false)
        #expect(try read(store, as: Self.reader) == "a,b\n")
        for statement in ["SELECT secret FROM notes", "DELETE FROM notes"] {
            #expect(throws: CommandError.self) { try store.database.psql("SET ROLE \(Self.reader); \(statement)") }
        }
    }

    @Test(arguments: copying) func `row-level security holds through the view`(strategy: String, mode: String) throws {
        guard try PostgreSQLServer.shared().majorVersion >= 15 else {
            #expect(throws: CommandError.self) { try upgraded(strategy, mode, securing: true) }
            return
        }
        let store = try upgraded(strategy, mode, securing: true)
        #expect(try read(store, as: Self.secured) == "b\n")
    }

    private static let (reader, secured) = ("view_tests_reader", "view_tests_all")

    private func read(_ store: PostgreSQLStore, as role: String) throws -> String {
        try store.database.psql("SET ROLE \(role); SELECT string_agg(body, ',' ORDER BY id) FROM notes")
    }

    private func upgraded(_ strategy: String, _ mode: String, securing: Bool) throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        for role in [Self.reader, Self.secured] {
            try store.run(
                """
                DO $$ BEGIN CREATE ROLE \(role);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
                """)
        }
        try store.run(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text, secret text);
            INSERT INTO notes VALUES (1, 'a', 'x'), (2, 'b', 'y');
            GRANT SELECT ON notes TO \(Self.secured);
            GRANT SELECT (id, body) ON notes TO \(Self.reader)
            """)
        if securing {
            try store.run(
                "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY even ON notes USING (id % 2 = 0)")
        }
        let project = try Project([
            "m/postgresql/0001_a.sql": EndToEndTests.script(
                "0001",
                up: """
                    CREATE TABLE entries (id integer PRIMARY KEY, body text, secret text);
                    -- migrator:switch notes -> entries key=id view=notes strategy=\(strategy)
                    """, down: "-- migrator:switch entries -> notes key=id")
        ])
        try project.run("--database", store.url, "--migrations", "m", "upgrade", "head", "--mode", mode).checked()
        return store
    }
}
