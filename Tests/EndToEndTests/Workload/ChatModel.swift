/// What one writer has been promised: the messages that it owns, and what nobody knows since a reply was lost.
struct ChatModel {
    /// A transaction under way, or one whose fate is not known: all of it happened, or nothing.
    struct Change {
        /// The messages afterwards; nil for one that is gone.
        var messages: [Int: ChatMessage?] = [:]
        /// Sent by a statement that returns the id, which was lost with the reply.
        var sentWithoutID: ChatMessage?
        var newUser: Int?
        var goneUser: Int?

        var isEmpty: Bool { messages.isEmpty && sentWithoutID == nil && newUser == nil && goneUser == nil }
    }

    /// Acknowledged, by id.
    private(set) var messages: [Int: ChatMessage] = [:]
    private(set) var deleted: Set<Int> = []
    private(set) var users: Set<Int> = []
    private(set) var deletedUsers: Set<Int> = []
    private(set) var uncertain: [Change] = []
    /// The ids of uncertain changes are left alone until it is known what they are.
    private var open: Set<Int> = []
    /// The ids that can be written to, in no order.
    private(set) var available: [Int] = []

    mutating func apply(_ change: Change) {
        for (id, message) in change.messages {
            if let message {
                if messages.updateValue(message, forKey: id) == nil { available.append(id) }
            } else {
                messages[id] = nil
                deleted.insert(id)
                if let index = available.firstIndex(of: id) { available.swapAt(index, available.count - 1) }
                if available.last == id { available.removeLast() }
            }
        }
        if let user = change.newUser { users.insert(user) }
        if let user = change.goneUser {
            users.remove(user)
            deletedUsers.insert(user)
        }
    }

    mutating func remember(uncertain change: Change) {
        guard !change.isEmpty else { return }
        uncertain.append(change)
        open.formUnion(change.messages.keys)
        let kept = available.filter { !open.contains($0) }
        available = kept
    }

    /// The messages of a user; nil where it is not known what became of one.
    func ids(ofUser user: Int) -> [Int]? {
        if uncertain.contains(where: { $0.goneUser == user || $0.newUser == user }) { return nil }
        let all = messages.filter { $0.value.sender == user || $0.value.recipient == user }.map(\.key)
        return all.contains(where: open.contains) ? nil : all
    }

    /// Finds out what became of every uncertain change, by looking.
    /// - Returns: what cannot be, a line each: a change of which a part has happened.
    mutating func resolve(by there: ChatSnapshot) -> [String] {
        var faults: [String] = []
        for var change in uncertain {
            if let sent = change.sentWithoutID, let id = there.id(ofContent: sent.content) {
                change.messages[id] = sent
            }
            func differences(_ id: Int, _ wanted: ChatMessage?) -> [String] {
                switch (wanted, there.messages[id]) {
                case (nil, nil): []
                case (nil, let found?): ["\(id) is \(found), not gone"]
                case (let wanted?, nil): ["\(id) is gone, not \(wanted)"]
                case (let wanted?, let found?):
                    wanted.differences(from: found, isThere: there.isThere).map { "\(id): \($0)" }
                }
            }
            var done = change.messages.flatMap { differences($0.key, $0.value) }
            var undone = change.messages.keys.flatMap { differences($0, messages[$0]) }
            if let user = change.newUser, !there.users.contains(user) { done.append("user \(user) is not there") }
            if let user = change.newUser, there.users.contains(user) { undone.append("user \(user) is there") }
            if let user = change.goneUser, there.users.contains(user) { done.append("user \(user) is there") }
            if let user = change.goneUser, !there.users.contains(user) { undone.append("user \(user) is gone") }
            // Where both fit, as with a moment that is not known, what is known better stays.
            if undone.isEmpty { continue }
            if done.isEmpty {
                apply(change)
            } else {
                faults.append("neither done nor undone: \(done.prefix(3)), \(undone.prefix(3))")
            }
        }
        uncertain = []
        open = []
        available = messages.keys.sorted()
        return faults
    }

    /// What is not as promised, a line each; every change must be certain.
    func faults(in there: ChatSnapshot) -> [String] {
        var faults: [String] = []
        for (id, message) in messages {
            guard let found = there.messages[id] else {
                faults.append("\(id) is gone, not \(message)")
                continue
            }
            faults += message.differences(from: found, isThere: there.isThere).map { "\(id) \(message): \($0)" }
        }
        faults += deleted.filter(there.isThere).map { "\($0) was deleted and is there" }
        faults += users.subtracting(there.users).map { "user \($0) is gone" }
        faults += deletedUsers.intersection(there.users).map { "user \($0) was deleted and is there" }
        return faults
    }
}
