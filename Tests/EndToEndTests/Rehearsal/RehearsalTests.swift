import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// A rehearsal of the shipped scripts is exact, only reads the database, and leaves nothing behind.
@Suite struct RehearsalTests {
    @Test(arguments: Dialect.allCases)
    func `the shipped chain is exact, and the source stays as it was`(_ dialect: Dialect) throws {
        let store = try ChatStore(dialect, isAlone: true)
        let before = try store.base.state()
        let result = try store.rehearse(["--json"])
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let report = try result.object()
        #expect(report["verdict"] as? String == "exact")
        #expect(report["from"] as? String == "0001")
        #expect(report["to"] as? String == "0003")
        let stages = try #require(report["stages"] as? [[String: Any]])
        let way = stages.filter { ($0["kind"] as? String)?.hasSuffix("grade") ?? false }.map {
            "\($0["kind"] ?? "") \($0["revision"] ?? "")"
        }
        let down = ["downgrade 0002", "downgrade 0001"]
        let up = ["upgrade 0002", "upgrade 0003"]
        #expect(way == up + down + up + down + up)
        #expect(stages.allSatisfy { $0["result"] as? String == "exact" })
        let written = stages.filter { $0["kind"] as? String == "writes" }.compactMap { $0["details"] as? [String] }
        #expect(written.count == 2 && written[1][0].contains("updated") && written[1][0].contains("deleted"))
        #expect(try store.base.state() == before)
        #expect(try store.leftovers().isEmpty)
    }

    @Test func `locks are those that the server has seen`() throws {
        let store = try ChatStore(.postgresql)
        let locks = try #require(try store.rehearse(["--json"]).object()["locks"] as? [[String: Any]])
        func has(_ stage: String, _ mode: String, _ relation: String) -> Bool {
            locks.contains {
                $0["stage"] as? String == stage && $0["mode"] as? String == mode
                    && $0["relation"] as? String == "public." + relation
            }
        }
        #expect(has("upgrade 0002", "ACCESS EXCLUSIVE", "direct_messages"))
        // Inside of a transaction, and outside of one.
        #expect(has("upgrade 0003", "ACCESS EXCLUSIVE", "users"))
        #expect(has("downgrade 0001", "ACCESS EXCLUSIVE", "messages"))
        #expect(!locks.contains { ($0["relation"] as? String)?.hasPrefix("pg_catalog") ?? true })
        #expect(!has("upgrade 0002", "ACCESS EXCLUSIVE", "users"))
    }

    @Test func `a long index build outside of a transaction shows its lock`() throws {
        let store = try PostgreSQLStore()
        try store.run("CREATE TABLE notes (id serial PRIMARY KEY, body text)")
        try store.run("INSERT INTO notes (body) SELECT repeat('x', 50) || n FROM generate_series(1, 100000) n")
        let project = try Project([
            "migrations/0001_index.sql": """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:upgrade
            CREATE INDEX CONCURRENTLY notes_body ON notes (body);
            -- migrator:downgrade
            DROP INDEX CONCURRENTLY notes_body;

            """
        ])
        let result = try project.run("--database", store.url, "rehearse", "--json")
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        let locks = try #require(try result.object()["locks"] as? [[String: Any]])
        #expect(
            locks.contains {
                $0["mode"] as? String == "SHARE UPDATE EXCLUSIVE" && $0["relation"] as? String == "public.notes"
                    && $0["stage"] as? String == "upgrade 0001"
            })
    }

    @Test(arguments: Dialect.allCases)
    func `nothing pending is nothing to rehearse`(_ dialect: Dialect) throws {
        let store = try dialect.makeStore()
        try migrate(["upgrade", "head"], on: store).checked()
        let result = try migrate(["rehearse"], on: store)
        #expect(result.status == 0)
        #expect(result.standardOutput.contains("nothing is pending"))
    }

    @Test func `a target that is not there is told before anything is copied`() throws {
        let store = try ChatStore(.postgresql)
        let result = try store.rehearse(["0009"])
        #expect(result.status == 64)
        #expect(result.errorCode == "unknown-revision" || result.errorCode == "unknown-target")
    }

    @Test func `an irreversible revision ends the way back without being held against it`() throws {
        let store = try SQLiteStore()
        try store.run("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes (body) VALUES ('a')")
        let project = try Project([
            "migrations/0001_one_way.sql": """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:irreversible nobody wants it back
            -- migrator:upgrade
            ALTER TABLE notes ADD COLUMN title TEXT;

            """
        ])
        let result = try project.run("--database", store.url, "rehearse")
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        #expect(result.standardOutput.contains("irreversible: nobody wants it back"))
    }
}

/// The application of the switch with a few messages, stamped 0001.
final class ChatStore {
    let base: any Store
    let temporary: TemporaryFolder

    /// - Parameter isAlone: on a server of its own, since every rehearsal removes what any killed one left.
    init(_ dialect: Dialect, isAlone: Bool = false) throws {
        base =
            isAlone && dialect == .postgresql
            ? try PostgreSQLStore(server: PostgreSQLServer()) : try dialect.makeStore()
        temporary = try TemporaryFolder()
        try base.run(RoundTripTests.fixture("shape1", dialect))
        try base.run(sampleMessages)
        try migrate(["stamp", "0001"], on: base).checked()
    }

    func rehearse(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult {
        try migrate(
            ["rehearse"] + arguments, on: base, environment: environment.merging(["TMPDIR": temporary.path]) { $1 })
    }

    /// Scratch copies that are there now.
    func leftovers() throws -> [String] {
        if base.dialect == .sqlite { return try FileManager.default.contentsOfDirectory(atPath: temporary.path) }
        let session = try base.session()
        defer { session.close() }
        return try session.query("SELECT datname FROM pg_database WHERE datname LIKE 'migrator%'")
            .compactMap { $0[0].asText }
    }
}
