import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Every command that the pages in `docs` show in a `console` block is run, in the page's order; the lines below a
/// command must stand in its output, in their order.
@Suite struct DocumentationTests {
    struct Step {
        var command: String
        var status: Int32 = 0
        var lines: [String] = []
    }

    /// `<!-- test: postgresql shape1 -->` says what the commands find.
    private func page(_ name: String) throws -> (setting: String, steps: [Step]) {
        let text = try String(contentsOfFile: "\(MigratorBinary.packageFolder)/docs/\(name).md", encoding: .utf8)
        var setting = ""
        var steps: [Step] = []
        var isInside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("<!-- test: ") {
                setting = line.dropFirst("<!-- test: ".count).replacingOccurrences(of: " -->", with: "")
            } else if line.hasPrefix("```") {
                isInside = line == "```console"
            } else if isInside, line.hasPrefix("$ ") {
                let parts = line.dropFirst(2).components(separatedBy: "    # exit ")
                steps.append(Step(command: parts[0], status: parts.count > 1 ? try #require(Int32(parts[1])) : 0))
            } else if isInside, line != "...", !line.isEmpty {
                steps[steps.count - 1].lines.append(line)
            }
        }
        return (setting, steps)
    }

    private func makeStore(_ setting: String) throws -> any Store {
        let words = setting.split(separator: " ").map(String.init)
        let store: any Store = words.first == "sqlite" ? try SQLiteStore() : try PostgreSQLStore()
        switch words.last {
        case "shape1":
            try store.run(RoundTripTests.fixture("shape1", store.dialect))
            try store.run(RoundTripTests.fixture("shape1_messages", store.dialect, count: 500))
        case "alembic":
            try store.run(
                """
                CREATE TABLE alembic_version (version_num varchar(32) NOT NULL,
                    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
                INSERT INTO alembic_version VALUES ('ae1027a6acf');
                CREATE TABLE notes (id serial PRIMARY KEY, body text NOT NULL);
                INSERT INTO notes (body) VALUES ('first'), ('second')
                """)
        default: break
        }
        return store
    }

    @Test(arguments: ["other-tools", "reports", "runbook", "sql", "tutorial"])
    func `What a page shows is what happens`(_ name: String) throws {
        let page = try page(name)
        #expect(page.steps.count > 8)
        let store = try makeStore(page.setting)
        let folder = try TemporaryFolder()
        if page.setting.hasSuffix("shape1") {
            try FileManager.default.copyItem(
                atPath: "\(MigratorBinary.packageFolder)/migrations", toPath: folder.file("migrations"))
            try folder.write("const q = 'SELECT * FROM direct_messages'\ntype T = DirectMessage\n", to: "src/chat.ts")
        }
        var environment = ProcessInfo.processInfo.environment
        environment["DATABASE_URL"] = store.url
        environment["CI"] = nil
        let programs = (try PostgreSQLServer.shared().bin("psql") as NSString).deletingLastPathComponent
        environment["PATH"] = "\(folder.path)/bin:\(programs):" + (environment["PATH"] ?? "")
        try FileManager.default.createDirectory(atPath: folder.file("bin"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("bin/migrator"), withDestinationPath: MigratorBinary.path)
        for step in page.steps {
            let result = try run(
                "/bin/bash", ["-c", step.command], environment: environment, workingFolder: folder.path)
            let output = result.standardError + result.standardOutput
            try #require(result.status == step.status, "\(step.command): exit \(result.status)\n\(output)")
            var rest = output[...]
            for line in step.lines {
                guard let place = rest.range(of: line) else {
                    Issue.record("\(step.command) does not print \"\(line)\"\n\(output)")
                    break
                }
                rest = rest[place.upperBound...]
            }
        }
    }
}
