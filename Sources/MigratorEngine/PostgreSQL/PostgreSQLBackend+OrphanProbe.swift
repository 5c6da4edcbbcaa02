import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Types in one order, whatever the collation; those of a set can be compared with one another.
    private static let probedTypes: [Set<String>] = [["smallint", "integer", "bigint"], ["uuid"]]

    /// Looks for rows that point at nothing between one parent's key and the next one's, by the index of the column that
    /// points: as many looks as there are parents, where a join would read all rows. Many messages have few senders.
    /// - Returns: true where there are none; false where there are, or where this would be no less work than a join.
    func hasNoOrphans(_ key: ForeignKey) throws -> Bool {
        guard key.columns.count == 1, key.referencedColumns.count == 1,
            let rows = try estimatedSize(of: key.table).rows, let parents = try estimatedSize(of: key.referenced).rows,
            parents < rows / 10, try isProbeable(key)
        else { return false }
        let (child, parent) = (quoted(key.table), quoted(key.referenced))
        let (column, id) = (key.columns[0].quotedIdentifier, key.referencedColumns[0].quotedIdentifier)
        func end(_ column: String, of table: String, _ order: String) -> String {
            "(SELECT \(column) FROM \(table) WHERE \(column) IS NOT NULL ORDER BY \(column) \(order) LIMIT 1)"
        }
        let (lowest, highest) = (end(column, of: child, "ASC"), end(column, of: child, "DESC"))
        let (first, last) = (end(id, of: parent, "ASC"), end(id, of: parent, "DESC"))
        // A comparison with nothing is NULL: without a parent every row that points is an orphan.
        return try session.scalar(
            """
            SELECT \(lowest) IS NULL
                OR coalesce(\(lowest) >= \(first) AND \(highest) <= \(last), false)
                AND NOT EXISTS (
                    SELECT 1
                    FROM (SELECT p.\(id) AS low, lead(p.\(id)) OVER (ORDER BY p.\(id)) AS high
                          FROM \(parent) AS p WHERE p.\(id) IS NOT NULL) AS gap
                    CROSS JOIN LATERAL (
                        SELECT 1 FROM \(child) AS c WHERE c.\(column) > gap.low AND c.\(column) < gap.high
                        ORDER BY c.\(column) LIMIT 1) AS orphan)
            """
        ).asBool
    }

    /// Whether an index in order of the column that points holds all rows, and both columns are of a type for it.
    private func isProbeable(_ key: ForeignKey) throws -> Bool {
        let comparison = ColumnComparison(session: session)
        guard let own = try comparison.types(of: quoted(key.table))[key.columns[0]],
            let other = try comparison.types(of: quoted(key.referenced))[key.referencedColumns[0]],
            Self.probedTypes.contains(where: { $0.contains(own) && $0.contains(other) })
        else { return false }
        return try session.scalar(
            """
            SELECT EXISTS (
                SELECT 1 FROM pg_catalog.pg_index i
                JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                JOIN pg_catalog.pg_am m ON m.oid = x.relam
                JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
                JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND m.amname = 'btree' AND x.relkind = 'i'
                  AND i.indisvalid AND i.indisready AND i.indpred IS NULL AND o.opcdefault)
            """, [.text(quoted(key.table)), .text(key.columns[0])]
        ).asBool
    }
}
