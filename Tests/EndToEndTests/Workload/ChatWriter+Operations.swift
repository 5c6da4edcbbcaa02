import MigratorDatabase

/// What an application does, as SQL, and what must be there afterwards.
extension ChatWriter {
    enum Operation: CaseIterable {
        case send, reply, replyToOther, attach, read, edit, softDelete, hardDelete, look, threeAtOnce, addUser,
            deleteUser
    }

    /// One try of one operation.
    struct Attempt {
        let operation: Operation
        let token: String
        /// One statement that commits by itself.
        let isSingle: Bool
        var change = ChatModel.Change()
        /// The message that is replied to.
        var parent: Int?
        /// A statement was sent that may have been committed.
        var mayBeDone = false

        init(_ operation: Operation, token: String, isSingle: Bool) {
            self.operation = operation
            self.token = token
            self.isSingle = isSingle
        }
    }

    func canBeSingle(_ operation: Operation) -> Bool {
        switch operation {
        case .threeAtOnce, .addUser: false
        // New code looks for the conversation first.
        case .send, .reply, .replyToOther: side != .enhanced
        default: true
        }
    }

    /// Users come and go rarely; who owns many messages deletes more of them.
    func nextOperation() -> Operation {
        if model.available.count > 300, Bool.random(using: &random) { return .hardDelete }
        let operation = Operation.allCases.randomElement(using: &random) ?? .send
        if operation == .addUser || operation == .deleteUser, Int.random(in: 0..<6, using: &random) > 0 { return .send }
        return operation
    }

    func write(_ attempt: inout Attempt, table: String) throws {
        let token = attempt.token
        let own = model.available.randomElement(using: &random)
        switch attempt.operation {
        case .send: _ = try send(token, parent: nil, table, &attempt)
        case .reply: _ = try send(token, parent: own, table, &attempt)
        case .replyToOther: _ = try send(token, parent: registry.parent(using: &random), table, &attempt)
        case .attach: if let own { try attach(own, &attempt) }
        case .read: if let own { try read(own, table, &attempt) }
        case .edit: if let own { try edit(own, to: token, table, &attempt) }
        case .softDelete: if let own { try softDelete(own, table, &attempt) }
        case .hardDelete: if let own { try hardDelete(own, table, &attempt) }
        case .look: if let own { try look(own, table) }
        case .threeAtOnce:
            let id = try send(token, parent: own, table, &attempt)
            try attach(id, &attempt)
            try edit(id, to: token + "+", table, &attempt)
        case .addUser: try addUser(table, &attempt)
        case .deleteUser: try deleteUser(&attempt)
        }
    }

    // MARK: Messages

    private func send(
        _ token: String, from sender: Int? = nil, parent: Int?, _ table: String, _ attempt: inout Attempt
    ) throws -> Int {
        let sender = sender ?? 1 + number % 50
        let recipient = 1 + (number + Int.random(in: 0..<8, using: &random)) % 50
        attempt.parent = parent
        var message = ChatMessage(sender: sender, recipient: recipient, content: token, parent: parent)
        let rows: [Row]
        if side == .enhanced {
            let pair = [SQLValue(min(sender, recipient)), SQLValue(max(sender, recipient))]
            _ = try query(
                """
                INSERT INTO public.conversations (user_lo, user_hi) VALUES ($1, $2)
                ON CONFLICT (user_lo, user_hi) DO NOTHING
                """, pair)
            rows = try query(
                """
                INSERT INTO public.enhanced_messages (conversation_id, sender_id, content, reply_to_id)
                SELECT c.id, $3::int, $4, $5::int FROM public.conversations c WHERE c.user_lo = $1 AND c.user_hi = $2
                RETURNING id, extract(epoch FROM created_at) AS created
                """, pair + [SQLValue(sender), .text(token), SQLValue(parent)])
        } else {
            if attempt.isSingle {
                attempt.mayBeDone = true
                attempt.change.sentWithoutID = message
            }
            rows = try query(
                """
                INSERT INTO \(table) (sender_id, recipient_id, content, reply_to_id) VALUES ($1, $2, $3, $4)
                RETURNING id, extract(epoch FROM created_at) AS created
                """, [SQLValue(sender), SQLValue(recipient), .text(token), SQLValue(parent)])
        }
        guard rows.count == 1, let id = rows[0].int("id") else {
            throw Interruption.wrong("\(rows.count) ids came back")
        }
        guard registry.issue(id) else { throw Interruption.wrong("the id \(id) came back") }
        message.createdAt = rows[0].text("created")
        attempt.change.sentWithoutID = nil
        attempt.change.messages[id] = message
        return id
    }

