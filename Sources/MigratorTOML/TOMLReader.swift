/// Reads a TOML document. Numbers, dates and times are checked and left as they are written.
///
/// Source: TOML 1.0.0, https://toml.io/en/v1.0.0
public struct TOMLReader {
    let scalars: [Unicode.Scalar]
    var position = 0
    private var root = TOMLTable(origin: .header)
    /// The header that applies.
    private var section: [Key] = []
    private var sectionNumber = 0

    /// Deeper nesting is refused, so that no document exhausts the stack.
    static let depthLimit = 100

    struct Key {
        var name: String
        var place: TOMLPlace
    }

    private init(_ text: String) {
        // Editors on Windows write a byte order mark.
        let start = text.unicodeScalars.first == "\u{FEFF}" ? 1 : 0
        scalars = Array(text.unicodeScalars.dropFirst(start))
    }

    public static func read(_ text: String) throws(TOMLError) -> TOMLTable {
        var reader = TOMLReader(text)
        while try reader.readLine() {}
        return reader.root
    }

    /// - Returns: false at the end of the document.
    private mutating func readLine() throws(TOMLError) -> Bool {
        skipSpace()
        switch peek() {
        case nil: return false
        case "\n", "\r", "#": break
        case "[": try readHeader()
        default:
            let keys = try readKeys()
            let value = try readAssigned(depth: 0)
            let number = sectionNumber
            try Self.descend(section[...], in: &root) { table throws(TOMLError) in
                try Self.set(value, keys[...], in: &table, section: number)
            }
        }
        try finishLine()
        return true
    }

    // MARK: Tables

    private mutating func readHeader() throws(TOMLError) {
        let start = position
        position += 1
        let isArray = take("[")
        section = try readKeys()
        guard take("]"), !isArray || take("]") else { throw error("the header is not closed with ]") }
        sectionNumber += 1
        let place = place(start)
        let parents = section.dropLast()
        try Self.descend(parents, in: &root) { [section] table throws(TOMLError) in
            guard let key = section.last else { return }
            var entry = table.entries[key.name]
            switch (entry?.value, isArray) {
            case (nil, true): entry = .init(value: .tables([TOMLTable(origin: .header)]), place: place)
            case (nil, false): entry = .init(value: .table(TOMLTable(origin: .header)), place: place)
            case (.tables(let tables), true): entry?.value = .tables(tables + [TOMLTable(origin: .header)])
            case (.table(var known), false):
                guard case .implied = known.origin else { throw Self.twice(key) }
                known.origin = .header
                entry?.value = .table(known)
            default: throw Self.twice(key)
            }
            table.entries[key.name] = entry
        }
    }

    /// Runs `body` on the table that the keys lead to; of `[[name]]` on the last one. What is missing is made.
    private static func descend(
        _ keys: ArraySlice<Key>, in table: inout TOMLTable,
        _ body: (inout TOMLTable) throws(TOMLError) -> Void
    ) throws(TOMLError) {
        guard let key = keys.first else { return try body(&table) }
        var entry =
            table.entries[key.name] ?? .init(value: .table(TOMLTable(origin: .implied)), place: key.place)
        switch entry.value {
        case .table(var next):
            if case .inline = next.origin { throw twice(key) }
            try descend(keys.dropFirst(), in: &next, body)
            entry.value = .table(next)
        case .tables(var tables):
            try descend(keys.dropFirst(), in: &tables[tables.count - 1], body)
            entry.value = .tables(tables)
        default: throw twice(key)
        }
        table.entries[key.name] = entry
    }

    static func set(
        _ value: TOMLValue, _ keys: ArraySlice<Key>, in table: inout TOMLTable, section: Int
    ) throws(TOMLError) {
        guard let key = keys.first else { return }
        let known = table.entries[key.name]
        guard keys.count > 1 else {
            guard known == nil else { throw twice(key) }
            table.entries[key.name] = .init(value: value, place: key.place)
            return
        }
        var entry =
            known ?? .init(value: .table(TOMLTable(origin: .dotted(section: section))), place: key.place)
        guard case .table(var next) = entry.value, case .dotted(section) = next.origin else { throw twice(key) }
        try set(value, keys.dropFirst(), in: &next, section: section)
        entry.value = .table(next)
        table.entries[key.name] = entry
    }

