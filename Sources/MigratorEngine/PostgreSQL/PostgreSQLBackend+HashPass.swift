import MigratorDatabase
import MigratorScript

/// What one reading of two tables, row hash by row hash, has shown of them.
struct HashPass {
    /// Rows that the two tables may differ in.
    enum Suspects: Equatable {
        case none
        /// Those whose key meets a condition.
        case some(String)
        case all
    }

    /// The first table's content, as `contentHash` tells it.
    var content: (rows: Int, hash: String)
    /// Rows of the second table.
    var rows: Int
    var suspects: Suspects
}

extension PostgreSQLBackend {
    /// Into how many buckets the keys are parted.
    private static let buckets = 16_384

    /// Whether both tables have these columns and the key among them, each of one type in both, so that equal rows have
    /// equal hashes.
    func canHash(_ first: TableName, _ second: TableName, columns: [String], key: String) throws -> Bool {
        let comparison = ColumnComparison(session: session)
        let types = try [first, second].map { try comparison.types(of: quoted($0)) }
        return columns.contains(key) && columns.allSatisfy { types[0][$0] != nil && types[0][$0] == types[1][$0] }
    }

    /// Reads each table once, without a join and without a sort: the rows' hashes are summed by buckets of keys, and
    /// only in buckets whose sums are not the same are there rows that differ. The sum over all buckets is the first
    /// table's content hash.
    ///
    /// The server folds a `bigint` into 32 bits before it hashes it, so that -1 and 4294967295 have one hash: their
    /// upper halves are summed beside.
    /// - Parameters:
    ///   - columns: what `canHash` has approved, in the order of the content hash.
    ///   - key: of the second table, by an index.
    func hashPass(_ first: TableName, _ second: TableName, columns: [String], key: String) throws -> HashPass {
        let types = try ColumnComparison(session: session).types(of: quoted(second))
        let bucket = try KeyBucket(key, type: types[key] ?? "", of: quoted(second), count: Self.buckets, session)
        let halves = columns.filter { types[$0] == "bigint" }.map { "s.\($0.quotedIdentifier) >> 32" }
        let half = halves.isEmpty ? "0" : "sum(hash_record_extended(ROW(\(halves.joined(separator: ", "))), 0))"
        func side(_ table: TableName, _ sign: String) -> String {
            """
            SELECT \(bucket.expression("s")) AS bucket, \(sign)count(*) AS rows,
                \(sign)sum(\(Self.rowHash(columns, types: types, of: "s"))) AS hash, \(sign)\(half) AS half
            FROM \(quoted(table)) AS s GROUP BY 1
            """
        }
        // The planner takes every key for a bucket of its own, for which it would sort both tables.
        try session.execute("SET enable_sort = off")
        defer { try? session.execute("SET enable_sort TO DEFAULT") }
        let row = try withPinnedOutput {
            try session.query(
                """
                WITH sides AS MATERIALIZED (\(side(first, "")) UNION ALL \(side(second, "- "))),
                differing AS (
                    SELECT bucket FROM sides GROUP BY bucket
                    HAVING sum(rows) <> 0 OR sum(hash) <> 0 OR sum(half) <> 0)
                SELECT coalesce(sum(rows) FILTER (WHERE rows > 0), 0)::bigint AS first,
                    coalesce(sum(hash) FILTER (WHERE rows > 0), 0)::text AS hash,
                    coalesce(- sum(rows) FILTER (WHERE rows < 0), 0)::bigint AS second,
                    count(DISTINCT bucket) AS buckets,
                    (SELECT count(*) FROM differing) AS differing,
                    (SELECT string_agg(bucket::text, ',' ORDER BY bucket) FROM differing) AS list
                FROM sides
                """
            ).first
        }
        let differing = row?.int("differing") ?? 0
        let list = (row?.text("list") ?? "").split(separator: ",").compactMap { Int($0) }
        let suspects: HashPass.Suspects =
            if differing == 0 {
                .none
            } else if list.count == differing, differing * 2 < row?.int("buckets") ?? 0 {
                .some(bucket.condition(list))
            } else {
                // Among them are rows without a key, or there is little to leave out.
                .all
            }
        return HashPass(
            content: (row?.int("first") ?? 0, row?.text("hash") ?? ""), rows: row?.int("second") ?? 0,
            suspects: suspects)
    }
}

/// Keys parted into buckets: neighbours together where the key is an integer, since what is written lately stands
/// together; otherwise by their hash.
private struct KeyBucket {
    private let key: String
    private let count: Int
    /// Of how many keys a bucket is; nil where keys are parted by their hash.
    private let width: Int?

    init(_ key: String, type: String, of table: String, count: Int, _ session: any Session) throws {
        self.key = key.quotedIdentifier
        self.count = count
        guard ["smallint", "integer", "bigint"].contains(type) else {
            width = nil
            return
        }
        let ends = try session.query("SELECT min(\(self.key)), max(\(self.key)) FROM \(table)").first
        let (span, overflows) = (ends?[1].asInt ?? 0).subtractingReportingOverflow(ends?[0].asInt ?? 0)
        width = max(64, (overflows ? Int.max : span) / count + 1)
    }

    func expression(_ alias: String) -> String { of("\(alias).\(key)") }

    private func of(_ value: String) -> String {
        width.map { "\(value)::bigint / \($0)" }
            ?? "hashtextextended(\(value)::text COLLATE \"C\", 0) & \(count - 1)"
    }

    /// For the rows of these buckets, in ascending order. A range goes before, by which an index finds them.
    func condition(_ buckets: [Int]) -> String {
        let list = "\(of(key)) = ANY ('{\(buckets.map(String.init).joined(separator: ","))}'::bigint[])"
        guard let width, let low = buckets.first, let high = buckets.last else { return list }
        // A bucket begins at a multiple of the width, or ends there below zero.
        let (from, isTooLow) = (low &* width).subtractingReportingOverflow(width)
        let (to, isTooHigh) = (high &* width).addingReportingOverflow(width)
        guard !isTooLow, !isTooHigh else { return list }
        return "\(key) >= \(from) AND \(key) <= \(to) AND \(list)"
    }
}
