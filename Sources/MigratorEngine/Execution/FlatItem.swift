import MigratorScript

/// An item of a section with its ordinal and, inside a `when` block, the block's condition.
struct FlatItem {
    /// Counts statements and directives from 0, those inside `when` blocks too; the blocks themselves do not count.
    var ordinal: Int
    var item: Item
    var block: Block?

    struct Block {
        /// The ordinal of the block's first item.
        var id: Int
        var condition: Condition
    }

    static func flatten(_ section: Section) -> [FlatItem] {
        var flat: [FlatItem] = []
        for item in section.items {
            if case .when(let condition, let items) = item.action {
                let block = Block(id: flat.count, condition: condition)
                for nested in items {
                    flat.append(FlatItem(ordinal: flat.count, item: nested, block: block))
                }
            } else {
                flat.append(FlatItem(ordinal: flat.count, item: item, block: nil))
            }
        }
        return flat
    }
}

extension Section {
    /// All items, those of `when` blocks included.
    var flatItems: [Item] { FlatItem.flatten(self).map(\.item) }

    /// The conditions of its `when` blocks.
    var conditions: [Condition] {
        items.compactMap { item in
            if case .when(let condition, _) = item.action { condition } else { nil }
        }
    }
}

/// A piece of a section that commits at once: one transaction, or one statement that cannot run in any.
enum Segment {
    case transaction([FlatItem])
    case outside(FlatItem, Statement)

    /// Cuts at statements that cannot run in a transaction; with `transaction off` at every statement.
    /// The last segment is always a transaction, which finishes the revision in the ledger.
    static func cut(_ items: [FlatItem], script: Script) -> [Segment] {
        var segments: [Segment] = []
        var open: [FlatItem] = []
        for item in items {
            if case .statement(let statement) = item.item.action,
                !script.isTransactional
                    || StatementTraits(statement, dialect: script.dialect).cannotRunInTransaction
            {
                if !open.isEmpty { segments.append(.transaction(open)) }
                open = []
                segments.append(.outside(item, statement))
            } else {
                open.append(item)
            }
        }
        segments.append(.transaction(open))
        return segments
    }
}
