import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Upgrade, downgrade and upgrade again while an application writes and the tool is killed: every acknowledged write is
/// there afterwards, and nothing else is.
@Suite(.serialized) struct WorkloadTests {
    /// MIGRATOR_TEST_KILLS: how often the tool or a connection is killed, all examples together.
    static let kills = Int(ProcessInfo.processInfo.environment["MIGRATOR_TEST_KILLS"] ?? "") ?? 50

    static let newTables = "conversations, conversation_participants, enhanced_messages, message_status"

    struct Example: Sendable, CustomTestStringConvertible {
        var strategy: String
        var mode = "online"
        /// Where the first command leads; the others lead back and there again, until there were enough kills.
        var target = "0002"
        var origin = "0001"
        var testDescription: String { "\(strategy) \(mode) \(origin) \(target)" }

        /// From 0003 on, new code writes the new tables while it stands.
        var hasNewTables: Bool { target == "0003" }
    }

    static let examples = [
        Example(strategy: "rename"),
        Example(strategy: "copy"),
        Example(strategy: "copy", mode: "window"),
        Example(strategy: "rename", target: "0003", origin: "0002"),
    ]

    @Test(arguments: examples) func `no acknowledged write is lost, whoever is killed`(_ example: Example) throws {
        let setting = try Setting(strategy: example.strategy)
        let workload = try ChatWorkload(
            database: setting.store.database, toleratesOldSnapshots: example.mode == "window")
        try workload.hold([.enhanced])
        workload.start(4, .old)
        workload.start(4, .new)
        if example.hasNewTables { workload.start(3, .enhanced) }
        var disturbance = Disturbance(max(1, Self.kills / Self.examples.count), workload: workload)
        var faults: [String] = []
        func reach(_ command: String, _ target: String) throws {
            guard faults.isEmpty else { return }
            let limit = Int.random(in: 2...8, using: &disturbance.random)
            faults = try disturbance.persist(
                setting.arguments([command, target, "--mode", example.mode, "--batch-target", "20ms"]), limit: limit)
            guard faults.isEmpty else { return }
            faults = try workload.faultsInQuiet().map { "after \(command) \(target): \($0)" }
        }
        /// New code has come, writes for a while, and goes again.
        func writeNewTables() throws {
            guard example.hasNewTables, faults.isEmpty else { return }
            try workload.grant(Self.newTables)
            workload.release([.enhanced])
            for _ in 0..<3 {
                usleep(500_000)
                if disturbance.left > 0 { try disturbance.cutWriter() }
            }
            try workload.hold([.enhanced])
            faults = try workload.faultsInQuiet().map { "after new code: \($0)" }
        }
        try reach("upgrade", example.target)
        try writeNewTables()
        repeat {
            try reach("downgrade", example.origin)
            try reach("upgrade", example.target)
            try writeNewTables()
        } while disturbance.left > 0 && faults.isEmpty
        try workload.stop()
        faults += try faults.isEmpty ? workload.faults() : []
        if example.hasNewTables, faults.isEmpty { try workload.revoke(Self.newTables) }
        let story = "\(example): \(disturbance.summary); \(workload.summary)"
        #expect(
            faults.isEmpty,
            "MIGRATOR_TEST_SEED=\(SeededRandom.seed): \(faults.count) faults: \(faults.prefix(10).joined(separator: "\n"))\n\(story)"
        )
        let verified = try MigratorBinary.run(setting.arguments(["verify"]))
        #expect(verified.status == 0, "\(verified.standardOutput)\(verified.standardError)")
        print("workload \(story)")
        #expect(workload.writers.allSatisfy { $0.report.acknowledged > 20 }, "\(story)")
        // The promise of online mode is 150 ms at a time; a machine under load makes more of it.
        if example.mode == "online" { #expect(workload.longest < .seconds(20), "\(story)") }
    }

    /// Old code and new code write the same conversations: each side sees the other's messages, edits, reads and
    /// deletions, errors are of the kind that can be tried again, and nobody waits for the deadlock detector.
    @Test func `old code and new code write side by side`() throws {
        let setting = try Setting(strategy: "")
        let workload = try ChatWorkload(database: setting.store.database)
        try MigratorBinary.run(setting.arguments(["upgrade", "head"])).checked()
        try workload.grant(Self.newTables)
        for side in ChatWriter.Side.allCases { workload.start(3, side) }
        usleep(6_000_000)
        try workload.stop()
        let faults = try workload.faults()
        #expect(faults.isEmpty, "\(faults.prefix(10).joined(separator: "\n"))")
        try workload.revoke(Self.newTables)
        let verified = try MigratorBinary.run(setting.arguments(["verify"]))
        #expect(verified.status == 0, "\(verified.standardOutput)")
        #expect(workload.writers.allSatisfy { $0.report.acknowledged > 20 }, "\(workload.summary)")
        print("workload side by side: \(workload.summary)")
    }

    // MARK: Negative controls: the harness finds what it says it finds

    struct Damage: Sendable, CustomTestStringConvertible {
        var sql: String
        /// A part of the fault's line.
        var fault: String
        var testDescription: String { sql }
    }

