import MigratorDatabase
import MigratorScript

/// The catalog changes that lead from a table to a declared one; no row is touched.
///
/// Column order, extra columns and extra constraints of the source are left as they are. The key's default is the
/// source's own, whatever the declaration says: its sequence serves on.
struct RenamePlan {
    /// Why the declaration cannot be reached so.
    struct Unreachable: Error, Equatable {
        var reason: String
    }

    let declared: TableShape
    let source: TableShape
    let key: String
    var added: [CatalogColumn] = []
    var retyped: [(old: CatalogColumn, new: CatalogColumn)] = []
    var tightened: [CatalogColumn] = []
    var relaxed: [CatalogColumn] = []
    var defaults: [(old: CatalogColumn, new: CatalogColumn)] = []
    var constraintNames: [(old: CatalogConstraint, new: CatalogConstraint)] = []
    var addedConstraints: [CatalogConstraint] = []
    var indexNames: [(old: CatalogIndex, new: CatalogIndex)] = []
    var addedIndexes: [CatalogIndex] = []
    var droppedIndexes: [CatalogIndex] = []
    var comments: [Comment] = []

    struct Comment: Equatable {
        /// `TABLE`, or the name of a column.
        var column: String?
        var old: String?
        var new: String?
    }

    /// What is left to do, but for the source's other indexes; empty where the table is as declared.
    var differences: [String] {
        added.map { "column \"\($0.name)\" is missing" }
            + retyped.map { "column \"\($0.new.name)\" has type \($0.old.type), not \($0.new.type)" }
            + tightened.map { "column \"\($0.name)\" may be null" }
            + relaxed.map { "column \"\($0.name)\" may not be null" }
            + defaults.map { "column \"\($0.new.name)\" has another default" }
            + constraintNames.map { "constraint \"\($0.new.name)\" is called \"\($0.old.name)\"" }
            + addedConstraints.map { "constraint \"\($0.name)\" is missing" }
            + indexNames.map { "index \"\($0.new.name)\" is called \"\($0.old.name)\"" }
            + addedIndexes.map { "index \"\($0.name)\" is missing" }
            + comments.map { "the comment of \($0.column ?? "the table") is another" }
    }

    init(from source: TableShape, to declared: TableShape, key: String) throws(Unreachable) {
        self.declared = declared
        self.source = source
        self.key = key
        if let property = declared.properties.first(where: { !source.properties.contains($0) }) {
            throw Unreachable(reason: "the declaration has \(property)")
        }
        try planColumns()
        try planConstraints()
        planIndexes()
        if let comment = declared.comment, comment != source.comment {
            comments.append(Comment(column: nil, old: source.comment, new: comment))
        }
    }

    // MARK: Columns

    private mutating func planColumns() throws(Unreachable) {
        for column in declared.columns {
            guard let old = source.column(column.name) else {
                try planAddition(column)
                continue
            }
            try planChange(from: old, to: column)
        }
    }

    private mutating func planAddition(_ column: CatalogColumn) throws(Unreachable) {
        if column.generated != nil {
            throw Unreachable(reason: "the new column \"\(column.name)\" is generated")
        }
        if column.identity != nil {
            throw Unreachable(reason: "the new column \"\(column.name)\" is an identity")
        }
        if column.isNotNull, !declared.constantDefaults.contains(column.name) {
            throw Unreachable(
                reason: "the new column \"\(column.name)\" is NOT NULL without a constant default")
        }
        if let text = column.defaultExpression, text.contains("migrator_scratch") {
            throw Unreachable(reason: "the new column \"\(column.name)\" has a sequence of its own")
        }
        added.append(column)
        if let comment = column.comment {
            comments.append(Comment(column: column.name, old: nil, new: comment))
        }
    }

