import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// `--mode online` on a SQLite file that other processes write to.
@Suite(.serialized) struct SQLiteOnlineTests {
    /// MIGRATOR_TEST_KILLS: how often the tool is killed while writers write, all examples together.
    static let kills = Int(ProcessInfo.processInfo.environment["MIGRATOR_TEST_KILLS"] ?? "") ?? 50

    /// A file of the shape of 0001 with so many messages, adopted.
    static func makeStore(_ count: Int, journal: String = "wal") throws -> SQLiteStore {
        let store = try SQLiteStore()
        try store.run("PRAGMA journal_mode = \(journal)")
        try store.run(RoundTripTests.fixture("shape1", .sqlite))
        try store.run(RoundTripTests.fixture("shape1_messages", .sqlite, count: count))
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    // MARK: Writers

    struct Example: Sendable, CustomTestStringConvertible {
        var journal: String
        var commands: [[String]]
        var testDescription: String { "\(journal) \(commands.map { $0.joined(separator: " ") })" }
    }

    static let examples = [
        Example(journal: "wal", commands: [["upgrade", "0002"], ["downgrade", "0001"], ["upgrade", "0002"]]),
        Example(journal: "delete", commands: [["upgrade", "0002"], ["downgrade", "0001"], ["upgrade", "0002"]]),
        Example(journal: "wal", commands: [["upgrade", "0003"], ["downgrade", "0002"], ["upgrade", "0003"]]),
    ]

    @Test(arguments: examples) func `no acknowledged write is lost, however often the tool is killed`(
        _ example: Example
    ) throws {
        let store = try Self.makeStore(3000, journal: example.journal)
        let workload = try SQLiteWorkload(4, path: store.path)
        var killed = 0
        var problems: [String] = []
        let share = max(1, Self.kills / Self.examples.count / 2)
        repeat {
            for command in example.commands where problems.isEmpty {
                problems += try Self.persist(command, on: store, kills: share - killed, killed: &killed)
            }
        } while killed < share && problems.isEmpty
        workload.stop()
        #expect(problems.isEmpty, "\(problems)")
        let faults = try workload.faults(in: "messages", of: store)
        #expect(
            faults.isEmpty,
            "\(faults.count) faults after \(workload.acknowledged) writes and \(killed) kills: \(faults.prefix(10).joined(separator: "\n"))"
        )
        let verified = try migrate(["verify"], on: store)
        #expect(verified.status == 0, "\(verified.standardOutput)\(verified.standardError)")
        #expect(workload.acknowledged > 100)
        print(
            "workload \(example): \(workload.acknowledged) writes acknowledged, \(killed) kills, longest \(workload.longest)"
        )
    }

    /// Runs a command until it is done, killing it now and then.
    private static func persist(
        _ command: [String], on store: SQLiteStore, kills: Int, killed: inout Int
    ) throws -> [String] {
        var left = kills
        let arguments =
            ["--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations"] + command
            + ["--mode", "online", "--batch-target", "5ms"]
        for _ in 0..<1000 {
            let running = try MigratorBinary.start(arguments)
            if left > 0 {
                usleep(UInt32.random(in: 20_000...900_000))
                left -= 1
                killed += 1
                running.signal(SIGKILL)
            }
            let result = try running.wait()
            if result.status == 0 { return [] }
            if result.status == 128 + SIGKILL { continue }
            return ["\(command): exit \(result.status) \(result.standardError)"]
        }
        return ["\(command) did not end"]
    }

    // MARK: Negative controls

    /// What the tool must notice by its comparison, and the harness above where that is left out as well.
    struct Control: Sendable, CustomTestStringConvertible {
        var leftOut: String
        var isCutOver = true
        var isNoticed = false
        var testDescription: String { leftOut.isEmpty ? "nothing" : leftOut }
    }

    static let controls = [
        Control(leftOut: ""), Control(leftOut: "trigger", isCutOver: false),
        Control(leftOut: "trigger,comparison", isNoticed: true), Control(leftOut: "parents", isNoticed: true),
    ]