    /// Changes one row; exactly one must be there.
    private func update(
        _ id: Int, _ sql: String, _ attempt: inout Attempt, _ change: (inout ChatMessage, Row) -> Void
    ) throws {
        guard var message = attempt.change.messages[id] ?? model.messages[id] else { return }
        var wanted = message
        // Until the reply comes, what the row may have become.
        change(&wanted, Row(columns: [], values: []))
        attempt.change.messages[id] = wanted
        attempt.mayBeDone = attempt.isSingle
        let rows = try query(sql, [SQLValue(id)])
        guard rows.count == 1 else { throw Interruption.missing("\(rows.count) rows of \(id)") }
        change(&message, rows[0])
        attempt.change.messages[id] = message
    }

    private func read(_ id: Int, _ table: String, _ attempt: inout Attempt) throws {
        let sql =
            side == .enhanced
            ? "UPDATE public.message_status SET status = 'read', read_at = now() WHERE message_id = $1"
            : "UPDATE \(table) SET read_at = now() WHERE id = $1"
        try update(id, sql + " RETURNING extract(epoch FROM read_at) AS read", &attempt) { message, row in
            message.isRead = true
            message.readAt = row.text("read")
        }
    }

    private func edit(_ id: Int, to token: String, _ table: String, _ attempt: inout Attempt) throws {
        let edited = side == .enhanced ? ", edited_at = clock_timestamp()" : ""
        try update(id, "UPDATE \(table) SET content = '\(token)'\(edited) WHERE id = $1 RETURNING id", &attempt) {
            message, _ in message.content = token
        }
    }

    private func softDelete(_ id: Int, _ table: String, _ attempt: inout Attempt) throws {
        let isBySender = Bool.random(using: &random)
        let column = isBySender ? "is_deleted_by_sender" : "is_deleted_by_recipient"
        let change = side == .enhanced ? "deleted_at = clock_timestamp()" : "\(column) = true"
        try update(id, "UPDATE \(table) SET \(change) WHERE id = $1 RETURNING id", &attempt) { message, _ in
            if side == .enhanced {
                message.isDeleted = true
            } else if isBySender {
                message.isDeletedBySender = true
            } else {
                message.isDeletedByRecipient = true
            }
        }
    }

    private func hardDelete(_ id: Int, _ table: String, _ attempt: inout Attempt) throws {
        registry.leave([id])
        attempt.change.messages.updateValue(nil, forKey: id)
        attempt.mayBeDone = attempt.isSingle
        let rows = try query("DELETE FROM \(table) WHERE id = $1 RETURNING id", [SQLValue(id)])
        guard rows.count == 1 else { throw Interruption.missing("\(rows.count) rows of \(id)") }
    }

    private func attach(_ id: Int, _ attempt: inout Attempt) throws {
        guard var message = attempt.change.messages[id] ?? model.messages[id] else { return }
        let key = "s3/\(attempt.token)"
        message.attachments.insert(key)
        attempt.change.messages[id] = message
        attempt.mayBeDone = attempt.isSingle
        _ = try query(
            "INSERT INTO public.attachments (direct_message_id, owner_id, s3_key) VALUES ($1, 1, $2)",
            [SQLValue(id), .text(key)])
    }

    /// Looks at a message of its own: it is never away, not for a moment.
    private func look(_ id: Int, _ table: String) throws {
        let rows = try query("SELECT content FROM \(table) WHERE id = $1", [SQLValue(id)])
        guard rows.count == 1 else { throw Interruption.missing("\(rows.count) rows of \(id)") }
        guard let message = model.messages[id], rows[0].text("content") != message.content else { return }
        throw Interruption.wrong("\(id) shows \(rows[0].text("content") ?? ""), not \(message)")
    }

    // MARK: Users, who take their messages along

    private func addUser(_ table: String, _ attempt: inout Attempt) throws {
        let rows = try query(
            "INSERT INTO public.users (email) VALUES ($1) RETURNING id", [.text("\(attempt.token)@example.org")])
        guard let user = rows.first?[0].asInt else { throw Interruption.wrong("no user came back") }
        attempt.change.newUser = user
        for part in ["a", "b"] {
            let id = try send(attempt.token + part, from: user, parent: nil, table, &attempt)
            if part == "a" { try attach(id, &attempt) }
        }
    }

    private func deleteUser(_ attempt: inout Attempt) throws {
        guard let user = model.users.randomElement(using: &random), let messages = model.ids(ofUser: user) else {
            return
        }
        registry.leave(messages)
        attempt.change.goneUser = user
        for id in messages { attempt.change.messages.updateValue(nil, forKey: id) }
        attempt.mayBeDone = attempt.isSingle
        let rows = try query("DELETE FROM public.users WHERE id = $1 RETURNING id", [SQLValue(user)])
        guard rows.count == 1 else { throw Interruption.missing("\(rows.count) rows of user \(user)") }
    }
}
