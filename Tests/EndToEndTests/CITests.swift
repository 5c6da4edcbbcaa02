import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// `migrator ci`: what a pipeline should know, on real repositories and databases.
@Suite struct CITests {
    private func git(_ project: Project, _ arguments: String...) throws {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        try run("git", ["-C", project.path] + identity + arguments).checked()
    }

    /// A repository whose branch `main` has two revisions; `work` is checked out.
    private func repository() throws -> Project {
        let project = try Project([
            "migrations/0001_a.sql": Project.script("0001", revises: "base", "a"),
            "migrations/0002_b.sql": Project.script("0002", revises: "0001", "b"),
        ])
        try git(project, "init", "-q", "-b", "main")
        try git(project, "add", "-A")
        try git(project, "commit", "-qm", "a")
        try git(project, "checkout", "-qb", "work")
        return project
    }

    private func commit(_ project: Project, _ files: [String: String]) throws {
        for (name, text) in files { try project.folder.write(text, to: name) }
        try git(project, "add", "-A")
        try git(project, "commit", "-qm", "change")
    }

    /// - Returns: outcome and findings by check.
    private func checks(_ result: CommandResult) throws -> [String: (outcome: String, findings: [String])] {
        let list = try result.object()["checks"] as? [[String: Any]] ?? []
        return Dictionary(
            uniqueKeysWithValues: list.map { check in
                let findings = check["findings"] as? [[String: Any]] ?? []
                let texts = findings.map { finding in
                    let place = (finding["location"] as? [String: Any])?["file"] as? String ?? ""
                    return "\(place) \(finding["message"] as? String ?? "") \(finding["hint"] as? String ?? "")"
                }
                return (check["name"] as? String ?? "", (check["outcome"] as? String ?? "", texts))
            })
    }

    private func ci(_ project: Project, status: Int32, _ arguments: String...) throws -> [String:
        (outcome: String, findings: [String])]
    {
        let result = try project.run(["ci", "--json", "--base", "main"] + arguments, environment: ["CI": "1"])
        #expect(result.status == status, "\(result.standardOutput)\(result.standardError)")
        return try checks(result)
    }

