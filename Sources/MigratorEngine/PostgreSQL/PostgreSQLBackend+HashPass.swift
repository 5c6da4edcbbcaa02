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
    /// - Parameters:
    ///   - columns: what `canHash` has approved, in the order of the content hash.
    ///   - key: of the second table, by an index.
    func hashPass(_ first: TableName, _ second: TableName, columns: [String], key: String) throws -> HashPass {
        let types = try ColumnComparison(session: session).types(of: quoted(second))
        let bucket = try KeyBucket(key, type: types[key] ?? "", of: quoted(second), session)
        let hash = RowHash(columns, types: types, of: "s").sql
        let row = try withPinnedOutput(Self.settingsOfPass) {
            try session.query(
                """
                SELECT coalesce(sum(ones), 0)::bigint AS first, coalesce(sum(one), 0)::text AS hash,
                    coalesce(sum(others), 0)::bigint AS second, count(*) AS buckets,
                    count(*) FILTER (WHERE differs) AS differing,
                    string_agg(bucket::text, ',' ORDER BY bucket) FILTER (WHERE differs) AS list
                FROM (
                    SELECT bucket, count(one) AS ones, count(other) AS others, sum(one) AS one,
                        count(one) <> count(other) OR sum(one) IS DISTINCT FROM sum(other) AS differs
                    FROM (
                        SELECT \(bucket.expression("s")) AS bucket, \(hash) AS one, NULL::bigint AS other
                        FROM \(quoted(first)) AS s
                        UNION ALL SELECT \(bucket.expression("s")), NULL, \(hash) FROM \(quoted(second)) AS s
                    ) AS rows GROUP BY bucket) AS buckets
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

    /// So that the sums of all buckets are kept side by side.
    static let settingsOfPass = [("work_mem", "16MB")] + compilingSettings

    /// From half a million rows on it takes less time to compile a query than the query then saves; where the server
    /// cannot compile, nothing changes.
    static let compilingSettings = [
        ("jit", "on"), ("jit_above_cost", "80000"), ("jit_optimize_above_cost", "80000"),
        ("jit_inline_above_cost", "-1"),
    ]
}
