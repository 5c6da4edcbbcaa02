import Foundation
import Testing

@testable import MigratorScript

/// A folder of its own, removed when it goes.
private final class Folder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "scripts-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String? = nil) throws {
        let file = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let revision = file.lastPathComponent.prefix { $0 != "_" && $0 != "." }
        let script =
            text
            ?? "-- migrator:revision \(revision)\n-- migrator:revises base\n-- migrator:upgrade\n-- migrator:downgrade\n"
        try Data(script.utf8).write(to: file)
    }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path + "/" + name, withDestinationPath: target)
    }

    func load(_ dialect: Dialect = .sqlite) throws(ScriptError) -> [Script] {
        try ScriptFolder.load(path, shown: "m", dialect: dialect)
    }

    func refusal(_ dialect: Dialect = .sqlite) -> ScriptError? {
        do throws(ScriptError) {
            _ = try load(dialect)
            return nil
        } catch { return error }
    }
}

@Suite struct ScriptFolderTests {
    @Test func `A folder without subfolders is used itself, in the order of names`() throws {
        let folder = try Folder()
        #expect(try folder.load().isEmpty)
        for name in [
            "0002_b.sql", "0001_a.sql", "0010.sql", "notes.txt", ".0003_c.sql", "0001.check.sql",
            "0004_d.sql~",
        ] {
            try folder.write(name)
        }
        for dialect in Dialect.allCases {
            let scripts = try folder.load(dialect)
            #expect(scripts.map(\.revision) == ["0001", "0002", "0010"])
            #expect(scripts.map(\.location.file) == ["m/0001_a.sql", "m/0002_b.sql", "m/0010.sql"])
            #expect(scripts.allSatisfy { $0.dialect == dialect })
        }
        #expect(ScriptFolder.dialects(in: folder.path).isEmpty)
    }

    @Test func `The subfolder of the dialect is taken`() throws {
        let folder = try Folder()
        try folder.write("sqlite/0001_a.sql")
        try folder.write("postgresql/0002_b.sql")
        try folder.write("README.md")
        #expect(try folder.load(.sqlite).map(\.location.file) == ["m/sqlite/0001_a.sql"])
        #expect(try folder.load(.postgresql).map(\.revision) == ["0002"])
        #expect(ScriptFolder.dialects(in: folder.path) == [.postgresql, .sqlite])
    }

    @Test func `Scripts of the other dialect alone are refused`() throws {
        let folder = try Folder()
        try folder.write("postgresql/0001_a.sql")
        let error = folder.refusal(.sqlite)
        #expect(error?.code == "wrong-folder" && error?.location.file == "m")
        #expect(error?.message.contains("PostgreSQL only") == true)
        #expect(error?.hint?.contains("m/sqlite") == true)
    }

    @Test func `A script beside the dialects' folders is refused`() throws {
        let folder = try Folder()
        try folder.write("postgresql/0001_a.sql")
        try folder.write("0002_b.sql")
        for dialect in Dialect.allCases {
            let error = folder.refusal(dialect)
            #expect(error?.code == "wrong-folder" && error?.location.file == "m/0002_b.sql")
        }
    }

    @Test func `A folder that is not there is refused`() throws {
        let folder = try Folder()
        try folder.write("a_file")
        for name in ["/none", "/a_file"] {
            #expect(throws: ScriptError.self) {
                try ScriptFolder.load(folder.path + name, shown: "none", dialect: .sqlite)
            }
        }
    }

    @Test func `A link may lead to a script inside, not out of the folder`() throws {
        let folder = try Folder()
        try folder.write("sub/0001_a.sql")
        try folder.link("0001_a.sql", to: "sub/0001_a.sql")
        #expect(try folder.load().map(\.revision) == ["0001"])
        let other = try Folder()
        try other.write("0002_b.sql")
        try folder.link("0002_b.sql", to: other.path + "/0002_b.sql")
        #expect(folder.refusal()?.code == "script-outside-folder")
        #expect(folder.refusal()?.location.file == "m/0002_b.sql")
    }

    @Test func `The folder that is named may be a link, a dialect's folder in it only to one inside`() throws {
        let folder = try Folder()
        let other = try Folder()
        try other.write("0001_a.sql")
        try folder.link("named", to: other.path)
        #expect(try ScriptFolder.load(folder.path + "/named", shown: "m", dialect: .sqlite).count == 1)
        try FileManager.default.removeItem(atPath: folder.path + "/named")
        try folder.link("sqlite", to: other.path)
        #expect(folder.refusal()?.code == "script-outside-folder")
        #expect(folder.refusal()?.location.file == "m/sqlite")
        try folder.write("real/0001_a.sql")
        try folder.link("postgresql", to: "real")
        #expect(try folder.load(.postgresql).count == 1)
    }

    @Test func `A link to nowhere is refused`() throws {
        let folder = try Folder()
        try folder.link("0001_a.sql", to: "none.sql")
        #expect(folder.refusal()?.code == "unreadable")
    }

    @Test func `A FIFO or a folder in a script's place is refused, not waited for`() throws {
        let pipe = try Folder()
        #expect(mkfifo(pipe.path + "/0001_a.sql", 0o600) == 0)
        #expect(pipe.refusal()?.code == "not-a-regular-file")
        let nested = try Folder()
        try nested.makeFolder("0001_a.sql")
        #expect(nested.refusal()?.code == "not-a-regular-file")
    }

    @Test func `A script beyond 64 MiB is refused unread`() throws {
        let folder = try Folder()
        try folder.write("0001_a.sql")
        #expect(truncate(folder.path + "/0001_a.sql", 64 << 20 + 1) == 0)
        #expect(folder.refusal()?.code == "script-too-large")
    }

    @Test func `Many scripts come in their order, and the first that is wrong is named`() throws {
        let folder = try Folder()
        let names = (1...200).map { "\($0 + 1000)_table.sql" }
        for name in names { try folder.write(name) }
        #expect(try folder.load().map(\.location.file) == names.map { "m/" + $0 })
        try folder.write(names[190], "SELECT 1;\n")
        #expect(folder.refusal()?.location.file == "m/" + names[190])
        try folder.write(names[20], "SELECT 1;\n")
        #expect(folder.refusal()?.location.file == "m/" + names[20])
    }

    @Test func `What is wrong in a file is said with its path`() throws {
        let folder = try Folder()
        try folder.write("sqlite/0001_a.sql", "-- migrator:revision 0001\n-- migrator:nonsense\n")
        let error = folder.refusal()
        #expect(error?.location.description == "m/sqlite/0001_a.sql:2:1")
        #expect(error?.code == "unknown-directive")
    }
}
