import MigratorScript

extension Action {
    /// What the step is called in progress, plan and ledger: `copy direct_messages to messages`.
    var title: String {
        switch self {
        case .statement(let statement): statement.title
        case .leftovers(let tables): "clear leftovers: " + tables.map(\.description).joined(separator: ", ")
        case .backup(let table): "back up \(table)"
        case .switchTable(let move): "switch \(move.source) to \(move.target)"
        case .copy(let move): "copy \(move.source) to \(move.target)"
        case .sync(let sync): "sync \(sync.source) to \(sync.target)"
        case .unsync(let source, let target): "end the sync of \(source) to \(target)"
        case .ensure(let ensure): "ensure \(ensure.target) for \(ensure.source)"
        case .fill(let fill): "fill \(fill.table)"
        case .exceptions(let exceptions): "record exceptions of \(exceptions.table)"
        case .archive(let tables): "archive " + tables.map(\.description).joined(separator: ", ")
        case .verify(let check): "verify \(check.title)"
        case .when(let condition, _): "when \(condition)"
        case .transaction(let boundary): boundary.rawValue
        }
    }

    /// The directive's name, or `statement`.
    var kind: String {
        switch self {
        case .statement: "statement"
        case .leftovers: "leftovers"
        case .backup: "backup"
        case .switchTable: "switch"
        case .copy: "copy"
        case .sync: "sync"
        case .unsync: "unsync"
        case .ensure: "ensure"
        case .fill: "fill"
        case .exceptions: "exceptions"
        case .archive: "archive"
        case .verify: "verify"
        case .when: "when"
        case .transaction: "transaction"
        }
    }

    /// The tables that a directive names.
    var tables: [TableName] {
        switch self {
        case .switchTable(let move), .copy(let move): [move.source, move.target] + (move.view.map { [$0] } ?? [])
        case .sync(let sync): [sync.source, sync.target]
        case .ensure(let ensure): [ensure.source, ensure.target]
        case .unsync(let source, let target): [source, target]
        case .fill(let fill): [fill.table]
        case .backup(let table): [table]
        case .exceptions(let exceptions): [exceptions.table]
        case .leftovers(let tables), .archive(let tables): tables
        case .when(_, let items): items.flatMap(\.action.tables)
        case .statement, .verify, .transaction: []
        }
    }

    var isDirective: Bool { if case .statement = self { false } else { true } }
}

extension Statement {
    /// The statement's first words on one line, up to its first parenthesis and 60 characters.
    var title: String {
        var title = ""
        for character in shown {
            if character == "(" || title.count >= 60 { break }
            if character.isWhitespace {
                if !title.isEmpty && title.last != " " { title.append(" ") }
            } else {
                title.append(character)
            }
        }
        while title.last == " " { title.removeLast() }
        return title
    }
}

extension Item {
    /// The statements that it holds or is.
    var statements: [Statement] {
        switch action {
        case .statement(let statement): [statement]
        case .verify(let check): [check.query]
        case .switchTable(let move), .copy(let move): [move.mapping].compactMap(\.self)
        case .sync(let sync): [sync.mapping, sync.back?.mapping].compactMap(\.self)
        case .ensure(let ensure): [ensure.mapping]
        case .fill(let fill): [fill.mapping]
        case .exceptions(let exceptions): [exceptions.mapping]
        default: []
        }
    }
}