    /// Replies in the new table refer to messages without any action: where one of these has ON DELETE SET NULL,
    /// SQLite 3.40 does not see that a trigger's INSERT refers to nothing once the trigger has deleted from the table.
    private static func strictScripts() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let path = folder.file("migrations")
        try FileManager.default.copyItem(atPath: MigratorBinary.packageFolder + "/migrations/sqlite", toPath: path)
        let file = path + "/0002_direct_messages_to_messages.sql"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let changed = text.replacingOccurrences(
            of: "REFERENCES messages (id) ON DELETE SET NULL", with: "REFERENCES messages (id)")
        #expect(changed != text)
        try changed.write(toFile: file, atomically: true, encoding: .utf8)
        return folder
    }

    @Test(arguments: controls) func `what is left out is noticed`(_ control: Control) throws {
        let store = try Self.makeStore(6000)
        let scripts = try Self.strictScripts()
        let workload = try SQLiteWorkload(4, path: store.path)
        usleep(100_000)
        let result = try migrate(
            ["upgrade", "0002", "--mode", "online", "--batch-target", "2ms"], on: store,
            environment: ["MIGRATOR_LEAVE_OUT": control.leftOut], migrations: scripts.file("migrations"))
        workload.stop()
        let isCutOver = try RoundTripTests.query(
            "SELECT 1 FROM sqlite_schema WHERE name = 'direct_messages'", in: store
        ).isEmpty
        #expect(isCutOver == control.isCutOver, "\(result.standardError)")
        if !control.isCutOver { #expect(result.status == 2) }
        let table = isCutOver ? "messages" : "direct_messages"
        // The strict key forbids to delete what somebody has replied to.
        let faults = try workload.faults(in: table, of: store).filter {
            !$0.contains("delete in messages: FOREIGN KEY constraint failed")
        }
        #expect(faults.isEmpty != control.isNoticed, "\(faults.prefix(5))")
    }

    // MARK: Kills

    struct Phase: Sendable, CustomTestStringConvertible {
        var before: [String]
        var command: [String]
        var testDescription: String { command.joined(separator: " ") }
    }

    static let phases = [
        Phase(before: [], command: ["upgrade", "0002"]),
        Phase(before: ["upgrade 0002"], command: ["upgrade", "0003"]),
        Phase(before: ["upgrade 0003"], command: ["downgrade", "0002"]),
        Phase(before: ["upgrade 0002"], command: ["downgrade", "0001"]),
    ]

    private static func start(_ phase: Phase, count: Int) throws -> SQLiteStore {
        let store = try makeStore(count, journal: "delete")
        for command in phase.before {
            try migrate(command.split(separator: " ").map(String.init) + ["--mode", "online"], on: store).checked()
        }
        return store
    }

    @Test(arguments: phases) func `a kill at any statement is mended by the same command, whatever its mode`(
        _ phase: Phase
    ) throws {
        let start = try Self.start(phase, count: 2300)
        let online = phase.command + ["--mode", "online"]
        let undisturbed = try start.copy()
        let counted = try migrate(online, on: undisturbed, environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let wanted = try undisturbed.state()
        let (statements, commits) = try FailPointTests.counts(in: counted.standardError)
        #expect(commits > 5 && statements > commits)
        var points = stride(from: 1, through: commits, by: 3).map { commit in
            "\(["before", "during", "after"][commit / 3 % 3])-commit:\(commit)"
        }
        // About ten of them, an odd number apart, so that they fall on different statements of a batch.
        points += stride(from: 2, through: statements, by: statements / 10 | 1).map {
            "\($0.isMultiple(of: 2) ? "before" : "after"):\($0)"
        }
        if FailPointTests.isThorough {
            points = (1...commits).flatMap { ["before-commit:\($0)", "during-commit:\($0)", "after-commit:\($0)"] }
            points += (1...statements).flatMap { ["before:\($0)", "after:\($0)"] }
        }
        for (index, point) in points.enumerated() {
            let store = try start.copy()
            let killed = try migrate(online, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@\(point)"])
            guard killed.status == 128 + SIGKILL else {
                Issue.record("\(phase) was not killed at \(point): \(killed)")
                continue
            }
            let again = try migrate(index % 2 == 0 ? online : phase.command, on: store)
            #expect(again.status == 0, "after a kill at \(point): \(again.standardError)")
            if index % 2 == 0 {
                #expect(try store.state() == wanted, "after a kill at \(point)")
            } else {
                // What had not been begun was done in one transaction, with other ids of conversations.
                #expect(
                    try RoundTripTests.schema(of: store) == RoundTripTests.schema(of: undisturbed), "after \(point)")
                #expect(try migrate(["verify", "--unchanged"], on: store).status == 0, "after \(point)")
            }
        }
    }

    @Test(arguments: [Self.phases[0], Self.phases[1]])
    func `an upgrade that was killed is taken back, and leaves nothing behind`(_ phase: Phase) throws {
        let start = try Self.start(phase, count: 1500)
        let table = phase.before.isEmpty ? "direct_messages" : "messages"
        let schema = try RoundTripTests.schema(of: start)
        let rows = try RoundTripTests.rows(of: table, in: start)
        let online = phase.command + ["--mode", "online"]
        let counted = try migrate(online, on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        for commit in stride(from: 2, through: commits - 1, by: FailPointTests.isThorough ? 1 : 3) {
            let store = try start.copy()
            let killed = try migrate(
                online, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(commit)"])
            #expect(killed.status == 128 + SIGKILL)
            // Nothing has begun before the revision is in the ledger: then -1 would mean the one before.
            let back = try migrate(["downgrade", phase.before.isEmpty ? "0001" : "0002"], on: store)
            #expect(back.status == 0, "after a kill at \(commit): \(back.standardError)")
            #expect(try RoundTripTests.schema(of: store) == schema, "after a kill at \(commit)")
            #expect(try RoundTripTests.rows(of: table, in: store) == rows, "after a kill at \(commit)")
            let backups = try RoundTripTests.query(
                """
                SELECT s.name FROM sqlite_schema s WHERE s.type = 'table' AND s.name LIKE '%\\_backup%' ESCAPE '\\'
                    AND s.name NOT LIKE 'migrator\\_%' ESCAPE '\\' AND s.name NOT IN (SELECT name FROM migrator_backup)
                """, in: store)
            #expect(backups.isEmpty, "after a kill at \(commit): \(backups)")
        }
    }

    // MARK: Refusals

    /// A trigger that somebody dropped is noticed at the cut-over, one that was away for a while by the rows.
    @Test(arguments: [true, false]) func `a trigger that is dropped in between stops the cut-over`(_ isBack: Bool)
        throws
    {
        let store = try Self.makeStore(1500)
        let folder = try TemporaryFolder()
        let file = folder.file("postpone")
        try folder.write("", to: "postpone")
        let running = try MigratorBinary.start([
            "--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations", "upgrade", "0002",
            "--mode", "online", "--postpone-cut-over", file,
        ])
        #expect(running.waitForStandardError("ready to cut over"))
        let session = try store.session()
        let trigger =
            try session.scalar(
                "SELECT sql FROM sqlite_schema WHERE name = 'migrator_direct_messages_update'"
            ).asText ?? ""
        try session.execute("DROP TRIGGER migrator_direct_messages_update")
        if isBack {
            try session.execute("UPDATE direct_messages SET content = 'unseen' WHERE id = 5")
            try session.execute(trigger)
        }
        session.close()
        try FileManager.default.removeItem(atPath: file)
        let result = try running.wait()
        #expect(result.status == 2, "\(result.standardError)")
        #expect(result.errorCode == (isBack ? "value-does-not-fit" : "trigger-off"))
        #expect(try RoundTripTests.query("SELECT count(*) FROM direct_messages", in: store)[0][0].asInt == 1499)
    }

    /// Rows that the old shape cannot hold are counted, as in the window, and what was made for the way back goes.
    @Test func `a downgrade that would lose rows is refused by their number`() throws {
        let store = try Self.makeStore(300)
        try store.run("CREATE UNIQUE INDEX one_each ON direct_messages (sender_id, created_at)")
        try migrate(["upgrade", "0002", "--mode", "online"], on: store).checked()
        try store.run(
            """
            INSERT INTO messages (sender_id, recipient_id, content, created_at) VALUES
                (1, 2, 'a', '2025-01-01 00:00:00'), (1, 3, 'b', '2025-01-01 00:00:00')
            """)
        let refused = try migrate(["downgrade", "0001", "--mode", "online"], on: store)
        #expect(refused.status == 4, "\(refused.standardError)")
        #expect(refused.errorCode == "would-lose-rows")
        #expect(
            try RoundTripTests.query("SELECT name FROM sqlite_schema WHERE name = 'direct_messages'", in: store).isEmpty
        )
        try store.run("INSERT INTO messages (sender_id, recipient_id, content) VALUES (2, 3, 'c')")
        try migrate(["downgrade", "0001", "--mode", "online", "--accept-loss", "1"], on: store).checked()
        let rows = try RoundTripTests.query(
            "SELECT content FROM direct_messages WHERE content IN ('a', 'b', 'c')", in: store)
        #expect(rows.count == 2)
    }
}
