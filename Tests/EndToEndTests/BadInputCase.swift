import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// One bad input: the scripts, what has been done before, the command, and how it must fail.
struct BadInput: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var dialects = Dialect.allCases
    /// Scripts by their file names; empty means the shipped ones.
    var scripts: [String: String] = [:]
    /// Commands, and SQL where a line begins with a space.
    var before: [String] = []
    /// Scripts that replace others before the command runs; nil removes the file.
    var changed: [String: String?] = [:]
    var command = "upgrade head"
    var environment: [String: String] = [:]
    var status: Int32
    var code: String?
    /// Each in standard error.
    var says: [String] = []
    /// `file.sql:3:8` behind an arrow.
    var place: String?
    /// Commands that work after it, as in `before`.
    var after: [String] = []
}

/// The scripts of one dialect in a folder of their own, and a database for them.
struct Bench {
    let folder: TemporaryFolder
    let store: any Store
    let migrations: String

    init(_ dialect: Dialect, _ scripts: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        store = try dialect.makeStore()
        migrations = folder.file("migrations")
        let own = migrations + "/" + dialect.rawValue
        if scripts.isEmpty {
            try FileManager.default.createDirectory(atPath: migrations, withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                atPath: "\(MigratorBinary.packageFolder)/migrations/\(dialect.rawValue)", toPath: own)
        }
        for (name, text) in scripts { try folder.write(text, to: "migrations/\(dialect.rawValue)/\(name)") }
    }

    @discardableResult
    func run(_ line: String, environment: [String: String] = [:]) throws -> CommandResult {
        try migrate(
            line.split(separator: " ").map(String.init), on: store, environment: environment,
            migrations: migrations)
    }

    /// The program beside the test.
    func start(_ line: String, environment: [String: String] = [:]) throws -> RunningCommand {
        try MigratorBinary.start(
            ["--database", store.url, "--migrations", migrations]
                + line.split(separator: " ").map(String.init), environment: environment)
    }

    /// Runs commands, and SQL where a line begins with a space.
    func perform(_ lines: [String]) throws {
        for line in lines {
            if line.hasPrefix(" ") { try store.run(line) } else { try run(line).checked() }
        }
    }

    func change(_ scripts: [String: String?]) throws {
        for (name, text) in scripts {
            let file = "migrations/\(store.dialect.rawValue)/\(name)"
            if let text {
                try folder.write(text, to: file)
            } else {
                try FileManager.default.removeItem(atPath: folder.file(file))
            }
        }
    }
}

/// Fails the test unless the case fails as it says, in text and with `--json`, and changes nothing.
func expectRefusal(_ example: BadInput, on dialect: Dialect) throws {
    let bench = try Bench(dialect, example.scripts)
    try bench.perform(example.before)
    try bench.change(example.changed)
    let before = try bench.store.state()

    let result = try bench.run(example.command, environment: example.environment)
    let output = result.standardOutput + result.standardError
    #expect(result.status == example.status, "\(output)")
    if let code = example.code { #expect(result.errorCode == code, "\(output)") }
    for text in example.says { #expect(result.standardError.contains(text), "\(output)") }
    if let place = example.place {
        #expect(result.standardError.contains("/\(dialect.rawValue)/\(place)"), "\(output)")
    }
    expectPlainWords(output)
    #expect(try bench.store.state() == before)

    let object = try bench.run(example.command + " --json", environment: example.environment).object()
    #expect(object["exit_status"] as? Int == Int(example.status), "\(object)")
    #expect(object["schema_version"] as? Int == 1)
    #expect(try bench.store.state() == before)
    try bench.perform(example.after)
}

/// Neither Swift's own words nor a stack trace are in the output.
func expectPlainWords(_ output: String) {
    for word in ["Swift", "Fatal error", "Stack dump", "Optional(", "MigratorError(", "DatabaseError("] {
        #expect(!output.contains(word), "\(output)")
    }
}

/// A script with the header that its number asks for.
func script(_ revision: String, revises: String = "base", up: String, down: String = "") -> String {
    """
    -- migrator:revision \(revision)
    -- migrator:revises \(revises)
    -- migrator:message Test
    -- migrator:upgrade
    \(up)
    -- migrator:downgrade
    \(down)

    """
}