    @Test func `A branch that fits its base is in order, and without a database nothing else is looked at`() throws {
        let project = try repository()
        try commit(project, ["migrations/0003_c.sql": Project.script("0003", revises: "0002", "c")])
        let checks = try ci(project, status: 0)
        #expect(checks["scripts"]?.outcome == "ok" && checks["order"]?.outcome == "ok")
        for name in ["state", "plan", "rehearse", "verify"] { #expect(checks[name]?.outcome == "skipped") }
        // Others have gone on, without a conflict.
        try git(project, "checkout", "-q", "main")
        try commit(project, ["README": "more"])
        try git(project, "checkout", "-q", "work")
        #expect(try ci(project, status: 0)["order"]?.outcome == "ok")
    }

    @Test func `A script that was merged meanwhile makes two heads, at this branch's file`() throws {
        let project = try repository()
        try commit(project, ["migrations/0003_mine.sql": Project.script("0003", revises: "0002", "mine")])
        try git(project, "checkout", "-q", "main")
        try commit(project, ["migrations/0004_theirs.sql": Project.script("0004", revises: "0002", "theirs")])
        try git(project, "checkout", "-q", "work")
        var order = try #require(try ci(project, status: 65)["order"])
        #expect(order.findings.count == 1 && order.findings[0].hasPrefix("migrations/0003_mine.sql "))
        #expect(order.findings[0].contains("2 heads") && order.findings[0].contains("rebase 0003_mine.sql"))
        // What the hint says mends it.
        try git(project, "merge", "-q", "--no-edit", "main")
        try project.run("rebase", "0003_mine.sql").checked()
        try commit(project, [:])
        order = try #require(try ci(project, status: 0)["order"])
        #expect(order.findings.isEmpty)
    }

    @Test func `The same id in both is found`() throws {
        let project = try repository()
        try commit(project, ["migrations/0003_mine.sql": Project.script("0003", revises: "0002", "mine")])
        try git(project, "checkout", "-q", "main")
        try commit(project, ["migrations/0003_theirs.sql": Project.script("0003", revises: "0002", "theirs")])
        try git(project, "checkout", "-q", "work")
        let order = try #require(try ci(project, status: 65)["order"])
        #expect(order.findings.contains { $0.contains("stands in two files") }, "\(order.findings)")
    }

    @Test func `A script that the base has must not be edited or removed`() throws {
        let project = try repository()
        try commit(project, ["migrations/0002_b.sql": Project.script("0002", revises: "0001", "changed")])
        var order = try #require(try ci(project, status: 2)["order"])
        #expect(order.findings.count == 1 && order.findings[0].contains("differs from main"))
        try git(project, "rm", "-q", "migrations/0002_b.sql")
        try commit(project, [:])
        order = try #require(try ci(project, status: 2)["order"])
        #expect(order.findings.count == 1 && order.findings[0].contains("0002_b.sql is gone"), "\(order.findings)")
    }

    @Test func `A base that git does not know, and no repository, are configuration`() throws {
        let project = try repository()
        let unknown = try project.run("ci", "--base", "nowhere", "--json", environment: ["CI": "1"])
        #expect(unknown.status == 78 && unknown.standardOutput.contains("fetch-depth"))
        let none = try Project(["migrations/0001_a.sql": Project.script("0001", revises: "base", "a")])
        #expect(try none.run("ci", "--base", "main", environment: ["CI": "1"]).status == 78)
        #expect(try none.run("ci", environment: ["CI": "1"]).status == 0)
    }

    @Test func `Malformed scripts are found with their place, and nothing is run`() throws {
        let project = try repository()
        try project.folder.write(
            "-- migrator:revision 0003\n-- migrator:revises 0002\nSELECT 1;\n", to: "migrations/0003_x.sql")
        let checks = try ci(project, status: 65, "--database", "sqlite:x.db")
        #expect(checks["scripts"]?.findings.first?.contains("migrations/0003_x.sql") == true)
        #expect(checks["verify"]?.outcome == "skipped")
        #expect(!FileManager.default.fileExists(atPath: project.path + "/x.db"))
    }

    @Test(arguments: [Dialect.postgresql, .sqlite]) func `With a database everything is looked at, and nothing changed`(
        _ dialect: Dialect
    ) throws {
        let store = try dialect.makeStore()
        try store.run(RoundTripTests.fixture("shape1", dialect))
        try store.run(RoundTripTests.fixture("shape1_messages", dialect, count: 300))
        let arguments = [
            "--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations", "ci", "--json",
        ]
        try migrate(["stamp", "0001"], on: store)
        let before = try store.state()
        var checks = try checks(try MigratorBinary.run(arguments).checked())
        #expect(["state", "plan", "rehearse", "verify"].allSatisfy { checks[$0]?.outcome == "ok" }, "\(checks)")
        #expect(try store.state() == before)
        try migrate(["upgrade", "head", "--mode", "window"], on: store).checked()
        checks = try self.checks(try MigratorBinary.run(arguments).checked())
        #expect(checks["rehearse"]?.outcome == "skipped" && checks["verify"]?.outcome == "ok", "\(checks)")
        try store.run("DELETE FROM direct_messages_backup WHERE id = (SELECT min(id) FROM direct_messages_backup)")
        let result = try MigratorBinary.run(arguments)
        #expect(result.status == 2)
        checks = try self.checks(result)
        #expect(checks["verify"]?.outcome == "failed")
        #expect(checks["verify"]?.findings.contains { $0.contains("direct_messages_backup") } == true)
    }

    @Test func `A downgrade that restores too little fails the rehearsal`() throws {
        let project = try Project([
            "migrations/0001_a.sql": """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:upgrade
            CREATE TABLE a (id integer PRIMARY KEY);
            CREATE TABLE b (id integer PRIMARY KEY);
            -- migrator:downgrade
            DROP TABLE a;
            """
        ])
        #expect(FileManager.default.createFile(atPath: project.path + "/x.db", contents: nil))
        let result = try project.run("ci", "--json", "--database", "sqlite:x.db")
        let checks = try checks(result)
        #expect(result.status == 2 && checks["rehearse"]?.outcome == "failed", "\(result.standardOutput)")
    }

    @Test func `GitHub gets annotations and a summary, others JUnit`() throws {
        let project = try Project([
            "migrations/0001_a.sql": Project.script("0001", revises: "base", "a"),
            "migrations/0002_b.sql": Project.script("0002", revises: "0001", "b"),
            "migrations/0003_c,d.sql": Project.script("0003", revises: "0001", "c"),
        ])
        let result = try project.run(
            "ci", "--junit", "out.xml", "--markdown", "out.md",
            environment: ["CI": "1", "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": project.path + "/summary.md"])
        #expect(result.status == 65)
        let line = try #require(result.standardOutput.split(separator: "\n").first { $0.hasPrefix("::error ") })
        #expect(line.contains("title=migrator%3A scripts,") && line.contains("file=migrations/0003_c%2Cd.sql,line=1"))
        #expect(line.contains("hint: run `migrator rebase 0003`"))
        let summary = try String(contentsOfFile: project.path + "/summary.md", encoding: .utf8)
        #expect(summary == (try String(contentsOfFile: project.path + "/out.md", encoding: .utf8)))
        #expect(summary.contains("| scripts | ❌ |"))
        let xml = try run(
            "python3",
            [
                "-c",
                """
                import sys, xml.etree.ElementTree as t
                root = t.parse(sys.argv[1]).getroot(); s = root[0]
                print(root.tag, s.get('tests'), s.get('failures'), s.get('skipped'), s[0].find('failure').text)
                """, project.path + "/out.xml",
            ]
        ).checked().standardOutput
        #expect(xml.hasPrefix("testsuites 6 1 5 migrations/0003_c,d.sql:1:1: there are 2 heads"), "\(xml)")
    }

    // MARK: The shipped pipeline steps

    /// The shell scripts of a YAML file: what stands at `run: |`, and the items of `script:`.
    private func scripts(of yaml: String) -> [String] {
        var scripts: [String] = []
        var block: (indent: Int, isList: Bool)?
        for line in yaml.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            let indent = line.prefix { $0 == " " }.count
            let text = line.dropFirst(indent)
            if let open = block, text.isEmpty || indent > open.indent || open.isList && text.hasPrefix("- ") {
                if open.isList, text.hasPrefix("- ") {
                    scripts.append(String(text.dropFirst(2)))
                } else if !open.isList {
                    scripts[scripts.count - 1] += String(line.dropFirst(open.indent + 2)) + "\n"
                }
                continue
            }
            block = nil
            if text == "run: |" {
                scripts.append("")
                block = (indent, false)
            } else if text == "script:" {
                block = (indent, true)
            }
        }
        return scripts
    }

