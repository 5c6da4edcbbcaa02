import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Upgrade, downgrade and upgrade again while an application writes and the tool is killed: every acknowledged write is
/// there afterwards, and nothing else is.
@Suite(.serialized) struct WorkloadTests {
    /// MIGRATOR_TEST_KILLS: how often the tool or a connection is killed, all examples together.
    static let kills = Int(ProcessInfo.processInfo.environment["MIGRATOR_TEST_KILLS"] ?? "") ?? 50

    struct Example: Sendable, CustomTestStringConvertible {
        var strategy: String
        var commands: [[String]]
        var sides: [ChatWriter.Side] = [.old, .new]
        var testDescription: String { "\(strategy) \(commands.map { $0.joined(separator: " ") })" }
    }

    static let upAndDown = [["upgrade", "0002"], ["downgrade", "0001"], ["upgrade", "0002"]]
    static let examples = [
        Example(strategy: "rename", commands: upAndDown),
        Example(strategy: "copy", commands: upAndDown),
        Example(strategy: "rename", commands: [["upgrade", "0003"], ["downgrade", "0002"], ["upgrade", "0003"]]),
    ]

    @Test(arguments: examples) func `no acknowledged write is lost, whoever is killed`(_ example: Example) throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 3000))
        let scripts = try ShippedScripts(strategy: example.strategy)
        func arguments(_ command: [String]) -> [String] {
            ["--database", store.url, "--migrations", scripts.path] + command
        }
        try MigratorBinary.run(arguments(["stamp", "0001"])).checked()

        let workload = ChatWorkload(database: store.database)
        workload.start(8, sides: example.sides)
        var killed = 0
        let share = max(1, Self.kills / Self.examples.count)
        var problems: [String] = []
        var round = 0
        repeat {
            round += 1
            for command in example.commands where problems.isEmpty {
                problems += try Self.persist(
                    arguments(command + ["--batch-target", "20ms"]), database: store.database,
                    kills: share - killed, killed: &killed)
            }
        } while killed < share && problems.isEmpty && round < 500
        workload.stop()
        #expect(problems.isEmpty, "\(problems)")
        let faults = try workload.faults(in: "messages")
        #expect(
            faults.isEmpty,
            "\(faults.count) faults after \(workload.acknowledged) writes and \(killed) kills: \(faults.prefix(10).joined(separator: "\n"))"
        )
        let verified = try MigratorBinary.run(arguments(["verify"]))
        #expect(verified.status == 0, "\(verified.standardOutput)\(verified.standardError)")
        print(
            "workload \(example): \(workload.acknowledged) writes acknowledged, \(killed) kills, retried \(workload.retried), \(workload.lost) connections lost, longest \(workload.longest)"
        )
        #expect(workload.acknowledged > 100)
    }

    /// Old code and new code write the same conversations: each side sees the other's messages, edits, reads and
    /// deletions, errors are of the kind that can be tried again, and nobody waits for the deadlock detector.
    @Test func `old code and new code write side by side`() throws {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 1000))
        func migrate(_ arguments: String...) throws -> CommandResult {
            try MigratorBinary.run(
                ["--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations"] + arguments)
        }
        try migrate("stamp", "0001").checked()
        try migrate("upgrade", "head").checked()
        let workload = ChatWorkload(database: store.database)
        workload.start(9, sides: [.old, .new, .enhanced])
        usleep(6_000_000)
        workload.stop()
        let faults = try workload.faults(in: "messages")
        #expect(faults.isEmpty, "\(faults.prefix(10).joined(separator: "\n"))")
        let verified = try migrate("verify")
        #expect(verified.status == 0, "\(verified.standardOutput)")
        #expect(workload.writers.filter { $0.side == .enhanced }.allSatisfy { $0.report.acknowledged > 20 })
        print(
            "side by side: \(workload.acknowledged) writes acknowledged, retried \(workload.retried), longest \(workload.longest)"
        )
    }

    /// Runs a command until it is done, killing it or a connection now and then.
    private static func persist(
        _ arguments: [String], database: TestDatabase, kills: Int, killed: inout Int
    ) throws -> [String] {
        var left = kills
        for _ in 0..<1000 {
            let running = try MigratorBinary.start(arguments)
            if left > 0 {
                usleep(UInt32.random(in: 20_000...900_000))
                left -= 1
                killed += 1
                switch Int.random(in: 0..<4) {
                case 0:
                    try database.psql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'migrator%' AND pid <> pg_backend_pid()"
                    )
                case 1:
                    try database.psql(
                        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name NOT LIKE 'migrator%' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS one"
                    )
                default: running.signal(SIGKILL)
                }
            }
            let result = try running.wait(timeout: .seconds(120))
            if result.status == 0 { return [] }
            if result.status == 128 + SIGKILL { continue }
            // A connection that was cut: the same command goes on.
            if result.status == 1 || result.status == 69,
                ["connection", "terminating", "57P01"].contains(where: result.standardError.contains)
            {
                continue
            }
            // The killed one's connection may still hold the lock for a moment.
            if result.status == 5 {
                usleep(100_000)
                continue
            }
            return ["\(arguments.suffix(4)): exit \(result.status) \(result.standardError)"]
        }
        return ["\(arguments.suffix(4)) did not end"]
    }
}
