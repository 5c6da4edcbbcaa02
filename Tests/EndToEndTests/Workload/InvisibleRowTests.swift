import Foundation
import MigratorTestSupport
import Testing

/// Rows that are to be taken out of the target by a writer who cannot see them there: they have been copied and are not
/// committed yet, or were committed behind its snapshot.
@Suite struct InvisibleRowTests {
    private static let filtered = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Notes that are shown

        -- migrator:upgrade
        CREATE TABLE shown (id integer PRIMARY KEY, body text NOT NULL);
        -- migrator:exceptions notes key=id
        SELECT id, 'it is hidden' AS reason FROM notes WHERE hidden;
        -- migrator:sync notes -> shown key=id mapping=select
        SELECT id, body FROM notes WHERE NOT hidden;

        -- migrator:downgrade
        DROP TABLE shown;
        """

    private static let owned = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message A mark for each note

        -- migrator:upgrade
        CREATE TABLE marks (note_id integer PRIMARY KEY, size integer NOT NULL);
        -- migrator:ensure notes -> marks on=note_id owner=note_id
        SELECT id AS note_id, length(body) AS size FROM notes;

        -- migrator:downgrade
        DROP TABLE marks;
        """

    private static let switched = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:message Notes become entries

        -- migrator:upgrade
        CREATE TABLE entries (id integer PRIMARY KEY, body text NOT NULL UNIQUE, hidden boolean NOT NULL);
        -- migrator:switch notes -> entries key=id strategy=copy

        -- migrator:downgrade
        -- migrator:switch entries -> notes key=id
        """

    /// What is unique beside the key is free for another row as soon as its row is deleted.
    @Test func `a deleted row that was copied stands in nobody's way`() throws {
        let setting = try Setting(Self.switched)
        let running = try setting.start(nil)
        let slow = try setting.store.database.session()
        defer { slow.close() }
        try slow.execute("BEGIN; UPDATE notes SET hidden = true WHERE id = 1100")
        try setting.goOn()
        try setting.waitFor(WaitingBatch.isThere)
        _ = try setting.project.folder.write("", to: "wait")
        let other = try setting.store.database.session()
        defer { other.close() }
        try other.execute("DELETE FROM notes WHERE id = 1500")
        try slow.execute("ROLLBACK")
        try setting.waitFor("SELECT EXISTS (SELECT FROM entries WHERE id = 1501)")
        try other.execute("INSERT INTO notes VALUES (9000, 'note 1500')")
        try setting.goOn()
        try running.wait().checked()
        try setting.verify()
    }

    /// The batch waits for another writer, and has copied the row, if nothing keeps it from that.
    @Test(arguments: [false, true])
    func `a row that leaves the mapping beside its batch is not left behind`(isLeftOut: Bool) throws {
        let setting = try Setting(Self.filtered)
        let running = try setting.start(isLeftOut ? "row-lock" : nil)
        let slow = try setting.store.database.session()
        let other = try setting.store.database.session()
        defer {
            slow.close()
            other.close()
        }
        try slow.execute("BEGIN; UPDATE notes SET body = 'slow' WHERE id = 1500")
        try setting.goOn()
        try setting.waitFor(WaitingBatch.isThere)
        try other.execute("UPDATE notes SET hidden = true WHERE id = 1490")
        try slow.execute("COMMIT")
        try setting.check(running.wait(), key: 1490, isLeftOut: isLeftOut)
    }

    @Test(arguments: [false, true])
    func `a row that leaves the mapping unseen is not left behind`(isLeftOut: Bool) throws {
        let setting = try Setting(Self.filtered)
        let running = try setting.start(isLeftOut ? "guard" : nil)
        let seen = try setting.writeBehind("shown WHERE id", "UPDATE notes SET hidden = true WHERE id = 1500")
        #expect(seen == (isLeftOut ? nil : "40001"))
        try setting.store.run("UPDATE notes SET hidden = true WHERE id = 1501")
        try setting.check(running.wait(), key: isLeftOut ? 1500 : 1501, isLeftOut: isLeftOut)
    }

    @Test(arguments: [false, true])
    func `what belongs to a row goes with it unseen`(isLeftOut: Bool) throws {
        let setting = try Setting(Self.owned)
        let running = try setting.start(isLeftOut ? "guard" : nil)
        let seen = try setting.writeBehind("marks WHERE note_id", "DELETE FROM notes WHERE id = 1500")
        #expect(seen == (isLeftOut ? nil : "40001"))
        try running.wait().checked()
        // Nothing else looks for a row too many.
        let isLeft = "SELECT EXISTS (SELECT FROM marks WHERE note_id NOT IN (SELECT id FROM notes))"
        #expect(try setting.store.database.psql(isLeft) == (isLeftOut ? "t\n" : "f\n"))
    }

    /// 3,000 notes, and an upgrade that waits after its first batch.
    private struct Setting {
        let store: PostgreSQLStore
        let project: Project
        private var arguments: [String] {
            ["--database", store.url, "--migrations", project.folder.file("migrations")]
        }

        init(_ script: String) throws {
            project = try Project(["migrations/postgresql/0001_notes.sql": script, "wait": ""])
            store = try PostgreSQLStore()
            try store.run(
                """
                CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL, hidden boolean NOT NULL DEFAULT false);
                INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 3000) AS n
                """)
        }

        func start(_ leftOut: String?) throws -> RunningCommand {
            let running = try MigratorBinary.start(
                arguments + ["upgrade", "head", "--mode", "online", "--pause-file", project.folder.file("wait")],
                environment: leftOut.map { ["MIGRATOR_LEAVE_OUT": $0] } ?? [:])
            guard running.waitForStandardError("paused") else { throw CommandError(message: "it did not wait") }
            return running
        }

        func goOn() throws { try FileManager.default.removeItem(atPath: project.folder.file("wait")) }

        /// Writes under a snapshot from before row 1,500 was copied.
        /// - Returns: the SQLSTATE that the writer sees; nil for none.
        func writeBehind(_ copy: String, _ write: String) throws -> String? {
            let older = try store.database.session()
            defer { older.close() }
            try older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM notes LIMIT 1")
            try goOn()
            try waitFor("SELECT EXISTS (SELECT FROM \(copy) = 1500)")
            do {
                try older.execute("\(write); COMMIT")
                return nil
            } catch {
                return error.sqlState
            }
        }

        func waitFor(_ condition: String) throws {
            // A batch does not wait for long.
            let observer = try store.database.session()
            defer { observer.close() }
            for _ in 0..<2000 {
                if try observer.scalar(condition).asBool { return }
                usleep(5_000)
            }
            throw CommandError(message: "it did not come to this: \(condition)")
        }

        /// - Parameter key: of the row that was hidden.
        func check(_ result: CommandResult, key: Int, isLeftOut: Bool) throws {
            try WaitingBatch.expectGone(key, from: "shown", of: store, after: result, isLeftOut: isLeftOut)
            if !isLeftOut { try verify() }
        }

        func verify() throws { try MigratorBinary.run(arguments + ["verify"]).checked() }
    }
}
