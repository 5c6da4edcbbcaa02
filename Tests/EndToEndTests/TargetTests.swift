import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Each command of `Fixtures/targets.txt` prints exactly what stands below it there, on both databases.
@Suite struct TargetTests {
    struct Example {
        var start: String
        var command: String
        var status: Int32 = 0
        var output = ""
        var errors = ""
        var end: String
    }

    private static func examples() throws -> [Example] {
        let path = "\(MigratorBinary.packageFolder)/Tests/Fixtures/targets.txt"
        var examples: [Example] = []
        for line in try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n") {
            if line.hasPrefix("== ") {
                let parts = line.dropFirst(3).components(separatedBy: "    # exit ")
                let words = parts[0].components(separatedBy: " $ ")
                examples.append(
                    Example(
                        start: words[0], command: words[1], status: parts.count > 1 ? try #require(Int32(parts[1])) : 0,
                        end: words[0]))
            } else if examples.isEmpty {
                continue
            } else if line.hasPrefix("1>") {
                examples[examples.count - 1].output += line.dropFirst(line.hasPrefix("1> ") ? 3 : 2) + "\n"
            } else if line.hasPrefix("2>") {
                examples[examples.count - 1].errors += line.dropFirst(line.hasPrefix("2> ") ? 3 : 2) + "\n"
            } else if line.hasPrefix("at ") {
                examples[examples.count - 1].end = String(line.dropFirst(3))
            }
        }
        return examples
    }

    private static func project() throws -> Project {
        let revisions = [
            ("ae1027a6acf", "First"), ("ae10b9d4e22", "Second"), ("1975ea83b712", "Third"), ("27c6a30d7c24", "Fourth"),
        ]
        var files: [String: String] = [:]
        for (index, (revision, name)) in revisions.enumerated() {
            files["migrations/\(revision)_\(name.lowercased()).sql"] = """
                -- migrator:revision \(revision)
                -- migrator:revises \(index == 0 ? "base" : revisions[index - 1].0)
                -- migrator:message \(name)

                -- migrator:upgrade
                CREATE TABLE t\(index + 1) (id integer PRIMARY KEY);

                -- migrator:downgrade
                DROP TABLE t\(index + 1);
                """
        }
        return try Project(files)
    }

    @Test(arguments: Dialect.allCases)
    func `targets and listings print Alembic's forms and return its meanings`(_ dialect: Dialect) throws {
        let project = try Self.project()
        let examples = try Self.examples()
        #expect(examples.count >= 80)
        var states: [String: any Store] = [:]
        for example in examples {
            if states[example.start] == nil {
                let store = try dialect.makeStore()
                // Also where nothing is applied there is a database.
                try store.run("SELECT 1")
                if example.start != "base" {
                    try project.run("--database", store.url, "upgrade", example.start).checked()
                }
                states[example.start] = store
            }
            guard let state = states[example.start] else { continue }
            let store = example.end == example.start ? state : try state.copy()
            let words = example.command.split(separator: " ").map(String.init)
            let result = try project.run(["--database", store.url] + words)
            let title: Comment = "\(example.start) $ \(example.command)"
            #expect(result.status == example.status, title)
            #expect(result.standardOutput == example.output, title)
            #expect(result.standardError == example.errors, title)
            if example.end != example.start { #expect(try Self.place(of: store, project) == example.end, title) }
        }
        // What refuses or lists has changed nothing.
        for (start, store) in states { #expect(try Self.place(of: store, project) == start) }
    }

    private static func place(of store: any Store, _ project: Project) throws -> String {
        let current = try project.run("--database", store.url, "current").checked().standardOutput
        return current.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "base"
    }
}
