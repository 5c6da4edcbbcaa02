/// Lexical facts about one statement: what it is, without a judgement of what it will do.
public struct StatementTraits: Sendable, Equatable {
    public enum DefinitionKind: String, Sendable { case createTable, createIndex, alterTable, comment }

    /// A statement that adds to a table's definition.
    public struct Definition: Sendable, Equatable {
        public var kind: DefinitionKind
        public var table: TableName
        public var ifNotExists: Bool
    }

    public enum ConcurrentIndex: Sendable, Equatable {
        case create(index: TableName?, table: TableName)
        case drop([TableName])
        case reindex
    }

    /// BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION; not savepoints.
    public var isTransactionControl = false
    /// PostgreSQL refuses it inside a transaction block; SQLite does, or it does nothing there.
    public var cannotRunInTransaction = false
    public var concurrentIndex: ConcurrentIndex?
    /// DROP or TRUNCATE occurs in it, in strings too, or it runs a block or procedure that may do so.
    public var mayDestroy = false
    public var definition: Definition?
    /// SELECT, WITH, VALUES, TABLE.
    public var isQuery = false
    /// Every identifier and keyword, unquoted ones folded.
    public var identifiers: Set<String> = []

    public init(_ statement: Statement, dialect: Dialect) {
        let words = Words(statement.text, dialect: dialect)
        identifiers = words.identifiers
        let first = words.word(0) ?? ""
        isQuery = ["select", "with", "values", "table"].contains(first) || words.startsWithParenthesis
        isTransactionControl = Self.controlsTransaction(words)
        mayDestroy =
            ["do", "call"].contains(first) || words.contains("drop") || words.contains("truncate")
            || words.strings.contains { $0.contains("drop") || $0.contains("truncate") }
        definition = Self.definition(words)
        concurrentIndex = dialect == .postgresql ? Self.concurrentIndex(words) : nil
        cannotRunInTransaction = concurrentIndex != nil || Self.refusesTransaction(words, dialect)
    }

    private static func controlsTransaction(_ words: Words) -> Bool {
        switch words.word(0) {
        case "begin", "commit", "end", "abort": true
        case "start": words.word(1) == "transaction"
        case "prepare": words.word(1) == "transaction"
        case "rollback": !words.items.prefix(4).contains { $0.isWord("to") }
        default: false
        }
    }

    private static func refusesTransaction(_ words: Words, _ dialect: Dialect) -> Bool {
        let first = words.word(0)
        let second = words.word(1)
        switch dialect {
        case .sqlite:
            switch first {
            case "vacuum", "attach", "detach": return true
            case "pragma":
                let name = words.items.dropFirst().last { item in
                    item.isWord("journal_mode") || item.isWord("foreign_keys")
                }
                return name != nil
            default: return false
            }
        case .postgresql:
            switch (first, second) {
            case ("vacuum", _), ("alter", "system"), ("create", "database"), ("drop", "database"),
                ("create", "tablespace"), ("drop", "tablespace"), ("create", "subscription"),
                ("drop", "subscription"):
                return true
            case ("reindex", _): return words.contains("system") || words.contains("database")
            case ("cluster", nil): return true
            case ("alter", "database"): return words.contains("tablespace")
            case ("alter", "table"): return words.contains("detach") && words.contains("concurrently")
            default: return false
            }
        }
    }

    private static func concurrentIndex(_ words: Words) -> ConcurrentIndex? {
        var cursor = words.cursor
        if cursor.take("create") {
            _ = cursor.take("unique")
            guard cursor.take("index"), cursor.take("concurrently") else { return nil }
            if cursor.take("if") { _ = cursor.take("not") && cursor.take("exists") }
            var index: TableName?
            if !cursor.take("on") {
                index = cursor.name()
                guard cursor.take("on") else { return nil }
            }
            _ = cursor.take("only")
            return cursor.name().map { .create(index: index, table: $0) }
        }
        if cursor.take("drop") {
            guard cursor.take("index"), cursor.take("concurrently") else { return nil }
            if cursor.take("if") { _ = cursor.take("exists") }
            var names: [TableName] = []
            while let name = cursor.name() {
                names.append(name)
                guard cursor.takeOther(",") else { break }
            }
            return .drop(names)
        }
        return words.word(0) == "reindex" && words.contains("concurrently") ? .reindex : nil
    }

    private static func definition(_ words: Words) -> Definition? {
        var cursor = words.cursor
        var ifNotExists = false
        func result(_ kind: DefinitionKind, _ table: TableName?) -> Definition? {
            table.map { Definition(kind: kind, table: $0, ifNotExists: ifNotExists) }
        }
        if cursor.take("create") {
            for word in ["global", "local", "temporary", "temp", "unlogged"] { _ = cursor.take(word) }
            if cursor.take("table") {
                if cursor.take("if") { ifNotExists = cursor.take("not") && cursor.take("exists") }
                return result(.createTable, cursor.name())
            }
            _ = cursor.take("unique")
            guard cursor.take("index") else { return nil }
            _ = cursor.take("concurrently")
            if cursor.take("if") { ifNotExists = cursor.take("not") && cursor.take("exists") }
            if !cursor.take("on") {
                _ = cursor.name()
                guard cursor.take("on") else { return nil }
            }
            _ = cursor.take("only")
            return result(.createIndex, cursor.name())
        }
        if cursor.take("alter") {
            guard cursor.take("table") else { return nil }
            if cursor.take("if") { _ = cursor.take("exists") }
            _ = cursor.take("only")
            return result(.alterTable, cursor.name())
        }
        guard cursor.take("comment"), cursor.take("on") else { return nil }
        if cursor.take("table") { return result(.comment, cursor.name()) }
        if cursor.take("column") {
            var parts = cursor.parts()
            guard parts.count > 1 else { return nil }
            parts.removeLast()
            return result(.comment, TableName(parts: parts))
        }
        if cursor.take("constraint") {
            _ = cursor.name()
            guard cursor.take("on") else { return nil }
            return result(.comment, cursor.name())
        }
        return nil
    }
}

extension TableName {
    init(parts: [String]) {
        self.init(schema: parts.count > 1 ? parts[parts.count - 2] : nil, parts.last ?? "")
    }
}
