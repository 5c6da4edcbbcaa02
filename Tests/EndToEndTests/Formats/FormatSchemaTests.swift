import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Other tools' scripts as they are: what comes out is what the databases' own shells make of the same files.
@Suite struct FormatSchemaTests {
    @Test(arguments: FormatSet.all)
    func `The schema and the rows are those that the shell makes, there and back`(_ set: FormatSet) throws {
        let folder = try set.folder()
        let expected = try set.dialect.makeStore()
        let empty = try set.dialect.makeStore()
        for script in set.scripts { try expected.run(script) }
        let store = try set.dialect.makeStore()
        let upgraded = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(upgraded.standardError.contains("scripts of \(set.format.rawValue), known by"))
        #expect(upgraded.standardError.components(separatedBy: "known by").count == 2)
        #expect(try store.state() == expected.state())
        try migrate(["check"], on: store, migrations: folder.path).checked()
        let again = try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        #expect(!again.standardError.contains("Running"))

        let back = try migrate(["downgrade", "base"], on: store, migrations: folder.path)
        if let irreversible = set.irreversible {
            #expect(back.status == 4 && back.errorCode == "irreversible", "\(back.standardError)")
            #expect(back.standardError.contains("revision \"\(irreversible)\" cannot be undone: "))
            #expect(try store.state() == expected.state())
        } else {
            #expect(back.status == 0, "\(back.standardError)")
            #expect(try withoutBackups(store) == empty.state())
            try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        }
    }

    /// The state once the archives of the way back are gone.
    private func withoutBackups(_ store: any Store) throws -> String {
        try migrate(["backups", "prune", "--older-than", "0s"], on: store).checked()
        return try store.state()
    }

    @Test(arguments: FormatSet.all) func `The listings name the revisions`(_ set: FormatSet) throws {
        let folder = try set.folder()
        let store = try set.dialect.makeStore()
        // A file has to be there.
        try store.run("CREATE TABLE x (id int); DROP TABLE x;")
        let plan = try migrate(["plan", "head"], on: store, migrations: folder.path).checked()
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        let status = try migrate(["status"], on: store, migrations: folder.path).checked()
        let history = try migrate(["history"], on: store, migrations: folder.path).checked()
        let current = try migrate(["current", "--json"], on: store, migrations: folder.path).checked()
        let show = try migrate(["show", "head"], on: store, migrations: folder.path).checked()
        #expect(try current.object()["format"] as? String == set.format.rawValue)
        let lines = history.standardOutput.split(separator: "\n")
        #expect(lines.count == set.revisions.count)
        for (line, revision) in zip(lines.reversed(), set.revisions) {
            let name =
                revision.hasSuffix("*") ? String(revision.dropLast()) : revision + (line.contains(", ") ? "" : ",")
            #expect(line.contains("-> \(name)"), "\(line)")
            for output in [plan, status] {
                #expect(output.standardOutput.contains(revision.replacingOccurrences(of: "*", with: "")))
            }
        }
        let last = set.revisions[set.revisions.count - 1].replacingOccurrences(of: "*", with: "")
        #expect(show.standardOutput.contains("Rev: \(last)"))
        #expect(try (current.object()["revision"] as? String)?.hasPrefix(last) == true)
    }

    @Test(arguments: FormatSet.all)
    func `An imported folder is this tool's own, and a database goes on with it`(_ set: FormatSet) throws {
        let folder = try set.folder()
        let store = try set.dialect.makeStore()
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        let target = try TemporaryFolder()
        let command = ["import", folder.path, "--to", target.file("m"), "--dialect", set.dialect.rawValue]
        let imported = try migrate(command, on: store).checked()
        #expect(imported.standardOutput.split(separator: "\n").count == set.revisions.count)
        #expect(try migrate(command, on: store).status == 4)
        let check = try migrate(["check"], on: store, migrations: target.file("m"))
        let hasRepeatable = set.revisions.contains { $0.hasSuffix("*") }
        #expect(check.status == (hasRepeatable ? 2 : 0), "\(check.standardOutput)\(check.standardError)")
        #expect(!check.standardError.contains("known by"))
        // From nothing, the new scripts make the same.
        let other = try set.dialect.makeStore()
        try migrate(["upgrade", "head"], on: other, migrations: target.file("m")).checked()
        #expect(try other.state() == store.state())
    }

    @Test func `The configuration names the format, and the command line wins`() throws {
        let project = try Project([
            "m/1_a.sql": "CREATE TABLE a (id int);",
            "migrator.toml":
                "default_environment = \"e\"\nmigrations = \"m\"\nformat = \"sqlx\"\n[environments.e]\ndatabase = \"sqlite:a.db\"\n",
        ])
        let run = try project.run("upgrade", "head").checked()
        #expect(run.standardError.contains("Running upgrade  -> 1, a"))
        #expect(!run.standardError.contains("known by"))
        #expect(try project.run("history", "--format", "goose").status == 65)
        #expect(try project.run("history", "--format", "gose").status == 64)
        try project.folder.write("format = \"liquibase\"\n", to: "other.toml")
        let wrong = try project.run("history", "--config", "other.toml")
        #expect(wrong.status == 78 && wrong.standardError.contains("other.toml:1:"))
        #expect(try project.run("revision", "-m", "x").status == 64)
    }
}
