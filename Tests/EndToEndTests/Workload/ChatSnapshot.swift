import MigratorDatabase

/// What is in the tables at a moment when nobody writes, read by plain queries.
struct ChatSnapshot {
    /// All, by id.
    private(set) var messages: [Int: ChatMessage] = [:]
    private(set) var users: Set<Int> = []
    /// What is wrong whatever has been written, a line each.
    private(set) var faults: [String] = []
    private var ids: [String: Int] = [:]

    func isThere(_ id: Int) -> Bool { messages[id] != nil }
    func id(ofContent content: String) -> Int? { ids[content] }

    /// The contents and the emails that writers make.
    static let token = "^w[0-9]+-"

    init(_ session: PostgreSQLSession) throws {
        let isOld = try session.scalar(
            "SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass('public.direct_messages')"
        ).asBool
        let table = isOld ? "public.direct_messages" : "public.messages"
        let rows = try session.query(
            """
            SELECT m.id, m.sender_id, m.recipient_id, m.content, m.reply_to_id, m.content ~ '\(Self.token)' AS is_new,
                   extract(epoch FROM m.created_at) AS created, extract(epoch FROM m.read_at) AS read,
                   m.is_deleted_by_sender, m.is_deleted_by_recipient, to_jsonb(m) ->> 'is_deleted' AS is_deleted
            FROM \(table) AS m
            """)
        for row in rows {
            let id = row.int("id") ?? 0
            if messages[id] != nil { faults.append("\(id) is there twice") }
            messages[id] = ChatMessage(
                sender: row.int("sender_id") ?? 0, recipient: row.int("recipient_id") ?? 0,
                content: row.text("content") ?? "", createdAt: row.text("created"), isRead: !row["read"].isNull,
                readAt: row.text("read"), isDeletedBySender: row.bool("is_deleted_by_sender"),
                isDeletedByRecipient: row.bool("is_deleted_by_recipient"), isDeleted: row.bool("is_deleted"),
                parent: row.int("reply_to_id"))
            guard row.bool("is_new"), let content = row.text("content") else { continue }
            if let other = ids.updateValue(id, forKey: content) {
                faults.append("\(other) and \(id) are both \(content)")
            }
        }
        for row in try session.query("SELECT id, direct_message_id AS message, s3_key FROM public.attachments") {
            guard let id = row.int("message"), messages[id] != nil else {
                faults.append("attachment \(row.text("id") ?? "") points at \(row.text("message") ?? "nothing")")
                continue
            }
            messages[id]?.attachments.insert(row.text("s3_key") ?? "")
        }
        for (id, message) in messages {
            guard let parent = message.parent, messages[parent] == nil else { continue }
            faults.append("\(id) is a reply to \(parent), which is not there")
        }
        users = Set(try session.query("SELECT id FROM public.users").compactMap { $0[0].asInt })
        if !isOld { faults += try Self.differencesOfNames(session) }
        if try !session.scalar("SELECT to_regclass('public.enhanced_messages')").isNull {
            faults += try Self.differencesOfSides(session)
        }
    }

    /// The old name shows what the new one does.
    private static func differencesOfNames(_ session: PostgreSQLSession) throws -> [String] {
        let columns = """
            id, sender_id, recipient_id, content, type, is_read, is_deleted_by_sender, is_deleted_by_recipient,
            reply_to_id, created_at, read_at, file_url, file_name, file_size, file_type
            """
        return try session.query(
            """
            SELECT coalesce(m.id, d.id) AS id FROM (SELECT \(columns) FROM public.messages) AS m
            FULL JOIN (SELECT \(columns) FROM public.direct_messages) AS d ON d.id = m.id
            WHERE to_jsonb(m) IS DISTINCT FROM to_jsonb(d) LIMIT 10
            """
        ).map { "direct_messages does not show \($0.text("id") ?? "") as messages does" }
    }

    /// Every message stands in `enhanced_messages`, in the conversation of its two people and with its status.
    private static func differencesOfSides(_ session: PostgreSQLSession) throws -> [String] {
        try session.query(
            """
            SELECT coalesce(m.id, e.id) AS id, concat_ws(', ', 'messages: ' || m.content, 'enhanced_messages: ' || e.content,
                                 'status: ' || s.status) AS what
            FROM public.messages AS m FULL JOIN public.enhanced_messages AS e ON e.id = m.id
            LEFT JOIN public.conversations AS c ON c.id = e.conversation_id
            LEFT JOIN public.message_status AS s ON s.message_id = e.id AND s.user_id = m.recipient_id
            WHERE m.sender_id IS NULL OR e.sender_id IS NULL OR m.sender_id <> e.sender_id
               OR m.content <> e.content OR m.created_at <> e.created_at OR m.type <> e.kind
               OR m.reply_to_id IS DISTINCT FROM e.reply_to_id OR m.is_deleted <> (e.deleted_at IS NOT NULL)
               OR c.user_lo IS DISTINCT FROM least(m.sender_id, m.recipient_id)
               OR c.user_hi IS DISTINCT FROM greatest(m.sender_id, m.recipient_id)
               OR m.conversation_id IS DISTINCT FROM e.conversation_id
               OR (s.status = 'read') IS DISTINCT FROM (m.is_read OR m.read_at IS NOT NULL) LIMIT 10
            """
        ).map { "the two sides differ at \($0.text("id") ?? ""): \($0.text("what") ?? "")" }
    }

    /// The rows that were there before the writers, as hashes.
    static func hashes(_ session: PostgreSQLSession, upTo last: Int) throws -> [Int: String] {
        let rows = try session.query(
            """
            SELECT id, md5(ROW(sender_id, recipient_id, content, type, is_read, is_deleted_by_sender,
                               is_deleted_by_recipient, reply_to_id, extract(epoch FROM created_at),
                               extract(epoch FROM read_at), file_url, file_name, file_size, file_type)::text) AS hash
            FROM public.direct_messages WHERE id <= \(last)
            """)
        return Dictionary(rows.map { ($0.int("id") ?? 0, $0.text("hash") ?? "") }) { $1 }
    }
}
