import CSQLite
import Crypto

/// What `sha3_query(SQL, 256)` of the `sqlite3` shell says of a query: SHA3-256 over the query's text, then each row
/// as `R` and its values: `N`; `I` and the integer, `F` and the real's bits, both 8 bytes big-endian; `T` or `B`, the
/// number of bytes in decimal, a colon, the bytes.
/// Source: sqlite.org, ext/misc/shathree.c.
struct SQLiteShellDigest {
    private var hash = SHA3_256()

    init(of query: String) {
        var query = query
        query.withUTF8 { add("S", UnsafeRawPointer($0.baseAddress), $0.count) }
    }

    /// The row that a statement has come to; a text's bytes count as they are, whether they are valid or not.
    mutating func addRow(of statement: OpaquePointer) {
        hash.update(data: [UInt8(ascii: "R")])
        for index in 0..<sqlite3_column_count(statement) {
            switch sqlite3_column_type(statement, index) {
            case SQLITE_INTEGER: add("I", UInt64(bitPattern: sqlite3_column_int64(statement, index)))
            case SQLITE_FLOAT: add("F", sqlite3_column_double(statement, index).bitPattern)
            case SQLITE_TEXT:
                // The length is asked for after the text: the text may have been converted.
                let start = UnsafeRawPointer(sqlite3_column_text(statement, index))
                add("T", start, Int(sqlite3_column_bytes(statement, index)))
            case SQLITE_BLOB:
                let start = sqlite3_column_blob(statement, index)
                add("B", start, Int(sqlite3_column_bytes(statement, index)))
            default: hash.update(data: [UInt8(ascii: "N")])
            }
        }
    }

    /// In lower-case hex.
    var text: String {
        hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private mutating func add(_ tag: String, _ start: UnsafeRawPointer?, _ count: Int) {
        hash.update(data: Array("\(tag)\(count):".utf8))
        hash.update(bufferPointer: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    private mutating func add(_ tag: String, _ number: UInt64) {
        hash.update(data: Array(tag.utf8) + withUnsafeBytes(of: number.bigEndian) { Array($0) })
    }
}

extension SQLiteSession {
    public func shellDigest(of query: String) throws(DatabaseError) -> String {
        var digest = SQLiteShellDigest(of: query)
        try withStatement(query, []) { (statement) throws(DatabaseError) in
            while try self.advance(statement, query) { digest.addRow(of: statement) }
        }
        return digest.text
    }
}
