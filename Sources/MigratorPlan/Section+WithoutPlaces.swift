import MigratorScript

/// Sections without where things stand in the file and how its lines end, for telling whether anything but the
/// layout changed: the ledger keeps a script with LF, a checkout may have CRLF.
extension Section {
    var withoutPlaces: Section { Section(items: items.map(\.withoutPlace)) }

    /// Whether both do the same, wherever it stands.
    public func sameWords(as other: Section) -> Bool { withoutPlaces == other.withoutPlaces }
}

extension Item {
    fileprivate var withoutPlace: Item {
        Item(location: ScriptLocation(file: "", line: 0), action: action.withoutPlaces)
    }
}

extension Statement {
    fileprivate var withoutPlace: Statement {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let plain = lines.map { line in
            var line = line
            while line.last == UInt8(ascii: "\r") { line.removeLast() }
            return String(Substring(line))
        }
        return Statement(
            text: plain.joined(separator: "\n"), location: ScriptLocation(file: "", line: 0), offset: 0)
    }
}

extension Action {
    fileprivate var withoutPlaces: Action {
        switch self {
        case .leftovers, .backup, .unsync, .archive, .transaction: return self
        case .statement(let statement): return .statement(statement.withoutPlace)
        case .switchTable(var move):
            move.mapping = move.mapping?.withoutPlace
            return .switchTable(move)
        case .copy(var move):
            move.mapping = move.mapping?.withoutPlace
            return .copy(move)
        case .sync(var sync):
            sync.mapping = sync.mapping?.withoutPlace
            sync.back = sync.back.map { Sync.Back(yields: $0.yields, mapping: $0.mapping?.withoutPlace) }
            return .sync(sync)
        case .ensure(var ensure):
            ensure.mapping = ensure.mapping.withoutPlace
            ensure.back = ensure.back.map { Ensure.Back(key: $0.key, mapping: $0.mapping.withoutPlace) }
            return .ensure(ensure)
        case .fill(var fill):
            fill.mapping = fill.mapping.withoutPlace
            return .fill(fill)
        case .exceptions(var exceptions):
            exceptions.mapping = exceptions.mapping.withoutPlace
            return .exceptions(exceptions)
        case .verify(var check):
            check.query = check.query.withoutPlace
            return .verify(check)
        case .when(let condition, let items): return .when(condition, items.map(\.withoutPlace))
        }
    }
}
