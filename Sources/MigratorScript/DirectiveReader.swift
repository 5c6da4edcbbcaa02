/// Reads the words of one directive line: names, identifiers as in SQL, arrows, options.
struct DirectiveReader {
    let source: SourceText
    /// Of the directive's comment.
    let offset: Int
    private let end: Int
    private var position: Int

    init(source: SourceText, offset: Int, rest: Range<Int>) {
        self.source = source
        self.offset = offset
        position = rest.lowerBound
        end = rest.upperBound
    }

    var location: ScriptLocation { source.location(offset) }

    func error(_ code: String, _ message: String, hint: String? = nil) -> ScriptError {
        source.error(code, message, hint: hint, at: offset)
    }

    private func peek() -> UInt8? { position < end ? source.bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), Lexer.isSpace(byte) { position += 1 }
    }

    mutating func isAtEnd() -> Bool {
        skipSpace()
        return position >= end
    }

    /// The rest of the line as text.
    mutating func rest() -> String {
        skipSpace()
        var last = end
        while last > position, Lexer.isSpace(source.bytes[last - 1]) { last -= 1 }
        defer { position = end }
        return source.text(position..<last)
    }

    /// The next run of characters up to white space.
    mutating func word() -> String {
        skipSpace()
        let start = position
        while let byte = peek(), !Lexer.isSpace(byte) { position += 1 }
        return source.text(start..<position)
    }

    /// Takes `text` where it stands next.
    mutating func take(_ text: String) -> Bool {
        skipSpace()
        let wanted = Array(text.utf8)
        guard position + wanted.count <= end,
            source.bytes[position..<position + wanted.count].elementsEqual(wanted)
        else { return false }
        position += wanted.count
        return true
    }

    /// An identifier: unquoted and folded to lower case, or "quoted" as it stands.
    mutating func identifier(_ what: String) throws(ScriptError) -> String {
        skipSpace()
        guard let first = peek() else { throw error("incomplete-directive", "\(what) is missing") }
        if first == UInt8(ascii: "\"") {
            var name: [UInt8] = []
            position += 1
            while let byte = peek() {
                position += 1
                if byte != UInt8(ascii: "\"") {
                    name.append(byte)
                } else if peek() == UInt8(ascii: "\"") {
                    name.append(byte)
                    position += 1
                } else {
                    guard !name.isEmpty else { break }
                    return String(decoding: name, as: UTF8.self)
                }
            }
            throw error("malformed-identifier", "a quoted identifier is empty or not closed")
        }
        let start = position
        guard Lexer.startsWord(first) else {
            throw error(
                "malformed-identifier", "\(what) is not an identifier",
                hint: "quote it with \" if it must be so")
        }
        while let byte = peek(), Lexer.isWord(byte) { position += 1 }
        return source.text(start..<position).asciiLowercased
    }

    mutating func table(_ what: String = "a table's name") throws(ScriptError) -> TableName {
        let first = try identifier(what)
        guard take(".") else { return TableName(first) }
        return TableName(schema: first, try identifier(what))
    }

    mutating func tables() throws(ScriptError) -> [TableName] {
        var tables = [try table()]
        while take(",") { tables.append(try table()) }
        return tables
    }

    mutating func identifiers() throws(ScriptError) -> [String] {
        var names = [try identifier("a column's name")]
        while take(",") { names.append(try identifier("a column's name")) }
        return names
    }

    /// `name=` of an option; nil at the end of the line.
    mutating func optionName(allowed: [String], directive: String) throws(ScriptError) -> String? {
        if isAtEnd() { return nil }
        let start = position
        while let byte = peek(), Lexer.isWord(byte) { position += 1 }
        let name = source.text(start..<position)
        guard peek() == UInt8(ascii: "="), !name.isEmpty else {
            position = start
            throw error(
                "malformed-directive", "\"\(word())\" is not understood in \"\(directive)\"",
                hint: allowed.isEmpty
                    ? "this directive takes no options"
                    : "options are written name=value: " + allowed.joined(separator: ", "))
        }
        guard allowed.contains(name) else {
            throw error(
                "unknown-option", "\"\(directive)\" has no option \"\(name)\"",
                hint: suggestion(for: name, among: allowed)
                    ?? (allowed.isEmpty
                        ? "this directive takes no options" : "it has: " + allowed.joined(separator: ", ")))
        }
        position += 1
        return name
    }

    mutating func finish(_ directive: String) throws(ScriptError) {
        if !isAtEnd() {
            throw error(
                "malformed-directive", "\"\(rest())\" is too much in \"\(directive)\"", hint: "take it away")
        }
    }
}

/// "did you mean" for a word that is close to one of those known; nil where none is.
func suggestion(for word: String, among known: [String]) -> String? {
    let best = known.map { (name: $0, distance: editDistance(word, $0)) }.min { $0.distance < $1.distance }
    guard let best, best.distance <= max(1, word.count / 3) else { return nil }
    return "did you mean \"\(best.name)\"?"
}

private func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left)
    let right = Array(right)
    var row = Array(0...right.count)
    for (index, character) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in right.indices {
            let above = row[column + 1]
            row[column + 1] = min(
                above + 1, row[column] + 1, diagonal + (character == right[column] ? 0 : 1))
            diagonal = above
        }
    }
    return row[right.count]
}
