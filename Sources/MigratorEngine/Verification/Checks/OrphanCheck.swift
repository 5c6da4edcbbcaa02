import MigratorScript

/// Rows whose foreign key points at nothing: a replica role or switched-off keys can leave them behind.
struct OrphanCheck: VerificationCheck {
    let name = "orphans"
    let levels: Set<VerificationLevel> = [.standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        let touched = try context.touchedTables()
        let results = try context.backend.foreignKeys().filter { key in
            context.level == .full || touched.contains(key.table.name) || touched.contains(key.referenced.name)
        }.map { try result(of: $0, context.backend) }
        let broken = results.filter { $0.verdict != .exact }
        let whole = results.count - broken.count
        guard whole > 0 else { return broken }
        return [
            CheckResult(
                check: name, subject: "\(whole.counted("foreign key"))", verdict: .exact,
                summary: "every row finds its parent", figures: ["foreignKeys": whole])
        ] + broken
    }

    private func result(of key: ForeignKey, _ backend: any Backend) throws -> CheckResult {
        let columns = key.columns.map { "c.\($0.quotedIdentifier)" }
        let join = zip(columns, key.referencedColumns).map { "p.\($1.quotedIdentifier) = \($0)" }
        let from = """
            FROM \(backend.quoted(key.table)) AS c
            WHERE \(columns.map { "\($0) IS NOT NULL" }.joined(separator: " AND "))
              AND NOT EXISTS (SELECT 1 FROM \(backend.quoted(key.referenced)) AS p
                              WHERE \(join.joined(separator: " AND ")))
            """
        let count = try backend.session.scalar("SELECT count(*) \(from)").asInt ?? 0
        let rows =
            count == 0
            ? [] : try backend.session.query("SELECT \(columns.joined(separator: ", ")) \(from) LIMIT 10")
        let subject =
            "\(key.table.name).\(key.columns.joined(separator: ",")) -> \(key.referenced.name)"
        return CheckResult(
            check: name, subject: subject, verdict: count == 0 ? .exact : .differences,
            summary: count == 0
                ? "every row finds its parent" : "\(count.counted("row points at", "rows point at")) nothing",
            differences: rows.map { row in
                let value = row.values.map { $0.asText ?? "NULL" }.joined(separator: ",")
                return Difference(
                    table: key.table.name, key: value, columns: key.columns,
                    message: "points at \(key.referenced.name) \(value), which is not there")
            }, differenceCount: count)
    }
}

extension VerificationContext {
    /// Tables that applied revisions created or changed and that are there, by name.
    func touchedTables() throws -> Set<String> {
        var names: Set<String> = []
        for applied in applied where applied.record.state == .applied {
            for record in try backend.ledger.fingerprints(revision: applied.record.revision)
            where record.after != nil {
                // A relation's name is qualified by its schema.
                names.insert(String(record.relation.drop { $0 != "." }.dropFirst()).nonEmpty ?? record.relation)
            }
        }
        return names
    }
}
