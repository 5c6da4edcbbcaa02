/// A `CREATE TABLE` cut into what it consists of, as it is written; comments are left out.
/// Source: sqlite.org/lang_createtable.html, sqlite.org/lang_keywords.html.
struct SQLiteDefinitionParts {
    /// Before the parentheses, and behind them.
    private var front = ""
    private var back = ""
    /// Columns, then constraints of the table.
    private var parts: [String] = []

    init(_ sql: String) {
        var text: [UInt8] = []
        var depth = 0
        let bytes = Array(sql.utf8)
        var index = 0
        /// Copies what stands between quotes; a doubled quote is an end and a beginning.
        func takeQuoted(_ close: UInt8) {
            repeat {
                text.append(bytes[index])
                index += 1
            } while index < bytes.count && bytes[index] != close
            if index < bytes.count { text.append(bytes[index]) }
        }
        func isAhead(_ mark: String) -> Bool { bytes[index...].starts(with: mark.utf8) }
        func cut() -> String {
            defer { text = [] }
            return String(decoding: text, as: UTF8.self).trimmed
        }
        var isOver = false
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"): takeQuoted(byte)
            case UInt8(ascii: "["): takeQuoted(UInt8(ascii: "]"))
            case UInt8(ascii: "-") where isAhead("--"):
                while index < bytes.count, bytes[index] != 0x0A { index += 1 }
                text.append(UInt8(ascii: " "))
            case UInt8(ascii: "/") where isAhead("/*"):
                index += 2
                while index < bytes.count, !isAhead("*/") { index += 1 }
                index += 1
                text.append(UInt8(ascii: " "))
            case UInt8(ascii: "(") where !isOver:
                depth += 1
                if depth == 1 { front = cut() } else { text.append(byte) }
            case UInt8(ascii: ")") where !isOver:
                depth -= 1
                if depth == 0 {
                    parts.append(cut())
                    isOver = true
                } else {
                    text.append(byte)
                }
            case UInt8(ascii: ",") where depth == 1: parts.append(cut())
            default: text.append(byte)
            }
            index += 1
        }
        back = cut()
    }

    /// The definition of a column; nil where there is none of that name.
    func column(_ name: String) -> String? {
        parts.first { SQLiteTokens($0).tokens.first == .word(name.lowercased()) }
    }

    /// The table's constraints in which one of the columns takes part, but for its primary key. A column that was added
    /// later stands behind them.
    func constraints(with columns: [String]) -> [String] {
        parts.filter { part in
            let tokens = SQLiteTokens(part)
            guard let first = part.first, first.isLetter, let keyword = tokens.tokens.first,
                ["constraint", "unique", "check", "foreign"].contains(keyword.text)
            else { return false }
            return !tokens.contains(word: "primary") && columns.contains { tokens.contains(word: $0.lowercased()) }
        }
    }

    /// The statement with further columns behind the first `count` parts, and further constraints.
    func adding(_ columns: [String], after count: Int, constraints: [String]) -> String {
        let all = Array(parts.prefix(count)) + columns + Array(parts.dropFirst(count)) + constraints
        return "\(front) (\n    \(all.joined(separator: ",\n    ")))\(back.isEmpty ? "" : " " + back)"
    }
}

extension String {
    fileprivate var trimmed: String {
        let front = drop { $0.isWhitespace }
        return String(front.reversed().drop { $0.isWhitespace }.reversed())
    }
}
