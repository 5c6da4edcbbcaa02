import CSQLite

/// `migrator_literal(a)`: SQL that yields the value again, bit by bit, whatever the encoding of the database is that it is
/// run in. SQLite's own quote() ends a text at U+0000, has no literal for infinity, and leaves the last bits of some
/// reals to the reader.
public enum SQLiteLiteral {
    public static let function = "migrator_literal"

    /// A text that is not valid UTF-8 is given by its bytes; the plus takes away the affinity that CAST has.
    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        guard String(validating: bytes, as: UTF8.self) != nil else { return "+CAST(x'\(hex(bytes))' AS TEXT)" }
        let quote = UInt8(ascii: "'")
        var literal = [quote]
        literal.reserveCapacity(bytes.count + 2)
        for byte in bytes {
            switch byte {
            case 0: literal += "'||char(0)||'".utf8  // NUL has no place in a statement.
            case quote: literal += [quote, quote]
            default: literal.append(byte)
            }
        }
        literal.append(quote)
        let text = String(decoding: literal, as: UTF8.self)
        return bytes.contains(0) ? "(\(text))" : text
    }

    static func blob(_ bytes: UnsafeRawBufferPointer) -> String { "x'\(hex(bytes))'" }

    /// SQLite reads 15 digits exactly and is not sure of the 17th: what needs more is written as an integer and powers
    /// of two, with which every step is exact.
    static func real(_ value: Double) -> String {
        if value.isInfinite { return value < 0 ? "-9e999" : "9e999" }
        let shortest = String(describing: value)
        let digits = shortest.prefix { $0 != "e" }.filter(\.isNumber)
        if digits.utf8.count <= 15 { return shortest }
        let bits = value.significandBitPattern
        let fraction = value.isSubnormal ? bits : bits | 1 << 52
        let zeros = fraction.trailingZeroBitCount
        var exponent = (value.isSubnormal ? -1022 : Int(value.exponent)) - 52 + zeros
        var text = "\(value < 0 ? "-" : "")\(fraction >> zeros)*1.0"
        while exponent != 0 {
            let step = min(abs(exponent), 62)
            text += (exponent < 0 ? "/" : "*") + String(1 << step)
            exponent += exponent < 0 ? step : -step
        }
        return "(\(text))"
    }

    private static func hex(_ bytes: UnsafeRawBufferPointer) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: bytes.count * 2) { buffer in
            for (index, byte) in bytes.enumerated() {
                buffer[2 * index] = digits[Int(byte >> 4)]
                buffer[2 * index + 1] = digits[Int(byte & 15)]
            }
            return bytes.count * 2
        }
    }
}

extension SQLiteSession {
    func registerLiteral(_ connection: OpaquePointer) {
        sqlite3_create_function_v2(
            connection, SQLiteLiteral.function, 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nil,
            { context, _, values in
                guard let context, let value = values?[0] else { return }
                var literal =
                    switch sqlite3_value_type(value) {
                    case SQLITE_INTEGER: String(sqlite3_value_int64(value))
                    case SQLITE_FLOAT: SQLiteLiteral.real(sqlite3_value_double(value))
                    case SQLITE_TEXT: SQLiteLiteral.text(textBytes(value))
                    case SQLITE_BLOB: SQLiteLiteral.blob(blobBytes(value))
                    default: "NULL"
                    }
                literal.withUTF8 { bytes in
                    let count = UInt64(bytes.count)
                    bytes.withMemoryRebound(to: CChar.self) {
                        sqlite3_result_text64(
                            context, $0.baseAddress, count, migrator_sqlite_transient(), UInt8(SQLITE_UTF8))
                    }
                }
            }, nil, nil, nil)
    }
}
