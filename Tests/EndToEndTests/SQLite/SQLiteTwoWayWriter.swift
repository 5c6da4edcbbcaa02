import Foundation
import MigratorDatabase
import MigratorTestSupport
import Synchronization

/// An application's connection that writes through the old tables and, from 0003 on, through the new ones, and remembers
/// what SQLite has acknowledged. Everybody writes to messages of their own alone, whichever side they began on.
final class SQLiteTwoWayWriter: @unchecked Sendable {
    // Sendable, since only its own thread works with it until that has ended.
    struct Message: Equatable, CustomStringConvertible {
        var sender: Int
        var recipient: Int
        var content: String
        var isRead = false
        var isDeleted = false
        var parent: Int?

        var description: String {
            "(\(sender) to \(recipient): \(content), read \(isRead), deleted \(isDeleted), reply to \(parent.map(String.init) ?? "none"))"
        }
    }

    enum Operation: CaseIterable { case send, sendAgain, reply, edit, read, deleteSoftly, delete, toGroup }
    enum Side: CaseIterable { case old, new }

    let number: Int
    private let path: String
    private let isRecursive: Bool
    private var sequence = 0
    private let usesNew = Atomic<Bool>(false)
    private let isWritingNew = Atomic<Bool>(false)
    private let isStopped = Atomic<Bool>(false)
    private let done = DispatchSemaphore(value: 0)
    private let newWrites = Atomic<Int>(0)
    /// Of new code, acknowledged.
    var written: Int { newWrites.load(ordering: .relaxed) }

    private(set) var messages: [Int: Message] = [:]
    private(set) var groupMessages: [Int: String] = [:]
    private(set) var deleted: Set<Int> = []
    private(set) var acknowledged: [Side: Int] = [:]
    private(set) var longest: Duration = .zero
    /// Errors that must not be.
    private(set) var failures: [String] = []

    init(number: Int, path: String) {
        self.number = number
        self.path = path
        isRecursive = number.isMultiple(of: 2)
    }

    func start() {
        Thread.detachNewThread { [self] in
            do {
                let session = try SQLiteSession(path: path, access: .readWrite)
                try session.execute("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = \(isRecursive ? 1 : 0)")
                while !isStopped.load(ordering: .relaxed) {
                    perform(Operation.allCases.randomElement() ?? .send, session)
                    usleep(UInt32.random(in: 500...3000))
                }
                session.close()
            } catch {
                failures.append("\(error)")
            }
            done.signal()
        }
    }

    /// 0003 is there: new code comes as well.
    func useNew(_ uses: Bool) {
        usesNew.store(uses, ordering: .sequentiallyConsistent)
        while !uses, isWritingNew.load(ordering: .sequentiallyConsistent) { usleep(1000) }
    }
    func stop() { isStopped.store(true, ordering: .relaxed) }
    func wait() { done.wait() }

    private func perform(_ operation: Operation, _ session: SQLiteSession) {
        sequence += 1
        // Said before it is looked up, so that nobody new comes in unseen.
        isWritingNew.store(true, ordering: .sequentiallyConsistent)
        let side =
            usesNew.load(ordering: .sequentiallyConsistent) ? Side.allCases.randomElement() ?? .old : .old
        if side == .old { isWritingNew.store(false, ordering: .sequentiallyConsistent) }
        defer { isWritingNew.store(false, ordering: .sequentiallyConsistent) }
        let own = messages.filter { !$0.value.isDeleted }.keys.randomElement()
        var next = messages
        var gone: Int?
        let start = ContinuousClock.now
        do {
            try session.begin()
            switch side {
            case .old: try writeOld(operation, "w\(number)-\(sequence)", own, session, &next, &gone)
            case .new: try writeNew(operation, "w\(number)-\(sequence)", own, session, &next, &gone)
            }
            try session.commit()
            messages = next
            if let gone { deleted.insert(gone) }
            acknowledged[side, default: 0] += 1
            if side == .new { newWrites.add(1, ordering: .relaxed) }
            longest = max(longest, ContinuousClock.now - start)
        } catch {
            session.rollback()
            failures.append("\(operation) on the \(side) side: \(error)")
        }
    }

    private var people: (sender: Int, recipient: Int) { (1 + number, 1 + (number + sequence) % 50) }

    private func requireNew(_ id: Int) throws {
        guard messages[id] == nil, groupMessages[id] == nil, !deleted.contains(id) else {
            throw CommandError(message: "the id \(id) came back")
        }
    }