    private func read(_ path: String) throws -> String {
        try String(contentsOfFile: MigratorBinary.packageFolder + "/" + path, encoding: .utf8)
    }

    /// With the program on the PATH, as an installation leaves it.
    private func environment(_ project: Project, _ additions: [String: String]) throws -> [String: String] {
        try FileManager.default.createDirectory(
            atPath: project.folder.file("bin"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: project.folder.file("bin/migrator"), withDestinationPath: MigratorBinary.path)
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = project.folder.file("bin") + ":" + (environment["PATH"] ?? "")
        environment["CI"] = "true"
        environment["DATABASE_URL"] = nil
        return environment.merging(additions) { $1 }
    }

    @Test func `The action's steps do what they say`() throws {
        let scripts = scripts(of: try read("action.yml"))
        #expect(scripts.count == 2)
        let project = try repository()
        let additions = [
            "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": project.path + "/summary.md",
            "GITHUB_PATH": project.path + "/path", "RUNNER_TEMP": project.path,
            "MIGRATOR_ACTION_DATABASE": "sqlite:\(project.path)/x.db",
            "MIGRATOR_ACTION_ARGUMENTS": "--base main --rows 10",
        ]
        #expect(FileManager.default.createFile(atPath: project.path + "/x.db", contents: nil))
        let environment = try environment(project, additions)
        for script in scripts {
            try run(
                "/bin/bash", ["-eo", "pipefail", "-c", script], environment: environment, workingFolder: project.path
            )
            .checked()
        }
        let summary = try String(contentsOfFile: project.path + "/summary.md", encoding: .utf8)
        #expect(summary.contains("| rehearse | ✅ |") && summary.contains("| order | ✅ |"), "\(summary)")
    }

    @Test func `The steps of the page's pipelines do what they say`() throws {
        let scripts = scripts(of: try read("docs/ci.md"))
        #expect(scripts.count == 5)
        let store = try PostgreSQLStore()
        let origin = try repository()
        try git(origin, "checkout", "-q", "main")
        let project = try Project()
        try run("git", ["clone", "-q", origin.path, project.path]).checked()
        let environment = try environment(
            project, ["DATABASE_URL": store.url, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"])
        for script in scripts {
            try run("/bin/bash", ["-c", script], environment: environment, workingFolder: project.path).checked()
        }
        #expect(FileManager.default.fileExists(atPath: project.path + "/migrator.xml"))
    }
}
