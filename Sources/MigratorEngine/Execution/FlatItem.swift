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

extension Action {
    /// The table that the step replaces, or whose writes it goes on following by triggers.
    var followed: TableName? {
        switch self {
        case .switchTable(let move): move.source
        case .sync(let sync): sync.source
        case .ensure(let ensure): ensure.source
        case .fill(let fill): fill.table
        default: nil
        }
    }
}

extension Section {
    /// All items, those of `when` blocks included.
    var flatItems: [Item] { FlatItem.flatten(self).map(\.item) }

    /// All items, of `when` blocks those that held.
    /// - Parameter blocks: whether a block held, by the ordinal of its first item.
    func items(whereHeld blocks: [Int: Bool]) -> [Item] {
        FlatItem.flatten(self).filter { flat in flat.block.map { blocks[$0.id] ?? true } ?? true }.map(\.item)
    }

    /// The conditions of its `when` blocks.
    var conditions: [Condition] {
        items.compactMap { item in
            if case .when(let condition, _) = item.action { condition } else { nil }
        }
    }
}

/// A piece of a section that commits by itself: one transaction, one statement that cannot run in any, or a step
/// that commits many times while the application writes.
enum Segment {
    case transaction([FlatItem])
    case outside(FlatItem, Statement)
    case online(FlatItem)

    /// Cuts at statements that cannot run in a transaction; with `transaction off` at every statement.
    /// The last segment is always a transaction, which finishes the revision in the ledger.
    static func cut(_ items: [FlatItem], script: Script, isOnline: Bool) -> [Segment] {
        isOnline ? cutOnline(items, script: script) : cutInWindow(items, script: script)
    }

    private static func cutInWindow(_ items: [FlatItem], script: Script) -> [Segment] {
        var segments: [Segment] = []
        var open: [FlatItem] = []
        var isOwnTransaction = false
        var isCut = false
        for item in items {
            if case .transaction(let boundary) = item.item.action {
                isOwnTransaction = boundary == .begin
                isCut = true
                continue
            }
            // A boundary with nothing behind it leaves what was done to the revision's last transaction.
            if isCut, !open.isEmpty {
                segments.append(.transaction(open))
                open = []
            }
            isCut = false
            if case .statement(let statement) = item.item.action,
                !script.isTransactional && !isOwnTransaction
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

    /// Each statement commits by itself, so that no lock on one table is held while another's is waited for
    /// (ONLINE.md H5); statements that define tables of this section stay together, since nobody uses those yet.
    private static func cutOnline(_ items: [FlatItem], script: Script) -> [Segment] {
        var segments: [Segment] = []
        var definitions: [FlatItem] = []
        var last: [FlatItem] = []
        let newTables = Set(items.compactMap { $0.createdTable(script.dialect) })
        func close() {
            if !definitions.isEmpty { segments.append(.transaction(definitions)) }
            definitions = []
        }
        for item in items {
            switch item.item.action {
            case .statement(let statement):
                let traits = StatementTraits(statement, dialect: script.dialect)
                if !script.isTransactional || traits.cannotRunInTransaction {
                    close()
                    segments.append(.outside(item, statement))
                } else if let concurrent = statement.concurrentForm(dialect: script.dialect, newTables: newTables) {
                    close()
                    segments.append(.outside(item, concurrent))
                } else if item.block == nil, let table = traits.definition?.table.name, newTables.contains(table) {
                    definitions.append(item)
                } else {
                    close()
                    segments.append(.transaction([item]))
                }
            case .verify:
                last.append(item)
            case .backup, .switchTable, .copy, .sync, .ensure, .fill, .exceptions:
                close()
                segments.append(.online(item))
            case .transaction: close()
            case .leftovers, .unsync, .archive, .when:
                close()
                segments.append(.transaction([item]))
            }
        }
        close()
        segments.append(.transaction(last))
        return segments
    }
}

extension FlatItem {
    /// The table that the statement creates for sure.
    fileprivate func createdTable(_ dialect: Dialect) -> String? {
        guard case .statement(let statement) = item.action,
            let definition = StatementTraits(statement, dialect: dialect).definition,
            definition.kind == .createTable, !definition.ifNotExists
        else { return nil }
        return definition.table.name
    }
}

extension Section {
    /// Whether it moves or keeps rows: what can be done while the application writes.
    var movesRows: Bool {
        flatItems.contains { item in
            switch item.action {
            case .switchTable, .copy, .sync, .unsync, .ensure, .fill: true
            default: false
            }
        }
    }
}
