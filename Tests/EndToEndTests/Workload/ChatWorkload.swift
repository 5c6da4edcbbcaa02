import Foundation
import MigratorDatabase
import MigratorTestSupport

/// Writers beside a migration, and the comparison of what is there with what was acknowledged.
final class ChatWorkload {
    /// What the writers connect as; it has the application's privileges and no others.
    static let role = "chat_writer"

    let database: TestDatabase
    /// The test's own, which nobody cuts.
    let session: PostgreSQLSession
    let registry: ChatRegistry
    private(set) var writers: [ChatWriter] = []
    private let gate = ChatGate()
    private let hashes: [Int: String]
    private let users: Set<Int>
    private let toleratesOldSnapshots: Bool

    /// - Parameter toleratesOldSnapshots: for a window, whose copy an older snapshot does not see (ONLINE.md H13).
    init(database: TestDatabase, toleratesOldSnapshots: Bool = false) throws {
        self.database = database
        self.toleratesOldSnapshots = toleratesOldSnapshots
        session = try PostgreSQLSession(PostgreSQLLocator(database.url), applicationName: "workload")
        // Roles belong to the whole server, where other tests may be doing the same.
        try session.execute(
            """
            DO $$ BEGIN CREATE ROLE \(Self.role) LOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
            """)
        let table = "public.direct_messages"
        let last = try session.scalar(
            "SELECT greatest((SELECT max(id) FROM \(table)), last_value) FROM direct_messages_id_seq")
        registry = ChatRegistry(last: last.asInt ?? 0)
        hashes = try ChatSnapshot.hashes(session, upTo: registry.last)
        users = Set(try session.query("SELECT id FROM users").compactMap { $0[0].asInt })
        // What stands in 0001; a switch carries it over by itself.
        try grant(
            "users, direct_messages, attachments", sequences: "users_id_seq, direct_messages_id_seq, attachments_id_seq"
        )
    }

    func grant(_ tables: String, sequences: String? = nil) throws {
        try session.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON \(tables) TO \(Self.role)")
        if let sequences { try session.execute("GRANT USAGE ON SEQUENCE \(sequences) TO \(Self.role)") }
    }

    /// Takes the new tables' grants back, which are no part of what the revisions made.
    func revoke(_ tables: String) throws {
        try session.execute("REVOKE ALL ON \(tables) FROM \(Self.role)")
    }

    /// Starts as many writers of each side; every isolation level is there.
    func start(_ count: Int, _ side: ChatWriter.Side) {
        let levels = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"]
        for index in 0..<count {
            let writer = ChatWriter(
                number: writers.count, side: side, isolation: levels[index % levels.count], database: database,
                registry: registry, gate: gate, toleratesOldSnapshots: toleratesOldSnapshots)
            writers.append(writer)
            gate.enter(side)
            let thread = Thread { [gate] in
                writer.run()
                gate.leave(side)
            }
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    // MARK: Quiet

    /// Holds writers back; they finish what they are at.
    func hold(_ sides: Set<ChatWriter.Side>) throws {
        guard !gate.close(sides) else { return }
        throw CommandError(message: "a writer does not come to an end: \(try activity())")
    }

    func release(_ sides: Set<ChatWriter.Side>) { gate.open(sides) }

    /// What must not be, at a moment when nobody writes.
    func faultsInQuiet() throws -> [String] {
        let open = Set(ChatWriter.Side.allCases).subtracting(gate.closedSides)
        try hold(open)
        defer { release(open) }
        return try faults()
    }

    func stop() throws {
        guard !gate.end() else { return }
        throw CommandError(message: "a writer does not come to an end: \(try activity())")
    }

    private func activity() throws -> String {
        try session.query(
            "SELECT application_name || ': ' || coalesce(wait_event, '') || ' ' || query AS line FROM pg_stat_activity WHERE datname = current_database()"
        ).compactMap { $0.text("line") }.joined(separator: "\n")
    }

    // MARK: Looking

    /// What must not be, a line each, while nobody writes: a write that was acknowledged and is not there, one that is
    /// there and was not made, a reply or an attachment that points elsewhere, an id that came back.
    func faults() throws -> [String] {
        var faults = writers.flatMap { writer in writer.report.failures.map { "writer \(writer.number): \($0)" } }
        let there = try ChatSnapshot(session)
        faults += there.faults
        var explained = Set(hashes.keys)
        var known = users
        for writer in writers {
            let who = "writer \(writer.number) (\(writer.side), \(writer.isolation)): "
            let sentBlindly = writer.model.uncertain.compactMap(\.sentWithoutID?.content)
            for content in sentBlindly {
                // An id that nobody was told must be new all the same.
                guard let id = there.id(ofContent: content), !registry.issue(id) else { continue }
                faults.append(who + "the id \(id) came back")
            }
            faults += writer.model.resolve(by: there).map { who + $0 }
            faults += writer.model.faults(in: there).map { who + $0 }
            explained.formUnion(writer.model.messages.keys)
            explained.formUnion(writer.model.deleted)
            known.formUnion(writer.model.users)
            known.formUnion(writer.model.deletedUsers)
        }
        faults += there.messages.filter { !explained.contains($0.key) }.map {
            "\($0.key) is there and nobody wrote it: \($0.value)"
        }
        faults += there.users.subtracting(known).map { "user \($0) is there and nobody made it" }
        let now = try ChatSnapshot.hashes(session, upTo: registry.last)
        for (id, hash) in hashes where now[id] != hash {
            faults.append("\(id), which nobody wrote, is \(now[id] == nil ? "gone" : "changed")")
        }
        return faults
    }

    // MARK: Cutting

    enum Victim { case migrator, writer }

    /// Ends a connection of the kind; one that is in the middle of something if there is one.
    /// - Returns: whether there was one.
    func cut(_ victim: Victim) throws -> Bool {
        let name = victim == .migrator ? "= 'migrator'" : "LIKE 'writer %'"
        let found = try session.scalar(
            """
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND application_name \(name) AND state IS NOT NULL
            ORDER BY state <> 'active', random() LIMIT 1
            """
        ).asInt
        guard let found else { return false }
        registry.cut(found)
        return try session.scalar("SELECT pg_terminate_backend(\(found))").asBool
    }

    // MARK: Figures

    var acknowledged: Int { writers.reduce(0) { $0 + $1.report.acknowledged } }
    var longest: Duration { writers.map(\.report.longest).max() ?? .zero }

    var summary: String {
        let retried = writers.reduce(into: [String: Int]()) { $0.merge($1.report.retried, uniquingKeysWith: +) }
        let each = writers.map { writer in
            "\(writer.number) \(writer.side) \(writer.isolation): \(writer.report.acknowledged) acknowledged, longest "
                + "\(writer.report.longest.formatted(.units(allowed: [.milliseconds]))) in "
                + writer.report.longestStatement.prefix(60).replacingOccurrences(of: "\n", with: " ")
        }
        let lost = writers.reduce(0) { $0 + $1.report.lost }
        return "\(acknowledged) writes acknowledged, \(lost) connections cut, retried \(retried)\n  "
            + each.joined(separator: "\n  ")
    }
}