    private func require(_ rows: Int, _ what: String) throws {
        guard rows == 1 else { throw CommandError(message: "\(what): \(rows) rows") }
    }

    // MARK: Old code

    private func writeOld(
        _ operation: Operation, _ token: String, _ own: Int?, _ session: SQLiteSession, _ next: inout [Int: Message],
        _ gone: inout Int?
    ) throws {
        func update(_ id: Int, _ assignment: String) throws {
            try require(session.run("UPDATE messages SET \(assignment) WHERE id = \(id)"), "messages \(id)")
        }
        switch operation {
        case .send, .sendAgain, .reply, .toGroup:
            let parent = operation == .reply ? own : nil
            let (sender, recipient) = people
            let id =
                try session.query(
                    "INSERT INTO messages (sender_id, recipient_id, content, reply_to_id) VALUES ($1, $2, $3, $4) RETURNING id",
                    [SQLValue(sender), SQLValue(recipient), .text(token), SQLValue(parent)])[0][0].asInt ?? 0
            try requireNew(id)
            next[id] = Message(sender: sender, recipient: recipient, content: token, parent: parent)
        case .edit:
            guard let own else { return }
            try update(own, "content = '\(token)', updated_at = CURRENT_TIMESTAMP")
            next[own]?.content = token
        case .read:
            guard let own else { return }
            // Applications set either of the two.
            try update(own, sequence.isMultiple(of: 2) ? "is_read = 1" : "read_at = CURRENT_TIMESTAMP")
            next[own]?.isRead = true
        case .deleteSoftly:
            guard let own else { return }
            try update(own, "is_deleted = 1")
            next[own]?.isDeleted = true
        case .delete:
            guard let own else { return }
            try require(session.run("DELETE FROM messages WHERE id = \(own)"), "messages \(own)")
            forget(own, &next, &gone)
        }
    }

    // MARK: New code

    private func writeNew(
        _ operation: Operation, _ token: String, _ own: Int?, _ session: SQLiteSession, _ next: inout [Int: Message],
        _ gone: inout Int?
    ) throws {
        func update(_ id: Int, _ assignment: String) throws {
            try require(session.run("UPDATE enhanced_messages SET \(assignment) WHERE id = \(id)"), "enhanced \(id)")
        }
        func send(_ conversation: String, parent: Int? = nil) throws -> Int {
            let id =
                try session.query(
                    """
                    INSERT INTO enhanced_messages (conversation_id, sender_id, content, reply_to_id)
                    VALUES ((SELECT id FROM conversations WHERE \(conversation)), $1, $2, $3) RETURNING id
                    """, [SQLValue(people.sender), .text(token), SQLValue(parent)])[0][0].asInt ?? 0
            try requireNew(id)
            return id
        }
        switch operation {
        case .send, .sendAgain, .reply:
            let parent = operation == .reply ? own : nil
            let (sender, recipient) = people
            let (low, high) = (min(sender, recipient), max(sender, recipient))
            try session.run(
                "INSERT INTO conversations (user_lo, user_hi) VALUES (\(low), \(high)) ON CONFLICT DO NOTHING")
            let id = try send("user_lo = \(low) AND user_hi = \(high)", parent: parent)
            next[id] = Message(sender: sender, recipient: recipient, content: token, parent: parent)
        case .toGroup:
            try session.run("INSERT INTO conversations (kind, title) VALUES ('group', '\(token)')")
            groupMessages[try send("title = '\(token)'")] = token
        case .edit:
            guard let own else { return }
            try update(own, "content = '\(token)', edited_at = CURRENT_TIMESTAMP")
            next[own]?.content = token
        case .read:
            guard let own, let message = messages[own] else { return }
            try require(
                session.run(
                    "UPDATE message_status SET status = 'read', read_at = CURRENT_TIMESTAMP WHERE message_id = \(own) AND user_id = \(message.recipient)"
                ), "status of \(own)")
            next[own]?.isRead = true
        case .deleteSoftly:
            guard let own else { return }
            try update(own, "deleted_at = CURRENT_TIMESTAMP")
            next[own]?.isDeleted = true
        case .delete:
            guard let own else { return }
            try require(session.run("DELETE FROM enhanced_messages WHERE id = \(own)"), "enhanced \(own)")
            forget(own, &next, &gone)
        }
    }

    private func forget(_ id: Int, _ next: inout [Int: Message], _ gone: inout Int?) {
        next[id] = nil
        gone = id
        for (reply, message) in next where message.parent == id { next[reply]?.parent = nil }
    }
}