    private static func twice(_ key: Key) -> TOMLError {
        TOMLError(message: "\"\(key.name)\" has a value already", place: key.place)
    }

    // MARK: Keys and values

    /// `a."b c".d`
    private mutating func readKeys() throws(TOMLError) -> [Key] {
        var keys: [Key] = []
        repeat {
            skipSpace()
            guard keys.count < Self.depthLimit else { throw error("the key has too many parts") }
            let place = place(position)
            switch peek() {
            case "\"", "'":
                guard !isAhead("\"\"\""), !isAhead("'''") else { throw error("a key takes one line") }
                keys.append(Key(name: try readText(), place: place))
            default:
                let start = position
                while let scalar = peek(), scalar.isBareKey { position += 1 }
                guard position > start else { throw error("a key is missing") }
                keys.append(Key(name: text(start..<position), place: place))
            }
            skipSpace()
        } while take(".")
        return keys
    }

    /// `= VALUE`
    private mutating func readAssigned(depth: Int) throws(TOMLError) -> TOMLValue {
        guard take("=") else { throw error("the key must be followed by =") }
        skipSpace()
        return try readValue(depth: depth)
    }

    private mutating func readValue(depth: Int) throws(TOMLError) -> TOMLValue {
        guard depth < Self.depthLimit else { throw error("the value is nested too deeply") }
        switch peek() {
        case "\"", "'": return .text(try readText())
        case "[": return .array(try readArray(depth: depth))
        case "{": return .table(try readInlineTable(depth: depth))
        default: return .literal(try readLiteral())
        }
    }

    private mutating func readArray(depth: Int) throws(TOMLError) -> [TOMLValue] {
        position += 1
        var values: [TOMLValue] = []
        while true {
            try skipSpaceAndLines()
            if take("]") { return values }
            values.append(try readValue(depth: depth + 1))
            try skipSpaceAndLines()
            if take("]") { return values }
            guard take(",") else { throw error("the array is not closed with ]") }
        }
    }

    private mutating func readInlineTable(depth: Int) throws(TOMLError) -> TOMLTable {
        position += 1
        // Its own dotted keys may go on with each other until it is closed.
        var table = TOMLTable(origin: .inline)
        skipSpace()
        if take("}") { return table }
        repeat {
            let keys = try readKeys()
            let value = try readAssigned(depth: depth + 1)
            try Self.set(value, keys[...], in: &table, section: -1)
            skipSpace()
        } while take(",")
        guard take("}") else { throw error("the inline table is not closed with }") }
        return table
    }

    // MARK: Scalars

    func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        position + ahead < scalars.count ? scalars[position + ahead] : nil
    }

    func isAhead(_ text: String) -> Bool {
        scalars[position...].starts(with: text.unicodeScalars)
    }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    func text(_ range: Range<Int>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[range])
        return String(text)
    }

    func place(_ position: Int) -> TOMLPlace {
        let before = scalars[..<position]
        let start = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        return TOMLPlace(line: before.count { $0 == "\n" } + 1, column: position - start + 1)
    }

    func error(_ message: String) -> TOMLError { TOMLError(message: message, place: place(position)) }

    private mutating func skipSpace() {
        while peek() == " " || peek() == "\t" { position += 1 }
    }

    private mutating func skipSpaceAndLines() throws(TOMLError) {
        while true {
            skipSpace()
            guard let scalar = peek(), scalar == "\n" || scalar == "\r" || scalar == "#" else { return }
            try finishLine()
        }
    }

    /// A comment, where there is one, and the end of the line.
    private mutating func finishLine() throws(TOMLError) {
        skipSpace()
        if take("#") {
            while let scalar = peek(), scalar != "\n", !isAhead("\r\n") {
                guard !scalar.isControl else { throw error("a comment holds a control character") }
                position += 1
            }
        }
        if peek() == nil || take("\n") { return }
        guard take("\r"), take("\n") else { throw error("the line goes on where it should end") }
    }
}

extension Unicode.Scalar {
    fileprivate var isBareKey: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
        default: false
        }
    }

    /// A character that texts and comments cannot hold; a tab can stand there.
    var isControl: Bool { value < 0x20 && self != "\t" || value == 0x7F }
}
