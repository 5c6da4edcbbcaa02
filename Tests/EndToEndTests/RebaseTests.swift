import Foundation
import MigratorTestSupport
import Testing

/// `rebase` mends what two branches of work left, and `edit` opens a script.
@Suite struct RebaseTests {
    private func project(_ scripts: [(file: String, revision: String, revises: String)]) throws -> Project {
        try Project(
            Dictionary(
                uniqueKeysWithValues: scripts.map {
                    (
                        "migrations/\($0.file).sql",
                        Project.script($0.revision, revises: $0.revises, $0.file)
                            .replacingOccurrences(of: "TABLE t\($0.revision)", with: "TABLE t\($0.file)")
                    )
                }))
    }

    private func upgrade(_ project: Project) throws -> CommandResult {
        try project.run("upgrade", "head", "--database", "sqlite:x.db")
    }

    @Test func `Two heads are refused with the command that mends them, and it does`() throws {
        let project = try project([
            ("0001_a", "0001", "base"), ("0002_b", "0002", "0001"), ("0003_c", "0003", "0001"),
            ("0004_d", "0004", "0003"),
        ])
        let refused = try upgrade(project)
        #expect(refused.status == 65 && refused.standardError.contains("\"0002\""), "\(refused.standardError)")
        #expect(refused.standardError.contains("migrator rebase 0004"), "\(refused.standardError)")
        let rebased = try project.run("rebase", "0004")
        #expect(rebased.standardOutput == "migrations/0003_c.sql: 0003 revises 0002\n", "\(rebased.standardError)")
        let history = try project.run("history").standardOutput
        #expect(history.hasPrefix("0003 -> 0004 (head), 0004_d\n0002 -> 0003, 0003_c\n"), "\(history)")
        try upgrade(project).checked()
        #expect(try project.run("rebase", "0004").status == 64)
    }

    @Test func `The rest of the file stays byte for byte`() throws {
        let project = try project([("0001_a", "0001", "base"), ("0002_b", "0002", "0001")])
        let text =
            "\u{FEFF}-- migrator:revision 0003\r\n-- migrator:revises 0001\r\n-- migrator:upgrade\r\nSELECT '--';\r\n-- migrator:downgrade\r\n"
        try project.folder.write(text, to: "migrations/0003_c.sql")
        try project.run("rebase", "0003").checked()
        let after = try Data(contentsOf: URL(fileURLWithPath: project.path + "/migrations/0003_c.sql"))
        let wanted = text.replacingOccurrences(of: "-- migrator:revises 0001", with: "-- migrator:revises 0002")
        #expect(after == Data(wanted.utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: project.path + "/migrations").count == 3)
    }

    @Test func `Two files of one id: the one that is named gets the next`() throws {
        let project = try project([
            ("0001_a", "0001", "base"), ("0002_b", "0002", "0001"), ("0002_c", "0002", "0001"),
        ])
        let refused = try upgrade(project)
        #expect(refused.status == 65 && refused.standardError.contains("migrator rebase 0002_c"))
        #expect(try project.run("rebase", "0002").status == 64)
        let rebased = try project.run("rebase", "0002_c.sql")
        #expect(
            rebased.standardOutput
                == "migrations/0003_c.sql: 0003 revises 0002, was migrations/0002_c.sql\n", "\(rebased.standardError)")
        try upgrade(project).checked()
    }

    @Test func `Of three heads one must be chosen`() throws {
        let project = try project([
            ("0001_a", "0001", "base"), ("0002_b", "0002", "0001"), ("0003_c", "0003", "0001"),
            ("0004_d", "0004", "0001"),
        ])
        #expect(try project.run("rebase", "0004").standardError.contains("name one with --onto"))
        try project.run("rebase", "0004", "--onto", "0003").checked()
        try project.run("rebase", "0003").checked()
        #expect(try project.run("heads").standardOutput == "0004 (head)\n")
    }

    @Test func `An editor gets the script's path`() throws {
        let project = try Project.threeRevisions()
        let result = try project.run(
            "edit", "0002", "--dialect", "sqlite", environment: ["EDITOR": "echo seen >> seen.txt; cat >> /dev/null <"])
        #expect(result.standardOutput.contains("migrations/sqlite/0002_second.sql"), "\(result.standardError)")
        #expect(FileManager.default.fileExists(atPath: project.path + "/seen.txt"))
        let without = try project.run("edit", "0002", environment: ["EDITOR": "", "VISUAL": ""])
        #expect(without.status == 78 && without.standardError.contains("set EDITOR"))
        #expect(try project.run("edit", "0002", environment: ["EDITOR": "false"]).status == 1)
    }
}
