import Crypto

/// What `sha3_query(SQL, 256)` of the `sqlite3` shell says of a query: SHA3-256 over the query's text, then each row
/// as `R` and its values: `N`; `I` and the integer, `F` and the real's bits, both 8 bytes big-endian; `T` or `B`, the
/// number of bytes in decimal, a colon, the bytes.
/// Source: sqlite.org, ext/misc/shathree.c.
public struct SQLiteShellDigest {
    private var hash = SHA3_256()

    public init(of query: String) {
        add("S", Array(query.utf8))
    }

    public mutating func add(_ row: Row) {
        hash.update(data: [UInt8(ascii: "R")])
        for value in row.values {
            switch value {
            case .null: hash.update(data: [UInt8(ascii: "N")])
            case .integer(let number): add("I", UInt64(bitPattern: number))
            case .real(let number): add("F", number.bitPattern)
            case .text(let text): add("T", Array(text.utf8))
            case .blob(let bytes): add("B", bytes)
            }
        }
    }

    /// In lower-case hex.
    public var text: String {
        hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private mutating func add(_ tag: String, _ bytes: [UInt8]) {
        hash.update(data: Array("\(tag)\(bytes.count):".utf8) + bytes)
    }

    private mutating func add(_ tag: String, _ number: UInt64) {
        hash.update(data: Array(tag.utf8) + withUnsafeBytes(of: number.bigEndian) { Array($0) })
    }
}
