import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

@Suite struct PostgreSQLLoadSignalsTests {
    private func signals(
        _ session: any Session, _ recorder: Recorder = Recorder(), change: (inout RunOptions) -> Void = { _ in }
    ) throws -> PostgreSQLLoadSignals {
        var options = RunOptions()
        // The disk of the machine that runs the tests is no part of them.
        options.ignoredSignals = [.disk]
        change(&options)
        return try PostgreSQLLoadSignals(
            session: session, options: options, reporter: recorder, quoted: { "public.\($0.name)" })
    }

    private let tables = [TableName("gate")]

    @Test func queryPausesWhileARowIsTrueAndWhenItCanNoLongerBeRead() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let session = try database.session()
        let other = try database.session()
        try other.execute("CREATE TABLE gate (stop boolean); INSERT INTO gate VALUES (false), (NULL)")
        let signals = try signals(session) { $0.throttleQuery = "SELECT stop FROM gate -- all of it ;\n ; " }
        #expect(try signals.reasonsToPause(working: tables) == [])
        try other.execute("INSERT INTO gate VALUES (true)")
        #expect(try signals.reasonsToPause(working: tables).map(\.text) == ["the throttle query says so"])
        try other.execute("DELETE FROM gate")
        #expect(try signals.reasonsToPause(working: tables) == [])
        try other.execute("ALTER TABLE gate RENAME TO wall")
        let reason = try signals.reasonsToPause(working: tables)
        #expect(reason.map(\.signal) == [.query])
        #expect(reason.first?.text.hasPrefix("the throttle query can no longer be read: relation") == true)
        try other.execute("ALTER TABLE wall RENAME TO gate")
        #expect(try signals.reasonsToPause(working: tables) == [])
    }

    @Test(arguments: ["SELECT 1", "SELECT FROM nowhere", "DELETE FROM gate", "SELECT 'true'::text", ""])
    func queryThatIsNoneIsRefused(_ query: String) throws {
        let session = try PostgreSQLServer.shared().session()
        defer { session.close() }
        let error = migratorError { _ = try signals(session) { $0.throttleQuery = query } }
        #expect(error?.code == "throttle-query-failed" && error?.status == .usage)
    }

    @Test func whatTheRoleMayNotReadIsNamedOnceAndLeftOut() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let admin = try database.session()
        try admin.execute("CREATE ROLE plain_\(database.name) LOGIN")
        let recorder = Recorder()
        let session = try database.session(user: "plain_\(database.name)")
        let signals = try signals(session, recorder)
        #expect(signals.armed == [.slots])
        #expect(recorder.notes.count == 1)
        for name in ["the replay lag (GRANT pg_monitor would do)", "autovacuum", "the active connections"] {
            #expect(recorder.notes.first?.contains(name) == true)
        }
        #expect(try signals.reasonsToPause(working: tables) == [])
        #expect(recorder.notes.count == 1)
        session.close()
        try admin.execute("DROP ROLE plain_\(database.name)")
    }

    @Test func armedSignalThatBecomesUnreadablePauses() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let admin = try database.session()
        let role = "watcher_\(database.name)"
        try admin.execute("CREATE ROLE \(role) LOGIN; GRANT pg_monitor TO \(role)")
        let session = try database.session(user: role)
        let signals = try signals(session)
        #expect(signals.armed == [.replayLag, .slots, .autovacuum, .connections, .oldestTransaction])
        #expect(try signals.reasonsToPause(working: tables) == [])
        try admin.execute("REVOKE pg_monitor FROM \(role)")
        let reasons = try signals.reasonsToPause(working: tables)
        #expect(reasons.map(\.signal) == [.replayLag, .autovacuum, .connections, .oldestTransaction])
        #expect(reasons[0].text == "the replay lag can no longer be read: GRANT pg_monitor would do")
        try admin.execute("GRANT pg_monitor TO \(role)")
        #expect(try signals.reasonsToPause(working: tables) == [])
        session.close()
        try admin.execute("DROP ROLE \(role)")
    }

    @Test func lostConnectionIsNoSignal() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let session = try database.session()
        let signals = try signals(session)
        try database.psql("SELECT pg_terminate_backend(\(session.backendPID))")
        #expect(throws: DatabaseError.self) { try signals.reasonsToPause(working: tables) }
    }

    /// A server of its own, of which 7 of 10 connections are enough, with a slot and an archiver that fails.
    @Test func connectionsSlotsAndArchivePause() throws {
        let server = try PostgreSQLServer(settings: [
            "max_connections": "12", "superuser_reserved_connections": "0", "archive_mode": "on",
            "archive_command": "false", "max_slot_wal_keep_size": "16MB", "autovacuum": "off",
            "max_wal_senders": "2", "min_wal_size": "32MB", "max_wal_size": "512MB",
            "idle_in_transaction_session_timeout": "0",
        ])
        defer { server.stop() }
        let recorder = Recorder()
        let session = try server.session()
        let signals = try signals(session, recorder)
        #expect(signals.armed.contains(.archive) && recorder.notes == [])
        #expect(try signals.reasonsToPause(working: tables) == [])

        // Idle ones do not count, active ones do.
        let busy = try (0..<9).map { _ in try server.session() }
        #expect(try signals.reasonsToPause(working: tables) == [])
        let handles = busy.map(\.cancelHandle)
        let sleepers = busy.map { SleepingSession(session: $0) }
        for sleeper in sleepers { sleeper.start() }
        let reasons = try poll {
            try signals.reasonsToPause(working: tables)
        } until: {
            !$0.isEmpty
        }
        #expect(reasons.map(\.text) == ["75 % of the connections are active (limit 70 %)"])
        // 70 % of the mark are 49 % of the connections: 6 of 12 are too many still, 5 are not.
        for (index, handle) in handles.prefix(3).enumerated() {
            handle.cancel()
            sleepers[index].join()
        }
        #expect(try signals.reasonsToPause(working: tables).map(\.signal) == [.connections])
        handles[3].cancel()
        sleepers[3].join()
        #expect(try signals.reasonsToPause(working: tables) == [])
        for (index, handle) in handles.enumerated().dropFirst(4) {
            handle.cancel()
            sleepers[index].join()
        }

        let admin = busy[0]
        try admin.execute("CREATE TABLE bulk (t text)")
        _ = try admin.query("SELECT pg_create_physical_replication_slot('left_behind', true)")
        // 4 of the 8 MiB that are half of max_slot_wal_keep_size do not matter.
        try admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 4000000))")
        #expect(try signals.reasonsToPause(working: tables) == [])
        try admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 8000000))")
        let slot = try signals.reasonsToPause(working: tables)
        #expect(slot.map(\.signal) == [.slots])
        #expect(slot.first?.text.hasPrefix("the replication slot left_behind retains 0.0 GiB") == true)
        _ = try admin.query("SELECT pg_drop_replication_slot('left_behind')")
        #expect(try signals.reasonsToPause(working: tables) == [])

        for _ in 0..<43 { try admin.execute("SELECT pg_logical_emit_message(false, 'x', 'x'); SELECT pg_switch_wal()") }
        let queue = try signals.reasonsToPause(working: tables)
        #expect(queue.map(\.signal) == [.archive])
        #expect(queue.first?.text.hasSuffix("WAL files wait to be archived (limit 42)") == true)
        #expect(try self.signals(session) { $0.ignoredSignals = [.archive, .disk] }.reasonsToPause(working: []) == [])
    }

    @Test func archiveQueueIsEstimatedWhereItCannotBeListed() throws {
        let stop = "/tmp/migrator-archive-stops-\(UUID().uuidString)"
        defer { unlink(stop) }
        let server = try PostgreSQLServer(settings: [
            "archive_mode": "on", "archive_command": "test ! -e \(stop)", "autovacuum": "off", "min_wal_size": "32MB",
        ])
        defer { server.stop() }
        let admin = try server.session()
        try admin.execute(
            "CREATE ROLE plain LOGIN; SELECT pg_logical_emit_message(false, 'x', 'x'); SELECT pg_switch_wal()")
        let session = try server.session(user: "plain")
        _ = try poll {
            try admin.scalar("SELECT archived_count FROM pg_stat_archiver").asInt ?? 0
        } until: {
            $0 > 0
        }
        let signals = try signals(session)
        #expect(signals.armed == [.slots, .archive])
        #expect(try signals.reasonsToPause(working: tables) == [])
        try #require(FileManager.default.createFile(atPath: stop, contents: nil))
        for _ in 0..<45 { try admin.execute("SELECT pg_logical_emit_message(false, 'x', 'x'); SELECT pg_switch_wal()") }
        #expect(try signals.reasonsToPause(working: tables).map(\.signal) == [.archive])
    }

    private func poll<Value>(_ body: () throws -> Value, until isEnough: (Value) -> Bool) throws -> Value {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let value = try body()
            if isEnough(value) || ContinuousClock.now > deadline { return value }
            usleep(50_000)
        }
    }
}

/// A connection that is busy until it is cancelled.
private final class SleepingSession: @unchecked Sendable {
    // Only the thread uses the session between `start` and `join`.
    private let session: PostgreSQLSession
    private let end = DispatchSemaphore(value: 0)

    init(session: PostgreSQLSession) { self.session = session }

    func start() {
        Thread.detachNewThread { [self] in
            _ = try? session.query("SELECT pg_sleep(60)")
            end.signal()
        }
    }

    func join() { end.wait() }
}
