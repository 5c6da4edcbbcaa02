import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Script files whose bytes or kind are not what they should be, and two that may be as they are.
@Suite struct BadFileTests {
    private let good = script("0001", up: "CREATE TABLE a (id integer);", down: "DROP TABLE a;")

    @Test func `Line endings and a BOM do not change a script's checksum`() throws {
        let bench = try Bench(.sqlite, ["0001_a.sql": good])
        try bench.perform(["upgrade head"])
        for text in [good.replacingOccurrences(of: "\n", with: "\r\n"), "\u{FEFF}" + good] {
            try bench.change(["0001_a.sql": text])
            try bench.perform(["upgrade head", "verify"])
        }
    }

    @Test func `Text that is not UTF-8 is exit 65 with its place`() throws {
        let bench = try Bench(.sqlite, ["0001_a.sql": good])
        let bytes = Data(good.utf8) + [0x2D, 0x2D, 0x20, 0xFF, 0x0A]
        try bytes.write(to: URL(fileURLWithPath: bench.migrations + "/sqlite/0001_a.sql"))
        let result = try bench.run("upgrade head")
        #expect(result.status == 65, "\(result.standardError)")
        #expect(result.standardError.contains("0001_a.sql:8:4"), "\(result.standardError)")
        #expect(result.standardError.contains("UTF-8"), "\(result.standardError)")
    }

    @Test func `A script that leads out of the folder is exit 65`() throws {
        let bench = try Bench(.sqlite, ["0001_a.sql": good])
        let outside = try bench.folder.write(
            script("0002", revises: "0001", up: "SELECT 1;"), to: "outside.sql")
        try FileManager.default.createSymbolicLink(
            atPath: bench.migrations + "/sqlite/0002_b.sql", withDestinationPath: outside)
        let result = try bench.run("upgrade head")
        #expect(
            result.status == 65 && result.standardError.contains("0002_b.sql"), "\(result.standardError)")
        expectPlainWords(result.standardError)
    }

    @Test func `A dialect's folder that leads out of the folder is exit 65`() throws {
        let bench = try Bench(.sqlite)
        try bench.folder.write(good, to: "elsewhere/0001_a.sql")
        let own = bench.migrations + "/sqlite"
        try FileManager.default.removeItem(atPath: own)
        try FileManager.default.createSymbolicLink(
            atPath: own, withDestinationPath: bench.folder.file("elsewhere"))
        let result = try bench.run("upgrade head")
        #expect(result.status == 65 && result.errorCode == "script-outside-folder", "\(result.standardError)")
        #expect(result.standardError.contains("/migrations/sqlite"), "\(result.standardError)")
        #expect(!(try bench.store.state().contains("TABLE a")))
        // The folder given may be a link itself: it was named.
        try FileManager.default.removeItem(atPath: own)
        try bench.folder.write(good, to: "real/sqlite/0001_a.sql")
        try FileManager.default.removeItem(atPath: bench.migrations)
        try FileManager.default.createSymbolicLink(
            atPath: bench.migrations, withDestinationPath: bench.folder.file("real"))
        try bench.perform(["upgrade head"])
    }

    @Test func `A FIFO among the scripts is exit 65, at once`() throws {
        let bench = try Bench(.sqlite, ["0001_a.sql": good])
        #expect(mkfifo(bench.migrations + "/sqlite/0002_b.sql", 0o600) == 0)
        let result = try bench.start("upgrade head").wait(timeout: .seconds(10))
        #expect(!result.wasTimedOut && result.status == 65, "\(result.standardError)")
        expectPlainWords(result.standardError)
    }
}
