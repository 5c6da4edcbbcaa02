import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Writers under `session_replication_role = replica`, for whom no ordinary trigger fires: what they write while tables
/// change places is there afterwards.
@Suite struct ReplicaRoleTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var strategy: String
        var isBack = false
        /// Where the write goes to while the command runs.
        var table: String
        /// What is read afterwards, from where that is kept.
        var kept: String
        /// Whether `verify` sees that the write is missing; else nothing but a registered backup has it.
        var isVerified = false
        var kind: String { isBack ? strategy == "copy" ? "follower" : "archive" : "move" }
        var column: String { strategy == "rename" ? "updated_at" : "content" }
        var testDescription: String { "\(strategy)\(isBack ? ", back" : "")" }
    }

    static let ways = [
        Way(strategy: "copy", table: "direct_messages", kept: "content FROM messages", isVerified: true),
        Way(strategy: "copy", isBack: true, table: "messages", kept: "content FROM direct_messages"),
        Way(
            strategy: "rename", isBack: true, table: "messages",
            kept: "extract(year FROM updated_at) FROM messages_columns_backup"),
    ]

    /// Between the last comparison and the cut-over, for which a reader makes the migrator wait. The row is none of the
    /// newest thousand, which are looked at once more.
    @Test(arguments: ways, [false, true])
    func `what is written under the replica role right before a cut-over is there`(_ way: Way, isLeftOut: Bool) throws {
        let setting = try Setting(way)
        let running = try setting.start(isLeftOut: isLeftOut)
        try setting.write(isReplica: true)
        try setting.release()
        let result = try running.wait()
        // Nobody has noticed, which is the point of it.
        #expect(result.status == 0, "\(result.standardError)")
        #expect((try setting.kept() == "2001\n") == !isLeftOut)
        let isFound = try setting.migrate("verify").status == 2
        #expect(isFound == (isLeftOut && way.isVerified))
    }

    /// As a tool does that loads rows; or by mistake.
    static let breakages = [
        "ALTER TABLE {table} DISABLE TRIGGER USER", "ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}",
        "DROP TRIGGER {trigger} ON {table}", "DROP FUNCTION migrator.{trigger} CASCADE",
        "ALTER TRIGGER {trigger} ON {table} RENAME TO other; ALTER TABLE {table} DISABLE TRIGGER other",
        "CREATE OR REPLACE FUNCTION migrator.{trigger}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        """
        DROP TRIGGER {trigger} ON {table};
        CREATE TRIGGER {trigger} AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION migrator.{trigger}()
        """,
    ]

    @Test(arguments: ways, breakages + ["off and on"])
    func `a trigger that was off for a moment stops the cut-over`(_ way: Way, _ breakage: String) throws {
        let setting = try Setting(way)
        let running = try setting.start()
        let isOnAgain = breakage == "off and on"
        try setting.breakTrigger(isOnAgain ? Self.breakages[0] : breakage)
        try setting.write()
        try setting.holder.execute("DELETE FROM \(way.table) WHERE id = 7")
        if isOnAgain { try setting.holder.execute("ALTER TABLE \(way.table) ENABLE TRIGGER USER") }
        try setting.release()
        let stopped = try running.wait()
        #expect(stopped.status == 2 && stopped.errorCode == "trigger-off", "\(stopped.standardError)")
        let again = try setting.migrate(setting.command + ["--mode", "online"])
        #expect(again.status == 2 && again.errorCode == "content-differs", "\(again.standardError)")
        for text in [" 5: ", " 7: the row should not be there"] {
            #expect(again.standardError.contains(text), "\(again.standardError)")
        }
        #expect(again.standardError.contains("they are made again") == !isOnAgain, "\(again.standardError)")
        // As the hint says.
        let copy = try #require(again.standardError.firstMatch(of: /DELETE in (\S+) by hand/)?.1)
        try setting.store.run(
            "UPDATE \(way.table) SET content = content WHERE id = 5; DELETE FROM \(copy) WHERE id = 7")
        try setting.migrate(setting.command).checked()
        #expect(try setting.kept() == "2001\n")
        try setting.migrate("verify").checked()
        let left = "SELECT count(*) FROM pg_proc WHERE proname LIKE '%\(way.kind)'"
        #expect(try way.kind == "move" || setting.store.database.psql(left) == "0\n")
    }

    @Test(arguments: ways) func `a table that is rewritten behind the comparison is compared again`(_ way: Way) throws {
        let setting = try Setting(way)
        let running = try setting.start()
        try setting.holder.execute("CLUSTER \(way.table) USING \(way.table)_pkey")
        try setting.write()
        try setting.release()
        let stopped = try running.wait()
        #expect(stopped.status == 2 && stopped.errorCode == "rows-replaced", "\(stopped.standardError)")
        try setting.migrate(setting.command).checked()
        #expect(try setting.kept() == "2001\n")
    }

    /// Whoever takes an upgrade back has not to mend its triggers first.
    @Test(arguments: breakages) func `an upgrade whose trigger is broken can be taken back`(_ breakage: String) throws {
        let setting = try Setting(Self.ways[0])
        let running = try setting.start()
        try setting.breakTrigger(breakage)
        try setting.write()
        try setting.release()
        #expect(try running.wait().errorCode == "trigger-off")
        try setting.migrate("downgrade", "-1").checked()
        #expect(try setting.store.database.psql("SELECT content FROM direct_messages WHERE id = 5") == "2001\n")
        try setting.migrate("upgrade", "0002").checked()
        #expect(try setting.kept() == "2001\n")
    }

    @Test func `a follower whose trigger is gone is not relied on`() throws {
        let setting = try Setting(Self.ways[1])
        try setting.breakTrigger("DROP TRIGGER {trigger} ON {table}")
        try setting.store.run("UPDATE messages SET content = '2001' WHERE id = 5")
        let refused = try setting.migrate(setting.command)
        #expect(refused.status == 2 && refused.errorCode == "trigger-off", "\(refused.standardError)")
        #expect(refused.standardError.contains("--mode window"), "\(refused.standardError)")
        try setting.migrate(setting.command + ["--mode", "window"]).checked()
        #expect(try setting.kept() == "2001\n")
    }

    /// What stays behind leaves such writers alone: a subscriber with the same tables gets both rows from its publisher.
    @Test func `a trigger that lasts does not fire under the replica role`() throws {
        for strategy in ["copy", "rename"] {
            let store = try PostgreSQLStore()
            let scripts = try ShippedScripts(strategy: strategy)
            for line in ["0001", strategy == "copy" ? "0002" : "head"] {
                try EndToEndTests.migrate(["upgrade", line], on: store, migrations: scripts.path).checked()
            }
            let states = try store.database.psql(
                "SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname LIKE 'migrator%' AND NOT tgisinternal")
            #expect(states == "O\n")
        }
    }

    /// 3,000 messages, and a reader whose transaction stands in the way of the cut-over.
    private struct Setting {
        let way: Way
        let store: PostgreSQLStore
        let scripts: ShippedScripts
        let holder: PostgreSQLSession
        var command: [String] { way.isBack ? ["downgrade", "0001"] : ["upgrade", "0002"] }

        init(_ way: Way) throws {
            self.way = way
            store = try PostgreSQLStore()
            try store.run(RoundTripTests.fixture("shape1", .postgresql))
            try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 3000))
            scripts = try ShippedScripts(strategy: way.strategy)
            holder = try store.database.session()
            try migrate("stamp", "0001").checked()
            guard way.isBack else { return }
            try migrate("upgrade", "0002").checked()
            // So that there is something to keep in any case.
            try store.run("UPDATE messages SET updated_at = now() WHERE id = 7")
        }

        /// Starts the command, and returns when it waits for the reader.
        func start(isLeftOut: Bool = false) throws -> RunningCommand {
            try holder.execute("BEGIN; SELECT FROM \(way.table) LIMIT 1")
            let running = try MigratorBinary.start(
                ["--database", store.url, "--migrations", scripts.path] + command + ["--mode", "online"],
                environment: isLeftOut ? ["MIGRATOR_LEAVE_OUT": "replica-role"] : [:])
            guard running.waitForStandardError("is held by server process \(holder.backendPID)") else {
                throw CommandError(message: "it did not wait")
            }
            return running
        }

        /// By the reader itself, whose lock keeps others from dropping a trigger.
        func write(isReplica: Bool = false) throws {
            let value = way.strategy == "rename" ? "'2001-02-03'" : "'2001'"
            if isReplica { try holder.execute("SET LOCAL session_replication_role = replica") }
            try holder.execute("UPDATE \(way.table) SET \(way.column) = \(value) WHERE id = 5")
        }

        func kept() throws -> String { try store.database.psql("SELECT \(way.kept) WHERE id = 5") }

        func breakTrigger(_ how: String) throws {
            let name = try store.database.psql(
                """
                SELECT quote_ident(tgname) FROM pg_trigger
                WHERE tgrelid = '\(way.table)'::regclass AND tgname LIKE '%\(way.kind)' AND NOT tgisinternal
                """
            ).trimmingCharacters(in: .whitespacesAndNewlines)
            try holder.execute(
                how.replacingOccurrences(of: "{table}", with: way.table)
                    .replacingOccurrences(of: "{trigger}", with: name))
        }

        func release() throws {
            try holder.execute("COMMIT")
            holder.close()
        }

        func migrate(_ arguments: String...) throws -> CommandResult { try migrate(arguments) }

        func migrate(_ arguments: [String]) throws -> CommandResult {
            try MigratorBinary.run(["--database", store.url, "--migrations", scripts.path] + arguments)
        }
    }
}
