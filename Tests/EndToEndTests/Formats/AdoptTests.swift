import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Databases that another tool has migrated are taken over by what its table says.
@Suite struct AdoptTests {
    @Test(arguments: AdoptCase.all) func `What fits is stamped, and the rest is pending`(_ testCase: AdoptCase) throws {
        let folder = try testCase.folder()
        for dialect in testCase.dialects {
            for arguments in [["adopt", "--from", testCase.tool], ["adopt"]] {
                let store = try dialect.makeStore()
                try testCase.prepare(store)
                let before = try store.state()
                let adopted = try migrate(arguments, on: store, migrations: folder.path).checked()
                #expect(
                    adopted.standardOutput.contains(" of \(testCase.tool) says \"\(testCase.revisions[1])\": 2 stamped")
                )
                #expect(adopted.standardOutput.contains("pending: \(testCase.revisions[2])\n"))
                #expect(try store.state() == before)
                let again = try migrate(arguments, on: store, migrations: folder.path).checked()
                #expect(again.standardOutput.contains("nothing to stamp"))
                let upgraded = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
                #expect(upgraded.standardError.components(separatedBy: "Running upgrade").count == 2)
                try migrate(["check"], on: store, migrations: folder.path).checked()
                // The table says less than the ledger now.
                #expect(try migrate(arguments, on: store, migrations: folder.path).status == 4)
            }
        }
    }

    @Test(arguments: AdoptCase.all) func `What does not fit is refused, and nothing is stamped`(
        _ testCase: AdoptCase
    ) throws {
        let folder = try testCase.folder()
        for dialect in testCase.dialects {
            for refusal in testCase.refusals {
                let store = try dialect.makeStore()
                try testCase.prepare(store, rows: refusal.rows)
                let before = try store.state()
                let refused = try migrate(["adopt", "--from", testCase.tool], on: store, migrations: folder.path)
                #expect(refused.errorCode == refusal.code, "\(refused.standardError)")
                #expect(refused.status == (refusal.code == "unsettled-version" ? 4 : 2))
                #expect(refused.standardError.contains("hint: "))
                #expect(try store.state() == before)
                #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "")
                if refusal.code == "checksum-mismatch" {
                    try migrate(["adopt", "--accept-changed"], on: store, migrations: folder.path).checked()
                }
            }
        }
    }

    @Test func `A table that is not there, or another tool's, is refused`() throws {
        let folder = try AdoptCase.all[0].folder()
        let store = try SQLiteStore()
        try store.run("CREATE TABLE schema_migrations (version text)")
        let other = try migrate(["adopt", "--from", "golang-migrate"], on: store, migrations: folder.path)
        #expect(other.status == 2 && other.standardError.contains("it lacks dirty"))
        let none = try migrate(["adopt", "--from", "goose"], on: store, migrations: folder.path)
        #expect(none.status == 2 && none.errorCode == "no-version-table")
        #expect(try migrate(["adopt", "--from", "liquibase"], on: store, migrations: folder.path).status == 64)
        try store.run("DROP TABLE schema_migrations; CREATE TABLE a (id int)")
        #expect(try migrate(["adopt"], on: store, migrations: folder.path).errorCode == "no-version-table")
        try store.run("CREATE TABLE versions (version bigint, dirty boolean); INSERT INTO versions VALUES (1, false)")
        let named = ["adopt", "--from", "golang-migrate", "--version-table", "versions"]
        try migrate(named, on: store, migrations: folder.path).checked()
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "000001\n")
    }

    @Test func `Two tools' tables need a word which`() throws {
        let folder = try AdoptCase.all[0].folder()
        let store = try PostgreSQLStore()
        try AdoptCase.all[0].prepare(store)
        try store.run(AdoptCase.all[8].table)
        let refused = try migrate(["adopt"], on: store, migrations: folder.path)
        #expect(refused.status == 64 && refused.standardError.contains("golang-migrate, alembic"))
    }

    @Test func `Flyway's baseline stands for all before it, and a changed repeatable script stays pending`() throws {
        let testCase = AdoptCase.all[3]
        let folder = try testCase.folder()
        try folder.write("CREATE VIEW v AS SELECT 1 AS one;", to: "R__v.sql")
        let store = try PostgreSQLStore()
        try testCase.prepare(
            store,
            rows: """
                INSERT INTO flyway_schema_history VALUES (1, '1.2', '<< Flyway Baseline >>', 'BASELINE', '', NULL, true),
                    (2, NULL, 'v', 'SQL', 'R__v.sql', 5, true);
                """)
        let adopted = try migrate(["adopt"], on: store, migrations: folder.path).checked()
        #expect(adopted.standardOutput.contains("says \"1.2\": 2 stamped"))
        #expect(adopted.standardOutput.contains("pending: 1.10, R.v."))
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        try migrate(["check"], on: store, migrations: folder.path).checked()
    }

    @Test func `On SQLite sqitch's table lies in a file beside the database`() throws {
        let testCase = AdoptCase.all[7]
        let folder = try testCase.folder()
        let store = try SQLiteStore()
        try store.run(AdoptCase.statement(1))
        let registry = try SQLiteSession(path: store.folder.file("sqitch.db"), access: .create)
        try registry.execute(AdoptCase.sqitchTable("changes") + " INSERT INTO changes VALUES ('1', 'a', 'p', 1, 1)")
        registry.close()
        try migrate(["adopt", "--from", "sqitch"], on: store, migrations: folder.path).checked()
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "a\n")
    }

    @Test func `An imported folder is adopted by the other tool's names`() throws {
        for testCase in AdoptCase.all where testCase.tool != "alembic" {
            let folder = try testCase.folder()
            let imported = try TemporaryFolder()
            let store = try PostgreSQLStore()
            try testCase.prepare(store)
            try migrate(["import", folder.path, "--to", imported.file("m")], on: store).checked()
            try migrate(["adopt", "--from", testCase.tool], on: store, migrations: imported.file("m")).checked()
            #expect(
                try migrate(["current"], on: store, migrations: imported.file("m")).standardOutput
                    == testCase.revisions[1] + "\n", "\(testCase.tool)")
        }
    }

    // MARK: alembic_version

    static func version(_ store: any Store) throws -> [String] {
        let session = try store.session()
        defer { session.close() }
        return try session.query("SELECT version_num FROM alembic_version").compactMap { $0[0].asText }
    }

    @Test(arguments: Dialect.allCases) func `alembic_version is kept in step where that is asked for`(
        _ dialect: Dialect
    ) throws {
        let testCase = AdoptCase.all[8]
        let folder = try testCase.folder()
        for keeps in [true, false] {
            let store = try dialect.makeStore()
            try testCase.prepare(store)
            let command = ["adopt", "--from", "alembic"] + (keeps ? ["--keep-alembic-version"] : [])
            try migrate(command, on: store, migrations: folder.path).checked()
            #expect(try Self.version(store) == ["ae2"])
            try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
            #expect(try Self.version(store) == [keeps ? "ae3" : "ae2"])
            try migrate(["downgrade", "-1"], on: store, migrations: folder.path).checked()
            #expect(try Self.version(store) == ["ae2"])
            try migrate(["stamp", "ae1"], on: store, migrations: folder.path).checked()
            #expect(try Self.version(store) == [keeps ? "ae1" : "ae2"])
            try migrate(["downgrade", "base"], on: store, migrations: folder.path).checked()
            #expect(try Self.version(store) == (keeps ? [] : ["ae2"]))
        }
        let store = try dialect.makeStore()
        try AdoptCase.all[0].prepare(store)
        let numbered = try AdoptCase.all[0].folder()
        let other = try migrate(["adopt", "--keep-alembic-version"], on: store, migrations: numbered.path)
        #expect(other.status == 64)
    }

    @Test(arguments: Dialect.allCases) func `A kill leaves alembic_version and the ledger at one revision`(
        _ dialect: Dialect
    ) throws {
        let testCase = AdoptCase.all[8]
        let folder = try testCase.folder()
        let start = try dialect.makeStore()
        try testCase.prepare(start)
        try migrate(["adopt", "--keep-alembic-version"], on: start, migrations: folder.path).checked()
        let counted = try migrate(
            ["upgrade", "head"], on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"],
            migrations: folder.path
        ).checked()
        let (statements, commits) = try FailPointTests.counts(in: counted.standardError)
        let points = stride(from: 1, through: statements, by: 3).map { "before:\($0)" }
        var seen: Set<String> = []
        for point in points + (1...commits).flatMap({ ["during-commit:\($0)", "after-commit:\($0)"] }) {
            let store = try start.copy()
            let killed = try migrate(
                ["upgrade", "head"], on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@\(point)"],
                migrations: folder.path)
            guard killed.status == 128 + SIGKILL else {
                Issue.record("not killed at \(point): \(killed.standardError)")
                continue
            }
            // The server may still have a commit to do that nobody waits for any more.
            if point.hasPrefix("during") { Thread.sleep(forTimeInterval: 0.3) }
            let current = try migrate(["current"], on: store, migrations: folder.path).standardOutput
            let version = try Self.version(store)
            #expect(version == [String(current.prefix { $0 != " " && $0 != "\n" })], "after a kill at \(point)")
            seen.formUnion(version)
        }
        // Otherwise the points all lie on one side of the commit that matters.
        #expect(seen == ["ae2", "ae3"])
    }
}
