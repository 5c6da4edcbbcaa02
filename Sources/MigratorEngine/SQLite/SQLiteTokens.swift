/// SQL cut into tokens, for comparing definitions and for looking at mappings; nothing is interpreted.
/// Source: sqlite.org/lang_expr.html, sqlite.org/lang_keywords.html.
struct SQLiteTokens {
    enum Token: Equatable {
        /// A keyword or an identifier, whichever way it is quoted, in lower case.
        case word(String)
        /// A string or blob literal, verbatim.
        case literal(String)
        case number(String)
        case symbol(String)

        var text: String {
            switch self {
            case .word(let text), .literal(let text), .number(let text), .symbol(let text): text
            }
        }
    }

    var tokens: [Token] = []

    init(_ sql: String) {
        let bytes = Array(sql.utf8)
        var index = 0
        func peek(_ offset: Int) -> UInt8? { bytes.indices.contains(index + offset) ? bytes[index + offset] : nil }
        func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        func isWord(_ byte: UInt8) -> Bool {
            byte >= 0x80 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$") || isDigit(byte)
                || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
        }
        func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
        /// The end of what `close` ends; doubled, it stands for itself.
        func end(from start: Int, close: UInt8, doubles: Bool) -> Int {
            var end = start
            while end < bytes.count {
                if bytes[end] == close {
                    if doubles, end + 1 < bytes.count, bytes[end + 1] == close { end += 2; continue }
                    return end
                }
                end += 1
            }
            return bytes.count
        }
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case 0x09...0x0D, 0x20:
                index += 1
            case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
                while index < bytes.count, bytes[index] != 0x0A { index += 1 }
            case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
                index += 2
                while index < bytes.count, !(bytes[index] == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/")) {
                    index += 1
                }
                index += 2
            case UInt8(ascii: "'"):
                let stop = end(from: index + 1, close: byte, doubles: true)
                tokens.append(.literal(text(index..<min(stop + 1, bytes.count))))
                index = stop + 1
            case UInt8(ascii: "\""), UInt8(ascii: "`"), UInt8(ascii: "["):
                let close = byte == UInt8(ascii: "[") ? UInt8(ascii: "]") : byte
                let stop = end(from: index + 1, close: close, doubles: byte != UInt8(ascii: "["))
                var name = text(index + 1..<max(stop, index + 1)).lowercased()
                if byte != UInt8(ascii: "[") {
                    let quote = String(decoding: [byte], as: UTF8.self)
                    name = name.split(separator: quote + quote, omittingEmptySubsequences: false)
                        .joined(separator: quote)
                }
                tokens.append(.word(name))
                index = stop + 1
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                guard peek(1) == UInt8(ascii: "'") else { fallthrough }
                let stop = end(from: index + 2, close: UInt8(ascii: "'"), doubles: false)
                tokens.append(.literal(text(index..<min(stop + 1, bytes.count)).lowercased()))
                index = stop + 1
            default:
                let start = index
                if isDigit(byte) {
                    while index < bytes.count, isWord(bytes[index]) || bytes[index] == UInt8(ascii: ".") {
                        index += 1
                    }
                    tokens.append(.number(text(start..<index).lowercased()))
                } else if isWord(byte) {
                    while index < bytes.count, isWord(bytes[index]) { index += 1 }
                    tokens.append(.word(text(start..<index).lowercased()))
                } else {
                    tokens.append(.symbol(text(index..<index + 1)))
                    index += 1
                }
            }
        }
    }

    /// The same for two definitions that differ in white space, comments, quoting and letter case only.
    var normalised: String { tokens.map(\.text).joined(separator: " ") }

    func contains(word: String) -> Bool { tokens.contains(.word(word)) }
}
