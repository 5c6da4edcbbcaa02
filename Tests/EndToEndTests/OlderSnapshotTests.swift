import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Transactions that look at the database as it was before a copy in one transaction (ONLINE.md H13).
@Suite struct OlderSnapshotTests {
    private struct Setting {
        let store: PostgreSQLStore
        let scripts: ShippedScripts

        init() throws {
            store = try PostgreSQLStore()
            try store.run(RoundTripTests.fixture("shape1", .postgresql))
            try store.run(sampleMessages)
            scripts = try ShippedScripts(strategy: "copy")
            try migrate("stamp", "0001").checked()
        }

        func migrate(_ arguments: String...) throws -> CommandResult {
            try MigratorBinary.run(["--database", store.url, "--migrations", scripts.path] + arguments)
        }
    }

    @Test(arguments: ["REPEATABLE READ", "SERIALIZABLE"])
    func `who will find the new table empty is waited for, then named`(_ isolation: String) throws {
        let setting = try Setting()
        let reader = try setting.store.database.session()
        defer { reader.close() }
        try reader.execute("SET application_name = 'nightly report'; BEGIN ISOLATION LEVEL \(isolation)")
        let pid = try reader.scalar("SELECT pg_backend_pid()").asInt ?? 0
        let upgraded = try setting.migrate("upgrade", "0002", "--mode", "window", "--lock-timeout", "1s")
        #expect(upgraded.status == 0, "\(upgraded.standardError)")
        let warning = upgraded.standardError.split(separator: "\n").first {
            $0.contains("will find \"messages\" empty")
        }
        #expect(warning?.contains("server process \(pid)") == true, "\(upgraded.standardError)")
        #expect(warning?.contains("application \"nightly report\"") == true)
        // It is so indeed, and only for this transaction.
        #expect(try reader.scalar("SELECT count(*) FROM messages").asInt == 0)
        try reader.execute("COMMIT")
        #expect(try reader.scalar("SELECT count(*) FROM messages").asInt ?? 0 > 0)

        try reader.execute("BEGIN ISOLATION LEVEL \(isolation)")
        _ = try reader.scalar("SELECT 1 FROM pg_class LIMIT 1")
        let back = try setting.migrate("downgrade", "0001", "--mode", "window", "--lock-timeout", "1s")
        #expect(
            back.status == 0 && back.standardError.contains("will find \"direct_messages\" empty"),
            "\(back.standardError)")
        #expect(try reader.scalar("SELECT count(*) FROM direct_messages").asInt == 0)
        try reader.execute("COMMIT")
    }

    @Test func `who ends in time is not named, and sees every row afterwards`() throws {
        let setting = try Setting()
        let reader = try setting.store.database.session()
        defer { reader.close() }
        try reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        _ = try reader.scalar("SELECT 1 FROM pg_class LIMIT 1")
        let running = try MigratorBinary.start(
            [
                "--database", setting.store.url, "--migrations", setting.scripts.path, "upgrade", "0002", "--mode",
                "window",
            ])
        #expect(running.waitForStandardError("waiting for transactions that began before"))
        try reader.execute("COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ")
        let upgraded = try running.wait()
        #expect(upgraded.status == 0 && !upgraded.standardError.contains("empty"), "\(upgraded.standardError)")
        #expect(try reader.scalar("SELECT count(*) FROM messages").asInt ?? 0 > 0)
    }

    @Test func `a transaction that takes a new snapshot for each statement is not waited for`() throws {
        let setting = try Setting()
        let reader = try setting.store.database.session()
        defer { reader.close() }
        try reader.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        // By the simple protocol, which leaves no cursor open.
        try reader.execute("SELECT 1 FROM pg_class LIMIT 1")
        let upgraded = try setting.migrate("upgrade", "0002", "--mode", "window").checked()
        #expect(!upgraded.standardError.contains("began before") && !upgraded.standardError.contains("empty"))
        #expect(try reader.scalar("SELECT count(*) FROM messages").asInt ?? 0 > 0)
    }
}
