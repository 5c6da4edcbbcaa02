import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    public func decideStrategy(
        _ move: Move, definition: [Statement], context: StepContext
    ) throws -> StrategyDecision {
        let existing = try existingSource(move, context: context)
        try requireOwner(of: existing, strategy: .rename)
        try refuseFollowed(existing, revision: context.revision)
        try refuseUnvalidatedNotNull(existing)
        try checkTargetIsFree(move, definition: definition)
        let declared: TableShape
        if definition.isEmpty, let relation = try catalog.relation(move.target) {
            declared = try shape(of: relation)
        } else {
            declared = try declaredShape(of: move.target, definition: definition)
        }
        let source = try recogniseSource(move, declared: declared, context: context)
        if move.strategy == .copy {
            return try copyDecision(move, source: source, declared: declared, reason: "the script asks for it")
        }
        do {
            if definition.isEmpty {
                throw RenamePlan.Unreachable(reason: "the target has been created already")
            }
            _ = try renamePlan(move, source: source, declared: declared)
            return StrategyDecision(
                strategy: .rename, reason: "every declared column is reached by catalog changes alone")
        } catch let error as RenamePlan.Unreachable {
            guard move.strategy == .rename else {
                return try copyDecision(move, source: source, declared: declared, reason: error.reason)
            }
            throw MigratorError(
                "rename-impossible", .refused,
                "\"\(move.source)\" cannot become \"\(move.target)\" by a rename: \(error.reason)",
                hint: "leave strategy=rename out, or change the declaration")
        }
    }

    /// What can be said before the definition is run in place, where a mapping may read tables that are not there yet.
    private func copyDecision(
        _ move: Move, source: TableShape, declared: TableShape, reason: String
    ) throws -> StrategyDecision {
        try requireOwner(of: source.relation, strategy: .copy)
        try refuseUncopyable(source)
        guard let carried = try carriedColumns(move, source: source, declared: declared) else {
            return StrategyDecision(strategy: .copy, reason: reason)
        }
        try requireWholeView(move, carried)
        return StrategyDecision(strategy: .copy, reason: reason, notes: carried.notes)
    }

    /// A copy takes the rows that the source's name yields: of children by inheritance too, with the parent's columns
    /// alone. Rules do not go with rows, and keep triggers from writing.
    private func refuseUncopyable(_ source: TableShape) throws {
        let name = source.relation.name
        func refuse(_ what: String, hint: String) -> MigratorError {
            MigratorError("copy-impossible", .refused, "\"\(name)\" cannot be copied: \(what)", hint: hint)
        }
        let tree = try session.query(
            """
            SELECT inhparent::regclass::text AS parent, inhrelid::regclass::text AS child, inhrelid = $1::oid AS is_child
            FROM pg_catalog.pg_inherits WHERE inhrelid = $1::oid OR (inhparent = $1::oid AND $2::boolean) LIMIT 1
            """, [SQLValue(source.relation.oid), SQLValue(source.relation.kind == .table)]
        ).first
        if let tree, tree.bool("is_child") {
            throw refuse(
                "it is part of \"\(tree.text("parent") ?? "")\", which would lack its rows",
                hint: "take it out of there (NO INHERIT, DETACH PARTITION) before the upgrade")
        }
        if let tree {
            throw refuse(
                "\"\(tree.text("child") ?? "")\" inherits from it, whose own columns would be lost",
                hint: "end that (ALTER TABLE ... NO INHERIT) before the upgrade")
        }
        let rule = try session.query(
            "SELECT rulename FROM pg_catalog.pg_rewrite WHERE ev_class = $1::oid LIMIT 1",
            [SQLValue(source.relation.oid)])
        if let rule = rule.first {
            throw refuse(
                "it has the rule \"\(rule[0].asText ?? "")\", which does not go with its rows",
                hint: "drop the rule before the upgrade; a trigger does the same")
        }
    }

    /// The plan of a rename, judged against the rows as well.
    /// - Throws: `RenamePlan.Unreachable` with the reason.
    func renamePlan(_ move: Move, source: TableShape, declared: TableShape) throws -> RenamePlan {
        if source.relation.kind != .table {
            throw RenamePlan.Unreachable(reason: "the source is a partitioned table")
        }
        if source.properties.contains(where: { $0.contains("inheritance") }) {
            throw RenamePlan.Unreachable(reason: "the source is part of an inheritance or partition tree")
        }
        if (move.target.schema ?? schema) != source.relation.schema {
            throw RenamePlan.Unreachable(reason: "the target lies in another schema")
        }
        if let mapping = move.mapping {
            try checkPlain(mapping, move: move, source: source, declared: declared)
        }
        let plan = try renamePlan(from: source, to: declared, key: move.key)
        if !plan.retyped.isEmpty || plan.added.contains(where: \.fillsRows),
            let user = try userOfRowType(of: source.relation)
        {
            throw RenamePlan.Unreachable(
                reason: "\(user) has the type of the source's rows, which PostgreSQL does not let change")
        }
        let changed = plan.retyped.map(\.old)
        for column in changed where try isUsedByRule(column, of: source) {
            throw RenamePlan.Unreachable(
                reason: "a view uses column \"\(column.name)\", whose type changes")
        }
        let strict = Set(plan.tightened.map(\.name))
            .union(plan.addedConstraints.filter { $0.kind == .notNull }.flatMap(\.columns))
        for column in strict.sorted() {
            let isNull = try session.query(
                "SELECT 1 FROM \(source.relation.quoted) WHERE \(column.quotedIdentifier) IS NULL LIMIT 1")
            guard isNull.isEmpty else {
                throw RenamePlan.Unreachable(
                    reason: "column \"\(column)\" holds NULL, and is declared NOT NULL")
            }
        }
        return plan
    }

    /// The table keeps its columns that the script does not declare, and with them the indexes that use them.
    /// - Throws: `RenamePlan.Unreachable` with the reason.
    func renamePlan(from source: TableShape, to declared: TableShape, key: String) throws -> RenamePlan {
        var plan = try RenamePlan(from: source, to: declared, key: key)
        let undeclared = Set(source.columns.map(\.name)).subtracting(declared.columns.map(\.name))
        guard !plan.droppedIndexes.isEmpty, !undeclared.isEmpty else { return plan }
        let used = try columnsUsed(of: source.relation.oid)
        plan.droppedIndexes.removeAll { !undeclared.isDisjoint(with: used[$0.oid] ?? []) }
        return plan
    }

    /// Is the mapping a list of plain columns under their own names, over all rows? The server says so: it shows
    /// a view of the mapping and a view of just these columns in the same words.
    private func checkPlain(
        _ mapping: Statement, move: Move, source: TableShape, declared: TableShape
    ) throws {
        let unreachable = RenamePlan.Unreachable(
            reason: "the mapping is not a list of plain columns over all rows")
        let columns: [String]
        do {
            columns = try session.describe(mapping.text)
        } catch {
            throw MigratorError(error, statement: mapping)
        }
        guard columns.allSatisfy({ source.column($0) != nil }), Set(columns).count == columns.count else {
            throw unreachable
        }
        for column in declared.columns
        where source.column(column.name) != nil && !columns.contains(column.name) {
            throw RenamePlan.Unreachable(reason: "the mapping leaves out column \"\(column.name)\"")
        }
        let list = columns.map(\.quotedIdentifier).joined(separator: ", ")
        let isPlain = try session.savepoint(keeping: false) {
            try session.execute("CREATE TEMPORARY VIEW migrator_mapping AS \(mapping.text)")
            try session.execute(
                "CREATE TEMPORARY VIEW migrator_plain AS SELECT \(list) FROM \(source.relation.quoted)")
            return try session.scalar(
                """
                SELECT pg_get_viewdef('pg_temp.migrator_mapping'::regclass)
                    = pg_get_viewdef('pg_temp.migrator_plain'::regclass)
                """
            ).asBool
        }
        guard isPlain else { throw unreachable }
    }

    /// A column of another table that holds whole rows of this one, by itself or in an array, a range, a domain or a
    /// composite type: the server then refuses whatever writes the table's rows anew.
    private func userOfRowType(of table: CatalogRelation) throws -> String? {
        try session.query(
            """
            WITH RECURSIVE used AS (
                SELECT reltype AS oid FROM pg_catalog.pg_class WHERE oid = $1::oid
                UNION
                SELECT t.oid FROM used u JOIN pg_catalog.pg_type t ON t.typelem = u.oid OR t.typbasetype = u.oid
                    OR t.oid IN (SELECT rngtypid FROM pg_catalog.pg_range WHERE rngsubtype = u.oid)
                    OR t.typrelid IN (SELECT a.attrelid FROM pg_catalog.pg_attribute a
                        WHERE a.atttypid = u.oid AND NOT a.attisdropped))
            SELECT format('column %I of "%s"', a.attname, c.oid::regclass)
            FROM used u JOIN pg_catalog.pg_attribute a ON a.atttypid = u.oid AND NOT a.attisdropped
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            WHERE c.relkind IN ('r', 'm', 'p') AND c.oid <> $1::oid ORDER BY 1 LIMIT 1
            """, [SQLValue(table.oid)]
        ).first?[0].asText
    }

    private func isUsedByRule(_ column: CatalogColumn, of source: TableShape) throws -> Bool {
        try !session.query(
            """
            SELECT 1 FROM pg_catalog.pg_depend d
            WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass)
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.refobjsubid = $2::int LIMIT 1
            """, [SQLValue(source.relation.oid), SQLValue(column.number)]
        ).isEmpty
    }
}

extension CatalogColumn {
    /// Whether a table's rows get values where it is added.
    fileprivate var fillsRows: Bool { defaultExpression != nil || identity != nil || generated != nil }
}
