import Foundation
import MigratorDatabase
import MigratorTestSupport
import Synchronization

/// An application's connection that sends, replies, attaches, reads, edits and deletes, and remembers what the server
/// has acknowledged. Everybody writes to messages of their own alone, so that what must be there is known.
final class ChatWriter: @unchecked Sendable {
    /// Which names the code knows.
    enum Side: String, Sendable {
        /// `direct_messages`, be it a table or a view.
        case old
        /// `messages` where it is there, else the old name.
        case new
        /// `enhanced_messages` and `message_status`, from 0003 on.
        case enhanced
    }

    /// What a message must look like.
    struct Message: Equatable {
        var content: String
        var isRead = false
        var isDeletedBySender = false
        var parent: Int?
        var attachments = 0
    }

    struct Report: Sendable {
        var acknowledged = 0
        /// Errors that a client may see and try again, by SQLSTATE.
        var retried: [String: Int] = [:]
        /// Connections lost.
        var lost = 0
        var longest: Duration = .zero
        /// Errors that must not be.
        var failures: [String] = []
    }

    let number: Int
    let side: Side
    let isolation: String
    private let database: TestDatabase
    private var random: SystemRandomNumberGenerator = .init()
    private var session: PostgreSQLSession?
    private var sequence = 0
    private let isStopped = Atomic<Bool>(false)

    /// Acknowledged, by id.
    private(set) var messages: [Int: Message] = [:]
    private(set) var deleted: Set<Int> = []
    /// Written when the connection was lost: each may look like any of these, nil for not being there.
    private(set) var uncertain: [Int: [Message?]] = [:]
    /// Sent when the connection was lost.
    private(set) var uncertainlySent: Set<String> = []
    private(set) var report = Report()

