import MigratorDatabase

/// The keys of a relation as one text, by which two relations are known to have the same ones without a join: their
/// number and the sum of their hashes (PostgreSQL). Two that are not the same say nothing: the types may be others.
struct KeyTally {
    /// Types of which a value has one hash, whichever integer or text type holds it.
    private static let possibleTypes: Set<String> = [
        "smallint", "integer", "bigint", "uuid", "text", "character varying", "oid", "date",
    ]
    private let types: [String]

    /// - Parameter types: of the columns of the key, as `format_type` writes them.
    /// - Returns: nil where keys of these types cannot be told from one another by a hash.
    init?(types: [String?], _ session: any Session) {
        let known = types.compactMap { type in type.flatMap { Self.possibleTypes.contains($0) ? $0 : nil } }
        guard session.dialect == .postgresql, known.count == types.count, !known.isEmpty else { return nil }
        self.types = known
    }

    /// An aggregate over the keys in which nothing is NULL.
    /// - Parameters:
    ///   - further: an expression that counts as a part of the key.
    ///   - countsAll: counts all rows, so that one with a NULL in its key makes it another tally.
    func sql(_ columns: [String], further: [String] = [], countsAll: Bool = false) -> String {
        // A bigint is folded into 32 bits before it is hashed: -1 and 4294967295 differ in their upper halves.
        let halves = zip(columns, types).filter { $1 == "bigint" }.map { "\($0.0)::bigint >> 32" }
        let whole = columns.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
        let hash = "pg_catalog.hash_record_extended(ROW(\((columns + halves + further).joined(separator: ", "))), 0)"
        return "count(*)\(countsAll ? "" : " FILTER (WHERE \(whole))") || ':' || "
            + "coalesce(sum(\(hash)) FILTER (WHERE \(whole)), 0)"
    }
}
