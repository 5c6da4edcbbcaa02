/// A statement's words, quoted identifiers and punctuation, comments aside.
struct Words {
    enum Item: Equatable {
        case word(String)
        case quoted(String)
        /// Its text in SQLite, which takes it for a name too; in PostgreSQL nothing.
        case string(String)
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
        /// The identifier with Unicode escapes that stands last, but for UESCAPE.
        var escaped: ArraySlice<UInt8>?
        while items.count < limit, let token = try? lexer.next() {
            switch token.kind {
            case .lineComment, .blockComment: continue
            case .word: items.append(.word(source.text(token.range).asciiLowercased))
            case .quotedIdentifier:
                let bytes = source.bytes[token.range]
                items.append(.quoted(Words.unquote(bytes)))
                escaped = Words.isUnicode(bytes) ? bytes : nil
                continue
            case .string where escaped != nil && items.last == .word("uescape"):
                // U&"d!0061t" UESCAPE '!': the identifier once more, with its own escape character.
                items.removeLast(2)
                let escape = source.bytes[token.range].dropFirst().first
                items.append(.quoted(Words.unquote(escaped ?? [], escape: escape)))
            case .string:
                items.append(.string(dialect == .sqlite ? Words.unquote(source.bytes[token.range]) : ""))
                strings.append(source.text(token.range).asciiLowercased)
            default: items.append(.other(source.text(token.range)))
            }
            if items.last != .word("uescape") { escaped = nil }
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
                case .word(let name), .quoted(let name), .string(let name): parts.append(name)
                case .other: return parts
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

    /// `U&"..."`
    private static func isUnicode(_ token: ArraySlice<UInt8>) -> Bool {
        token.count > 2 && token[token.startIndex] | 0x20 == UInt8(ascii: "u")
            && token[token.startIndex + 1] == UInt8(ascii: "&")
    }

    /// By bytes: a quote with a combining character behind it is still a quote.
    private static func unquote(
        _ token: ArraySlice<UInt8>, escape: UInt8? = UInt8(ascii: "\\")
    ) -> String {
        let isUnicode = isUnicode(token)
        let body = isUnicode ? token.dropFirst(2) : token
        guard let quote = body.first else { return "" }
        let inner = body.dropFirst().dropLast()
        if quote == UInt8(ascii: "[") || !inner.contains(quote) {
            return decode(inner, escape: isUnicode ? escape : nil)
        }
        var result: [UInt8] = []
        var isSecond = false
        for byte in inner {
            isSecond = byte == quote && !isSecond
            if !isSecond { result.append(byte) }
        }
        return decode(result[...], escape: isUnicode ? escape : nil)
    }

    /// Puts the characters in for `\0061` and `\+000061`; what is no such escape stays as it is, and the server refuses
    /// it. Source: PostgreSQL manual, 4.1.1 "Identifiers and Key Words".
    private static func decode(_ bytes: ArraySlice<UInt8>, escape: UInt8?) -> String {
        guard let escape, bytes.contains(escape) else { return String(decoding: bytes, as: UTF8.self) }
        var units: [UInt16] = []
        var rest = bytes
        var plain: [UInt8] = []
        func flush() {
            units += String(decoding: plain, as: UTF8.self).utf16
            plain = []
        }
        while let byte = rest.popFirst() {
            guard byte == escape else {
                plain.append(byte)
                continue
            }
            let isLong = rest.first == UInt8(ascii: "+")
            let digits = rest.dropFirst(isLong ? 1 : 0).prefix(isLong ? 6 : 4)
            if rest.first == escape {
                plain.append(escape)
                rest.removeFirst()
            } else if digits.count == (isLong ? 6 : 4),
                let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16), code < 0x11_0000
            {
                flush()
                // Two escapes may be the halves of one character.
                units += code < 0x1_0000 ? [UInt16(code)] : Unicode.Scalar(code).map { Array($0.utf16) } ?? []
                rest = rest[digits.endIndex...]
            } else {
                plain.append(byte)
            }
        }
        flush()
        return String(decoding: units, as: UTF16.self)
    }
}
