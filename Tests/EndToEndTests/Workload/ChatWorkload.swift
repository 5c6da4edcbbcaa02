import Foundation
import MigratorDatabase
import MigratorTestSupport

/// Writers beside a migration, and the comparison of what is there with what was acknowledged.
final class ChatWorkload: @unchecked Sendable {
    let database: TestDatabase
    private(set) var writers: [ChatWriter] = []
    private let group = DispatchGroup()

    init(database: TestDatabase) { self.database = database }

    /// Half of them know the old name only; every isolation level is there.
    func start(_ count: Int, sides: [ChatWriter.Side] = [.old, .new]) {
        let levels = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"]
        for _ in 0..<count {
            let number = writers.count
            let writer = ChatWriter(
                number: number, side: sides[number % sides.count],
                isolation: levels[number / sides.count % levels.count], database: database)
            writers.append(writer)
            let thread = Thread { [group] in
                writer.run()
                group.leave()
            }
            group.enter()
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    func stop() {
        for writer in writers { writer.stop() }
        group.wait()
    }

    var acknowledged: Int { writers.reduce(0) { $0 + $1.report.acknowledged } }
    var longest: Duration { writers.map(\.report.longest).max() ?? .zero }
    var retried: [String: Int] {
        writers.reduce(into: [:]) { $0.merge($1.report.retried, uniquingKeysWith: +) }
    }
    var lost: Int { writers.reduce(0) { $0 + $1.report.lost } }

    /// What must not be, a line each: a write that was acknowledged and is not there, one that is there and was not
    /// made, a reply or an attachment that points elsewhere, an id that came back.
    func faults(in table: String) throws -> [String] {
        var faults = writers.flatMap { writer in writer.report.failures.map { "writer \(writer.number): \($0)" } }
        let session = try database.session()
        defer { session.close() }
        var there: [Int: ChatWriter.Message] = [:]
        let rows = try session.query(
            """
            SELECT m.id, m.content, m.read_at IS NOT NULL AS is_read, m.is_deleted_by_sender, m.reply_to_id,
                   (SELECT count(*) FROM attachments a WHERE a.direct_message_id = m.id) AS attachments
            FROM \(table) m WHERE m.content ~ '^w[0-9]+-'
            """)
        for row in rows {
            there[row.int("id") ?? 0] = ChatWriter.Message(
                content: row.text("content") ?? "", isRead: row.bool("is_read"),
                isDeletedBySender: row.bool("is_deleted_by_sender"), parent: row.int("reply_to_id"),
                attachments: row.int("attachments") ?? 0)
        }
        var explained: Set<Int> = []
        var sent: Set<String> = []
        for writer in writers {
            sent.formUnion(writer.uncertainlySent)
            let gone = Set(writer.uncertain.keys).union(writer.deleted)
            for (id, possible) in writer.uncertain {
                explained.insert(id)
                let isExpected = possible.contains {
                    $0.map { $0.isLike(there[id], forgetting: gone) } ?? (there[id] == nil)
                }
                if !isExpected {
                    faults.append(
                        "writer \(writer.number): \(id) is \(there[id]?.description ?? "gone"), none of \(possible)")
                }
            }
            for (id, message) in writer.messages where writer.uncertain[id] == nil {
                explained.insert(id)
                if !message.isLike(there[id], forgetting: gone) {
                    faults.append(
                        "writer \(writer.number) (\(writer.side), \(writer.isolation)): \(id) is \(there[id]?.description ?? "gone"), not \(message)"
                    )
                }
            }
            for id in writer.deleted where there[id] != nil && writer.uncertain[id] == nil {
                faults.append("writer \(writer.number): \(id) was deleted and is there")
            }
        }
        for (id, message) in there where !explained.contains(id) && !sent.contains(message.content) {
            faults.append("\(id) is there and nobody wrote it: \(message)")
        }
        let strays =
            try session.scalar(
                "SELECT count(*) FROM attachments a WHERE a.s3_key ~ '^s3/w' AND NOT EXISTS (SELECT 1 FROM \(table) m WHERE m.id = a.direct_message_id)"
            ).asInt ?? 0
        if strays > 0 { faults.append("\(strays) attachments without their message") }
        return faults
    }
}

extension ChatWriter.Message: CustomStringConvertible {
    var description: String {
        "(\(content), read \(isRead), deleted by sender \(isDeletedBySender), reply to \(parent.map(String.init) ?? "none"), \(attachments) attachments)"
    }

    /// - Parameter forgetting: messages that may or may not be there, so that replies to them may have lost them.
    func isLike(_ other: Self?, forgetting: Set<Int>) -> Bool {
        guard var other else { return false }
        if let parent, forgetting.contains(parent), other.parent == nil { other.parent = parent }
        return self == other
    }
}
