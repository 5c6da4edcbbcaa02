import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Killed at every statement and around every COMMIT, the same command again ends as if nothing had happened.
@Suite struct FailPointTests {
    struct Phase: Sendable, CustomTestStringConvertible {
        var dialect: Dialect
        /// Commands that lead to where the phase begins; SQL begins with a space.
        var before: [String]
        /// With an absolute target, since after the last COMMIT `-1` would mean one more.
        var command: [String]
        /// The strategy that 0002 is made to ask for.
        var strategy = ""
        /// `--mode` of everything; empty means the database's own.
        var mode = ""

        /// `postgresql upgrade 0002 copy online`.
        var testDescription: String {
            let mode = mode.isEmpty ? dialect == .postgresql ? "online" : "window" : mode
            return ([dialect.rawValue] + command + [strategy, mode]).filter { !$0.isEmpty }.joined(separator: " ")
        }
    }

    /// MIGRATOR_TEST_POINTS=every stops at each statement, else at a sample of them.
    static let isThorough = ProcessInfo.processInfo.environment["MIGRATOR_TEST_POINTS"] == "every"

    /// MIGRATOR_TEST_PHASE leaves those whose description holds it.
    static let phases = known.filter { phase in
        guard let part = ProcessInfo.processInfo.environment["MIGRATOR_TEST_PHASE"], !part.isEmpty else { return true }
        return phase.testDescription.contains(part)
    }

    private static let known: [Phase] = ["", "window"].flatMap { mode in
        allPhases.compactMap { phase in
            // SQLite's own is the window.
            if mode == "window", phase.dialect == .sqlite { return nil }
            var phase = phase
            phase.mode = mode
            return phase
        }
    }

    private static let allPhases: [Phase] =
        Dialect.allCases.flatMap { dialect -> [Phase] in
            let filled = ["upgrade 0001", " " + sampleMessages]
            return [
                Phase(dialect: dialect, before: [], command: ["upgrade", "0001"]),
                Phase(dialect: dialect, before: filled, command: ["upgrade", "0002"]),
                Phase(dialect: dialect, before: filled + ["upgrade 0002"], command: ["upgrade", "0003"]),
                Phase(dialect: dialect, before: filled + ["upgrade head"], command: ["downgrade", "0002"]),
                Phase(dialect: dialect, before: filled + ["upgrade 0002"], command: ["downgrade", "0001"]),
                Phase(dialect: dialect, before: ["upgrade 0001"], command: ["downgrade", "base"]),
            ]
        } + [
            Phase(
                dialect: .postgresql, before: ["upgrade 0001", " " + sampleMessages], command: ["upgrade", "0002"],
                strategy: "copy"),
            Phase(
                dialect: .postgresql, before: ["upgrade 0001", " " + sampleMessages, "upgrade 0002"],
                command: ["downgrade", "0001"], strategy: "copy"),
            Phase(
                dialect: .postgresql, before: ["upgrade 0001", " " + sampleMessages, "upgrade 0002"],
                command: ["contract", "0002"], strategy: "copy"),
        ]

    @Test func `the phases that are asked for exist`() {
        #expect(!Self.phases.isEmpty, "there are: \(Self.known.map(\.testDescription).joined(separator: "; "))")
    }

    @Test(arguments: phases) func `a kill at any statement is mended by the same command`(_ phase: Phase) throws {
        let scripts = try ShippedScripts(strategy: phase.strategy)
        let start = try phase.dialect.makeStore()
        func migrate(_ arguments: [String], on store: any Store, environment: [String: String] = [:]) throws
            -> CommandResult
        {
            let takesMode = ["upgrade", "downgrade"].contains(arguments.first)
            let mode = phase.mode.isEmpty || !takesMode ? [] : ["--mode", phase.mode]
            return try EndToEndTests.migrate(
                arguments + mode, on: store, environment: environment, migrations: scripts.path)
        }
        for step in phase.before {
            if step.hasPrefix(" ") {
                try start.run(step)
            } else {
                try migrate(step.split(separator: " ").map(String.init), on: start).checked()
            }
        }
        let undisturbed = try start.copy()
        let counted = try migrate(
            phase.command, on: undisturbed, environment: ["MIGRATOR_FAIL_POINT": "count"]
        ).checked()
        let wanted = try undisturbed.state()
        let (statements, commits) = try Self.counts(in: counted.standardError)
        #expect(statements > 5 && commits > 0)

        let step = Self.isThorough ? 1 : phase.dialect == .sqlite ? 7 : 29
        var points = stride(from: 1, through: statements, by: step).map { "before:\($0)" }
        points += (1...commits).flatMap { ["before-commit:\($0)", "during-commit:\($0)", "after-commit:\($0)"] }
        // Behind any other is before the next one: the database knows no difference.
        points.append("after:\(statements)")
        var missed = 0
        for point in points {
            let store = try start.copy()
            let killed = try migrate(
                phase.command, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@\(point)"])
            guard killed.status == 128 + SIGKILL else {
                // Another run may have fewer statements: a second attempt at a lock is one, too.
                missed += 1
                #expect(killed.status == 0, "\(phase.command) was not killed at \(point): \(killed.standardError)")
                #expect(try store.state() == wanted, "\(point)")
                continue
            }
            let again = try migrate(phase.command, on: store)
            #expect(again.status == 0, "after a kill at \(point): \(again.standardError)")
            #expect(try store.state() == wanted, "after a kill at \(point)")
        }
        #expect(missed * 10 <= points.count, "\(missed) of \(points.count) points were never reached")
    }

    static func counts(in output: String) throws -> (statements: Int, commits: Int) {
        // fail points: statements S commits C
        guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("fail points:") }) else {
            throw CommandError(message: "no counts in: \(output)")
        }
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { throw CommandError(message: "no counts in: \(line)") }
        return (numbers[0], numbers[1])
    }
}
