/// A rename that a script declares for those who read the application's source:
/// `-- migrator:renames DirectMessage -> Message, direct_message_ -> message_ except direct_message_id`.
public struct DeclaredRename: Sendable, Equatable {
    /// Looked for as it stands, wherever it stands.
    public var old: String
    public var new: String
    /// Longer names that hold `old` and stay.
    public var exceptions: [String]

    public init(old: String, new: String, exceptions: [String] = []) {
        self.old = old
        self.new = new
        self.exceptions = exceptions
    }
}

/// A table or a column whose name an upgrade takes away, as far as the script's words say.
public struct TakenName: Sendable, Equatable {
    public var table: TableName
    /// nil for the table itself.
    public var column: String?
    /// What to say instead; nil where it is gone for good.
    public var successor: String?

    public init(table: TableName, column: String? = nil, successor: String? = nil) {
        self.table = table
        self.column = column
        self.successor = successor
    }
}

extension Script {
    /// The names that the upgrade takes away or gives to something else, in the script's order. Those that the script
    /// itself takes away only where something holds (`when`) are among them.
    public var takenNames: [TakenName] {
        get throws(ScriptError) {
            try upgrade.allItems.flatMap { item -> [TakenName] in
                switch item.action {
                case .switchTable(let move): [TakenName(table: move.source, successor: move.target.name)]
                case .statement(let statement): statement.takenNames(dialect)
                default: []
                }
            }
        }
    }

    /// The tables that the upgrade makes.
    public var madeTables: [TableName] {
        get throws(ScriptError) {
            try upgrade.allItems.compactMap { item in
                switch item.action {
                case .switchTable(let move): return move.target
                case .statement(let statement):
                    let definition = StatementTraits(statement, dialect: dialect).definition
                    return definition?.kind == .createTable ? definition?.table : nil
                default: return nil
                }
            }
        }
    }
}

extension Section {
    fileprivate var allItems: [Item] {
        items.flatMap { item in
            if case .when(_, let items) = item.action { items } else { [item] }
        }
    }
}

extension Statement {
    fileprivate func takenNames(_ dialect: Dialect) -> [TakenName] {
        var cursor = Words(text, dialect: dialect).cursor
        if cursor.take("drop", "table") {
            _ = cursor.take("if", "exists")
            return cursor.names().map { TakenName(table: $0) }
        }
        guard cursor.take("alter", "table") else { return [] }
        _ = cursor.take("if", "exists")
        _ = cursor.take("only")
        guard let table = cursor.name() else { return [] }
        if cursor.take("rename", "to") { return [TakenName(table: table, successor: cursor.name()?.name)] }
        if cursor.take("rename") {
            _ = cursor.take("column")
            guard let old = cursor.name(), cursor.take("to"), let new = cursor.name() else { return [] }
            return [TakenName(table: table, column: old.name, successor: new.name)]
        }
        var taken: [TakenName] = []
        var rest = cursor.items
        while let first = rest.popFirst() {
            guard first.isWord("drop") else { continue }
            cursor.items = rest
            guard !cursor.take("constraint"), !cursor.take("default"), !cursor.take("not"),
                !cursor.take("expression"), !cursor.take("identity")
            else { continue }
            _ = cursor.take("column")
            _ = cursor.take("if", "exists")
            if let column = cursor.name() { taken.append(TakenName(table: table, column: column.name)) }
        }
        return taken
    }
}
