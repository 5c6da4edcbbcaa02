import MigratorDatabase
import MigratorScript

/// The rows that a SELECT yields beside those of a table, by key, as one relation: `ek` and `tk` are the keys
/// (NULL where a side has none), `d0`, `d1`, ... tell which columns differ, `version` is the table row's xmin.
struct PairedRows {
    /// A SELECT that yields the pairs.
    let select: String
    /// The columns that `d0`, `d1`, ... stand for; of a very wide table the last stands for all further ones.
    let compared: [String]

    /// - Parameters:
    ///   - expected: a SELECT that yields `columns`, the key among them, each by its name.
    ///   - condition: which rows of either side are meant, by their key.
    ///   - judged: which rows of the table are to be judged at all, by their key; the others are nobody's business.
    ///   - showsValues: the pairs carry both sides' values too, as `e0`, `t0`, `e1`, ...
    init(
        expected: String, columns: [String], table: TableName, key: String, backend: any TableAccess,
        condition: String? = nil, judged: String? = nil, showsValues: Bool = false
    ) throws {
        let session = backend.session
        let comparison = ColumnComparison(session: session)
        let types = try comparison.types(of: backend.quoted(table))
        let others = columns.filter { $0 != key }
        // PostgreSQL has at most 1,664 columns in a row, and a pair has a flag and two values of each.
        let limit = session.dialect == .sqlite ? others.count : 500
        let (single, rest) = (others.prefix(limit), others.dropFirst(limit))
        var flags = single.enumerated().map { index, column in
            let name = column.quotedIdentifier
            return "(\(comparison.differs("e.\(name)", "t.\(name)", type: types[column]))) AS d\(index)"
        }
        let values =
            !showsValues
            ? []
            : single.enumerated().flatMap { index, column in
                let name = column.quotedIdentifier
                return ["e.\(name) AS e\(index)", "t.\(name) AS t\(index)"]
            }
        let key = key.quotedIdentifier
        var list = ([key] + single.map(\.quotedIdentifier)).joined(separator: ", ")
        if rest.isEmpty {
            compared = Array(single)
        } else {
            // As one text that tells NULL and the empty text apart, of both sides in the table's types.
            let texts = rest.map { column in
                types[column].map { "CAST(\(column.quotedIdentifier) AS \($0))" } ?? column.quotedIdentifier
            }
            list += ", CAST(ROW(\(texts.joined(separator: ", "))) AS text) AS migrator_rest"
            flags.append("(e.migrator_rest COLLATE \"C\" IS DISTINCT FROM t.migrator_rest) AS d\(single.count)")
            compared = single + ["one of \(rest.count) further columns"]
        }
        let filter = condition.map { " WHERE \($0)" } ?? ""
        let conditions = [condition, judged].compactMap(\.self).map { "(\($0))" }
        let tableFilter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        let expected = PostgreSQLMapping.narrowed(expected, to: condition)
        let yielded = "(SELECT \(list) FROM (\(expected)\n) AS mapping\(filter)) AS e"
        let target = backend.quoted(table)
        switch session.dialect {
        case .postgresql:
            let shown = ["e.\(key) AS ek", "t.\(key) AS tk", "t.version"] + flags + values
            select = """
                SELECT \(shown.joined(separator: ", ")) FROM \(yielded)
                FULL JOIN (SELECT \(list), xmin AS version FROM \(target)\(tableFilter)) AS t ON t.\(key) = e.\(key)
                """
        case .sqlite:
            // SQLite uses no index for a FULL JOIN of subqueries.
            let shown = ["e.\(key) AS ek", "t.\(key) AS tk", "NULL AS version"] + flags + values
            let none = ["NULL", "t.\(key)", "NULL"] + flags.map { _ in "0" } + values.map { _ in "NULL" }
            let isMeant = condition.map { "AND (\($0))" } ?? ""
            select = """
                SELECT \(shown.joined(separator: ", ")) FROM \(yielded)
                LEFT JOIN \(target) AS t ON t.\(key) = e.\(key)
                UNION ALL
                SELECT \(none.joined(separator: ", ")) FROM (SELECT \(key) FROM \(target)\(tableFilter)) AS t
                WHERE t.\(key) IS NULL OR t.\(key) NOT IN (SELECT \(key) FROM (\(expected)
                ) AS mapping WHERE \(key) IS NOT NULL \(isMeant))
                """
        }
    }

    /// True for a pair whose two sides are there and differ.
    var differs: String {
        let any = compared.isEmpty ? "1 = 0" : compared.indices.map { "d\($0)" }.joined(separator: " OR ")
        return "ek IS NOT NULL AND tk IS NOT NULL AND (\(any))"
    }

    /// What both sides hold in the columns that differ, where the pairs carry it.
    func differingValues(_ row: Row) -> [Difference.Value] {
        compared.indices.filter { row["d\($0)"].asBool && row.columns.contains("e\($0)") }.map {
            Difference.Value(column: compared[$0], expected: row["e\($0)"].asText, found: row["t\($0)"].asText)
        }
    }

    /// The columns in which a pair differs, read from its row.
    func differingColumns(_ row: Row) -> [String] {
        compared.indices.filter { row["d\($0)"].asBool }.map { compared[$0] }
    }
}