    static let damages = [
        Damage(sql: "UPDATE direct_messages SET content = 'w0-x' WHERE id = {id}", fault: "content is w0-x"),
        Damage(sql: "UPDATE direct_messages SET read_at = now() WHERE id = {unread}", fault: "read is true"),
        Damage(
            sql: "UPDATE direct_messages SET read_at = read_at - interval '4 hours' WHERE id = {read}",
            fault: "read_at is"),
        Damage(
            sql: "UPDATE direct_messages SET created_at = created_at + interval '1 microsecond' WHERE id = {id}",
            fault: "created_at is"),
        Damage(
            sql: "UPDATE direct_messages SET is_deleted_by_sender = NOT is_deleted_by_sender WHERE id = {id}",
            fault: "is_deleted_by_sender is"),
        Damage(sql: "UPDATE direct_messages SET recipient_id = 50 WHERE id = {id}", fault: "recipient_id is 50"),
        Damage(sql: "DELETE FROM direct_messages WHERE id = {id}", fault: "{id} is gone"),
        Damage(
            sql: "INSERT INTO direct_messages (sender_id, recipient_id, content) VALUES (1, 2, 'more')",
            fault: "nobody wrote it"),
        Damage(
            sql: "INSERT INTO direct_messages (id, sender_id, recipient_id, content) VALUES ({deleted}, 1, 2, 'back')",
            fault: "was deleted and is there"),
        Damage(
            sql: "UPDATE direct_messages SET reply_to_id = 1 WHERE id = {reply}", fault: "reply_to_id is Optional(1)"),
        Damage(
            sql: "UPDATE direct_messages SET reply_to_id = NULL WHERE id = {reply}", fault: "reply_to_id is nil"),
        Damage(
            sql: "UPDATE attachments SET direct_message_id = 1 WHERE direct_message_id = {attached}",
            fault: "attachments is"),
        Damage(sql: "UPDATE attachments SET direct_message_id = NULL", fault: "points at nothing"),
        Damage(
            sql: "UPDATE direct_messages SET file_name = 'x' WHERE id = 5", fault: "5, which nobody wrote, is changed"),
        Damage(sql: "DELETE FROM direct_messages WHERE id = 5", fault: "5, which nobody wrote, is gone"),
        Damage(sql: "INSERT INTO users (email) VALUES ('more')", fault: "nobody made it"),
    ]

    @Test func `every kind of damage is found`() throws {
        let setting = try Setting(strategy: "")
        let workload = try ChatWorkload(database: setting.store.database)
        workload.start(8, .old)
        usleep(3_000_000)
        try workload.stop()
        #expect(try workload.faults() == [])
        let models = workload.writers.map(\.model)
        let messages = models.flatMap { $0.messages }
        let ids = messages.map(\.key)
        func pick(_ isSo: (ChatMessage) -> Bool) throws -> Int { try #require(messages.first { isSo($0.value) }).key }
        let places: [String: Int] = [
            "{id}": try pick { $0.recipient != 50 && $0.attachments.isEmpty }, "{unread}": try pick { !$0.isRead },
            "{read}": try pick { $0.readAt != nil }, "{deleted}": try #require(models.flatMap { $0.deleted }.first),
            "{reply}": try pick { $0.parent.map { ids.contains($0) } ?? false },
            "{attached}": try pick { !$0.attachments.isEmpty },
        ]
        for damage in Self.damages {
            func filled(_ text: String) -> String {
                places.reduce(text) { $0.replacingOccurrences(of: $1.key, with: String($1.value)) }
            }
            // The checks look through the same session, and nothing stays.
            let faults = try workload.session.discardingChanges {
                try workload.session.execute(filled(damage.sql))
                return try workload.faults()
            }
            #expect(faults.contains { $0.contains(filled(damage.fault)) }, "\(damage): \(faults.prefix(5))")
        }
        #expect(try workload.faults() == [])
    }

    /// A trigger that comes after the rows have been copied, and nobody compares: writes are missing.
    @Test func `writes that a late trigger misses are found`() throws {
        let setting = try Setting(strategy: "copy")
        let workload = try ChatWorkload(database: setting.store.database)
        workload.start(8, .old)
        usleep(1_000_000)
        var disturbance = Disturbance(0, workload: workload)
        let refused = try disturbance.persist(
            setting.arguments(["upgrade", "0002", "--batch-target", "5ms", "--nice", "2"]), limit: 0,
            environment: ["MIGRATOR_LEAVE_OUT": "early-trigger,comparison"])
        let faults = try workload.faultsInQuiet()
        try workload.stop()
        #expect(!refused.isEmpty || !faults.isEmpty)
        print("workload with a late trigger: refused \(refused.prefix(1)), \(faults.count) faults, \(faults.prefix(2))")
    }

    /// SHAPES.md 1 with 3,000 messages, stamped.
    private struct Setting {
        let store: PostgreSQLStore
        let scripts: ShippedScripts

        init(strategy: String) throws {
            store = try PostgreSQLStore()
            try store.run(RoundTripTests.fixture("shape1", .postgresql))
            try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 3000))
            scripts = try ShippedScripts(strategy: strategy)
            try MigratorBinary.run(arguments(["stamp", "0001"])).checked()
        }

        func arguments(_ words: [String]) -> [String] {
            ["--database", store.url, "--migrations", scripts.path] + words
        }
    }
}
