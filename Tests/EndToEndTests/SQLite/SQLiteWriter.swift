import Foundation
import MigratorDatabase
import MigratorTestSupport
import Synchronization

/// An application's connection to a SQLite file that sends, replies, attaches, reads, edits and deletes, and remembers
/// what SQLite has acknowledged. Everybody writes to messages of their own alone, so that what must be there is known;
/// replies go to the messages that were there before as well.
final class SQLiteWriter: @unchecked Sendable {
    // Sendable, since only its own thread works with it until that has ended.
    struct Message: Equatable, CustomStringConvertible {
        var content: String
        var isRead = false
        var parent: Int?
        var attachments = 0

        var description: String {
            "(\(content), read \(isRead), reply to \(parent.map(String.init) ?? "none"), \(attachments) attachments)"
        }
    }

    let number: Int
    private let path: String
    /// Messages that nobody deletes.
    private let olderIDs: [Int]
    private var sequence = 0
    private var table = "direct_messages"
    private let isStopped = Atomic<Bool>(false)
    private let done = DispatchSemaphore(value: 0)

    private(set) var messages: [Int: Message] = [:]
    private(set) var deleted: Set<Int> = []
    private(set) var acknowledged = 0
    private(set) var longest: Duration = .zero
    /// Errors that must not be.
    private(set) var failures: [String] = []

    init(number: Int, path: String, olderIDs: [Int]) {
        self.number = number
        self.path = path
        self.olderIDs = olderIDs
    }

    func start() {
        Thread.detachNewThread { [self] in
            do {
                let session = try SQLiteSession(path: path, access: .readWrite)
                try session.execute("PRAGMA foreign_keys = ON")
                while !isStopped.load(ordering: .relaxed) {
                    try perform(Operation.allCases.randomElement() ?? .send, session)
                    usleep(UInt32.random(in: 500...4000))
                }
                session.close()
            } catch {
                failures.append("\(error)")
            }
            done.signal()
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }
    func wait() { done.wait() }

    enum Operation: CaseIterable { case send, sendAgain, reply, replyToOlder, attach, read, edit, delete }

    private func perform(_ operation: Operation, _ session: SQLiteSession) throws {
        sequence += 1
        let own = messages.keys.randomElement()
        for _ in 0..<100 {
            var next = messages
            var gone: Int?
            let start = ContinuousClock.now
            do {
                try session.begin()
                try write(operation, token: "w\(number)-\(sequence)", own: own, session, &next, &gone)
                try session.commit()
                messages = next
                if let gone { deleted.insert(gone) }
                acknowledged += 1
                longest = max(longest, ContinuousClock.now - start)
                return
            } catch let error as DatabaseError {
                session.rollback()
                guard error.message.contains("no such table") else {
                    failures.append("\(operation) in \(table): \(error.message)")
                    return
                }
                // The name changes hands at the cut-over.
                table = table == "messages" ? "direct_messages" : "messages"
            }
        }
        failures.append("\(operation): neither table is there")
    }

    private func write(
        _ operation: Operation, token: String, own: Int?, _ session: SQLiteSession, _ next: inout [Int: Message],
        _ gone: inout Int?
    ) throws {
        func send(parent: Int?) throws {
            let id =
                try session.query(
                    "INSERT INTO \(table) (sender_id, recipient_id, content, reply_to_id) VALUES ($1, $2, $3, $4) RETURNING id",
                    [SQLValue(1 + number), SQLValue(1 + (number + sequence) % 50), .text(token), SQLValue(parent)]
                )[0][0].asInt ?? 0
            if messages[id] != nil || deleted.contains(id) { throw CommandError(message: "the id \(id) came back") }
            next[id] = Message(content: token, parent: parent)
        }
        func update(_ id: Int, _ assignment: String, _ change: (inout Message) -> Void) throws {
            let rows = try session.run("UPDATE \(table) SET \(assignment) WHERE id = $1", [SQLValue(id)])
            guard rows == 1 else { throw CommandError(message: "\(table) \(id) is not there to be written") }
            if var message = next[id] {
                change(&message)
                next[id] = message
            }
        }
        switch operation {
        case .send, .sendAgain: try send(parent: nil)
        case .reply: try send(parent: own)
        case .replyToOlder: try send(parent: olderIDs.randomElement())
        case .attach:
            // The name is looked up in the schema, as the foreign key does it.
            guard let own, try session.scalar("SELECT count(*) FROM \(table) WHERE id = $1", [SQLValue(own)]) == 1
            else { return }
            try session.run(
                "INSERT INTO attachments (direct_message_id, owner_id, s3_key) VALUES ($1, 1, $2)",
                [SQLValue(own), .text("s3/\(token)")])
            next[own]?.attachments += 1
        case .read:
            if let own { try update(own, "read_at = CURRENT_TIMESTAMP") { $0.isRead = true } }
        case .edit:
            if let own { try update(own, "content = '\(token)'") { $0.content = token } }
        case .delete:
            guard let own else { return }
            let rows = try session.run("DELETE FROM \(table) WHERE id = $1", [SQLValue(own)])
            guard rows == 1 else { throw CommandError(message: "\(table) \(own) is not there to be deleted") }
            next[own] = nil
            gone = own
            for (id, message) in next where message.parent == own { next[id]?.parent = nil }
        }
    }
}

/// Writers beside a migration, and the comparison of what is there with what was acknowledged.
struct SQLiteWorkload {
    let writers: [SQLiteWriter]

    init(_ count: Int, path: String) throws {
        let session = try SQLiteSession(path: path, access: .readWrite)
        defer { session.close() }
        let ids = try session.query("SELECT id FROM direct_messages").compactMap { $0[0].asInt }
        writers = (0..<count).map { SQLiteWriter(number: $0, path: path, olderIDs: ids) }
        for writer in writers { writer.start() }
    }

    func stop() {
        for writer in writers { writer.stop() }
        for writer in writers { writer.wait() }
    }

    var acknowledged: Int { writers.reduce(0) { $0 + $1.acknowledged } }
    var longest: Duration { writers.map(\.longest).max() ?? .zero }

    /// What must not be, a line each.
    func faults(in table: String, of store: SQLiteStore) throws -> [String] {
        var faults = writers.flatMap { writer in writer.failures.map { "writer \(writer.number): \($0)" } }
        let session = try store.session()
        defer { session.close() }
        var there: [Int: SQLiteWriter.Message] = [:]
        for row in try session.query(
            """
            SELECT m.id, m.content, m.read_at IS NOT NULL AS is_read, m.reply_to_id,
                (SELECT count(*) FROM attachments a WHERE a.direct_message_id = m.id) AS attachments
            FROM \(table) m WHERE m.content GLOB 'w[0-9]*-*'
            """)
        {
            there[row.int("id") ?? 0] = SQLiteWriter.Message(
                content: row.text("content") ?? "", isRead: row.bool("is_read"), parent: row.int("reply_to_id"),
                attachments: row.int("attachments") ?? 0)
        }
        for writer in writers {
            for (id, message) in writer.messages {
                let found = there.removeValue(forKey: id)
                if found != message {
                    faults.append("writer \(writer.number): \(id) is \(found?.description ?? "gone"), not \(message)")
                }
            }
        }
        faults += there.map { "\($0) is there and nobody wrote it: \($1)" }
        for check in ["integrity_check", "foreign_key_check"] {
            let lines = try session.query("PRAGMA \(check)").map {
                $0.values.map { $0.asText ?? "" }.joined(separator: " ")
            }
            if !lines.isEmpty && lines != ["ok"] { faults.append("\(check): \(lines.prefix(3))") }
        }
        return faults
    }
}
