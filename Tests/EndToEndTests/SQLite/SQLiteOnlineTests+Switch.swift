import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// What stands on either table of a switch: triggers of the script's own, other unique columns than the key.
extension SQLiteOnlineTests {
    /// A trigger that the script makes on the new table before the switch: it comes off while the rows are brought over
    /// under another name, and is there as it was written at the cut-over.
    @Test func `a trigger on the new table is there after the cut-over`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("migrations")
        try FileManager.default.copyItem(atPath: MigratorBinary.packageFolder + "/migrations/sqlite", toPath: path)
        let file = path + "/0002_direct_messages_to_messages.sql"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let mark = "-- migrator:switch direct_messages -> messages"
        let trigger = """
            CREATE TRIGGER messages_edited AFTER UPDATE OF content ON messages BEGIN
                UPDATE messages SET updated_at = '2025-01-01' WHERE id = NEW.id;
            END;
            """
        try text.replacingOccurrences(of: mark, with: trigger + "\n" + mark).write(
            toFile: file, atomically: true, encoding: .utf8)
        func run(_ command: [String], on store: any Store, environment: [String: String] = [:]) throws -> CommandResult
        {
            try migrate(command, on: store, environment: environment, migrations: path)
        }
        let start = try Self.makeStore(400)
        let window = try start.copy()
        try run(["upgrade", "0002", "--mode", "window"], on: window).checked()
        let wanted = try RoundTripTests.schema(of: window)
        let before = try RoundTripTests.schema(of: start)
        let online = ["upgrade", "0002", "--mode", "online"]
        let counted = try run(online, on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        for commit in 1...commits {
            let store = try start.copy()
            let killed = try run(online, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(commit)"])
            #expect(killed.status == 128 + SIGKILL)
            let undone = try store.copy()
            let back = try run(["downgrade", "0001"], on: undone)
            #expect(back.status == 0, "after \(commit): \(back.standardError)")
            #expect(try RoundTripTests.schema(of: undone) == before, "after \(commit)")
            let again = try run(online, on: store)
            #expect(again.status == 0, "after \(commit): \(again.standardError)")
            #expect(try RoundTripTests.schema(of: store) == wanted, "after \(commit)")
            try store.run("UPDATE messages SET content = 'edited' WHERE id = 5")
            let edited = try RoundTripTests.query(
                "SELECT count(*) FROM messages WHERE updated_at IS NOT NULL", in: store)
            #expect(edited[0][0].asInt == 1)
            try run(["downgrade", "0001", "--mode", "online"], on: store).checked()
            #expect(try RoundTripTests.schema(of: store) == before, "after \(commit)")
        }
    }

    /// A row that goes because another one takes its place by another unique column: no trigger for deletions learns of
    /// it, unless the application has turned `recursive_triggers` on.
    @Test(arguments: [false, true])
    func `a row that is replaced by another unique column is gone on the other side too`(
        _ isRecursive: Bool
    ) throws {
        let store = try Self.makeStore(300)
        try store.run("CREATE UNIQUE INDEX one_each ON direct_messages (sender_id, created_at, content COLLATE NOCASE)")
        let folder = try TemporaryFolder()
        try folder.write("", to: "postpone")
        let running = try MigratorBinary.start([
            "--database", store.url, "--migrations", "\(MigratorBinary.packageFolder)/migrations", "upgrade", "0002",
            "--mode", "online", "--postpone-cut-over", folder.file("postpone"),
        ])
        #expect(running.waitForStandardError("ready to cut over"))
        let session = try store.session()
        let columns = """
            INTO direct_messages (sender_id, recipient_id, created_at, id, content) VALUES (1, 2, '2030-01-01'
            """
        // Replaced by an INSERT, by an UPDATE, and not at all.
        try session.execute(
            """
            PRAGMA recursive_triggers = \(isRecursive ? 1 : 0);
            INSERT \(columns), 90001, 'Row 1');
            INSERT \(columns), 90002, 'Row 2');
            INSERT \(columns), 90003, 'Row 3');
            INSERT OR REPLACE \(columns), 90010, 'ROW 1');
            UPDATE OR REPLACE direct_messages SET content = 'row 2' WHERE id = 90003;
            INSERT OR IGNORE \(columns), 90011, 'row 1');
            INSERT \(columns), 90012, 'row 1') ON CONFLICT DO UPDATE SET recipient_id = 3;
            """)
        session.close()
        try FileManager.default.removeItem(atPath: folder.file("postpone"))
        let result = try running.wait()
        #expect(result.status == 0, "\(result.standardError)")
        let rows = try RoundTripTests.query(
            "SELECT id, recipient_id, content FROM messages WHERE id > 90000 ORDER BY id", in: store
        ).map { $0.values.map { $0.asText ?? "" }.joined(separator: " ") }
        #expect(rows == ["90003 2 row 2", "90010 3 ROW 1"])
        #expect(try migrate(["verify"], on: store).status == 0)
        let leftovers = try RoundTripTests.query(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'migrator%'", in: store)
        #expect(leftovers.isEmpty)
    }
}
