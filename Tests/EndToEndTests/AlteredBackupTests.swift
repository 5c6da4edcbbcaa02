import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Registered backups that somebody has changed by hand, or whose name is another table's by now.
@Suite struct AlteredBackupTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var statement: String
        var dialects: [Dialect] = Dialect.allCases
    }

    static let faults = [
        Fault(
            testDescription: "another table of its name",
            statement: """
                ALTER TABLE direct_messages_backup RENAME TO elsewhere;
                CREATE TABLE direct_messages_backup (precious text);
                INSERT INTO direct_messages_backup VALUES ('mine')
                """),
        Fault(
            testDescription: "a row more",
            statement: "INSERT INTO direct_messages_backup SELECT * FROM direct_messages_backup WHERE id = 1",
            dialects: [.postgresql]),
        Fault(testDescription: "a row less", statement: "DELETE FROM direct_messages_backup WHERE id = 1"),
        Fault(
            testDescription: "another value", statement: "UPDATE direct_messages_backup SET content = '' WHERE id = 1"),
        Fault(
            testDescription: "a column renamed",
            statement: "ALTER TABLE direct_messages_backup RENAME content TO text"),
    ]

    private func upgraded(_ dialect: Dialect) throws -> any Store {
        let store = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        try migrate(["upgrade", "0002"], on: store).checked()
        return store
    }

    @Test(arguments: faults, Dialect.allCases) func `are neither dropped, nor exported, nor restored`(
        _ fault: Fault, _ dialect: Dialect
    ) throws {
        guard fault.dialects.contains(dialect) else { return }
        let store = try upgraded(dialect)
        try store.run(fault.statement)
        let before = try store.state()
        let folder = try TemporaryFolder()
        let file = folder.file("backup.sql")
        let commands = [
            (["backups", "prune", "direct_messages_backup"], 4), (["backups", "prune", "--older-than", "0s"], 4),
            (["backups", "restore", "direct_messages_backup", "--into", "again"], 2), (["backups", "export", file], 2),
        ]
        for (command, status) in commands {
            let result = try migrate(command, on: store)
            #expect(result.status == Int32(status), "\(command): \(result.standardError)")
            #expect(result.errorCode == "backup-differs", "\(command): \(result.standardError)")
        }
        for command in [["backups", "verify"], ["verify"]] {
            let result = try migrate(command, on: store)
            #expect(result.status == 2, "\(result.standardError)")
            #expect(!result.standardError.contains("SQLSTATE"), "\(result.standardError)")
        }
        #expect(try store.state() == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)

        let careless = try migrate(
            ["backups", "prune", "direct_messages_backup"], on: store,
            environment: ["MIGRATOR_LEAVE_OUT": "backup-content"])
        #expect(careless.status == 0, "\(careless.standardError)")
        #expect(try store.state() != before)
    }

    @Test(arguments: Dialect.allCases) func `are forgotten where they are kept under another name`(
        _ dialect: Dialect
    ) throws {
        let store = try upgraded(dialect)
        try store.run("ALTER TABLE direct_messages_backup RENAME TO mine")
        let pruned = try migrate(["backups", "prune", "direct_messages_backup"], on: store).checked()
        #expect(pruned.standardOutput.contains("forgotten direct_messages_backup"), "\(pruned.standardOutput)")
        #expect(try RoundTripTests.query("SELECT count(*) FROM mine", in: store)[0][0].asInt == 4)
        try migrate(["verify"], on: store).checked()
    }

    /// Gone, changed, or another's: the backup of an upgrade that was taken back is nothing that the next one rests on.
    @Test(
        arguments: ["DROP TABLE direct_messages_backup", "DELETE FROM direct_messages_backup WHERE id = 1"],
        Dialect.allCases
    ) func `do not stand in the way of the next upgrade`(_ statement: String, _ dialect: Dialect) throws {
        let store = try upgraded(dialect)
        try migrate(["downgrade", "0001"], on: store).checked()
        try store.run(statement)
        try store.run("DELETE FROM direct_messages WHERE id = 9")
        try migrate(["upgrade", "0002"], on: store).checked()
        let verify = try migrate(["backups", "verify"], on: store)
        #expect(verify.status == (statement.hasPrefix("DROP") ? 0 : 2), "\(verify.standardOutput)")
        let current = verify.standardOutput.split(separator: "\n").filter { $0.contains(" direct_messages_backup:") }
        #expect(current.count == 1 && current[0].hasPrefix("ok"), "\(verify.standardOutput)")
    }

    @Test(arguments: Dialect.allCases) func `that are another's table by now are not taken for older ones`(
        _ dialect: Dialect
    ) throws {
        let store = try upgraded(dialect)
        try migrate(["downgrade", "0001"], on: store).checked()
        try store.run(Self.faults[0].statement)
        let before = try store.state()
        let refused = try migrate(["upgrade", "0002", "--mode", "window"], on: store)
        #expect(refused.status == 4 && refused.errorCode == "backup-exists", "\(refused.standardError)")
        #expect(try store.state() == before)
        try migrate(["upgrade", "0002", "--set-aside"], on: store).checked()
        try migrate(["backups", "verify"], on: store).checked()
    }

    // MARK: What a downgrade takes from them

    private static let narrowing = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Notes with a tint for their colour
        -- migrator:mode window

        -- migrator:upgrade
        -- migrator:backup old_notes
        CREATE TABLE notes (id integer PRIMARY KEY, text text, tint text);
        -- migrator:switch old_notes -> notes key=id strategy=copy mapping=select
        SELECT id, text, upper(colour) AS tint FROM old_notes;

        -- migrator:downgrade
        -- migrator:switch notes -> old_notes key=id

        """

    private static let notes =
        "CREATE TABLE old_notes (id integer PRIMARY KEY, text text, colour text); INSERT INTO old_notes VALUES (1, 'a', 'red'), (2, 'b', 'blue')"

    /// A database with notes, and the script that takes their colour away.
    private static func narrowed(_ dialect: Dialect) throws -> (store: any Store, project: Project) {
        let store = try dialect.makeStore()
        try store.run(notes)
        return (store, try Project(["m/\(dialect.rawValue)/0001_notes.sql": narrowing]))
    }

    @Test(arguments: Dialect.allCases) func `that a downgrade takes values from go only by name`(
        _ dialect: Dialect
    ) throws {
        let (store, project) = try Self.narrowed(dialect)
        func run(_ arguments: String...) throws -> CommandResult {
            try migrate(arguments, on: store, migrations: project.folder.file("m"))
        }
        try run("upgrade", "head").checked()
        let kept = try run("backups", "prune", "--older-than", "0s").checked()
        #expect(kept.standardOutput.contains("kept old_notes_backup"), "\(kept.standardOutput)")

        func refuse(_ store: any Store, _ code: String, _ status: Int32, mode: String) throws {
            let before = try store.state()
            let result = try migrate(
                ["downgrade", "base", "--mode", mode], on: store, migrations: project.folder.file("m"))
            #expect(result.status == status && result.errorCode == code, "\(mode): \(result.standardError)")
            #expect(try store.state() == before, "\(mode)")
        }
        let changed = try store.copy()
        try changed.run("UPDATE old_notes_backup SET colour = 'green' WHERE id = 1")
        let pruned = try store.copy()
        try migrate(["backups", "prune", "old_notes_backup"], on: pruned).checked()
        for mode in ["window", "online"] {
            try refuse(changed, "backup-differs", 2, mode: mode)
            try refuse(pruned, "backup-missing", 4, mode: mode)
        }
        let careless = try changed.copy()
        try migrate(
            ["downgrade", "base"], on: careless, environment: ["MIGRATOR_LEAVE_OUT": "backup-content"],
            migrations: project.folder.file("m")
        ).checked()
        #expect(try Self.colours(in: careless) == ["green", "blue"])
        // Nothing is half-way: the new table may stay.
        try migrate(["upgrade", "head"], on: pruned, migrations: project.folder.file("m")).checked()
        try changed.run("UPDATE old_notes_backup SET colour = 'red' WHERE id = 1")
        try migrate(
            ["downgrade", "base", "--mode", "online"], on: changed, migrations: project.folder.file("m")
        ).checked()
        #expect(try Self.colours(in: changed) == ["red", "blue"])

        try run("downgrade", "base").checked()
        #expect(try Self.colours(in: store) == ["red", "blue"])
        #expect(
            try run("backups", "prune", "--older-than", "0s").checked().standardOutput.contains(
                "pruned old_notes_backup"))
    }

    private static func colours(in store: any Store) throws -> [String?] {
        try RoundTripTests.query("SELECT colour FROM old_notes ORDER BY id", in: store).map { $0[0].asText }
    }

    @Test(arguments: Dialect.allCases) func `that a half-way downgrade takes values from stay until its end`(
        _ dialect: Dialect
    ) throws {
        let (store, project) = try Self.narrowed(dialect)
        let migrations = project.folder.file("m")
        try migrate(["upgrade", "head"], on: store, migrations: migrations).checked()
        let command = ["downgrade", "base", "--mode", "online"]
        var (kills, held) = (0, 0)
        while true {
            let killed = try store.copy()
            let result = try migrate(
                command, on: killed, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(kills + 1)"],
                migrations: migrations)
            if result.status == 0 { break }
            try #require(result.status == 128 + SIGKILL, "\(kills): \(result.standardError)")
            kills += 1
            let status = try migrate(["status"], on: killed, migrations: migrations).checked()
            if status.standardOutput.contains("unfinished: ") {
                held += 1
                let named = try migrate(["backups", "prune", "old_notes_backup"], on: killed)
                #expect(named.status == 4 && named.errorCode == "backup-in-use", "\(kills): \(named.standardError)")
                let old = try migrate(["backups", "prune", "--older-than", "0s"], on: killed).checked()
                #expect(old.standardOutput.contains("kept old_notes_backup"), "\(kills): \(old.standardOutput)")
                // By hand, all the same.
                let robbed = try killed.copy()
                try robbed.run("DROP TABLE old_notes_backup")
                let refused = try migrate(command, on: robbed, migrations: migrations)
                if refused.status == 0 {
                    #expect(try Self.colours(in: robbed) == ["red", "blue"])
                } else {
                    #expect(refused.errorCode == "backup-missing", "\(kills): \(refused.standardError)")
                }
            }
            try migrate(command, on: killed, migrations: migrations).checked()
            #expect(try Self.colours(in: killed) == ["red", "blue"], "\(kills)")
        }
        #expect(held > 0, "killed \(kills) times")
    }

    @Test(arguments: Dialect.allCases) func `are not missed where there was nothing to hold`(
        _ dialect: Dialect
    ) throws {
        let store = try dialect.makeStore()
        try store.run("CREATE TABLE old_notes (id integer PRIMARY KEY, text text, colour text)")
        try store.run("INSERT INTO old_notes VALUES (1, 'a', NULL), (2, 'b', NULL)")
        let script = Self.narrowing.replacing("-- migrator:backup old_notes\n", with: "")
        let project = try Project(["m/\(dialect.rawValue)/0001_notes.sql": script])
        func run(_ arguments: String...) throws -> CommandResult {
            try migrate(arguments, on: store, migrations: project.folder.file("m"))
        }
        let before = try RoundTripTests.query("SELECT * FROM old_notes ORDER BY id", in: store)
        try run("upgrade", "head").checked()
        try run("downgrade", "base").checked()
        #expect(try RoundTripTests.query("SELECT * FROM old_notes ORDER BY id", in: store) == before)
    }

    // MARK: Into another schema

    @Test func `are restored into another schema where it is named`() throws {
        let store = try upgraded(.postgresql)
        try store.run("CREATE SCHEMA \"odd.one\"; CREATE SCHEMA other")
        func restore(_ name: String) throws -> CommandResult {
            try migrate(["backups", "restore", "direct_messages_backup", "--into", name], on: store)
        }
        for (name, place) in [("other.again", "other.again"), ("\"odd.one\".again", "\"odd.one\".again")] {
            try restore(name).checked()
            #expect(try RoundTripTests.query("SELECT count(*) FROM \(place)", in: store)[0][0].asInt == 4)
        }
        for name in ["", "nowhere.again", "a.b.c", ".again", "other.", String(repeating: "x", count: 64)] {
            let result = try restore(name)
            #expect(result.status == 64, "\(name): \(result.standardError)")
            #expect(!result.standardError.contains("SQLSTATE"), "\(result.standardError)")
        }
        #expect(try restore("other.again").errorCode == "table-exists")
    }
}
