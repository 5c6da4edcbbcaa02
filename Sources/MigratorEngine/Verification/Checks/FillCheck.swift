import MigratorScript

/// Columns computed by `fill`: no row for which the SELECT yields a value lacks it.
struct FillCheck: UndividedCheck {
    let name = "fill"
    let levels: Set<VerificationLevel> = [.standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        try context.activeItems().compactMap { _, item in
            guard case .fill(let fill) = item.action, try context.backend.tableExists(fill.table) else {
                return nil
            }
            return try result(of: fill, context.backend)
        }
    }

    private func result(of fill: Fill, _ backend: any TableAccess) throws -> CheckResult {
        let mapping = try MappingSource(
            mapping: fill.mapping, source: fill.table, target: fill.table, backend: backend)
        let key = fill.key.quotedIdentifier
        let lacking = mapping.columns.filter { $0 != fill.key }.map {
            "(t.\($0.quotedIdentifier) IS NULL AND m.\($0.quotedIdentifier) IS NOT NULL)"
        }.joined(separator: " OR ")
        let from = """
            FROM (\(mapping.select)
            ) AS m JOIN \(backend.quoted(fill.table)) AS t ON t.\(key) = m.\(key)
            WHERE \(lacking.isEmpty ? "1 = 0" : lacking)
            """
        let count = try backend.session.scalar("SELECT count(*) \(from)").asInt ?? 0
        let rows =
            count == 0 ? [] : try backend.session.query("SELECT m.\(key) \(from) ORDER BY 1 LIMIT 10")
        let columns = mapping.columns.filter { $0 != fill.key }
        return CheckResult(
            check: name, subject: "\(fill.table).\(columns.joined(separator: ", "))",
            verdict: count == 0 ? .exact : .differences,
            summary: count == 0 ? "filled wherever it can be" : "\(count.counted("row lacks a", "rows lack a")) value",
            differences: rows.map {
                Difference(
                    table: fill.table.name, key: $0[0].asText, columns: columns,
                    message: "\(columns.joined(separator: ", ")) is not filled")
            }, differenceCount: count)
    }
}
