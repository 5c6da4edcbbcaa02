import MigratorDatabase
import MigratorScript

/// Compares the rows that a SELECT yields with those of a table, by key, in one statement and so in one snapshot.
struct RowComparison {
    /// Rows that the SELECT yields.
    var expectedRows = 0
    var differenceCount = 0
    /// The first ten, by key.
    var differences: [Difference] = []

    /// - Parameters:
    ///   - expected: a SELECT that yields `columns` (the key among them), each by its name.
    ///   - table: for the differences' wording, and quoted for the statement.
    init(
        expected: String, columns: [String], table: TableName, key: String, backend: any TableAccess
    ) throws {
        let session = backend.session
        let comparison = ColumnComparison(session: session)
        let compared = columns.filter { $0 != key }
        let types = try comparison.types(of: backend.quoted(table))
        let quotedKey = key.quotedIdentifier
        let flags = compared.map { column in
            comparison.differs("e.\(column.quotedIdentifier)", "t.\(column.quotedIdentifier)", type: types[column])
        }
        let anyFlag = flags.isEmpty ? comparison.no : flags.joined(separator: " OR ")
        let select = """
            FROM (SELECT \(columns.map(\.quotedIdentifier).joined(separator: ", ")) FROM (\(expected)
            ) AS mapping) AS e
            FULL JOIN (SELECT \(columns.map(\.quotedIdentifier).joined(separator: ", "))
                FROM \(backend.quoted(table))) AS t ON e.\(quotedKey) = t.\(quotedKey)
            """
        let counts = try session.query(
            """
            SELECT count(e.\(quotedKey)) AS expected,
                   count(*) FILTER (WHERE e.\(quotedKey) IS NULL OR t.\(quotedKey) IS NULL OR \(anyFlag)) AS different
            \(select)
            """
        ).first
        expectedRows = counts?.int("expected") ?? 0
        differenceCount = counts?.int("different") ?? 0
        guard differenceCount > 0 else { return }
        let flagColumns = zip(compared, flags).enumerated().map { index, pair in
            "(\(pair.1)) AS \("d\(index)".quotedIdentifier)"
        }
        let rows = try session.query(
            """
            SELECT \((["e.\(quotedKey) AS ek", "t.\(quotedKey) AS tk"] + flagColumns).joined(separator: ", "))
            \(select)
            WHERE e.\(quotedKey) IS NULL OR t.\(quotedKey) IS NULL OR \(anyFlag)
            ORDER BY coalesce(e.\(quotedKey), t.\(quotedKey)) LIMIT 10
            """)
        differences = rows.map { row in
            if row["tk"].isNull {
                return Difference(
                    table: table.name, key: row.text("ek"), message: "the row is missing")
            }
            if row["ek"].isNull {
                return Difference(
                    table: table.name, key: row.text("tk"), message: "the row should not be there")
            }
            let columns = compared.indices.filter { row["d\($0)"].asBool }.map { compared[$0] }
            return Difference(
                table: table.name, key: row.text("ek"), columns: columns,
                message: "differs in \(columns.joined(separator: ", "))")
        }
    }
}

/// Exact inequality of two values, on each database.
struct ColumnComparison {
    let session: any Session

    /// Types whose equality is identity: for all others the text is compared, byte by byte, since `1.0` equals
    /// `1.00`, a nondeterministic collation equals letter cases, and json has no equality at all (ONLINE.md H17).
    private static let exactTypes: Set<String> = [
        "smallint", "integer", "bigint", "boolean", "date", "uuid", "bytea", "oid",
        "timestamp without time zone", "timestamp with time zone",
    ]

    var no: String { session.dialect == .postgresql ? "false" : "0" }

    func types(of table: String) throws -> [String: String] {
        guard session.dialect == .postgresql else { return [:] }
        let rows = try session.query(
            """
            SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
            """, [.text(table)])
        return Dictionary(
            rows.map { ($0[0].asText ?? "", $0[1].asText ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    /// - Parameter type: the target column's, as `format_type` writes it.
    func differs(_ left: String, _ right: String, type: String?) -> String {
        switch session.dialect {
        case .sqlite: return "NOT migrator_same(\(left), \(right))"
        case .postgresql:
            if let type, Self.exactTypes.contains(type) { return "\(left) IS DISTINCT FROM \(right)" }
            return "\(left)::text COLLATE \"C\" IS DISTINCT FROM \(right)::text COLLATE \"C\""
        }
    }
}
