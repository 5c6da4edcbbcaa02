/// The way back of a revision.
public enum Downgrade: Sendable, Equatable {
    case section(Section)
    /// `irreversible REASON`
    case irreversible(reason: String, location: ScriptLocation)

    public var isReversible: Bool {
        if case .section = self { true } else { false }
    }
}

/// The items of an upgrade or downgrade section in their order.
public struct Section: Sendable, Equatable {
    public var items: [Item]

    public init(items: [Item] = []) { self.items = items }
}

/// One thing that a section does: a statement or a directive.
public struct Item: Sendable, Equatable {
    public var location: ScriptLocation
    public var action: Action

    public init(location: ScriptLocation, action: Action) {
        self.location = location
        self.action = action
    }
}

public indirect enum Action: Sendable, Equatable {
    case statement(Statement)
    /// Tables of earlier attempts: empty ones are dropped, others set aside or refused.
    case leftovers([TableName])
    case backup(TableName)
    case switchTable(Move)
    case copy(Move)
    case sync(Sync)
    case unsync(source: TableName, target: TableName)
    case ensure(Ensure)
    case fill(Fill)
    case exceptions(Exceptions)
    case archive([TableName])
    case verify(Check)
    /// `when CONDITION ... end`; the items hold no further `when`.
    case when(Condition, [Item])
    /// `begin`, `commit`: where a transaction of the script's own begins and ends.
    case transaction(TransactionBoundary)
}

/// A place where what was done so far is committed. What follows `begin` is one transaction up to `commit`, also in a
/// script that is none otherwise.
public enum TransactionBoundary: String, Sendable, Hashable {
    case begin
    case commit
}

/// One SQL statement as the author wrote it, without its final semicolon, and where it stands.
public struct Statement: Sendable, Equatable {
    /// From the first to the last byte that is no white space or comment; comments inside stay.
    public var text: String
    /// Of the first byte of `text`.
    public var location: ScriptLocation
    /// UTF-8 bytes from the start of the file (line endings as in the file).
    public var offset: Int
    /// With its variables as they are written; nil where it has none, or none is filled in.
    public var written: String?
    /// Where in `text` values stand, in their order; in characters.
    public var replacements: [Replacement] = []

    public struct Replacement: Sendable, Equatable {
        /// The variable's.
        public var name: String
        /// As it was given; it may be a secret.
        public var value: String
        public var start: Int
        public var length: Int
        public var writtenLength: Int
    }

    /// For people and the ledger: without values, which may be secrets.
    public var shown: String { written ?? text }

    public init(text: String, location: ScriptLocation, offset: Int) {
        self.text = text
        self.location = location
        self.offset = offset
    }
}

/// A table's name as a script gives it. Unquoted identifiers are folded to lower case (on both databases).
public struct TableName: Sendable, Hashable, CustomStringConvertible {
    public var schema: String?
    public var name: String

    public init(schema: String? = nil, _ name: String) {
        self.schema = schema
        self.name = name
    }

    public var description: String { schema.map { "\($0).\(name)" } ?? name }
}

public enum Strategy: String, Sendable, Hashable, CaseIterable, Codable {
    case rename
    case copy
}

/// `switch` or `copy`: SOURCE -> TARGET key=COLUMN.
public struct Move: Sendable, Equatable {
    public var source: TableName
    public var target: TableName
    public var key: String
    /// `view=NAME`: left behind under this name with the source's columns.
    public var view: TableName?
    public var strategy: Strategy?
    /// The mapping SELECT; nil means by name.
    public var mapping: Statement?

    public init(
        source: TableName, target: TableName, key: String, view: TableName? = nil,
        strategy: Strategy? = nil, mapping: Statement? = nil
    ) {
        self.source = source
        self.target = target
        self.key = key
        self.view = view
        self.strategy = strategy
        self.mapping = mapping
    }
}

