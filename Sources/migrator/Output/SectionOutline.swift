import MigratorScript

/// The steps of a section as `show` lists them.
enum SectionOutline {
    static func lines(_ section: Section) -> [String] {
        if section.items.isEmpty { return ["(nothing)"] }
        return section.items.flatMap { lines($0) }
    }

    private static func lines(_ item: Item) -> [String] {
        if case .when(let condition, let items) = item.action {
            return ["when \(condition)"] + items.flatMap(lines).map { "  " + $0 }
        }
        return [title(item.action)]
    }

    static func title(_ action: Action) -> String {
        switch action {
        case .statement(let statement): excerpt(statement.text)
        case .leftovers(let tables): "leftovers " + list(tables)
        case .backup(let table): "backup \(table)"
        case .switchTable(let move): "switch \(move.source) -> \(move.target)"
        case .copy(let move): "copy \(move.source) -> \(move.target)"
        case .sync(let sync): "sync \(sync.source) \(sync.back == nil ? "->" : "<->") \(sync.target)"
        case .unsync(let source, let target): "unsync \(source) -> \(target)"
        case .ensure(let ensure): "ensure \(ensure.source) -> \(ensure.target)"
        case .fill(let fill): "fill \(fill.table)"
        case .exceptions(let exceptions): "exceptions \(exceptions.table)"
        case .archive(let tables): "archive " + list(tables)
        case .verify(let check): "verify \(check.title)"
        case .when(let condition, _): "when \(condition)"
        case .transaction(let boundary): boundary.rawValue
        }
    }

    private static func list(_ tables: [TableName]) -> String {
        tables.map(\.description).joined(separator: ", ")
    }

    /// The statement's first line, cut at 72 characters.
    private static func excerpt(_ text: String) -> String {
        let first = text.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? ""
        let isWhole = first.count == text.count && first.count <= 72
        return isWhole ? first : String(first.prefix(72)) + " …"
    }
}
