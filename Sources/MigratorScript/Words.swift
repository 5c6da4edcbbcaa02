/// A statement's words, quoted identifiers and punctuation, comments aside.
struct Words {
    enum Item: Equatable {
        case word(String)
        case quoted(String)
        case string
        case other(String)

        func isWord(_ text: String) -> Bool { self == .word(text) }
    }

    private(set) var items: [Item] = []
    /// The texts of string constants, lower-cased.
    private(set) var strings: [String] = []

    init(_ text: String, dialect: Dialect) {
        // A statement comes from a script that was lexed already; what cannot be lexed has no words.
        guard let source = try? SourceText(Array(text.utf8), file: "") else { return }
        var lexer = Lexer(source, dialect: dialect)
        while let token = try? lexer.next() {
            let text = source.text(token.range)
            switch token.kind {
            case .lineComment, .blockComment: continue
            case .word: items.append(.word(text.asciiLowercased))
            case .quotedIdentifier: items.append(.quoted(Words.unquote(text)))
            case .string:
                items.append(.string)
                strings.append(text.asciiLowercased)
            default: items.append(.other(text))
            }
        }
    }

    var startsWithParenthesis: Bool { items.first == .other("(") }

    func word(_ index: Int) -> String? {
        guard index < items.count, case .word(let word) = items[index] else { return nil }
        return word
    }

    func contains(_ word: String) -> Bool { items.contains(.word(word)) }

    var identifiers: Set<String> {
        Set(
            items.compactMap { item in
                switch item {
                case .word(let name), .quoted(let name): name
                case .string, .other: nil
                }
            })
    }

    var cursor: Cursor { Cursor(items: items[...]) }

    /// Takes words off the front.
    struct Cursor {
        var items: ArraySlice<Item>

        mutating func take(_ word: String) -> Bool {
            guard items.first == .word(word) else { return false }
            items.removeFirst()
            return true
        }

        mutating func takeOther(_ text: String) -> Bool {
            guard items.first == .other(text) else { return false }
            items.removeFirst()
            return true
        }

        /// Identifiers joined by dots.
        mutating func parts() -> [String] {
            var parts: [String] = []
            while let first = items.first {
                switch first {
                case .word(let name), .quoted(let name): parts.append(name)
                case .string, .other: return parts
                }
                items.removeFirst()
                if !takeOther(".") { break }
            }
            return parts
        }

        mutating func name() -> TableName? {
            let parts = parts()
            return parts.isEmpty ? nil : TableName(parts: parts)
        }
    }

    private static func unquote(_ text: String) -> String {
        let isUnicode = text.hasPrefix("U&") || text.hasPrefix("u&")
        let body = isUnicode ? text.dropFirst(2) : text[...]
        guard let quote = body.first else { return text }
        let inner = body.dropFirst().dropLast()
        if quote == "[" { return String(inner) }
        var result = ""
        var isSecond = false
        for character in inner {
            if character == quote, !isSecond {
                isSecond = true
                continue
            }
            isSecond = false
            result.append(character)
        }
        return result
    }
}
