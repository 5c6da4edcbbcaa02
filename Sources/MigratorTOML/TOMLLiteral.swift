/// The grammar of what is neither a text nor an array nor a table.
struct TOMLLiteral {
    private let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    var isValid: Bool {
        bytes == Array("true".utf8) || bytes == Array("false".utf8) || isInteger || isFloat || isTime
    }

    private var isInteger: Bool {
        for (prefix, digits) in [("0x", "0123456789abcdefABCDEF"), ("0o", "01234567"), ("0b", "01")]
        where bytes.starts(with: prefix.utf8) {
            return Self.isRun(bytes.dropFirst(2), of: digits)
        }
        return Self.isDecimal(unsigned)
    }

    /// Without the sign.
    private var unsigned: ArraySlice<UInt8> {
        bytes.first == UInt8(ascii: "+") || bytes.first == UInt8(ascii: "-") ? bytes.dropFirst() : bytes[...]
    }

    private var isFloat: Bool {
        let text = unsigned
        if text.elementsEqual("inf".utf8) || text.elementsEqual("nan".utf8) { return true }
        let halves = text.split(
            maxSplits: 1, omittingEmptySubsequences: false,
            whereSeparator: { $0 | 0x20 == UInt8(ascii: "e") })
        if halves.count == 2 {
            let hasSign = halves[1].first == UInt8(ascii: "+") || halves[1].first == UInt8(ascii: "-")
            guard Self.isRun(halves[1].dropFirst(hasSign ? 1 : 0), of: "0123456789") else { return false }
        }
        let parts = halves[0].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.count == 2 || halves.count == 2, Self.isDecimal(parts[0]) else {
            return false
        }
        return parts.count == 1 || Self.isRun(parts[1], of: "0123456789")
    }

    /// No leading zeros.
    private static func isDecimal(_ text: ArraySlice<UInt8>) -> Bool {
        isRun(text, of: "0123456789") && (text.count == 1 || text.first != UInt8(ascii: "0"))
    }

    /// Digits with single underscores between them.
    private static func isRun(_ text: ArraySlice<UInt8>, of digits: String) -> Bool {
        text.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && part.allSatisfy(digits.utf8.contains)
        }
    }

    // MARK: Dates and times

    /// RFC 3339: a date, a time, or both, then with an offset or without.
    private var isTime: Bool {
        let days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var rest = bytes[...]
        var hasDate = false
        if rest.count >= 10, rest[4] == UInt8(ascii: "-") {
            guard let year = Self.number(rest[0..<4]), let month = Self.number(rest[5..<7]),
                let day = Self.number(rest[8..<10]), rest[7] == UInt8(ascii: "-"), (1...12).contains(month),
                (1...days[month - 1]).contains(day),
                month != 2 || day < 29 || year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            else { return false }
            rest = rest.dropFirst(10)
            hasDate = true
            guard let separator = rest.popFirst() else { return true }
            guard separator | 0x20 == UInt8(ascii: "t") || separator == UInt8(ascii: " ") else { return false }
        }
        guard rest.count >= 8, let clock = Self.clock(rest.prefix(8), parts: 3), clock else { return false }
        rest = rest.dropFirst(8)
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { (48...57).contains($0) }
            guard !digits.isEmpty else { return false }
            rest = rest.dropFirst(digits.count + 1)
        }
        guard let sign = rest.first else { return true }
        guard hasDate else { return false }
        if sign | 0x20 == UInt8(ascii: "z") { return rest.count == 1 }
        return (sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"))
            && Self.clock(rest.dropFirst(), parts: 2) == true
    }

    /// `HH:MM` or `HH:MM:SS`; a second may be a leap second.
    private static func clock(_ text: ArraySlice<UInt8>, parts: Int) -> Bool? {
        let fields = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard fields.count == parts else { return false }
        return zip(fields, [23, 59, 60]).allSatisfy { field, highest in
            field.count == 2 && number(field).map { $0 <= highest } == true
        }
    }

    private static func number(_ text: ArraySlice<UInt8>) -> Int? {
        guard text.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(String(decoding: text, as: UTF8.self))
    }
}