/// `sync SOURCE -> TARGET key=COLUMN`, or two ways: `sync A <-> B key=COLUMN yields=B` with `back`.
public struct Sync: Sendable, Equatable {
    public var source: TableName
    public var target: TableName
    public var key: String
    public var mapping: Statement?
    /// Two ways where it is there.
    public var back: Back?

    public struct Back: Sendable, Equatable {
        /// The side that yields: the source or the target.
        public var yields: TableName
        /// The SELECT over the target that leads back.
        public var mapping: Statement?

        public init(yields: TableName, mapping: Statement?) {
            self.yields = yields
            self.mapping = mapping
        }
    }

    public init(
        source: TableName, target: TableName, key: String, mapping: Statement? = nil, back: Back? = nil
    ) {
        self.source = source
        self.target = target
        self.key = key
        self.mapping = mapping
        self.back = back
    }
}

/// `ensure SOURCE -> TARGET on=COLUMNS`: target rows that the SELECT yields and that are missing; or, with
/// `SOURCE <-> TARGET on=COLUMNS key=COLUMN` and `back`, what changes in them leads back to the source's rows.
public struct Ensure: Sendable, Equatable {
    public var source: TableName
    public var target: TableName
    public var on: [String]
    /// `owner=COLUMN`: a target row goes with the row that owns it.
    public var owner: String?
    /// `raise=status(sent,delivered,read)`: a column that only ever moves upwards in this order.
    public var raise: Raise?
    public var mapping: Statement
    /// `SOURCE <-> TARGET`: what is written to the target changes the source's row.
    public var back: Back?

    public struct Back: Sendable, Equatable {
        /// The key of the source.
        public var key: String
        /// The SELECT over the target: the source's key, and the columns that follow.
        public var mapping: Statement

        public init(key: String, mapping: Statement) {
            self.key = key
            self.mapping = mapping
        }
    }

    public struct Raise: Sendable, Equatable {
        public var column: String
        public var order: [String]

        public init(column: String, order: [String]) {
            self.column = column
            self.order = order
        }
    }

    public init(
        source: TableName, target: TableName, on: [String], owner: String? = nil, raise: Raise? = nil,
        mapping: Statement, back: Back? = nil
    ) {
        self.source = source
        self.target = target
        self.on = on
        self.owner = owner
        self.raise = raise
        self.mapping = mapping
        self.back = back
    }
}

/// `fill TABLE key=COLUMN`: the SELECT computes columns of the table itself, for rows that lack them.
public struct Fill: Sendable, Equatable {
    public var table: TableName
    public var key: String
    public var mapping: Statement

    public init(table: TableName, key: String, mapping: Statement) {
        self.table = table
        self.key = key
        self.mapping = mapping
    }
}

/// `exceptions TABLE key=COLUMN`: the SELECT yields the key and a `reason` of rows that no mapping can place.
public struct Exceptions: Sendable, Equatable {
    public var table: TableName
    public var key: String
    public var mapping: Statement

    public init(table: TableName, key: String, mapping: Statement) {
        self.table = table
        self.key = key
        self.mapping = mapping
    }
}

/// `verify TITLE`: rows returned are violations.
public struct Check: Sendable, Equatable {
    public var title: String
    public var query: Statement

    public init(title: String, query: Statement) {
        self.title = title
        self.query = query
    }
}

/// The condition of a `when` block.
public enum Condition: Sendable, Hashable, CustomStringConvertible {
    case table(TableName, exists: Bool)
    case column(TableName, String, exists: Bool)
    /// True in a downgrade where this revision's upgrade made the column (or, without a column, the table).
    case created(TableName, column: String?)

    public var description: String {
        switch self {
        case .table(let table, let exists): "table \(table) \(exists ? "exists" : "missing")"
        case .column(let table, let column, let exists):
            "column \(table).\(column) \(exists ? "exists" : "missing")"
        case .created(let table, let column): "created \(table)" + (column.map { ".\($0)" } ?? "")
        }
    }
}
