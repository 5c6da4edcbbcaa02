import MigratorScript

/// Tables filled by `ensure`: every row that the SELECT yields is there, and a raised column stands at least as high.
struct EnsureCheck: VerificationCheck {
    let name = "ensure"
    let levels: Set<VerificationLevel> = [.standard, .full]
    let readsRows = true

    func work(_ context: VerificationContext) throws -> [VerificationWork] {
        try context.activeItems().compactMap { _, item in
            guard case .ensure(let ensure) = item.action,
                try context.backend.tableExists(ensure.source), try context.backend.tableExists(ensure.target)
            else { return nil }
            return VerificationWork(parts: [{ [try result(of: ensure, $0.backend)] }])
        }
    }

    func result(of ensure: Ensure, _ backend: any TableAccess) throws -> CheckResult {
        let on = ensure.on.map(\.quotedIdentifier)
        let join = on.map { "t.\($0) = m.\($0)" }.joined(separator: " AND ")
        var condition = "t.\(on[0]) IS NULL"
        if let raise = ensure.raise {
            let column = raise.column.quotedIdentifier
            condition += " OR \(raise.rank(of: "t.\(column)")) < \(raise.rank(of: "m.\(column)"))"
        }
        let from = """
            FROM (\(ensure.mapping.text)
            ) AS m LEFT JOIN \(backend.quoted(ensure.target)) AS t ON \(join) WHERE \(condition)
            """
        let isWhole = try hasSameKeys(ensure, backend)
        let count = isWhole ? 0 : try backend.session.scalar("SELECT count(*) \(from)").asInt ?? 0
        let rows =
            count == 0
            ? [] : try backend.session.query("SELECT \(on.map { "m.\($0)" }.joined(separator: ", ")) \(from) LIMIT 10")
        return CheckResult(
            check: name, subject: "\(ensure.source) -> \(ensure.target)",
            verdict: count == 0 ? .exact : .differences,
            summary: count == 0
                ? "every row is there" : "\(count.counted("row is missing", "rows are missing")) or behind",
            differences: rows.map { row in
                Difference(
                    table: ensure.target.name,
                    key: row.values.map { $0.asText ?? "NULL" }.joined(separator: ","),
                    columns: ensure.on, message: "the row is missing or behind")
            }, differenceCount: count)
    }

    /// Whether the SELECT yields the very keys of a large target, none of them behind: then nothing has to be joined.
    private func hasSameKeys(_ ensure: Ensure, _ backend: any TableAccess) throws -> Bool {
        let types = try ColumnComparison(session: backend.session).types(of: backend.quoted(ensure.target))
        guard let tally = KeyTally(types: ensure.on.map { types[$0] }, backend.session),
            let rows = try (backend as? PostgreSQLBackend)?.estimatedSize(of: ensure.target).rows,
            rows > Self.manyRows
        else { return false }
        let on = ensure.on.map(\.quotedIdentifier)
        let rank = ensure.raise.map { $0.rank(of: $0.column.quotedIdentifier) }
        return try backend.session.scalar(
            """
            SELECT (SELECT \(tally.sql(on, rank: rank, countsAll: true)) FROM (\(ensure.mapping.text)
            ) AS m) = (SELECT \(tally.sql(on, rank: rank)) FROM \(backend.quoted(ensure.target)))
            """
        ).asBool
    }

    /// Below this number a join is as good.
    private static let manyRows = 100_000
}
