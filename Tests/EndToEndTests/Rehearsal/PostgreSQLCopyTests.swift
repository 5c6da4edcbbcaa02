import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// How a PostgreSQL database gets into its scratch copy.
@Suite struct PostgreSQLCopyTests {
    static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:upgrade
        ALTER TABLE posts ADD COLUMN title text;
        -- migrator:downgrade
        ALTER TABLE posts DROP COLUMN title;

        """

    /// Types, functions, views, generated and identity columns, partitions, policies, comments, a self-reference.
    static let schema = """
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE DOMAIN short AS varchar(20) CHECK (length(value) > 0);
        CREATE SCHEMA other;
        CREATE TABLE other.people (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name short, feeling mood);
        CREATE TABLE posts (
            id bigserial PRIMARY KEY, author integer NOT NULL REFERENCES other.people (id),
            parent bigint REFERENCES posts (id), body text NOT NULL, size integer GENERATED ALWAYS AS (length(body)) STORED);
        CREATE INDEX posts_author ON posts (author);
        COMMENT ON TABLE posts IS 'it''s \\ here';
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := NEW.body; RETURN NEW; END $$;
        CREATE TRIGGER posts_touch BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE VIEW busy AS SELECT author, count(*) FROM posts GROUP BY author;
        CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM posts;
        CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
        CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        ALTER TABLE events ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_them ON events USING (true);
        INSERT INTO other.people (name, feeling) SELECT 'p' || n, 'good' FROM generate_series(1, 500) n;
        INSERT INTO posts (author, parent, body)
            SELECT 1 + n % 500, CASE WHEN n % 3 = 0 AND n > 300 THEN n - 299 END, E'tab\\t and \\\\ ' || n
            FROM generate_series(1, 5000) n;
        INSERT INTO events SELECT '2024-03-01'::date + n % 90, 'e' || n FROM generate_series(1, 300) n;
        """

    private func project() throws -> Project { try Project(["migrations/0001_title.sql": Self.script]) }

    @Test func `a whole copy has every row of every table`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        let result = try project().run("--database", store.url, "rehearse", "--full", "--json")
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let copy = try #require(try result.object()["copy"] as? [String: Any])
        #expect(copy["rows"] as? Int == 500 + 5000 + 300)
        #expect((copy["sampled_tables"] as? [String])?.isEmpty == true)
        #expect((copy["method"] as? String)?.hasPrefix("pg_dump") == true)
    }

    @Test func `a sample has all that its rows refer to`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        try store.run("ANALYZE")
        let result = try project().run("--database", store.url, "rehearse", "--rows", "100", "--json")
        // A row without what it refers to would end the copy: its foreign keys are made after the rows.
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let copy = try #require(try result.object()["copy"] as? [String: Any])
        let rows = try #require(copy["rows"] as? Int)
        #expect(rows > 100 && rows < 3000)
        #expect((copy["sampled_tables"] as? [String])?.contains("public.posts") == true)
    }

    @Test func `without pg_dump the server copies a database to which nobody else is connected`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        let alone = try project().run("--database", store.url, "rehearse", "--pg-dump", "none", "--json")
        #expect(alone.status == 0, "\(alone.standardOutput)\(alone.standardError)")
        #expect((try alone.object()["copy"] as? [String: Any])?["method"] as? String == "template")
        let session = try store.session()
        defer { session.close() }
        let refused = try project().run("--database", store.url, "rehearse", "--pg-dump", "none")
        #expect(refused.status == 69)
        #expect(refused.errorCode == "pg-dump-missing")
        #expect(refused.standardError.contains("postgresql-client-"))
    }

    @Test func `the password is in no argument and in no output`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        let folder = try TemporaryFolder()
        let record = folder.file("arguments")
        let real = "/usr/bin/env pg_dump"
        // Stands between, and writes down what everybody could read in the list of processes.
        try folder.write(
            """
            #!/bin/sh
            echo "$@" >> \(record)
            [ "$PGPASSWORD" = s3cret-word ] && echo known >> \(record)
            exec \(real) "$@"

            """, to: "pg_dump")
        chmod(folder.file("pg_dump"), 0o755)
        chmod(folder.path, 0o755)
        let result = try project().run(
            "--database", store.url + "&password=s3cret-word", "rehearse", "--pg-dump", folder.file("pg_dump"),
            "--verbose")
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let arguments = try folder.read("arguments")
        #expect(arguments.contains("--section=pre-data"))
        #expect(arguments.contains("known"))
        for text in [arguments, result.standardOutput, result.standardError] {
            #expect(!text.contains("s3cret-word"))
        }
    }

    @Test func `the copy can be made on another server`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        let other = try PostgreSQLServer()
        defer { other.stop() }
        let result = try project().run("--database", store.url, "rehearse", "--scratch-url", other.url(), "--json")
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        #expect(
            ((try result.object()["copy"] as? [String: Any])?["name"] as? String)?.contains(other.socketFolder) == true)
        let session = try other.session()
        defer { session.close() }
        #expect(try session.query("SELECT 1 FROM pg_database WHERE datname LIKE 'migrator%'").isEmpty)
    }

    @Test func `a role that may make no database is told what to do`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.schema)
        let role = "rehearser_\(store.database.name)"
        try store.run(
            """
            CREATE ROLE \(role) LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO \(role);
            GRANT USAGE ON SCHEMA other TO \(role);
            GRANT SELECT ON ALL TABLES IN SCHEMA public, other TO \(role)
            """)
        let url = store.database.server.url(database: store.database.name, user: role)
        let result = try project().run("--database", url, "rehearse")
        #expect(result.status == 69)
        #expect(result.errorCode == "scratch-refused")
        #expect(result.standardError.contains("CREATEDB"))
    }
}
