import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// The scratch copy: gone afterwards, also after a kill; whatever is not the tool's stays.
@Suite(.serialized) struct ScratchTests {
    /// Statements that one rehearsal sends.
    private static func statements(_ store: ChatStore) throws -> Int {
        let counted = try store.rehearse(["0002"], environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let words = counted.standardError.split(whereSeparator: \.isWhitespace)
        let index = try #require(words.lastIndex(of: "statements"))
        return try #require(Int(words[index + 1]))
    }

    @Test(arguments: Dialect.allCases)
    func `what a kill leaves is found by the next run`(_ dialect: Dialect) throws {
        let store = try ChatStore(dialect, isAlone: true)
        let count = try Self.statements(store)
        let before = try store.base.state()
        // From before the copy is made, to its removal; each run removes what the one before it left.
        var killed = 0
        for step in stride(from: 1, to: count, by: max(count / 5, 1)) + [count / 2] {
            _ = try store.rehearse(["0002"], environment: ["MIGRATOR_FAIL_POINT": "kill@after:\(step)"])
            if try !store.leftovers().isEmpty { killed += 1 }
            try store.waitUntilFree()
        }
        #expect(killed > 3)
        let left = try store.leftovers()
        let result = try store.rehearse(["0002", "--json"])
        #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
        #expect(try store.leftovers().filter { !isUnmarked($0, store) }.isEmpty)
        let removed = try #require(try result.object()["removed_leftovers"] as? [String])
        #expect(Set(removed.map { ($0 as NSString).lastPathComponent }).isSubset(of: Set(left)))
        #expect(!removed.isEmpty)
        #expect(try store.base.state() == before)
        for name in try store.leftovers() where dialect == .postgresql {
            try store.base.run("DROP DATABASE \(name)")
        }
    }

    /// Killed between CREATE DATABASE and the marker: taken away once it is old.
    private func isUnmarked(_ name: String, _ store: ChatStore) -> Bool {
        guard let database = store.base as? PostgreSQLStore else { return false }
        guard let session = try? database.database.server.session(database: name) else { return false }
        defer { session.close() }
        return (try? session.scalar("SELECT to_regclass('migrator_rehearsal.marker') IS NULL").asBool) ?? false
    }

    @Test(arguments: Dialect.allCases)
    func `a rehearsal that lives keeps its copy`(_ dialect: Dialect) throws {
        let store = try ChatStore(dialect, isAlone: true)
        let count = try Self.statements(store)
        let running = try MigratorBinary.start(
            [
                "--database", store.base.url, "--migrations", MigratorBinary.packageFolder + "/migrations", "rehearse",
                "0002",
            ],
            environment: ["MIGRATOR_FAIL_POINT": "stop@after:\(count / 3)", "TMPDIR": store.temporary.path])
        #expect(running.waitUntilStopped(timeout: .seconds(100)))
        let there = try store.leftovers()
        #expect(there.count == 1)
        let other = try store.rehearse(["0002", "--json"])
        #expect(other.status == 0, "\(other.standardOutput)\(other.standardError)")
        #expect(try store.leftovers() == there)
        running.signal(SIGCONT)
        #expect(try running.wait().status == 0)
        #expect(try store.leftovers().isEmpty)
    }

    @Test func `databases of such a name without the marker stay`() throws {
        let store = try ChatStore(.postgresql, isAlone: true)
        // One that nobody of this tool has named, one named as the tool does that holds somebody's table.
        try store.base.run("CREATE DATABASE migrator_rehearsal_mine")
        defer {
            for name in (try? store.leftovers()) ?? [] { try? store.base.run("DROP DATABASE \(name)") }
        }
        let scratch = "migrator_rehearsal_1700000000_0123abcd_" + Self.check("1700000000_0123abcd")
        try store.base.run("CREATE DATABASE \(scratch)")
        let database = try #require(store.base as? PostgreSQLStore)
        let session = try database.database.server.session(database: scratch)
        try session.execute("CREATE TABLE precious (id int)")
        session.close()
        try store.rehearse(["0002"]).checked()
        #expect(Set(try store.leftovers()) == ["migrator_rehearsal_mine", scratch])
        // The control: empty, and as old, it is one that a kill left before it was marked.
        let again = try database.database.server.session(database: scratch)
        try again.execute("DROP TABLE precious")
        again.close()
        try store.rehearse(["0002"]).checked()
        #expect(try store.leftovers() == ["migrator_rehearsal_mine"])
    }

    @Test func `folders of such a name without the marker stay`() throws {
        let store = try ChatStore(.sqlite)
        let name = "migrator_rehearsal_1700000000_0123abcd_" + Self.check("1700000000_0123abcd")
        try store.temporary.write("mine", to: name + "/copy.db")
        try store.temporary.write("mine", to: "migrator_rehearsal_mine/marker")
        try store.rehearse(["0002"]).checked()
        #expect(Set(try store.leftovers()) == [name, "migrator_rehearsal_mine"])
        #expect(FileManager.default.fileExists(atPath: store.temporary.file(name + "/copy.db")))
    }

    @Test(arguments: Dialect.allCases)
    func `an interrupted rehearsal takes its copy with it`(_ dialect: Dialect) throws {
        let store = try ChatStore(dialect, isAlone: true)
        let count = try Self.statements(store)
        let running = try MigratorBinary.start(
            [
                "--database", store.base.url, "--migrations", MigratorBinary.packageFolder + "/migrations", "rehearse",
                "0002",
            ],
            environment: ["MIGRATOR_FAIL_POINT": "stop@after:\(count / 3)", "TMPDIR": store.temporary.path])
        #expect(running.waitUntilStopped(timeout: .seconds(100)))
        running.signal(SIGINT)
        running.signal(SIGCONT)
        #expect(try running.wait().status == 130)
        #expect(try store.leftovers().isEmpty)
    }

    /// As the tool checks its names.
    private static func check(_ body: String) -> String {
        let hash = body.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String((String(repeating: "0", count: 16 - digits.count) + digits).suffix(8))
    }
}

extension ChatStore {
    /// The server notices after a moment that a client is gone.
    func waitUntilFree() throws {
        guard base.dialect == .postgresql else { return }
        let session = try base.session()
        defer { session.close() }
        for _ in 0..<200 {
            let count = try session.scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migrator%'"
            ).asInt
            if count == 0 { return }
            usleep(20_000)
        }
    }
}
