/// A lock that a statement takes on a table, as far as its words say.
public struct StatementLock: Sendable, Equatable {
    /// Weaker before stronger.
    public enum Mode: String, Sendable, CaseIterable {
        case rowExclusive = "ROW EXCLUSIVE"
        case shareUpdateExclusive = "SHARE UPDATE EXCLUSIVE"
        case share = "SHARE"
        case shareRowExclusive = "SHARE ROW EXCLUSIVE"
        case accessExclusive = "ACCESS EXCLUSIVE"

        /// Whether those who write to the table wait.
        public var stopsWriters: Bool {
            switch self {
            case .rowExclusive, .shareUpdateExclusive: false
            case .share, .shareRowExclusive, .accessExclusive: true
            }
        }
    }
    public var table: TableName
    public var mode: Mode

    public init(_ table: TableName, _ mode: Mode) {
        self.table = table
        self.mode = mode
    }
}

extension Statement {
    /// The table locks that PostgreSQL takes for it, in its own order; none for what is not recognised, such as calls
    /// of functions.
    /// Source: PostgreSQL manual, 13.3.1 "Table-Level Locks"; ALTER TABLE, CREATE TABLE, CREATE TRIGGER.
    public var locks: [StatementLock] {
        let words = Words(text, dialect: .postgresql)
        var locks: [StatementLock] = []
        func add(_ table: TableName?, _ mode: StatementLock.Mode) {
            if let table { locks.append(StatementLock(table, mode)) }
        }
        var cursor = words.cursor
        var verb = words.word(0)
        if verb == "with" {
            // What is behind the common table expressions.
            let verbs = ["insert", "update", "delete", "merge"]
            guard let place = cursor.items.firstIndex(where: { item in verbs.contains { item.isWord($0) } }) else {
                return []
            }
            cursor.items = cursor.items[place...]
            verb = verbs.first { cursor.items.first?.isWord($0) == true }
        }
        switch verb {
        case "create":
            let definition = StatementTraits(self, dialect: .postgresql)
            if case .create(_, let table) = definition.concurrentIndex {
                add(table, .shareUpdateExclusive)
            } else if definition.definition?.kind == .createIndex {
                add(definition.definition?.table, .share)
            } else if words.outerWords.prefix(4).contains("trigger") {
                add(words.name(after: "on"), .shareRowExclusive)
            }
        case "alter":
            guard cursor.take("alter", "table"), !cursor.take("all") else { break }
            _ = cursor.take("if", "exists")
            _ = cursor.take("only")
            let table = cursor.name()
            _ = cursor.takeOther("*")
            add(table, Self.mode(ofChange: words, after: cursor))
        case "drop":
            _ = cursor.take("drop")
            if cursor.take("trigger") {
                add(words.name(after: "on"), .accessExclusive)
            } else if cursor.take("table") {
                _ = cursor.take("if", "exists")
                for table in cursor.names() { add(table, .accessExclusive) }
            }
        case "truncate":
            _ = cursor.take("truncate")
            _ = cursor.take("table")
            _ = cursor.take("only")
            for table in cursor.names() { add(table, .accessExclusive) }
        case "comment":
            add(StatementTraits(self, dialect: .postgresql).definition?.table, .shareUpdateExclusive)
        case "insert":
            if cursor.take("insert", "into") { add(cursor.name(), .rowExclusive) }
        case "update":
            _ = cursor.take("update")
            _ = cursor.take("only")
            add(cursor.name(), .rowExclusive)
        case "delete":
            guard cursor.take("delete", "from") else { break }
            _ = cursor.take("only")
            add(cursor.name(), .rowExclusive)
        default: break
        }
        if verb == "create" || verb == "alter" {
            for table in words.names(after: "references") where !locks.contains(where: { $0.table == table }) {
                add(table, .shareRowExclusive)
            }
        }
        return locks
    }

    /// The strongest of an ALTER TABLE's subcommands decides; only those that stand alone are weaker than the rest.
    private static func mode(ofChange words: Words, after table: Words.Cursor) -> StatementLock.Mode {
        var cursor = table
        let isSingle = !words.hasOuterComma
        if isSingle, cursor.take("validate", "constraint") { return .shareUpdateExclusive }
        if isSingle, cursor.take("add") {
            if cursor.take("constraint") { _ = cursor.name() }
            if cursor.take("foreign", "key") { return .shareRowExclusive }
        }
        return .accessExclusive
    }
}

extension Words {
    fileprivate func names(after word: String) -> [TableName] {
        items.indices.filter { items[$0].isWord(word) }.compactMap { index in
            var cursor = Cursor(items: items[(index + 1)...])
            return cursor.name()
        }
    }

    fileprivate func name(after word: String) -> TableName? { names(after: word).first }

    fileprivate var hasOuterComma: Bool {
        var depth = 0
        return items.contains { item in
            if item == .other("(") { depth += 1 }
            if item == .other(")") { depth -= 1 }
            return depth == 0 && item == .other(",")
        }
    }
}

extension Words.Cursor {
    /// Names with commas between them.
    mutating func names() -> [TableName] {
        var names: [TableName] = []
        repeat {
            guard let name = name() else { break }
            names.append(name)
        } while takeOther(",")
        return names
    }
}
