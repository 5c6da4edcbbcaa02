import Foundation
import Testing

/// A test that another one runs in a process of its own, to break that or to set its environment; in the run itself it
/// is skipped.
///
/// Not the exit tests of Swift Testing: their monitor keeps a whole core busy from a child's end until the test that
/// awaits it gets a thread, and tests that block hold all threads for minutes.
public enum ChildTest {
    private static let variable = "MIGRATOR_CHILD_TEST"

    /// Of the suites that hold such tests.
    public static var trait: ConditionTrait { .enabled(if: isChild, "another test runs it") }

    private static var isChild: Bool { ProcessInfo.processInfo.environment[variable] != nil }

    /// What the parent handed over.
    public static func value(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else { throw CommandError(message: "no \(name)") }
        return value
    }

    /// Runs the test in a process of its own.
    /// - Parameter name: `Suite/test`.
    /// - Returns: its end; status 0 where it passed, 69 where there is none of the name.
    public static func run(_ name: String, environment: [String: String]) throws -> CommandResult {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        return try MigratorTestSupport.run(
            program, ["--testing-library", "swift-testing", "--filter", name],
            environment: all.merging([variable: "1"]) { $1 })
    }
}
