import MigratorTestSupport
import Testing

/// What a downgrade would take away for good is counted by what the server does, not by what the script says.
@Suite struct LossTests {
    static let emptying = [
        "TRUNCATE parents CASCADE",
        "DO $$ BEGIN TRUNCATE parents CASCADE; END $$",
        "TRUNCATE post.letters",
        "DO $$ BEGIN CREATE TABLE few AS SELECT * FROM post.letters LIMIT 1; TRUNCATE post.letters; INSERT INTO post.letters SELECT * FROM few; DROP TABLE few; END $$",
    ]

    @Test(arguments: emptying, ["window", "online"]) func `rows that a statement empties are lost`(
        _ statement: String, _ mode: String
    ) throws {
        let (store, project) = try setting(down: statement)
        let refused = try project.run("downgrade", "base", "--mode", mode, "--database", store.url, "--migrations", "m")
        #expect(refused.status == 4 && refused.errorCode == "would-lose-rows", "\(refused.standardError)")
        #expect(try store.database.psql("SELECT count(*) FROM children, post.letters") == "4\n")
    }

    /// A statement that writes a table anew keeps its rows.
    @Test func `rows that only move are not lost`() throws {
        let (store, project) = try setting(
            down: """
                ALTER TABLE children ALTER COLUMN parent_id TYPE bigint, DROP CONSTRAINT children_parent_id_fkey;
                DROP TABLE own
                """)
        try project.run("downgrade", "base", "--database", store.url, "--migrations", "m").checked()
        #expect(try store.database.psql("SELECT count(*) FROM children") == "2\n")
    }

    @Test func `a table that somebody else drops meanwhile is not the script's loss`() throws {
        let (store, project) = try setting(down: "DO $$ BEGIN PERFORM pg_sleep(3); DROP TABLE own; END $$")
        try store.run("CREATE TABLE post.staging AS SELECT 1 AS n")
        let running = try MigratorBinary.start(
            ["downgrade", "base", "--database", store.url, "--migrations", project.folder.file("m")])
        let sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        while try store.database.psql("SELECT count(*) \(sleeping)") == "0\n" {}
        try store.run("DROP TABLE post.staging")
        let finished = try running.wait()
        #expect(finished.status == 0, "\(finished.standardError)")
    }

    private func setting(down: String) throws -> (PostgreSQLStore, Project) {
        let store = try PostgreSQLStore()
        try store.run(
            """
            CREATE TABLE parents (id integer PRIMARY KEY);
            CREATE TABLE children (id integer PRIMARY KEY, parent_id integer REFERENCES parents);
            INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1), (2, 1);
            CREATE SCHEMA post; CREATE TABLE post.letters (name text); INSERT INTO post.letters VALUES ('a'), ('b')
            """)
        let project = try Project([
            "m/postgresql/0001_a.sql": script("0001", up: "CREATE TABLE own (id integer);", down: down + ";")
        ])
        try project.run("upgrade", "head", "--database", store.url, "--migrations", "m").checked()
        return (store, project)
    }
}
