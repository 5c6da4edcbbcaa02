import Foundation
import MigratorTestSupport
import Testing

struct ListingCase: CustomTestStringConvertible, Sendable {
    var command: String
    var output: String
    var testDescription: String { command }

    init(_ command: String, _ output: String) {
        self.command = command
        self.output = output
    }
}

private let line1 = "<base> -> 0001, First\n"
private let line2 = "0001 -> 0002, Second\n"
private let line3 = "0002 -> 0003 (head), Third\n"

@Suite struct ListingTests {
    @Test(arguments: [
        ListingCase("heads", "0003 (head)\n"),
        ListingCase("history", line3 + line2 + line1),
        ListingCase("history -r0001:0002", line2 + line1),
        ListingCase("history -r :0002", line2 + line1),
        ListingCase("history -r 0002:", line3 + line2),
        ListingCase("history -r-1:", line3 + line2),
        ListingCase("history -r -1:head", line3 + line2),
        ListingCase("history -r0001:+1", line2 + line1),
        ListingCase("history -r base:0001", line1),
        ListingCase("history -r 0003:0001", ""),
        ListingCase(
            "heads -v --dialect sqlite",
            """
            Rev: 0003 (head)
            Parent: 0002
            Path: migrations/sqlite/0003_third.sql

                Third

                Revision ID: 0003
                Revises: 0002


            """),
        ListingCase(
            "show 0001 --dialect postgresql",
            """
            Rev: 0001
            Parent: <base>
            Path: migrations/postgresql/0001_first.sql

                First

                Revision ID: 0001
                Revises:\u{20}

                Upgrade:
                  CREATE TABLE t0001 (id integer PRIMARY KEY)
                Downgrade:
                  DROP TABLE t0001


            """),
    ])
    func `Listing commands print Alembic's forms`(_ example: ListingCase) throws {
        let arguments = example.command.split(separator: " ").map(String.init)
        let result = try Project.threeRevisions().run(arguments)
        #expect(result.status == 0, "\(result.standardError)")
        #expect(result.standardOutput == example.output)
        #expect(result.standardError.isEmpty)
    }

    @Test func `Chains that differ are listed apart`() throws {
        let project = try Project.threeRevisions()
        try FileManager.default.removeItem(atPath: project.folder.file("migrations/sqlite/0003_third.sql"))
        let result = try project.run("heads")
        #expect(result.standardOutput == "PostgreSQL:\n0003 (head)\nSQLite:\n0002 (head)\n")
        #expect(try project.run("heads", "--dialect", "sqlite").standardOutput == "0002 (head)\n")
    }

    @Test func `JSON is exactly one object with its version`() throws {
        let project = try Project.threeRevisions()
        for arguments in [
            ["heads", "--json"], ["--json", "history"], ["show", "0001", "--json"],
            ["revision", "-m", "x", "--json"], ["current", "--json"], ["bogus", "--json"],
            ["show", "0009", "--json"],
        ] {
            let object = try project.run(arguments).object()
            #expect(object["schema_version"] as? Int == 1, "\(arguments)")
        }
        let failed = try project.run("show", "0009", "--json")
        let error = try #require(try failed.object()["error"] as? [String: Any])
        #expect(Set(error.keys) == ["code", "message", "hint", "location", "details"])
        #expect(error["code"] as? String == "unknown-revision")
        #expect(try failed.object()["exit_status"] as? Int == 64)
        #expect(failed.status == 64)
    }

    @Test func `Control characters of scripts do not reach the terminal`() throws {
        let project = try Project([
            "migrations/sqlite/0001_first.sql": Project.script(
                "0001", revises: "base", "a\u{1B}[2Jb\u{202E}c")
        ])
        let result = try project.run("history", "--color", "always")
        #expect(
            result.standardOutput == "<base> -> 0001 (head), a\\x1b[2Jb\\u202ec\n", "\(result.standardError)")
    }

    @Test func `A new project is written, and nothing is overwritten`() throws {
        let project = try Project()
        let first = try project.run("init")
        #expect(first.status == 0)
        #expect(first.standardOutput == "migrations/postgresql\nmigrations/sqlite\nmigrator.toml\n")
        let again = try project.run("init")
        #expect(again.status == 4 && again.errorCode == "file-exists")

        let written = try project.run("revision", "-m", "Add an e-mail, at last!")
        #expect(written.status == 0, "\(written.standardError)")
        #expect(
            written.standardOutput
                == "migrations/postgresql/0001_add_an_e_mail_at_last.sql\n"
                + "migrations/sqlite/0001_add_an_e_mail_at_last.sql\n")
        #expect(try project.run("revision", "-m", "…").standardOutput.contains("sqlite/0002_revision.sql"))
        #expect(
            try project.run("history").standardOutput
                == "0001 -> 0002 (head), …\n<base> -> 0001, Add an e-mail, at last!\n")
    }

    @Test func `Two heads are listed, and a new script is refused`() throws {
        let project = try Project.threeRevisions()
        try project.folder.write(
            Project.script("0004", revises: "0002", "Late"), to: "migrations/sqlite/0004_late.sql")
        let heads = try project.run("heads", "--dialect", "sqlite")
        #expect(heads.standardOutput == "0003 (head)\n0004 (head)\n")
        let result = try project.run("revision", "-m", "x", "--dialect", "sqlite")
        #expect(result.status == 65 && result.errorCode == "two-heads")
        #expect(result.standardError.contains("\"0003\", \"0004\""))
    }

    @Test(arguments: [
        ("0003_other.sql", Project.script("0003", revises: "0002", "Again"), "duplicate-revision"),
        ("0004_lost.sql", Project.script("0004", revises: "0009", "Lost"), "missing-parent"),
        ("0001_first.sql", Project.script("0001", revises: "0003", "Round"), "cycle"),
    ])
    func `Scripts that are no chain are exit 65 with the file`(
        _ file: String, _ text: String, _ code: String
    ) throws {
        let project = try Project.threeRevisions()
        try project.folder.write(text, to: "migrations/sqlite/" + file)
        for command in ["heads", "history", "show 0001", "revision -m x"] {
            let words = command.split(separator: " ").map(String.init)
            let result = try project.run(words + ["--dialect", "sqlite"])
            #expect(result.status == 65, "\(command): \(result.standardError)")
            #expect(result.errorCode == code)
            #expect(result.standardError.contains("--> migrations/sqlite/000"))
        }
    }
}
