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
    /// SELECT, VALUES, TABLE, with or without a WITH before.
    public var isQuery = false
    /// Every identifier and keyword, unquoted ones folded.
    public var identifiers: Set<String> = []

    public init(_ statement: Statement, dialect: Dialect) {
        self.init(Words(statement.text, dialect: dialect), dialect: dialect)
    }

    private init(_ words: Words, dialect: Dialect) {
        identifiers = words.identifiers
        let first = words.word(0) ?? ""
        isQuery = Self.isQuery(words)
        isTransactionControl = Self.controlsTransaction(words)
        mayDestroy =
            ["do", "call"].contains(first) || words.contains("drop") || words.contains("truncate")
            || words.strings.contains { $0.contains("drop") || $0.contains("truncate") }
        definition = Self.definition(words)
        concurrentIndex = dialect == .postgresql ? Self.concurrentIndex(words) : nil
        cannotRunInTransaction = concurrentIndex != nil || Self.refusesTransaction(words, dialect)
    }

    /// The words of a statement that says no more than whether it begins or ends a transaction.
    static func controlsTransaction(_ words: Words) -> Bool {
        switch words.word(0) {
        case "begin", "commit", "end", "abort": true
        case "start", "prepare": words.word(1) == "transaction"
        case "rollback": !words.items.prefix(4).contains { $0.isWord("to") }
        default: false
        }
    }

    /// How many words `controlsTransaction` looks at.
    static let transactionWords = 4

    /// A WITH may lead to an INSERT, UPDATE, DELETE or MERGE, which are none.
    private static func isQuery(_ words: Words) -> Bool {
        let verbs = ["select", "values", "table"]
        guard words.word(0) == "with" else {
            return words.items.first == .other("(") || words.word(0).map(verbs.contains) ?? false
        }
        let verb = words.outerWords.first {
            ["insert", "update", "delete", "merge"].contains($0) || verbs.contains($0)
        }
        return verb.map(verbs.contains) ?? words.items.contains(.other("("))
    }

    /// Source: the callers of `PreventInTransactionBlock`; SQLite, "PRAGMA Statements".
    private static func refusesTransaction(_ words: Words, _ dialect: Dialect) -> Bool {
        let first = words.word(0)
        let second = words.word(1)
        switch dialect {
        case .sqlite:
            switch first {
            case "vacuum", "attach", "detach": return true
            case "pragma":
                var cursor = words.cursor
                _ = cursor.take("pragma")
                let names = ["journal_mode", "foreign_keys", "synchronous", "temp_store", "wal_checkpoint"]
                return cursor.parts().last.map(names.contains) ?? false
            default: return false
            }
        case .postgresql:
            switch (first, second) {
            case ("vacuum", _), ("alter", "system"), ("create", "database"), ("drop", "database"),
                ("create", "tablespace"), ("drop", "tablespace"), ("create", "subscription"),
                ("drop", "subscription"):
                return true
            case ("reindex", _):
                var cursor = words.cursor
                _ = cursor.take("reindex")
                cursor.takeParentheses()
                return cursor.take("system") || cursor.take("database") || cursor.take("schema")
            case ("cluster", _):
                var cursor = words.cursor
                _ = cursor.take("cluster")
                cursor.takeParentheses()
                _ = cursor.take("verbose")
                return cursor.items.isEmpty
            case ("do", _): return words.strings.contains(where: endsTransactions)
            case ("alter", "database"): return words.contains("tablespace")
            case ("alter", "subscription"): return words.contains("refresh") || words.contains("publication")
            case ("alter", "table"): return words.contains("detach") && words.contains("concurrently")
            default: return false
            }
        }
    }

    /// Whether the body of a DO block commits or rolls back, which PL/pgSQL may do outside of a transaction block only.
    private static func endsTransactions(_ constant: String) -> Bool {
        guard constant.contains("commit") || constant.contains("rollback") else { return false }
        let bytes = Array(constant.utf8)
        // $tag$...$tag$, or '...'
        let isDollar = bytes.first == UInt8(ascii: "$")
        let quote = isDollar ? (bytes.dropFirst().firstIndex(of: UInt8(ascii: "$")) ?? 0) + 1 : 1
        guard bytes.count > 2 * quote else { return false }
        let body = String(decoding: bytes[quote..<bytes.count - quote], as: UTF8.self)
        let items = Words(body, dialect: .postgresql).items
        return items.indices.contains { index in
            guard items[index].isWord("commit") || items[index].isWord("rollback") else { return false }
            let begins =
                index == 0 || items[index - 1] == .other(";")
                || ["begin", "then", "else", "loop"].contains { items[index - 1].isWord($0) }
            let next = index + 1 < items.count ? items[index + 1] : .other(";")
            return begins && (next == .other(";") || next.isWord("and"))
        }
    }

    private static func concurrentIndex(_ words: Words) -> ConcurrentIndex? {
        var cursor = words.cursor
        if cursor.take("create") {
            _ = cursor.take("unique")
            guard cursor.take("index"), cursor.take("concurrently") else { return nil }
            _ = cursor.take("if", "not", "exists")
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
            _ = cursor.take("if", "exists")
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
                ifNotExists = cursor.take("if", "not", "exists")
                return result(.createTable, cursor.name())
            }
            _ = cursor.take("unique")
            guard cursor.take("index") else { return nil }
            _ = cursor.take("concurrently")
            ifNotExists = cursor.take("if", "not", "exists")
            if !cursor.take("on") {
                _ = cursor.name()
                guard cursor.take("on") else { return nil }
            }
            _ = cursor.take("only")
            return result(.createIndex, cursor.name())
        }
        if cursor.take("alter") {
            guard cursor.take("table"), !cursor.take("all", "in", "tablespace") else { return nil }
            _ = cursor.take("if", "exists")
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
            guard cursor.take("on"), !cursor.take("domain") else { return nil }
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
