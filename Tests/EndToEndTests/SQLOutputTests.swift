import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// `--sql`: what it prints, given to the database's own shell, comes to what a run comes to.
@Suite struct SQLOutputTests {
    static let plain: [String: String] = {
        var files: [String: String] = [:]
        for dialect in Dialect.allCases {
            let folder = "migrations/\(dialect.rawValue)"
            let isPostgreSQL = dialect == .postgresql
            files["\(folder)/0001_people.sql"] = """
                -- migrator:revision 0001
                -- migrator:revises base
                -- migrator:message People; it's $1 "first"

                -- migrator:upgrade
                CREATE TABLE people (id integer PRIMARY KEY, name text NOT NULL DEFAULT 'it''s; $1 -- no', age integer);
                INSERT INTO people (id, name) VALUES (1, 'ana; $2'), (2, 'bo
                /* not a comment */');
                CREATE VIEW names AS SELECT name FROM people -- who
                ;
                -- migrator:verify everybody has a name
                SELECT id FROM people WHERE name = '';

                -- migrator:downgrade
                DROP VIEW names;
                DELETE FROM people;
                DROP TABLE people;
                """
            files["\(folder)/0002_pets.sql"] = """
                -- migrator:revision 0002
                -- migrator:revises 0001

                -- migrator:upgrade
                CREATE TABLE pets (id integer PRIMARY KEY, owner_id integer NOT NULL REFERENCES people (id));
                ALTER TABLE people ADD COLUMN email text;
                CREATE INDEX \(isPostgreSQL ? "CONCURRENTLY " : "")people_email ON people (email);
                UPDATE people SET age = 7 WHERE id = 1;
                \(isPostgreSQL ? "COMMENT ON TABLE pets IS 'animals'; CREATE INDEX CONCURRENTLY ON pets (owner_id);" : "")

                -- migrator:downgrade
                DROP INDEX people_email;
                ALTER TABLE people DROP COLUMN email;
                DROP TABLE pets;
                """
            files["\(folder)/0003_trigger.sql"] = """
                -- migrator:revision 0003
                -- migrator:revises 0002

                -- migrator:upgrade
                \(isPostgreSQL ? """
                    CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
                    CREATE TRIGGER shouting BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION shout();
                    """ : """
                    CREATE TRIGGER shouting AFTER INSERT ON people BEGIN UPDATE people SET name = upper(name) WHERE id = NEW.id; END;
                    """)

                -- migrator:downgrade
                DROP TRIGGER shouting\(isPostgreSQL ? " ON people;\nDROP FUNCTION shout()" : "");
                """
        }
        return files
    }()

    // MARK: Helpers

