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
        if let source = try? SourceText(Array(text.utf8), file: "") {
            self.init(source, 0..<source.bytes.count, dialect: dialect)
        } else {
            self.init(items: [])
        }
    }

    private init(items: [Item]) { self.items = items }

    /// - Parameter limit: how many items are wanted.
    init(_ source: SourceText, _ range: Range<Int>, dialect: Dialect, limit: Int = .max) {
        var lexer = Lexer(source, dialect: dialect, range: range)
        while items.count < limit, let token = try? lexer.next() {
            switch token.kind {
            case .lineComment, .blockComment: continue
            case .word: items.append(.word(source.text(token.range).asciiLowercased))
            case .quotedIdentifier: items.append(.quoted(Words.unquote(source.bytes[token.range])))
            case .string:
                items.append(.string)
                strings.append(source.text(token.range).asciiLowercased)
            default: items.append(.other(source.text(token.range)))
            }
        }
    }

    func word(_ index: Int) -> String? {
        guard index < items.count, case .word(let word) = items[index] else { return nil }
        return word
    }

    func contains(_ word: String) -> Bool { items.contains(.word(word)) }

    /// The words outside of parentheses.
    var outerWords: [String] {
        var words: [String] = []
        var depth = 0
        for item in items {
            switch item {
            case .other("("): depth += 1
            case .other(")"): depth -= 1
            case .word(let word) where depth == 0: words.append(word)
            default: break
            }
        }
        return words
    }

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

        /// Takes these words where all of them stand next, else nothing.
        mutating func take(_ words: String...) -> Bool {
            guard items.count >= words.count, zip(items, words).allSatisfy({ $0.isWord($1) }) else {
                return false
            }
            items.removeFirst(words.count)
            return true
        }

        mutating func takeOther(_ text: String) -> Bool {
            guard items.first == .other(text) else { return false }
            items.removeFirst()
            return true
        }

        /// Takes `( ... )` where it stands next, with what is in it.
        mutating func takeParentheses() {
            guard items.first == .other("(") else { return }
            var depth = 0
            repeat {
                let item = items.removeFirst()
                if item == .other("(") { depth += 1 }
                if item == .other(")") { depth -= 1 }
            } while depth > 0 && !items.isEmpty
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

    /// By bytes: a quote with a combining character behind it is still a quote.
    private static func unquote(_ token: ArraySlice<UInt8>) -> String {
        let isUnicode = token.count > 2 && token[token.startIndex + 1] == UInt8(ascii: "&")
        let body = isUnicode ? token.dropFirst(2) : token
        guard let quote = body.first else { return "" }
        let inner = body.dropFirst().dropLast()
        if quote == UInt8(ascii: "[") || !inner.contains(quote) {
            return String(decoding: inner, as: UTF8.self)
        }
        var result: [UInt8] = []
        var isSecond = false
        for byte in inner {
            isSecond = byte == quote && !isSecond
            if !isSecond { result.append(byte) }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
