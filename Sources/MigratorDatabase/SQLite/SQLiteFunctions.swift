import CSQLite
import Crypto

/// The content hash `sha256-sum`: the same for the same rows in any order, counting duplicates.
///
/// Each row is encoded as its values, one after the other: a tag byte (0 null, 1 integer, 2 real, 3 text,
/// 4 blob), the number of bytes that follow as 8 bytes, and these bytes: nothing; the integer as 8 bytes; the
/// bit pattern of the real as 8 bytes; the text in UTF-8; the blob. All numbers big-endian. The first 16 bytes
/// of the encoding's SHA-256 are a big-endian integer; these are added over all rows modulo 2^128. The result
/// is the sum as 32 hexadecimal digits in lower case; of no rows 32 zeros.
public enum SQLiteContentHash {
    /// As the ledger records it.
    public static let algorithm = "sha256-sum"
    /// `SELECT migrator_hash(a, b, …) FROM t`.
    public static let function = "migrator_hash"
    /// `migrator_same(a, b)`: 1 when storage class and bytes are equal, null equal to null; else 0.
    public static let sameFunction = "migrator_same"
}

extension SQLiteSession {
    func registerFunctions(_ connection: OpaquePointer) {
        let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC
        sqlite3_create_function_v2(
            connection, SQLiteContentHash.function, -1, flags, nil, nil,
            { context, count, values in
                guard let context, let values,
                    let memory = sqlite3_aggregate_context(context, Int32(MemoryLayout<HashSum>.size))
                else { return sqlite3_result_error_nomem(context) }
                // SQLite gives the memory zeroed, which is the empty sum.
                memory.assumingMemoryBound(to: HashSum.self).pointee.add(values, Int(count))
            },
            { context in
                guard let context else { return }
                let memory = sqlite3_aggregate_context(context, 0)
                let sum = memory?.assumingMemoryBound(to: HashSum.self).pointee ?? HashSum()
                sqlite3_result_text(context, sum.text, -1, migrator_sqlite_transient())
            }, nil)
        sqlite3_create_function_v2(
            connection, SQLiteContentHash.sameFunction, 2, flags, nil,
            { context, _, values in
                guard let context, let left = values?[0], let right = values?[1] else { return }
                sqlite3_result_int(context, isSame(left, right) ? 1 : 0)
            }, nil, nil, nil)
    }
}

/// 128 bits in two halves: SQLite's memory is aligned to 8 bytes only.
private struct HashSum {
    var high: UInt64 = 0
    var low: UInt64 = 0

    mutating func add(_ values: UnsafeMutablePointer<OpaquePointer?>, _ count: Int) {
        var hash = SHA256()
        for index in 0..<count {
            guard let value = values[index] else { continue }
            switch sqlite3_value_type(value) {
            case SQLITE_INTEGER: update(&hash, 1, number: UInt64(bitPattern: sqlite3_value_int64(value)))
            case SQLITE_FLOAT: update(&hash, 2, number: sqlite3_value_double(value).bitPattern)
            case SQLITE_TEXT: update(&hash, 3, bytes: textBytes(value))
            case SQLITE_BLOB: update(&hash, 4, bytes: blobBytes(value))
            default: update(&hash, 0, bytes: UnsafeRawBufferPointer(start: nil, count: 0))
            }
        }
        var first: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &first) { target in
            hash.finalize().withUnsafeBytes { target.copyMemory(from: .init(rebasing: $0.prefix(16))) }
        }
        let (sum, carry) = low.addingReportingOverflow(UInt64(bigEndian: first.1))
        low = sum
        high = high &+ UInt64(bigEndian: first.0) &+ (carry ? 1 : 0)
    }

    private func update(_ hash: inout SHA256, _ tag: UInt8, number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { update(&hash, tag, bytes: $0) }
    }

    private func update(_ hash: inout SHA256, _ tag: UInt8, bytes: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: tag) { hash.update(bufferPointer: $0) }
        withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { hash.update(bufferPointer: $0) }
        hash.update(bufferPointer: bytes)
    }

    var text: String { Self.digits(high) + Self.digits(low) }

    private static func digits(_ half: UInt64) -> String {
        let digits = String(half, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}

func textBytes(_ value: OpaquePointer) -> UnsafeRawBufferPointer {
    let start = sqlite3_value_text(value)
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_value_bytes(value)))
}

func blobBytes(_ value: OpaquePointer) -> UnsafeRawBufferPointer {
    let start = sqlite3_value_blob(value)
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_value_bytes(value)))
}

private func isSame(_ left: OpaquePointer, _ right: OpaquePointer) -> Bool {
    let type = sqlite3_value_type(left)
    guard type == sqlite3_value_type(right) else { return false }
    switch type {
    case SQLITE_NULL: return true
    case SQLITE_INTEGER: return sqlite3_value_int64(left) == sqlite3_value_int64(right)
    case SQLITE_FLOAT: return sqlite3_value_double(left).bitPattern == sqlite3_value_double(right).bitPattern
    case SQLITE_TEXT: return textBytes(left).elementsEqual(textBytes(right))
    default: return blobBytes(left).elementsEqual(blobBytes(right))
    }
}
