import MigratorScript

/// Rows whose foreign key points at nothing: a replica role or switched-off keys can leave them behind.
///
/// Every key is looked at, whether the database enforces it or not: also one that is gone since a revision left it
/// there, and at the full level what only its name makes a key of (`group_id` beside a table `groups`), which is
/// information: nobody has declared it.
struct OrphanCheck: VerificationCheck {
    let name = "orphans"
    let levels: Set<VerificationLevel> = [.standard, .full]
    let readsRows = true

    func work(_ context: VerificationContext) throws -> [VerificationWork] {
        let touched = try context.touchedTables()
        let declared = try context.backend.foreignKeys()
        let keys =
            declared.filter { key in
                context.level == .full || touched.contains(key.table.name) || touched.contains(key.referenced.name)
            } + (try context.lostKeys(besides: declared))
        let named = context.level == .full ? try context.keysByName(besides: keys) : []
        let parts =
            keys.map { key -> VerificationWork.Part in
                { context in
                    if context.level != .full, let backend = context.backend as? PostgreSQLBackend,
                        try backend.hasNoOrphans(key)
                    {
                        return [inOrder(key)]
                    }
                    return [try result(of: key, context.backend)]
                }
            }
            + named.map { key -> VerificationWork.Part in
                { context in try information(of: key, context.backend).map { [$0] } ?? [] }
            }
        return [
            VerificationWork(parts: parts) { parts in
                let others = parts.flatMap(\.self).filter { $0.verdict != .exact }
                let whole = parts.flatMap(\.self).count - others.count
                let exact = CheckResult(
                    check: name, subject: "\(whole.counted("foreign key"))", verdict: .exact,
                    summary: "every row finds its parent", figures: ["foreignKeys": whole])
                return (whole > 0 ? [exact] : []) + others
            }
        ]
    }

    private func orphans(of key: ForeignKey, isText: Bool, _ backend: any Backend) -> String {
        func compared(_ column: String) -> String { isText ? "CAST(\(column) AS text)" : column }
        let columns = key.columns.map { "c.\($0.quotedIdentifier)" }
        let join = zip(columns, key.referencedColumns).map {
            "\(compared("p.\($1.quotedIdentifier)")) = \(compared($0))"
        }
        return """
            FROM \(backend.quoted(key.table)) AS c
            WHERE \(columns.map { "\($0) IS NOT NULL" }.joined(separator: " AND "))
              AND NOT EXISTS (SELECT 1 FROM \(backend.quoted(key.referenced)) AS p
                              WHERE \(join.joined(separator: " AND ")))
            """
    }

    private func inOrder(_ key: ForeignKey) -> CheckResult {
        CheckResult(check: name, subject: key.subject, verdict: .exact, summary: "every row finds its parent")
    }

    func result(of key: ForeignKey, _ backend: any Backend) throws -> CheckResult {
        let from = orphans(of: key, isText: false, backend)
        let count = try backend.session.scalar("SELECT count(*) \(from)").asInt ?? 0
        guard count > 0 else { return inOrder(key) }
        let shown = key.rowKey + key.columns
        let list = shown.map { "c.\($0.quotedIdentifier)" }.joined(separator: ", ")
        let rows = try backend.session.query("SELECT \(list) \(from) ORDER BY \(list) LIMIT 10")
        return CheckResult(
            check: name, subject: key.subject, verdict: .differences,
            summary: "\(count.counted("row points at", "rows point at")) nothing",
            differences: rows.map { row in
                let values = row.values.map { $0.asText ?? "NULL" }
                let own = values.prefix(key.rowKey.count).joined(separator: ",")
                let parent = values.dropFirst(key.rowKey.count).joined(separator: ",")
                return Difference(
                    table: key.table.name, key: own.isEmpty ? parent : own, columns: key.columns,
                    message: "points at \(key.referenced.name) \(parent), which is not there")
            }, differenceCount: count)
    }

    private func information(of key: ForeignKey, _ backend: any Backend) throws -> CheckResult? {
        let from = orphans(of: key, isText: backend.session.dialect == .postgresql, backend)
        let count = try backend.session.scalar("SELECT count(*) \(from)").asInt ?? 0
        guard count > 0 else { return nil }
        return CheckResult(
            check: name, subject: key.subject, verdict: .information,
            summary: "no foreign key by its name alone, and \(count.counted("row points at", "rows point at")) nothing",
            figures: ["orphans": count])
    }
}

