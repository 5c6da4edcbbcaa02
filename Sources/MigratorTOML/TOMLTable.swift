/// A table of a TOML document: values by key, and where each key stands.
public struct TOMLTable: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public var value: TOMLValue
        /// Where the key was written first.
        public var place: TOMLPlace
    }

    /// How a table came to be, which says what may still be added to it.
    enum Origin {
        /// By a header of a table below it, such as `a` of `[a.b]`: its own header may follow.
        case implied
        case header
        /// By a dotted key, such as `a` of `a.b = 1`: only the section that began it goes on with it.
        case dotted(section: Int)
        /// `{ ... }`: complete.
        case inline
    }

    public internal(set) var entries: [String: Entry] = [:]
    var origin: Origin

    public var keys: [String] { entries.keys.sorted() }
    public subscript(key: String) -> TOMLValue? { entries[key]?.value }

    /// Where the key stands; nil where it is not there.
    public func place(of path: [String]) -> TOMLPlace? {
        guard let key = path.first, let entry = entries[key] else { return nil }
        if path.count == 1 { return entry.place }
        guard case .table(let table) = entry.value else { return nil }
        return table.place(of: Array(path.dropFirst()))
    }

    public static func == (left: TOMLTable, right: TOMLTable) -> Bool { left.entries == right.entries }
}

public indirect enum TOMLValue: Sendable, Equatable {
    case text(String)
    /// A number, a boolean, a date or a time, as it is written.
    case literal(String)
    case array([TOMLValue])
    case table(TOMLTable)
    /// The tables of `[[name]]`.
    case tables([TOMLTable])
}

/// Line and column count from 1; the column counts characters (Unicode scalars).
public struct TOMLPlace: Sendable, Equatable {
    public var line: Int
    public var column: Int
}

/// What is wrong with a document. The words quote keys, never values, which may be secret.
public struct TOMLError: Error, Sendable, Equatable {
    public var message: String
    public var place: TOMLPlace
}