/// Writers on both sides, and the comparison of what is there with what was acknowledged.
struct SQLiteTwoWayWorkload {
    let writers: [SQLiteTwoWayWriter]

    init(_ count: Int, path: String) {
        writers = (0..<count).map { SQLiteTwoWayWriter(number: $0, path: path) }
        for writer in writers { writer.start() }
    }

    func useNew(_ uses: Bool) { for writer in writers { writer.useNew(uses) } }

    /// Until new code has written so many times more, and for half a minute at most.
    func await(_ writes: Int) {
        let wanted = writers.reduce(0) { $0 + $1.written } + writes
        let end = ContinuousClock.now + .seconds(30)
        while writers.reduce(0, { $0 + $1.written }) < wanted, ContinuousClock.now < end { usleep(10_000) }
    }

    func stop() {
        for writer in writers { writer.stop() }
        for writer in writers { writer.wait() }
    }

    func acknowledged(_ side: SQLiteTwoWayWriter.Side) -> Int {
        writers.reduce(0) { $0 + ($1.acknowledged[side] ?? 0) }
    }
    var longest: Duration { writers.map(\.longest).max() ?? .zero }

    /// What must not be on either side, a line each.
    func faults(in store: SQLiteStore) throws -> [String] {
        var faults = writers.flatMap { writer in writer.failures.map { "writer \(writer.number): \($0)" } }
        let session = try store.session()
        defer { session.close() }
        faults += try compare(
            "messages", writers.map(\.messages), session,
            """
            SELECT id, sender_id, recipient_id, content, is_read OR read_at IS NOT NULL AS is_read,
                is_deleted OR deleted_at IS NOT NULL AS is_deleted, reply_to_id FROM messages
            """)
        faults += try compare(
            "the new tables", writers.map(\.messages), session,
            """
            SELECT e.id, e.sender_id, CASE WHEN c.user_lo = e.sender_id THEN c.user_hi ELSE c.user_lo END AS recipient_id,
                e.content, s.status = 'read' AS is_read, e.deleted_at IS NOT NULL AS is_deleted, e.reply_to_id
            FROM enhanced_messages e JOIN conversations c ON c.id = e.conversation_id AND c.kind = 'direct'
            LEFT JOIN message_status s ON s.message_id = e.id
                AND s.user_id = CASE WHEN c.user_lo = e.sender_id THEN c.user_hi ELSE c.user_lo END
            """)
        var groups: [Int: String] = [:]
        for row in try session.query(
            "SELECT e.id, e.content FROM enhanced_messages e JOIN conversations c ON c.id = e.conversation_id AND c.kind = 'group'"
        ) { groups[row.int("id") ?? 0] = row.text("content") }
        for writer in writers {
            for (id, content) in writer.groupMessages where groups.removeValue(forKey: id) != content {
                faults.append("writer \(writer.number): the group message \(id) is gone or changed")
            }
        }
        faults += groups.map { "group message \($0) is there and nobody wrote it: \($1)" }
        for check in ["integrity_check", "foreign_key_check"] {
            let lines = try session.query("PRAGMA \(check)").map { $0[0].asText ?? "" }
            if !lines.isEmpty && lines != ["ok"] { faults.append("\(check): \(lines.prefix(3))") }
        }
        return faults
    }

    private func compare(
        _ what: String, _ acknowledged: [[Int: SQLiteTwoWayWriter.Message]], _ session: any Session, _ select: String
    ) throws -> [String] {
        var faults: [String] = []
        var there: [Int: SQLiteTwoWayWriter.Message] = [:]
        for row in try session.query("SELECT * FROM (\(select)) WHERE content GLOB 'w[0-9]*-*'") {
            there[row.int("id") ?? 0] = SQLiteTwoWayWriter.Message(
                sender: row.int("sender_id") ?? 0, recipient: row.int("recipient_id") ?? 0,
                content: row.text("content") ?? "", isRead: row.bool("is_read"), isDeleted: row.bool("is_deleted"),
                parent: row.int("reply_to_id"))
        }
        for (number, messages) in acknowledged.enumerated() {
            for (id, message) in messages {
                let found = there.removeValue(forKey: id)
                if found != message {
                    faults.append(
                        "writer \(number): \(id) in \(what) is \(found?.description ?? "gone"), not \(message)")
                }
            }
        }
        return faults + there.map { "\($0) is there in \(what) and nobody wrote it: \($1)" }
    }
}
