import Foundation

/// The built program, run as a user runs it.
public enum MigratorBinary {
    /// `MIGRATOR_TEST_BINARY`, else `migrator` in the folder where the test bundle was built.
    public static let path: String = {
        if let named = ProcessInfo.processInfo.environment["MIGRATOR_TEST_BINARY"], !named.isEmpty {
            return named
        }
        var folders = [Bundle.main.bundleURL.path]
        folders += CommandLine.arguments.filter { $0.hasSuffix(".xctest") }.map {
            ($0 as NSString).deletingLastPathComponent
        }
        folders.append((CommandLine.arguments[0] as NSString).deletingLastPathComponent)
        folders.append(packageFolder + "/.build/debug")
        let paths = folders.map { $0 + "/migrator" }
        return paths.first { FileManager.default.isExecutableFile(atPath: $0) } ?? paths[paths.count - 1]
    }()

    /// The folder of Package.swift.
    public static let packageFolder: String = {
        // Tests/MigratorTestSupport/MigratorBinary.swift
        (0..<3).reduce(#filePath) { path, _ in (path as NSString).deletingLastPathComponent }
    }()

    /// Without anything that names a database or says that this is a CI run.
    public static func environment(adding additions: [String: String] = [:]) -> [String: String] {
        let own = ProcessInfo.processInfo.environment.filter { name, _ in
            ["HOME", "PATH", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "TERM"].contains(name)
        }
        return own.merging(additions) { $1 }
    }

    public static func run(
        _ arguments: [String], environment additions: [String: String] = [:], standardInput: String = "",
        workingFolder: String? = nil, timeout: Duration = .seconds(300)
    ) throws -> CommandResult {
        try MigratorTestSupport.run(
            path, arguments, environment: environment(adding: additions), standardInput: standardInput,
            workingFolder: workingFolder, timeout: timeout)
    }

    /// Copies it to where somebody else may run it; not while a child is made, which would hold the new file open for
    /// writing until it becomes another program.
    public static func copy(to path: String) throws {
        try spawning.withLock { try FileManager.default.copyItem(atPath: Self.path, toPath: path) }
        chmod(path, 0o755)
    }

    /// Starts it beside the test: to send it a signal, or to look at the locks it holds.
    public static func start(
        _ arguments: [String], environment additions: [String: String] = [:],
        workingFolder: String? = nil
    ) throws -> RunningCommand {
        try RunningCommand(
            path, arguments, environment: environment(adding: additions), workingFolder: workingFolder)
    }
}