    /// Gives a script to the database's own shell.
    static func pipe(_ script: String, to store: any Store) throws -> CommandResult {
        switch store {
        case let store as PostgreSQLStore:
            try store.database.server.run(
                "psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", store.url], standardInput: script)
        case let store as SQLiteStore:
            try run("/usr/bin/env", ["sqlite3", "-bail", store.path], standardInput: script)
        default: throw CommandError(message: "an unknown store")
        }
    }

    /// The ledger's rows without what differs from one run to the next: times, ids, who ran it.
    static func ledger(of store: any Store) throws -> [String] {
        let session = try store.session()
        defer { session.close() }
        let isPostgreSQL = store.dialect == .postgresql
        let aside: Set = [
            "id", "applied_at", "contracted_at", "started_at", "finished_at", "recorded_at", "made_at", "created_at",
            "duration_ms", "command", "user_name", "host", "pid", "backend_pid", "snapshot", "transaction_id",
            "system_identifier", "file", "wal_bytes", "lock_wait_ms",
        ]
        let varying = #/"(relationOID|relation|snapshot|transaction|transactionID|systemIdentifier)":("[^"]*"|[0-9]+)/#
        return try [
            "format", "revision", "run", "fence", "step", "backup", "object", "proof", "exception", "fingerprint",
            "schema_change", "checkpoint",
        ].flatMap { name in
            try session.query("SELECT * FROM \(isPostgreSQL ? "migrator.\(name)" : "migrator_\(name)")").map { row in
                // Conversations hold the time at which they were made.
                let isTimed =
                    row.values.contains { $0.asText?.contains("conversation") ?? false } && name != "fingerprint"
                let values = zip(row.columns, row.values).filter {
                    !aside.contains($0.0) && !(isTimed && ["hash", "detail"].contains($0.0))
                }.map { column, value in
                    "\(column)=\((value.asText ?? "NULL").replacing(varying) { "\"\($0.1)\":*" })"
                }
                return "\(name): \(values.joined(separator: " "))"
            }.sorted()
        }
    }

    /// The first lines that differ, to be read in a failure.
    static func differences(_ left: [String], _ right: [String]) -> String {
        let first = left.filter { !right.contains($0) }.prefix(6).map { "- \($0.prefix(700))" }
        let second = right.filter { !left.contains($0) }.prefix(6).map { "+ \($0.prefix(700))" }
        return (first + second).joined(separator: "\n")
    }

    static func expectSame(_ piped: any Store, _ ran: any Store, _ place: SourceLocation = #_sourceLocation) throws {
        let states = try [piped, ran].map { try $0.state().components(separatedBy: "\n") }
        #expect(states[0] == states[1], "\(differences(states[0], states[1]))", sourceLocation: place)
        let ledgers = try [piped, ran].map { try ledger(of: $0) }
        #expect(ledgers[0] == ledgers[1], "\(differences(ledgers[0], ledgers[1]))", sourceLocation: place)
    }

    // MARK: Plain revisions

    @Test(arguments: Dialect.allCases)
    func `plain revisions are written without a database, and do what a run does`(_ dialect: Dialect) throws {
        let project = try Project(Self.plain)
        func write(_ arguments: String...) throws -> String {
            try project.run(arguments + ["--sql", "--dialect", dialect.rawValue]).checked().standardOutput
        }
        let piped = try dialect.makeStore()
        let ran = try dialect.makeStore()
        func both(_ arguments: [String], sql: String) throws {
            try Self.pipe(sql, to: piped).checked()
            try project.run(["--database", ran.url] + arguments).checked()
            try Self.expectSame(piped, ran)
            if arguments.last != "base" { try project.run("--database", piped.url, "verify").checked() }
        }
        let up = try write("upgrade", "base:head")
        try both(["upgrade", "0003"], sql: up)
        #expect(try write("upgrade", "head") == up.replacingOccurrences(of: "base:head", with: "head"))
        #expect(
            try project.run("--database", piped.url, "current").checked().standardOutput == "0003 (head)\n")
        try project.run("--database", piped.url, "check").checked()

        try both(["downgrade", "0001"], sql: try write("downgrade", "0003:0001"))
        try both(["upgrade", "0002"], sql: try write("upgrade", "0001:+1"))
        try project.run("--database", piped.url, "downgrade", "-1").checked()
        try project.run("--database", ran.url, "downgrade", "-1").checked()
        try Self.expectSame(piped, ran)
        try both(["downgrade", "base"], sql: try write("downgrade", "0001:base"))
    }

    @Test(arguments: Dialect.allCases)
    func `a script for another place of the chain changes nothing`(_ dialect: Dialect) throws {
        let project = try Project(Self.plain)
        let store = try dialect.makeStore()
        try project.run("--database", store.url, "upgrade", "0001").checked()
        let before = try (store.state(), Self.ledger(of: store))
        for arguments in [["upgrade", "0002:head"], ["downgrade", "0002:0001"], ["upgrade", "base:0002"]] {
            let script = try project.run(arguments + ["--sql", "--dialect", dialect.rawValue]).checked().standardOutput
            let result = try Self.pipe(script, to: store)
            #expect(result.status != 0)
            #expect(try store.state() == before.0)
            #expect(try Self.ledger(of: store) == before.1)
        }
        // A negative control of the test: the right one does.
        let right = try project.run("upgrade", "0001:0002", "--sql", "--dialect", dialect.rawValue).checked()
            .standardOutput
        try Self.pipe(right, to: store).checked()
        #expect(try store.state() != before.0)
    }

    @Test(arguments: Dialect.allCases)
    func `a script refuses to drop a table or a column that holds something`(_ dialect: Dialect) throws {
        let project = try Project(Self.plain)
        let store = try dialect.makeStore()
        try project.run("--database", store.url, "upgrade", "0002").checked()
        let down = try project.run("downgrade", "0002:0001", "--sql", "--dialect", dialect.rawValue).checked()
            .standardOutput
        for (write, undo) in [
            ("UPDATE people SET email = 'a@example.org' WHERE id = 1", "UPDATE people SET email = NULL"),
            ("INSERT INTO pets VALUES (1, 1)", "DELETE FROM pets"),
        ] {
            try store.run(write)
            let before = try store.state()
            let result = try Self.pipe(down, to: store)
            #expect(result.status != 0)
            #expect(try store.state() == before)
            try store.run(undo)
        }
        try Self.pipe(down, to: store).checked()
    }
}
