import MigratorDatabase
import MigratorScript

/// Values and parameters as text that a database's own shell reads.
enum SQLText {
    /// A value as a literal. PostgreSQL: `standard_conforming_strings` is on where it is read.
    static func literal(_ value: SQLValue, _ dialect: Dialect) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let number): String(number)
        // SQLite reads 1e999 as infinity; nothing else of a real is lost in its shortest form.
        case .real(let number) where dialect == .sqlite && number.isInfinite: number < 0 ? "-1e999" : "1e999"
        case .real(let number): dialect == .sqlite ? String(number) : String(number).quotedLiteral
        case .text(let text) where dialect == .sqlite && text.utf8.contains(0):
            "CAST(X'\(hex(Array(text.utf8)))' AS TEXT)"
        case .text(let text): text.quotedLiteral
        case .blob(let bytes): dialect == .sqlite ? "X'\(hex(bytes))'" : "'\\x\(hex(bytes))'"
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The statement with `$1`, `$2`, ... replaced, those in strings, quoted names and comments aside.
    static func filled(_ sql: String, _ parameters: [SQLValue], literal: (SQLValue) -> String) -> String {
        guard !parameters.isEmpty else { return sql }
        var result: [UInt8] = []
        var rest = Array(sql.utf8)[...]
        func take(_ count: Int) {
            result += rest.prefix(count)
            rest = rest.dropFirst(count)
        }
        func takeThrough(_ end: [UInt8], after start: Int) {
            take(min(start, rest.count))
            while !rest.isEmpty, !rest.starts(with: end) { take(1) }
            take(min(end.count, rest.count))
        }
        while let byte = rest.first {
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\""): takeThrough([byte], after: 1)
            case UInt8(ascii: "-") where rest.starts(with: "--".utf8): takeThrough([0x0A], after: 2)
            case UInt8(ascii: "/") where rest.starts(with: "/*".utf8): takeThrough(Array("*/".utf8), after: 2)
            case UInt8(ascii: "$"):
                let digits = rest.dropFirst().prefix { (48...57).contains($0) }
                if let number = Int(String(decoding: digits, as: UTF8.self)), parameters.indices.contains(number - 1) {
                    result += literal(parameters[number - 1]).utf8
                    rest = rest.dropFirst(1 + digits.count)
                } else if let tag = dollarTag(rest) {
                    takeThrough(tag, after: tag.count)
                } else {
                    take(1)
                }
            default: take(1)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// `$$` or `$tag$` where one begins here.
    private static func dollarTag(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        let name = bytes.dropFirst().prefix {
            Set(48...57).contains($0) || $0 | 0x20 >= 97 && $0 | 0x20 <= 122 || $0 == 95
        }
        guard bytes.dropFirst(1 + name.count).first == UInt8(ascii: "$") else { return nil }
        return Array(bytes.prefix(name.count + 2))
    }

    /// The text between dollar quotes that it does not contain.
    static func dollarQuoted(_ text: String) -> String {
        var tag = "$migrator$"
        var number = 1
        while text.firstRange(of: tag) != nil {
            number += 1
            tag = "$migrator\(number)$"
        }
        return tag + text + tag
    }
}
