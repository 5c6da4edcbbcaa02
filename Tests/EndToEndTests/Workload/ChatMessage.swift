/// What a message must look like. Moments are seconds since 1970 as text, so that no setting of a session changes them.
struct ChatMessage: Equatable, CustomStringConvertible {
    var sender: Int
    var recipient: Int
    var content: String
    /// nil where the server's reply was lost.
    var createdAt: String?
    var isRead = false
    /// nil where the server's reply was lost, or nobody has read it.
    var readAt: String?
    var isDeletedBySender = false
    var isDeletedByRecipient = false
    /// For both, as new code marks it.
    var isDeleted = false
    var parent: Int?
    /// The keys of the attached files.
    var attachments: Set<String> = []

    /// What of this differs in the other, with the names of the columns.
    /// - Parameter isThere: whether a message is there; a reply to one that is not has lost its parent.
    func differences(from other: ChatMessage, isThere: (Int) -> Bool) -> [String] {
        var found: [String] = []
        func compare<Value: Equatable>(_ name: String, _ wanted: Value, _ value: Value) {
            if wanted != value { found.append("\(name) is \(value), not \(wanted)") }
        }
        compare("sender_id", sender, other.sender)
        compare("recipient_id", recipient, other.recipient)
        compare("content", content, other.content)
        if let createdAt { compare("created_at", createdAt, other.createdAt) }
        compare("read", isRead, other.isRead)
        if let readAt { compare("read_at", readAt, other.readAt) }
        compare("is_deleted_by_sender", isDeletedBySender, other.isDeletedBySender)
        compare("is_deleted_by_recipient", isDeletedByRecipient, other.isDeletedByRecipient)
        compare("is_deleted", isDeleted, other.isDeleted)
        compare("reply_to_id", parent.flatMap { isThere($0) ? $0 : nil }, other.parent)
        compare("attachments", attachments.sorted(), other.attachments.sorted())
        return found
    }

    var description: String {
        "(\(content) from \(sender) to \(recipient)\(isRead ? ", read" : "")\(parent.map { ", reply to \($0)" } ?? ""))"
    }
}
