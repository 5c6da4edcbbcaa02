import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A target that demands more than its source: writers of the old shape never feel it before the cut-over.
@Suite struct StrictTargetTests {
    struct Demand: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// The column `body` of the target.
        var column: String
        /// What breaks it, as an SQL value.
        var value: String
        /// What the server says of it where the column is as strict as declared.
        var state: String
        /// In the error, beside the key.
        var says: String
        var mapping = ""
    }

    static let demands =
        ["", "\nSELECT id, trim(body) AS body FROM notes;"].flatMap { mapping in
            [
                Demand(
                    testDescription: "NOT NULL \(mapping.isEmpty ? "by name" : "by a SELECT")",
                    column: "text NOT NULL", value: "NULL", state: "23502", says: "may not be NULL", mapping: mapping),
                Demand(
                    testDescription: "CHECK \(mapping.isEmpty ? "by name" : "by a SELECT")",
                    column: "text CONSTRAINT polite CHECK (body <> 'rude')", value: "'rude'", state: "23514",
                    says: "polite", mapping: mapping),
                Demand(
                    testDescription: "varchar \(mapping.isEmpty ? "by name" : "by a SELECT")",
                    column: "varchar(12)", value: "'far too long a note'", state: "22001",
                    says: "longer than character varying(12)", mapping: mapping),
            ]
        } + [
            Demand(
                testDescription: "NOT NULL of a generated column",
                column: "text, size integer GENERATED ALWAYS AS (char_length(body)) STORED NOT NULL", value: "NULL",
                state: "23502", says: "\"size\" may not be NULL")
        ]

    @Test(arguments: demands) func `a write that the new shape refuses fails for nobody before the cut-over`(
        _ demand: Demand
    ) throws {
        let setting = try Setting(demand)
        let schema = try RoundTripTests.schema(of: setting.store)
        let running = try setting.start("--pause-file")
        // Copied already, not copied yet, and new.
        for write in [
            "UPDATE notes SET body = \(demand.value) WHERE id IN (2, 2900)",
            "INSERT INTO notes VALUES (9001, \(demand.value))",
        ] {
            try setting.store.run(write)
        }
        setting.goOn()
        let stopped = try running.wait()
        #expect(stopped.status == 2, "\(stopped.standardError)")
        for text in ["nothing was cut over", "notes id 2:", "notes id 2900:", "notes id 9001:", demand.says] {
            #expect(stopped.standardError.contains(text), "\(text): \(stopped.standardError)")
        }
        // As long as it is not mended: the same again, and writers still feel nothing.
        try setting.store.run("UPDATE notes SET body = \(demand.value) WHERE id = 3")
        let again = try setting.migrate("upgrade", "head")
        #expect(again.status == 2 && again.standardError.contains("notes id 3:"), "\(again.standardError)")
        #expect(try setting.kind(of: "notes") == "r")
        try setting.store.run("UPDATE notes SET body = 'mended' WHERE id IN (2, 3, 2900, 9001)")
        try setting.migrate("upgrade", "head").checked()
        try setting.migrate("verify").checked()
        #expect(try setting.kind(of: "notes") == "v")
        #expect(throws: (any Error).self) { try setting.store.run("UPDATE entries SET body = \(demand.value)") }
        let column = try setting.store.database.psql(
            "SELECT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'entries'::regclass AND attname = 'body'"
        )
        let type = demand.column.hasPrefix("varchar") ? "character varying(12)" : "text"
        #expect(column == "\(type)|\(demand.column == "text NOT NULL" ? "t" : "f")\n")
        try setting.migrate("downgrade", "base").checked()
        #expect(try RoundTripTests.schema(of: setting.store) == schema)
    }

    @Test(arguments: demands.prefix(3)) func `without a relaxed target the same writes fail`(_ demand: Demand) throws {
        let setting = try Setting(demand)
        let running = try setting.start("--pause-file", environment: ["MIGRATOR_LEAVE_OUT": "relaxed-target"])
        let writer = try setting.store.database.session()
        var seen: String?
        do {
            try writer.execute("UPDATE notes SET body = \(demand.value) WHERE id = 2")
        } catch {
            seen = error.sqlState
        }
        writer.close()
        setting.goOn()
        #expect(seen == demand.state)
        #expect(try running.wait().status == 0)
    }

    @Test(arguments: demands.prefix(3)) func `rows that break it already are named before any is copied`(
        _ demand: Demand
    ) throws {
        let setting = try Setting(demand)
        try setting.store.run("UPDATE notes SET body = \(demand.value) WHERE id = 17")
        let refused = try setting.migrate("upgrade", "head")
        #expect(refused.status == 2 && refused.standardError.contains("notes id 17:"), "\(refused.standardError)")
        #expect(try setting.store.database.psql("SELECT count(*) FROM entries") == "0\n")
        try setting.migrate("downgrade", "base").checked()
        #expect(try setting.store.database.psql("SELECT to_regclass('entries') IS NULL") == "t\n")
    }

    /// Between the comparison and the cut-over.
    @Test(arguments: demands.prefix(3)) func `a row that comes when all is ready is found, and everything is relaxed`(
        _ demand: Demand
    ) throws {
        let setting = try Setting(demand)
        let running = try setting.start("--postpone-cut-over")
        try setting.store.run("UPDATE notes SET body = \(demand.value) WHERE id = 21")
        setting.goOn()
        let stopped = try running.wait()
        #expect(stopped.status == 2 && stopped.standardError.contains("notes id 21:"), "\(stopped.standardError)")
        try setting.store.run("UPDATE notes SET body = \(demand.value) WHERE id = 22")
        try setting.migrate("downgrade", "base").checked()
        #expect(try setting.kind(of: "notes") == "r")
        #expect(try setting.store.database.psql("SELECT to_regclass('entries') IS NULL") == "t\n")
    }

    /// The table's lock cannot be had for the cut-over: what was strict already is not left so.
    @Test(arguments: demands.prefix(3)) func `a cut-over that fails leaves the target relaxed`(_ demand: Demand) throws
    {
        let setting = try Setting(demand)
        let running = try setting.start("--postpone-cut-over", more: ["--lock-timeout", "1500ms"])
        // Whoever has read the old table keeps it from changing its name, and nothing else.
        let reader = try setting.store.database.session()
        defer { reader.close() }
        try reader.execute("BEGIN; SELECT FROM notes LIMIT 1")
        setting.goOn()
        let stopped = try running.wait()
        #expect(stopped.status == 5, "\(stopped.standardError)")
        try setting.store.run("UPDATE notes SET body = \(demand.value) WHERE id = 22")
        try reader.execute("ROLLBACK")
        try setting.store.run("UPDATE notes SET body = 'mended' WHERE id = 22")
        try setting.migrate("upgrade", "head").checked()
        try setting.migrate("verify").checked()
    }

    /// 3,000 notes, and an upgrade that copies them to a stricter table.
    private struct Setting {
        let store: PostgreSQLStore
        let folder: TemporaryFolder

        init(_ demand: Demand) throws {
            store = try PostgreSQLStore()
            try store.run(
                """
                CREATE TABLE notes (id integer PRIMARY KEY, body text);
                INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 3000) AS n;
                ANALYZE notes
                """)
            folder = try TemporaryFolder()
            let mapping = demand.mapping.isEmpty ? "" : " mapping=select\(demand.mapping)"
            try folder.write(
                EndToEndTests.script(
                    "0001",
                    up: """
                        CREATE TABLE entries (id integer PRIMARY KEY, body \(demand.column));
                        -- migrator:switch notes -> entries key=id view=notes strategy=copy\(mapping)
                        """, down: "-- migrator:switch entries -> notes key=id"), to: "m/postgresql/0001_a.sql")
        }

        func migrate(_ arguments: String...) throws -> CommandResult {
            try MigratorBinary.run(["--database", store.url, "--migrations", folder.file("m")] + arguments)
        }

        /// Starts the upgrade, which waits after its first batch, or when it is ready to cut over.
        func start(_ option: String, more: [String] = [], environment: [String: String] = [:]) throws -> RunningCommand
        {
            let name = try folder.write("", to: "wait")
            let running = try MigratorBinary.start(
                ["--database", store.url, "--migrations", folder.file("m"), "upgrade", "head", option, name] + more,
                environment: environment)
            guard running.waitForStandardError(option == "--pause-file" ? "paused" : "ready to cut over") else {
                throw CommandError(message: "it did not wait")
            }
            return running
        }

        func goOn() { try? FileManager.default.removeItem(atPath: folder.file("wait")) }

        func kind(of table: String) throws -> String {
            try store.database.psql("SELECT relkind FROM pg_class WHERE oid = '\(table)'::regclass")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }
}
