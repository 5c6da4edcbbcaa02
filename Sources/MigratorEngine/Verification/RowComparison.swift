import MigratorDatabase
import MigratorScript

/// Compares the rows that a SELECT yields with those of a table, by key, in one statement and so in one snapshot.
struct RowComparison {
    /// Rows that the SELECT yields.
    var expectedRows = 0
    var differenceCount = 0
    /// The first ten, by key.
    var differences: [Difference] = []
    /// By name, what else the statement was asked for, in the same snapshot.
    var tallies: [String: String] = [:]

    init() {}

    /// - Parameters:
    ///   - expected: a SELECT that yields `columns` (the key among them), each by its name.
    ///   - table: for the differences' wording, and quoted for the statement.
    ///   - range: compares only these keys; `type` is the key's.
    ///   - judged: a condition on the table's key; rows that do not meet it are left alone.
    init(
        expected: String, columns: [String], table: TableName, key: String, backend: any TableAccess,
        range: KeyRange? = nil, type: String = "", judged: String? = nil
    ) throws {
        try self.init(
            expected: expected, columns: columns, table: table, key: key, backend: backend,
            condition: range.map { $0.condition(key.quotedIdentifier, type: type) }, judged: judged,
            showsValues: false)
    }

    /// - Parameters:
    ///   - condition: which rows of either side are meant, by their key.
    ///   - tallies: further expressions over the pairs, by name.
    init(
        expected: String, columns: [String], table: TableName, key: String, backend: any TableAccess,
        condition: String?, judged: String?, showsValues: Bool, tallies: [String: String] = [:]
    ) throws {
        let pairs = try PairedRows(
            expected: expected, columns: columns, table: table, key: key, backend: backend, condition: condition,
            judged: judged)
        let isDifferent = "ek IS NULL OR tk IS NULL OR (\(pairs.differs))"
        let further = tallies.map { ", \($0.value) AS \($0.key)" }.joined()
        let counts = try backend.session.query(
            """
            SELECT count(ek) AS expected, count(*) FILTER (WHERE \(isDifferent)) AS different\(further)
            FROM (\(pairs.select)
            ) AS pairs
            """
        ).first
        expectedRows = counts?.int("expected") ?? 0
        differenceCount = counts?.int("different") ?? 0
        for name in tallies.keys { self.tallies[name] = counts?.text(name) }
        guard differenceCount > 0 else { return }
        let shown = try PairedRows(
            expected: expected, columns: columns, table: table, key: key, backend: backend, condition: condition,
            judged: judged, showsValues: showsValues)
        differences = try backend.session.query(
            "SELECT * FROM (\(shown.select)\n) AS pairs WHERE \(isDifferent) ORDER BY coalesce(ek, tk) LIMIT 10"
        ).map { row in
            if row["tk"].isNull {
                return Difference(table: table.name, key: row.text("ek"), message: "the row is missing")
            }
            if row["ek"].isNull {
                return Difference(
                    table: table.name, key: row.text("tk"), message: "the row should not be there")
            }
            let columns = shown.differingColumns(row)
            return Difference(
                table: table.name, key: row.text("ek"), columns: columns,
                message: "differs in \(columns.joined(separator: ", "))", values: shown.differingValues(row))
        }
    }
}

extension RowComparison {
    /// Takes in what another stretch of the same tables has shown.
    mutating func add(_ part: RowComparison) {
        expectedRows += part.expectedRows
        differenceCount += part.differenceCount
        differences = Array((differences + part.differences).prefix(10))
    }
}

/// Exact inequality of two values, on each database.
struct ColumnComparison {
    let session: any Session

    /// Types whose equality is identity: for all others the text is compared, byte by byte, since `1.0` equals
    /// `1.00`, a nondeterministic collation equals letter cases, and json has no equality at all (ONLINE.md H17).
    static let exactTypes: Set<String> = [
        "smallint", "integer", "bigint", "boolean", "date", "uuid", "bytea", "oid",
        "timestamp without time zone", "timestamp with time zone",
    ]

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