    init(number: Int, side: Side, isolation: String, database: TestDatabase) {
        self.number = number
        self.side = side
        self.isolation = isolation
        self.database = database
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    func run() {
        while !isStopped.load(ordering: .relaxed) {
            perform(Operation.allCases.randomElement(using: &random) ?? .send)
            usleep(UInt32.random(in: 200...6000))
        }
        session?.close()
        session = nil
    }

    enum Operation: CaseIterable {
        case send, sendAgain, reply, attach, read, edit, softDelete, hardDelete, threeAtOnce
    }

    // MARK: One operation, until it is acknowledged or lost

    private func perform(_ operation: Operation) {
        sequence += 1
        let token = "w\(number)-\(sequence)"
        let own = messages.keys.filter { uncertain[$0] == nil }.randomElement(using: &random)
        for _ in 0..<200 {
            if isStopped.load(ordering: .relaxed) { return }
            var next = messages
            var gone: [Int] = []
            var touched: [Int] = []
            var sent: [String] = []
            let start = ContinuousClock.now
            var isCommitting = false
            do {
                let session = try connected()
                let table = try tableName(session)
                try session.execute("BEGIN ISOLATION LEVEL \(isolation)")
                try write(
                    operation, token: token, own: own, table: table, session: session, next: &next, gone: &gone,
                    touched: &touched, sent: &sent)
                isCommitting = true
                try session.execute("COMMIT")
                messages = next
                deleted.formUnion(gone)
                report.acknowledged += 1
                report.longest = max(report.longest, ContinuousClock.now - start)
                return
            } catch {
                report.longest = max(report.longest, ContinuousClock.now - start)
                guard let error = error as? DatabaseError else {
                    report.failures.append("\(error)")
                    return
                }
                let state = error.sqlState ?? ""
                if error.kind == .connectionLost || ["57P01", "57P02", "57P03", "08006", "08003"].contains(state) {
                    report.lost += 1
                    session?.close()
                    session = nil
                    guard isCommitting else { continue }
                    for id in touched { uncertain[id] = [messages[id], gone.contains(id) ? nil : next[id]] }
                    uncertainlySent.formUnion(sent)
                    return
                }
                session?.rollback()
                if ["40001", "40P01", "55P03"].contains(state) {
                    report.retried[state, default: 0] += 1
                    usleep(UInt32.random(in: 500...5000))
                    continue
                }
                // The name changes hands at the cut-over; who looks for the new one finds the old.
                if state == "42P01", side != .old { continue }
                report.failures.append("\(side) \(operation): \(state) \(error.message)")
                return
            }
        }
        report.failures.append("\(operation) could not be done in 200 attempts: \(report.retried)")
    }

    private func connected() throws -> PostgreSQLSession {
        if let session { return session }
        let session = try database.session()
        self.session = session
        return session
    }

    private func tableName(_ session: PostgreSQLSession) throws -> String {
        guard side == .new else { return side == .old ? "direct_messages" : "enhanced_messages" }
        // Before the cut-over the new table is nobody's but the tool's.
        let isOld = try session.scalar(
            "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.direct_messages') AND relkind = 'r')"
        ).asBool
        return isOld ? "direct_messages" : "messages"
    }

    private func write(
        _ operation: Operation, token: String, own: Int?, table: String, session: PostgreSQLSession,
        next: inout [Int: Message], gone: inout [Int], touched: inout [Int], sent: inout [String]
    ) throws {
        func send(_ token: String, parent: Int?) throws -> Int {
            sent.append(token)
            let sender = 1 + number % 50
            let recipient = 1 + (number + 1 + sequence % 7) % 50
            let id: Int?
            if side == .enhanced {
                try session.run(
                    """
                    INSERT INTO conversations (user_lo, user_hi) VALUES (least($1::int, $2::int), greatest($1::int, $2::int))
                    ON CONFLICT (user_lo, user_hi) DO NOTHING
                    """, [SQLValue(sender), SQLValue(recipient)])
                id = try session.query(
                    """
                    INSERT INTO enhanced_messages (conversation_id, sender_id, content, reply_to_id)
                    SELECT c.id, $1::int, $3, $4::int FROM conversations c
                    WHERE c.user_lo = least($1::int, $2::int) AND c.user_hi = greatest($1::int, $2::int) RETURNING id
                    """, [SQLValue(sender), SQLValue(recipient), .text(token), SQLValue(parent)]
                ).first?[0].asInt
            } else {
                id = try session.query(
                    "INSERT INTO \(table) (sender_id, recipient_id, content, reply_to_id) VALUES ($1, $2, $3, $4) RETURNING id",
                    [SQLValue(sender), SQLValue(recipient), .text(token), SQLValue(parent)]
                ).first?[0].asInt
            }
            guard let id else { throw CommandError(message: "no id came back") }
            if messages[id] != nil || deleted.contains(id) { throw CommandError(message: "the id \(id) came back") }
            next[id] = Message(content: token, parent: parent)
            touched.append(id)
            return id
        }
        func update(_ id: Int, _ assignment: String, _ change: (inout Message) -> Void) throws {
            touched.append(id)
            let rows = try session.run("UPDATE \(table) SET \(assignment) WHERE id = $1", [SQLValue(id)])
            guard rows == 1 else { throw CommandError(message: "\(table) \(id) is not there to be written: \(rows)") }
            if var message = next[id] {
                change(&message)
                next[id] = message
            }
        }
        func attach(_ id: Int) throws {
            touched.append(id)
            try session.run(
                "INSERT INTO attachments (direct_message_id, owner_id, s3_key) VALUES ($1, 1, $2)",
                [SQLValue(id), .text("s3/\(token)")])
            next[id]?.attachments += 1
        }
        switch operation {
        case .send, .sendAgain: _ = try send(token, parent: nil)
        case .reply: _ = try send(token, parent: own)
        case .attach: if let own { try attach(own) }
        case .read:
            guard let own else { return }
            if side == .enhanced {
                touched.append(own)
                let rows = try session.run(
                    "UPDATE message_status SET status = 'read', read_at = now() WHERE message_id = $1", [SQLValue(own)])
                guard rows == 1 else { throw CommandError(message: "the status of \(own) is not there") }
                next[own]?.isRead = true
            } else {
                try update(own, "read_at = now()") { $0.isRead = true }
            }
        case .edit:
            guard let own else { return }
            let edited = side == .enhanced ? ", edited_at = clock_timestamp()" : ""
            try update(own, "content = '\(token)'\(edited)") { $0.content = token }
        case .softDelete:
            guard let own, side != .enhanced else { return }
            try update(own, "is_deleted_by_sender = true") { $0.isDeletedBySender = true }
        case .hardDelete:
            guard let own else { return }
            touched.append(own)
            try session.run("DELETE FROM \(table) WHERE id = $1", [SQLValue(own)])
            next[own] = nil
            gone.append(own)
            for (id, message) in next where message.parent == own {
                next[id]?.parent = nil
                touched.append(id)
            }
        case .threeAtOnce:
            let id = try send(token, parent: own)
            try attach(id)
            try update(id, "content = '\(token)+'") { $0.content = token + "+" }
            sent.append(token + "+")
        }
    }
}
