import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Revisions that rows decide upon: recorded on a database that is not changed by it.
extension SQLOutputTests {
    private static let shipped = MigratorBinary.packageFolder + "/migrations"

    private func filled(_ dialect: Dialect) throws -> any Store {
        let store = try dialect.makeStore()
        try store.run(RoundTripTests.fixture("shape1", dialect))
        try store.run(RoundTripTests.fixture("shape1_messages", dialect, count: 300))
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    private func record(_ arguments: [String], on store: any Store) throws -> String {
        try migrate(arguments + ["--sql"], on: store).checked().standardOutput
    }

    @Test(arguments: Dialect.allCases)
    func `the shipped scripts, recorded, come to what a run comes to`(_ dialect: Dialect) throws {
        let piped = try filled(dialect)
        let ran = try piped.copy()
        let before = try (piped.state(), Self.ledger(of: piped))
        let up = try record(["upgrade", "0001:0003"], on: piped)
        #expect(try piped.state() == before.0)
        #expect(try Self.ledger(of: piped) == before.1)

        try Self.pipe(up, to: piped).checked()
        try migrate(["upgrade", "0003", "--mode", "window"], on: ran).checked()
        try Self.expectSame(piped, ran)
        try migrate(["verify", "--unchanged"], on: piped).checked()
        try migrate(["check"], on: piped).checked()

        try Self.pipe(try record(["downgrade", "0003:0002"], on: piped), to: piped).checked()
        try migrate(["downgrade", "0002", "--mode", "window"], on: ran).checked()
        try Self.expectSame(piped, ran)
        try migrate(["downgrade", "-1"], on: piped).checked()
        try migrate(["downgrade", "-1"], on: ran).checked()
        try Self.expectSame(piped, ran)
    }

    @Test(arguments: Dialect.allCases)
    func `the whole chain is recorded on an empty database`(_ dialect: Dialect) throws {
        let piped = try dialect.makeStore()
        let ran = try dialect.makeStore()
        try piped.run("SELECT 1")
        try Self.pipe(try record(["upgrade", "base:0003"], on: piped), to: piped).checked()
        try migrate(["upgrade", "0003", "--mode", "window"], on: ran).checked()
        try Self.expectSame(piped, ran)
        try migrate(["verify"], on: piped).checked()
    }

    @Test(arguments: Dialect.allCases)
    func `a recorded script is refused by other rows, and by a ledger that has gone on`(_ dialect: Dialect) throws {
        let store = try filled(dialect)
        let up = try record(["upgrade", "0001:0002"], on: store)
        let changed = try store.copy()
        try changed.run(
            "UPDATE direct_messages SET content = content || '!' WHERE id = (SELECT max(id) FROM direct_messages)")
        let redefined = try store.copy()
        try redefined.run("CREATE INDEX by_hand ON direct_messages (created_at, id)")
        let moved = try store.copy()
        try migrate(["upgrade", "0002", "--mode", "window"], on: moved).checked()
        for (store, words) in [
            (changed, "does not hold the rows"), (redefined, "script was made"), (moved, "the database is not there"),
        ] {
            let before = try (
                store.state(), Self.ledger(of: store).filter { !$0.hasPrefix("run:") && !$0.hasPrefix("fence:") }
            )
            let result = try Self.pipe(up, to: store)
            #expect(result.status != 0)
            #expect(result.standardError.contains(words), "\(result.standardError)")
            #expect(try store.state() == before.0)
            #expect(
                try Self.ledger(of: store).filter { !$0.hasPrefix("run:") && !$0.hasPrefix("fence:") } == before.1)
        }
        try Self.pipe(up, to: store).checked()
        try migrate(["verify", "--unchanged"], on: store).checked()
    }

    @Test func `a script waits for no other migrator, and takes its lock`() throws {
        let project = try Project(Self.plain)
        let store = try PostgreSQLStore()
        let script = try project.run("upgrade", "base:0001", "--sql", "--dialect", "postgresql").checked()
            .standardOutput
        let key = try #require(script.firstMatch(of: #/pg_try_advisory_lock\((-?[0-9]+)\)/#)?.1)
        let other = try store.session()
        try other.execute("SELECT pg_advisory_lock(\(key))")
        let refused = try Self.pipe(script, to: store)
        #expect(refused.status == 3)
        #expect(refused.standardError.contains("another migrator is at work"))
        other.close()
        let slow = script.replacingOccurrences(
            of: "CREATE TABLE people", with: "SELECT pg_sleep(2);\nCREATE TABLE people")
        let writer = try RunningCommand(
            store.database.server.bin("psql"), ["-X", "-q", store.url],
            environment: ProcessInfo.processInfo.environment, standardInput: slow)
        var isLocked = false
        for _ in 0..<100 where !isLocked {
            let result = try project.run("--database", store.url, "upgrade", "head")
            isLocked = result.errorCode == "migrator-running"
            if result.status == 0 { break }
        }
        #expect(isLocked)
        _ = try writer.wait(timeout: .seconds(60))
    }

    @Test func `what cannot be written is said with what to do`() throws {
        let nowhere = try Project().run(
            "upgrade", "base:head", "--sql", "--dialect", "sqlite", "--migrations", Self.shipped)
        #expect(nowhere.status == 78)
        #expect(nowhere.errorCode == "needs-database")
        #expect(nowhere.standardError.contains("revision \"0002\""))
        #expect(nowhere.standardOutput.isEmpty)

        let store = try filled(.sqlite)
        let elsewhere = try migrate(["upgrade", "base:0002", "--sql"], on: store)
        #expect(elsewhere.status == 64)
        #expect(elsewhere.errorCode == "not-at-start")
        #expect(try migrate(["upgrade", "0002:0001", "--sql"], on: store).status == 64)
        #expect(try migrate(["upgrade", "a:b:c", "--sql"], on: store).errorCode == "bad-range")
        #expect(try migrate(["upgrade", "head", "--sql", "--mode", "online"], on: store).status == 64)
        #expect(
            try Project().run("downgrade", "base", "--sql", "--dialect", "sqlite", "--migrations", Self.shipped).status
                == 78)

        let project = try Project([
            "migrations/0001_both.sql": """
            -- migrator:revision 0001
            -- migrator:revises base

            -- migrator:upgrade
            CREATE TABLE t (id integer PRIMARY KEY);
            VACUUM;
            -- migrator:backup t

            -- migrator:irreversible no
            """
        ])
        let outside = try project.run("--database", "sqlite:new.db", "upgrade", "base:head", "--sql")
        #expect(outside.status == 4)
        #expect(outside.errorCode == "cannot-be-written")
        #expect(outside.standardError.contains("migrations/0001_both.sql:6"))
    }
}
