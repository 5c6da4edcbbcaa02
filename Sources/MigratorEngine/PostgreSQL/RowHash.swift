/// The hash of a row as an SQL expression, 64 bits that are never NULL.
///
/// Each value is hashed with its column's own seed, so that two columns cannot swap their values unseen or cancel each
/// other; NULL is a number of its own. What the values' hashes make together is hashed once more: a sum of it over many
/// rows would not see two of them swap a value else.
///
/// Built from the server's own functions, which hash partitions are placed by, so that they stay the same from one
/// version to the next; `hash_record_extended` takes longer, since it first makes a row of the values. Values of types
/// whose equality is not identity are hashed as texts: 1.0 and 1.00 differ, and types without a hash of their own (json,
/// xml, point, ...) can be hashed all the same (ONLINE.md H17). What goes wrong by itself is found by it; it is not made
/// to withstand somebody who writes rows to fit a hash, and who could write to the ledger as well.
struct RowHash {
    /// The expression.
    let sql: String

    /// - Parameters:
    ///   - columns: their order counts.
    ///   - types: of the columns, as `format_type` writes them.
    init(_ columns: [String], types: [String: String], of alias: String) {
        var hashes: [String] = []
        var times: [String: [String]] = [:]
        for (place, column) in columns.enumerated() {
            let (value, type) = ("\(alias).\(column.quotedIdentifier)", types[column] ?? "")
            if type.hasPrefix("timestamp ") {
                times[type, default: []].append(value)
            } else {
                hashes.append(Self.value(value, type, seed: place + 1))
            }
        }
        hashes += times.sorted { $0.key < $1.key }.map { type, values in
            Self.times(values, seed: type.hasSuffix("with time zone") ? -1 : -2)
        }
        sql = "pg_catalog.hashint4extended(0, \(Self.together(hashes[...])))"
    }

    /// Not one after the other: a row of 1,600 columns would be nested too deep for the server.
    private static func together(_ hashes: ArraySlice<String>) -> String {
        guard hashes.count > 1 else { return hashes.first ?? "0" }
        let middle = hashes.startIndex + hashes.count / 2
        return "(\(together(hashes[..<middle])) # \(together(hashes[middle...])))"
    }

    private static func value(_ value: String, _ type: String, seed: Int) -> String {
        func hash(_ function: String, _ value: String, _ seed: String) -> String {
            "pg_catalog.\(function)(\(value), \(seed))"
        }
        let null = number(seed)
        func known(_ function: String, _ value: String) -> String {
            "coalesce(\(hash(function, value, "\(seed)")), \(null))"
        }
        switch type {
        case "smallint": return known("hashint2extended", value)
        case "integer": return known("hashint4extended", value)
        case "oid": return known("hashoidextended", value)
        case "uuid": return known("uuid_hash_extended", value)
        case "bigint":
            // The server folds it into 32 bits before it hashes it: -1 and 4294967295 differ in their upper halves.
            let folded = hash("hashint8extended", value, "\(seed)")
            return "coalesce(\(hash("hashint8extended", "\(value) >> 32", folded)), \(null))"
        case "boolean":
            let (yes, no) = (number(seed << 16), number(seed << 32))
            return "CASE WHEN \(value) THEN \(yes) WHEN NOT \(value) THEN \(no) ELSE \(null) END"
        case "date", "bytea":
            return hash("hash_array_extended", "ARRAY[\(value)]", "\(seed)")
        default:
            return known("hashtextextended", "\(value)::pg_catalog.text COLLATE \"C\"")
        }
    }

    /// In one array, in which each has its place, since a time by itself has no function of its own in each version.
    /// It is folded like a bigint; its upper half is the beginning of the 2^32 microseconds that it lies in. The oldest
    /// times have no such beginning within the type's range.
    private static func times(_ values: [String], seed: Int) -> String {
        let beginnings = values.map {
            "pg_catalog.date_bin('4294.967296 s', greatest(\($0), '4000-01-01 00:00 BC'), '2000-01-01 00:00Z')"
        }
        return "pg_catalog.hash_array_extended(ARRAY[\((values + beginnings).joined(separator: ", "))], \(seed))"
    }

    /// One of 2^64 for each number, by which it is known (splitmix64).
    private static func number(_ number: Int) -> String {
        var bits = UInt64(bitPattern: Int64(number)) &* 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return "(\(Int64(bitPattern: bits ^ (bits >> 31))))"
    }
}