extension ForeignKey {
    var subject: String { "\(table.name).\(columns.joined(separator: ",")) -> \(referenced.name)" }

    func leadsAs(_ other: ForeignKey) -> Bool {
        table.name == other.table.name && columns == other.columns && referenced.name == other.referenced.name
    }

    /// A foreign key as a fingerprint tells of it: `constraint a_fk FOREIGN KEY (b_id) REFERENCES b(id) ON DELETE ...`.
    init?(fact: String, relation: String, rowKey: [String]) {
        guard fact.hasPrefix("constraint "), let start = fact.firstRange(of: " FOREIGN KEY ("),
            let end = fact[start.upperBound...].firstRange(of: ") REFERENCES "),
            let open = fact[end.upperBound...].firstIndex(of: "("),
            let close = fact[open...].firstIndex(of: ")")
        else { return nil }
        // A name with a dot in it is not taken apart rightly; such a table is not found then, and left alone.
        let place = relation.split(separator: ".", maxSplits: 1).map(String.init)
        let parent = fact[end.upperBound..<open].split(separator: ".").map(String.init).map { word in
            PostgreSQLCatalog.identifiers(word).first ?? word
        }
        guard place.count == 2, let referenced = parent.last else { return nil }
        self.init(
            name: String(fact.dropFirst("constraint ".count).prefix { $0 != " " }),
            table: TableName(schema: place[0], place[1]),
            columns: PostgreSQLCatalog.identifiers(String(fact[start.upperBound..<end.lowerBound])),
            referenced: TableName(schema: parent.count > 1 ? parent[0] : place[0], referenced),
            referencedColumns: PostgreSQLCatalog.identifiers(String(fact[fact.index(after: open)..<close])),
            rowKey: rowKey)
    }
}

extension VerificationContext {
    /// Tables that applied revisions created or changed and that are there, by name.
    func touchedTables() throws -> Set<String> {
        var names: Set<String> = []
        for relation in try lastDefinitions().keys {
            // A relation's name is qualified by its schema.
            names.insert(String(relation.drop { $0 != "." }.dropFirst()).nonEmpty ?? relation)
        }
        return names
    }

    /// What the applied revisions have left of each relation, a later one over an earlier one.
    func lastDefinitions() throws -> [String: [String]] {
        var definitions: [String: [String]] = [:]
        for applied in applied where applied.record.state == .applied {
            for record in try backend.ledger.fingerprints(revision: applied.record.revision) {
                if let after = record.after { definitions[record.relation] = after }
            }
        }
        return definitions
    }

    /// Keys that the fingerprints know and the database has no more, where tables and columns are still there.
    fileprivate func lostKeys(besides declared: [ForeignKey]) throws -> [ForeignKey] {
        try lastDefinitions().sorted { $0.key < $1.key }.flatMap { relation, facts in
            let rowKey = declared.first { "\($0.table.schema ?? "").\($0.table.name)" == relation }?.rowKey ?? []
            return try facts.compactMap { ForeignKey(fact: $0, relation: relation, rowKey: rowKey) }.filter { key in
                guard !declared.contains(where: key.leadsAs) else { return false }
                let own = try backend.columnNames(of: key.table) ?? []
                let others = try backend.columnNames(of: key.referenced) ?? []
                return key.columns.allSatisfy(own.contains) && key.referencedColumns.allSatisfy(others.contains)
            }
        }
    }

    /// Columns `NAME_id` beside a table of that name, or of its plural, with a column `id`.
    fileprivate func keysByName(besides known: [ForeignKey]) throws -> [ForeignKey] {
        let tables = try backend.inventory().values.filter { $0.schema == backend.schema }.sorted { $0.name < $1.name }
        let parents = Dictionary(
            tables.filter { $0.columns.values.contains("id") }.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
        return tables.flatMap { table in
            table.columns.values.sorted().compactMap { column -> ForeignKey? in
                guard column.hasSuffix("_id") else { return nil }
                let name = String(column.dropLast("_id".count))
                let plurals = [name + "s", name, name + "es", String(name.dropLast()) + "ies"]
                guard let parent = plurals.compactMap({ parents[$0] }).first else { return nil }
                let key = ForeignKey(
                    name: "", table: TableName(schema: table.schema, table.name), columns: [column],
                    referenced: TableName(schema: parent.schema, parent.name), referencedColumns: ["id"])
                return known.contains { $0.table.name == table.name && $0.columns.contains(column) } ? nil : key
            }
        }
    }
}
