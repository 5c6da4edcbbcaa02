import MigratorDatabase

/// The keys of a relation as one text, by which two relations are known to have the same ones without a join: their
/// number and the sum of their hashes (PostgreSQL). Two that are not the same say nothing: the types may be others.
struct KeyTally {
    private let types: [String]

    /// - Parameter types: of the columns of the key, as `format_type` writes them.
    /// - Returns: nil where keys of these types are not hashed here.
    init?(types: [String?], _ session: any Session) {
        let known = types.compactMap(\.self).filter { Self.hash("", $0, seed: "") != nil }
        guard session.dialect == .postgresql, known.count == types.count, !known.isEmpty else { return nil }
        self.types = known
    }

    /// An aggregate over the keys in which nothing is NULL.
    /// - Parameters:
    ///   - rank: a number that counts as a part of the key.
    ///   - countsAll: counts all rows, so that one with a NULL in its key makes it another tally.
    func sql(_ columns: [String], rank: String? = nil, countsAll: Bool = false) -> String {
        var hash = "0"
        for (column, type) in zip(columns, types) { hash = Self.hash(column, type, seed: hash) ?? hash }
        if let rank { hash = Self.hash(rank, "integer", seed: hash) ?? hash }
        // The hash of a key with a NULL in it is NULL, which no sum counts.
        let whole = columns.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
        let count =
            countsAll
            ? "count(*)" : columns.count == 1 ? "count(\(columns[0]))" : "count(*) FILTER (WHERE \(whole))"
        return "\(count) || ':' || coalesce(sum(\(hash)), 0)"
    }

    /// A value's hash, for which that of the columns before it is the seed, so that no two rows can swap values unseen.
    private static func hash(_ value: String, _ type: String, seed: String) -> String? {
        switch type {
        case "smallint", "integer":
            "pg_catalog.hashint8extended((\(value))::bigint, \(seed))"
        case "bigint":
            // It is folded into 32 bits before it is hashed: -1 and 4294967295 differ in their upper halves.
            "pg_catalog.hashint8extended((\(value))::bigint >> 32, pg_catalog.hashint8extended((\(value))::bigint, \(seed)))"
        case "text", "character varying":
            "pg_catalog.hashtextextended((\(value))::text COLLATE \"C\", \(seed))"
        case "uuid":
            "pg_catalog.uuid_hash_extended((\(value))::uuid, \(seed))"
        default: nil
        }
    }
}