    private mutating func planChange(from old: CatalogColumn, to column: CatalogColumn) throws(Unreachable) {
        let name = column.name
        if old.collation != column.collation {
            throw Unreachable(reason: "column \"\(name)\" has another collation")
        }
        if old.generated != column.generated
            || old.generated != nil && old.defaultExpression != column.defaultExpression
        {
            throw Unreachable(reason: "column \"\(name)\" is generated in another way")
        }
        let isRetyped = old.type != column.type
        if isRetyped {
            guard Self.widens(old.type, to: column.type), old.generated == nil, name != key else {
                throw Unreachable(reason: "column \"\(name)\" changes from \(old.type) to \(column.type)")
            }
            retyped.append((old, column))
        }
        if column.isNotNull, !old.isNotNull { tightened.append(column) }
        if !column.isNotNull, old.isNotNull { relaxed.append(old) }
        if name == key {
            let drawsNext = old.defaultExpression != nil || old.identity != nil
            if !drawsNext, column.defaultExpression != nil || column.identity != nil {
                throw Unreachable(reason: "the key \"\(name)\" gets a sequence that the source has not")
            }
        } else if old.identity != column.identity {
            throw Unreachable(reason: "column \"\(name)\" is another kind of identity")
        } else if old.generated == nil, isRetyped || old.defaultExpression != column.defaultExpression {
            if let text = column.defaultExpression, text.contains("migrator_scratch") {
                throw Unreachable(reason: "column \"\(name)\" gets a sequence of its own")
            }
            defaults.append((old, column))
        }
        if let comment = column.comment, comment != old.comment {
            comments.append(Comment(column: name, old: old.comment, new: comment))
        }
    }

    /// Whether ALTER TYPE gets there without a rewrite: a longer varchar, or varchar to text.
    static func widens(_ old: String, to new: String) -> Bool {
        let prefix = "character varying"
        guard old.hasPrefix(prefix), !old.hasSuffix("[]"), !new.hasSuffix("[]") else { return false }
        if new == "text" || new == prefix { return true }
        guard new.hasPrefix(prefix), let oldLength = length(old), let newLength = length(new) else {
            return false
        }
        return newLength >= oldLength
    }

    private static func length(_ type: String) -> Int? {
        Int(type.drop { $0 != "(" }.dropFirst().prefix { $0 != ")" })
    }

    // MARK: Constraints and indexes

    private mutating func planConstraints() throws(Unreachable) {
        var free = source.constraints
        let addedNames = Set(added.map(\.name))
        // A constraint that has its name already is not given another's.
        let ordered = declared.constraints.sorted { left, _ in
            source.constraints.contains { $0.name == left.name && $0.comparable == left.comparable }
        }
        for constraint in ordered {
            let twins = free.filter { $0.kind == constraint.kind && $0.comparable == constraint.comparable }
            if let twin = twins.first(where: { $0.name == constraint.name }) ?? twins.first {
                free.removeAll { $0.oid == twin.oid }
                if twin.name != constraint.name { constraintNames.append((twin, constraint)) }
                continue
            }
            switch constraint.kind {
            case .primaryKey:
                throw Unreachable(reason: "the primary key is another one")
            case .notNull:
                // PostgreSQL 18: those of new columns come with the columns.
                if constraint.columns.allSatisfy({ !addedNames.contains($0) }) {
                    addedConstraints.append(constraint)
                }
            default:
                addedConstraints.append(constraint)
            }
        }
        let named = Set(addedConstraints.filter { $0.kind == .notNull }.flatMap(\.columns))
        tightened.removeAll { named.contains($0.name) }
    }

    private mutating func planIndexes() {
        var free = source.indexes.filter { $0.constraint == nil }
        for index in declared.indexes where index.constraint == nil {
            let twins = free.filter { $0.isValid && $0.isUnique == index.isUnique && $0.body == index.body }
            if let twin = twins.first(where: { $0.name == index.name }) ?? twins.first {
                free.removeAll { $0.oid == twin.oid }
                if twin.name != index.name { indexNames.append((twin, index)) }
            } else {
                addedIndexes.append(index)
            }
        }
        droppedIndexes = free.filter { !$0.isUnique && !$0.isReplicaIdentity && !$0.isClustered }
    }
}
