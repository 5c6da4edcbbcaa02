import Foundation
import MigratorTestSupport
import Testing

/// While an application writes, `verify` says that all is exact, again and again; and one row that is wrong is found
/// among the writes.
///
/// MIGRATOR_TEST_MINUTES: for how long, each example; a quarter of a minute by default.
@Suite(.serialized) struct FalseAlarmTests {
    static let minutes = Double(ProcessInfo.processInfo.environment["MIGRATOR_TEST_MINUTES"] ?? "") ?? 0.25

    struct Example: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var strategy: String
        var target: String
        var sides: [ChatWriter.Side]
        /// A write that no trigger sees, of a row that no writer touches.
        var fault: String
    }

    private static let unseen = "SET session_replication_role = replica; "

    static let examples = [
        Example(
            testDescription: "two ways", strategy: "", target: "head", sides: [.old, .new, .enhanced],
            fault: "\(unseen)UPDATE enhanced_messages SET content = 'wrong' WHERE id = 25"),
        Example(
            testDescription: "follower", strategy: "copy", target: "0002", sides: [.old, .new],
            fault: "\(unseen)UPDATE messages SET content = 'wrong' WHERE id = 25"),
    ]

    @Test(arguments: examples) func `writers give no false alarm`(_ example: Example) throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 3000))
        let scripts = try ShippedScripts(strategy: example.strategy)
        try migrate(["stamp", "0001"], on: store, migrations: scripts.path).checked()
        let workload = try ChatWorkload(database: store.database)
        // So that the revisions leave the new tables with the grants that the writers need.
        try store.run(
            """
            ALTER DEFAULT PRIVILEGES IN SCHEMA public
                GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \(ChatWorkload.role);
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO \(ChatWorkload.role)
            """)
        try migrate(["upgrade", example.target], on: store, migrations: scripts.path).checked()

        for side in example.sides { workload.start(3, side) }
        let (rounds, alarms) = try Self.verifyRepeatedly(store, scripts.path)
        try store.run(example.fault)
        let found = try migrate(["verify"], on: store, migrations: scripts.path)
        try workload.stop()
        print("\(example.testDescription): \(rounds) verifications, \(alarms.count) alarms; \(workload.summary)")
        #expect(alarms.isEmpty, "\(alarms.prefix(2).joined(separator: "\n"))")
        #expect(rounds > 2)
        #expect(workload.writers.allSatisfy { $0.report.acknowledged > 10 }, "\(workload.summary)")
        #expect(found.status == 2 && found.standardOutput.contains("key 25"), "\(found.standardOutput)")
    }

    @Test func `writers of a SQLite file give no false alarm`() throws {
        let store = try SQLiteOnlineTests.makeStore(1000)
        let workload = try SQLiteWorkload(4, path: store.path)
        try migrate(["upgrade", "head", "--mode", "online"], on: store).checked()
        let (rounds, alarms) = try Self.verifyRepeatedly(store, "\(MigratorBinary.packageFolder)/migrations")
        try store.run(
            VerificationFaultTests.unseen(
                "enhanced_messages", "UPDATE enhanced_messages SET content = 'wrong' WHERE id = 25"))
        let found = try migrate(["verify"], on: store)
        workload.stop()
        print("SQLite: \(rounds) verifications, \(workload.acknowledged) writes acknowledged, \(alarms.count) alarms")
        #expect(alarms.isEmpty, "\(alarms.prefix(2).joined(separator: "\n"))")
        #expect(rounds > 2)
        #expect(workload.acknowledged > 100)
        #expect(found.status == 2 && found.standardOutput.contains("key 25"), "\(found.standardOutput)")
    }

    /// All levels in turn, until the time is up.
    private static func verifyRepeatedly(
        _ store: any Store, _ migrations: String
    ) throws -> (rounds: Int, alarms: [String]) {
        let end = ContinuousClock.now + .seconds(minutes * 60)
        var rounds = 0
        var alarms: [String] = []
        while ContinuousClock.now < end {
            let options = [[], ["--full"], ["--counts"], ["--jobs", "4"]][rounds % 4]
            let result = try migrate(["verify"] + options, on: store, migrations: migrations)
            if result.status != 0 { alarms.append(result.standardOutput + result.standardError) }
            rounds += 1
        }
        return (rounds, alarms)
    }
}
