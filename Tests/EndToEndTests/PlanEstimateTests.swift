import Foundation
import MigratorTestSupport
import Testing

/// What `plan` says beforehand of time, room and locks.
@Suite struct PlanEstimateTests {
    /// 200,000 messages of which the statistics know.
    private static func prepared() throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        try store.run(
            """
            INSERT INTO direct_messages (id, sender_id, recipient_id, content)
            SELECT n, 1, 2, 'x' FROM generate_series(1001, 201000) n;
            ANALYZE;
            """)
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    private static let store = Result { try prepared() }

    struct Case: Sendable {
        var strategy: String
        var options: [String]
        var status: Int32
        /// Lines that are there.
        var lines: [String]
        /// Milliseconds in which writers are stopped, in all.
        var exclusive: ClosedRange<Double>
    }

    @Test(arguments: [
        Case(
            strategy: "rename", options: ["--max-downtime", "1s"], status: 0,
            lines: [
                "  mode online: each step commits by itself, while the application writes",
                "       strategy rename: every declared column is reached by catalog changes alone",
                "       phases: indexes, verify, cut over, prove",
                "       locks: ACCESS SHARE on direct_messages",
                "       locks: ACCESS EXCLUSIVE on direct_messages, attachments, for a moment",
                "  from the tables' statistics and other machines' measurements; yours will differ",
            ], exclusive: 50...300),
        Case(
            strategy: "copy", options: ["--max-downtime", "1s"], status: 0,
            lines: [
                "       phases: detach, expand, backfill, indexes, keys, children, compare, cut over",
                "       locks: SHARE ROW EXCLUSIVE on direct_messages, for a moment",
                "       locks: rows of direct_messages FOR KEY SHARE, a batch at a time",
            ], exclusive: 50...300),
        Case(
            strategy: "copy", options: ["--mode", "window", "--max-downtime", "1s"], status: 2,
            lines: [
                "  mode window: locks are held until everything commits",
                "       locks: SHARE on direct_messages",
                "       locks: ACCESS EXCLUSIVE on direct_messages, attachments",
            ], exclusive: 3000...6000),
        Case(
            strategy: "rename", options: ["--mode", "window", "--max-downtime", "200ms"], status: 2, lines: [],
            exclusive: 400...700),
        Case(
            strategy: "copy", options: ["--mode", "window", "--max-downtime", "1h"], status: 0, lines: [],
            exclusive: 3000...6000),
    ])
    func `modes and strategies stop writers for as long as they say`(_ test: Case) throws {
        let store = try Self.store.get()
        let scripts = try ShippedScripts(strategy: test.strategy)
        let plan = { (options: [String]) in
            try migrate(["plan", "0002"] + test.options + options, on: store, migrations: scripts.path)
        }
        let result = try plan([])
        #expect(result.status == test.status, "\(result.standardError)")
        #expect(result.standardError.contains("warning: by the estimate writers are stopped for") == (test.status == 2))
        let lines = result.standardOutput.split(separator: "\n").map(String.init)
        for line in test.lines { #expect(lines.contains(line), "\(line)\n\(result.standardOutput)") }
        let object = try plan(["--json"]).object()
        let estimate = try #require(object["estimate"] as? [String: Any])
        #expect(test.exclusive.contains(estimate["exclusive_ms"] as? Double ?? -1), "\(estimate)")
        #expect(object["exit_status"] as? Int == Int(test.status))
        #expect(try #require(estimate["bytes"] as? Int) > 10_000_000)
    }

    @Test func `later revisions are estimated by the tables that earlier ones will make`() throws {
        let result = try migrate(["plan", "head", "--json"], on: Self.store.get()).checked()
        let revisions = try #require(try result.object()["revisions"] as? [[String: Any]])
        #expect(revisions.map { $0["mode"] as? String } == ["online", "online"])
        let estimate = try #require(revisions.last?["estimate"] as? [String: Any])
        #expect(try #require(estimate["duration_ms"] as? Double) > 4000)
    }

    @Test func `on SQLite writers are stopped all the time`() throws {
        let store = try SQLiteStore()
        try store.run(RoundTripTests.fixture("shape1", .sqlite))
        try store.run(RoundTripTests.fixture("shape1_messages", .sqlite, count: 1000))
        try migrate(["stamp", "0001"], on: store).checked()
        let result = try migrate(["plan", "0002", "--max-downtime", "1ms"], on: store)
        #expect(result.status == 2, "\(result.standardOutput)")
        #expect(result.standardOutput.contains("mode window"))
        #expect(!result.standardOutput.contains("locks: "))
    }
}
