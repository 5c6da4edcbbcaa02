import Foundation
import MigratorTestSupport

/// A folder with scripts and perhaps a configuration, in which the built program is run.
final class Project: Sendable {
    let folder: TemporaryFolder
    var path: String { folder.path }

    init(_ files: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        for (name, text) in files { try folder.write(text, to: name) }
    }

    /// Three revisions on both databases.
    static func threeRevisions() throws -> Project {
        var files: [String: String] = [:]
        for dialect in ["postgresql", "sqlite"] {
            files["migrations/\(dialect)/0001_first.sql"] = script("0001", revises: "base", "First")
            files["migrations/\(dialect)/0002_second.sql"] = script("0002", revises: "0001", "Second")
            files["migrations/\(dialect)/0003_third.sql"] = script("0003", revises: "0002", "Third")
        }
        return try Project(files)
    }

    static func script(_ revision: String, revises: String, _ message: String) -> String {
        """
        -- migrator:revision \(revision)
        -- migrator:revises \(revises)
        -- migrator:message \(message)

        -- migrator:upgrade
        CREATE TABLE t\(revision) (id integer PRIMARY KEY);

        -- migrator:downgrade
        DROP TABLE t\(revision);

        """
    }

    func run(_ arguments: String..., environment: [String: String] = [:]) throws -> CommandResult {
        try run(arguments, environment: environment)
    }

    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult {
        try MigratorBinary.run(
            arguments, environment: environment, workingFolder: folder.path)
    }
}

extension CommandResult {
    /// The one object of `--json`.
    func object() throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(standardOutput.utf8))
        guard let object = value as? [String: Any] else {
            throw CommandError(message: "not an object: \(standardOutput)")
        }
        return object
    }

    /// `code` of `error[code]:` on standard error.
    var errorCode: String? {
        guard let start = standardError.range(of: "error["),
            let end = standardError[start.upperBound...].firstIndex(of: "]")
        else { return nil }
        return String(standardError[start.upperBound..<end])
    }
}
