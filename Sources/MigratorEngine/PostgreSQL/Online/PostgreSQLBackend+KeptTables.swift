import MigratorDatabase
import MigratorScript

/// Tables that become their own archives: renamed instead of copied and dropped.
extension PostgreSQLBackend: TableKeeper {
    /// The kind under which the ledger keeps a table until it is registered as a backup.
    private static let keptKind = "kept-table"

    func canKeep(_ table: TableName) throws -> Bool {
        guard let relation = try catalog.relation(table), relation.kind == .table else { return false }
        // What is computed when it is read goes with the functions that compute it; so does, before PostgreSQL 15, a
        // column that was generated once.
        let perishable = facts.version < 150_000 ? "<> ''" : "= 'v'"
        return try session.query(
            """
            SELECT 1 FROM pg_catalog.pg_inherits WHERE inhrelid = $1 OR inhparent = $1
            UNION ALL SELECT 1 FROM pg_catalog.pg_attribute
            WHERE attrelid = $1 AND NOT attisdropped AND attgenerated \(perishable) LIMIT 1
            """, [SQLValue(relation.oid)]
        ).isEmpty
    }

    func keep(_ table: TableName, context: StepContext) throws {
        guard let relation = try catalog.relation(table) else { return }
        let key = try catalog.singleKeyColumn(of: relation.oid)
        var name = Self.truncated(relation.name, suffix: "_backup")
        // A table whose name is cut to the same may have become its archive just before.
        if try keptNames(revision: context.revision).contains(TableName(schema: relation.schema, name)) {
            name = try freeName(name, in: relation.schema)
        }
        _ = try makeRoom(for: TableName(schema: relation.schema, name), context: context)
        try disarm(relation)
        let comment =
            "\(relation.name) as revision \(context.revision) was taken back, kept by migrator"
        try session.execute(
            """
            COMMENT ON TABLE \(relation.quoted) IS \(comment.quotedLiteral);
            ALTER TABLE \(relation.quoted) RENAME TO \(name.quotedIdentifier)
            """)
        let detail = [relation.schema, name] + (key.map { [$0] } ?? [])
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: Self.keptKind,
                name: relation.name, detail: detail.map(\.quotedIdentifier).joined(separator: ",")))
    }

    func keptTables(revision: String) throws -> [ObjectRecord] {
        try ledger.objects(revision: revision, kind: Self.keptKind)
    }

    func keptNames(revision: String) throws -> [TableName] {
        try keptTables(revision: revision).map {
            let place = PostgreSQLCatalog.identifiers($0.detail)
            return TableName(schema: place.first, place.count > 1 ? place[1] : "")
        }
    }

    func register(_ kept: ObjectRecord, context: StepContext) throws -> StepOutcome {
        let place = PostgreSQLCatalog.identifiers(kept.detail)
        try ledger.removeObject(kept.id)
        let table = TableName(schema: place.first, place.count > 1 ? place[1] : "")
        guard let relation = try catalog.relation(table), relation.kind == .table else {
            context.reporter.report(
                .warning(
                    "\"\(table.name)\", which kept what \"\(kept.name)\" held, is gone: somebody has taken it away"))
            return StepOutcome()
        }
        let columns = try catalog.columns(of: relation.oid).map(\.name)
        let content = try contentHash(of: table, columns: columns)
        try ledger.add(
            try backupRecord(
                kind: .archive, source: TableName(schema: relation.schema, kept.name), name: relation.name,
                key: place.count > 2 ? place[2] : nil, columns: columns, content: (content.rows, content.hash),
                context: context))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "backup",
                subject: "\(relation.schema).\(kept.name)", verdict: Verdict.exact.rawValue,
                detail: "{\"backup\":\(Self.json(relation.name)),\"relation\":\(relation.oid),"
                    + "\"rows\":\(content.rows),\"hash\":\(Self.json(content.hash)),"
                    + "\"algorithm\":\(Self.json(content.algorithm))}"))
        return StepOutcome(
            rows: content.rows, details: ["\(relation.name): the same relation, \(content.rows.counted("row"))"])
    }

    /// Rows with a value, summed as they are and as they would be filled: a row that has a value which is not computed
    /// makes the sums differ, and so may one that lacks one.
    func holdsComputedOnly(_ columns: [String], of fill: Fill) throws -> Bool {
        let types = try ColumnComparison(session: session).types(of: quoted(fill.table))
        let all = [fill.key] + columns
        guard all.allSatisfy({ types[$0] != nil }) else { return false }
        // The server folds a bigint into 32 bits before it hashes it.
        let wide = all.filter { types[$0] == "bigint" }.map { ", sum(r.\($0.quotedIdentifier))" }.joined()
        let sums = "(count(*), sum(\(RowHash(all, types: types, of: "r").sql))\(wide))::text"
        let isSet = columns.map { "\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " OR ")
        let typed = all.map { "m.\($0.quotedIdentifier)::\(types[$0] ?? "text") AS \($0.quotedIdentifier)" }
        return try session.scalar(
            """
            SELECT (SELECT \(sums) FROM \(quoted(fill.table)) AS r WHERE \(isSet)) = (
                WITH \(fill.table.name.quotedIdentifier) AS NOT MATERIALIZED (
                    SELECT * FROM \(quoted(fill.table)) WHERE \(isSet))
                SELECT \(sums) FROM (SELECT \(typed.joined(separator: ", ")) FROM (
                \(fill.mapping.text)
                ) AS m) AS r)
            """
        ).asBool
    }

    /// Takes everything off a table that nobody uses any more and that could change it, refuse to let a parent or a
    /// function go, or stand in a later table's way: triggers, constraints, indexes, statistics, defaults, sequences,
    /// privileges. What has been generated and stored stays as plain values.
    func disarm(_ relation: CatalogRelation) throws {
        var statements: [String] = []
        for trigger in try catalog.triggers(of: relation.oid) {
            statements.append("DROP TRIGGER \(trigger.name.quotedIdentifier) ON \(relation.quoted)")
        }
        // Keys of the table to itself go before the key that they refer to.
        let constraints = try catalog.constraints(of: relation.oid)
        for kind in [CatalogConstraint.Kind.foreignKey, .check, .exclusion, .unique, .primaryKey] {
            for constraint in constraints where constraint.kind == kind {
                statements.append(
                    "ALTER TABLE \(relation.quoted) DROP CONSTRAINT \(constraint.name.quotedIdentifier)")
            }
        }
        for index in try catalog.indexes(of: relation.oid) where index.constraint == nil {
            statements.append("DROP INDEX \(relation.schema.quotedIdentifier).\(index.name.quotedIdentifier)")
        }
        let statistics = try session.query(
            """
            SELECT quote_ident(n.nspname) || '.' || quote_ident(s.stxname) FROM pg_catalog.pg_statistic_ext s
            JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1::oid ORDER BY 1
            """, [SQLValue(relation.oid)])
        statements += statistics.compactMap { $0[0].asText }.map { "DROP STATISTICS \($0)" }
        for column in try catalog.columns(of: relation.oid) {
            let place = "ALTER TABLE \(relation.quoted) ALTER COLUMN \(column.name.quotedIdentifier)"
            // Not stored, and so not to be kept: others have what it is made of.
            if column.generated == .virtual {
                statements.append("ALTER TABLE \(relation.quoted) DROP COLUMN \(column.name.quotedIdentifier)")
                continue
            }
            if column.identity != nil {
                statements.append("\(place) DROP IDENTITY")
                continue
            }
            if column.defaultExpression != nil {
                statements.append("\(place) DROP \(column.generated == nil ? "DEFAULT" : "EXPRESSION")")
            }
            // It would have gone with the table.
            if let sequence = try catalog.ownedSequence(of: relation.oid, column: column.name) {
                statements.append("DROP SEQUENCE \(sequence.quoted)")
            }
        }
        statements += try relationGrants(of: relation.oid, on: relation.quoted).map(\.revoke)
        if !statements.isEmpty { try session.execute(statements.joined(separator: ";\n")) }
    }
}
