import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    public func performSwitch(
        _ move: Move, strategy: Strategy, definition: [Statement], context: StepContext
    ) throws -> StepOutcome {
        switch strategy {
        case .rename: return try performRename(move, definition: definition, context: context)
        case .copy:
            let outcome = try performCopySwitch(move, definition: definition, context: context)
            try awaitOlderSnapshots(move.target.name, context: context)
            return outcome
        }
    }

    private func performRename(
        _ move: Move, definition: [Statement], context: StepContext
    ) throws -> StepOutcome {
        try refuseOrphans(of: move.source, consequence: "nothing was committed")
        let declared = try declaredShape(of: move.target, definition: definition)
        let source = try recogniseSource(move, declared: declared, context: context)
        let plan: RenamePlan
        do {
            plan = try renamePlan(move, source: source, declared: declared)
        } catch let error as RenamePlan.Unreachable {
            throw MigratorError(
                "rename-impossible", .refused,
                "\"\(move.source)\" cannot become \"\(move.target)\" by a rename any more: \(error.reason)",
                hint: "run the command again")
        }
        return try applyRename(
            move, plan: plan, isOnline: false, built: [], rows: try count(source.relation), context: context)
    }

    /// The source becomes the target by catalog changes; no row moves.
    /// 1. the changes, each with its undo; 2. the compatibility view; 3. the proof: declared definition, same
    /// relation, same number of rows; 4. the ledger.
    ///
    /// While the application writes (`isOnline`) nothing is counted or built under the lock: indexes come before
    /// (`built`) and after, constraints are validated after.
    func applyRename(
        _ move: Move, plan: RenamePlan, isOnline: Bool, built: [String], rows: Int?, context: StepContext
    ) throws -> StepOutcome {
        let source = plan.source
        let declared = plan.declared
        // 1
        let indexUndo = try Dictionary(
            uniqueKeysWithValues: plan.droppedIndexes.map { ($0.oid, try recreation(of: $0, in: source)) })
        let changes = plan.changes(indexUndo: indexUndo, isOnline: isOnline)
        for change in changes { if let statement = change.statement { try session.execute(statement) } }
        let space = source.relation.schema.quotedIdentifier
        let unbuild = built.map { "DROP INDEX IF EXISTS \(space).\($0.quotedIdentifier)" }

        // 2
        let target = CatalogRelation(
            oid: source.relation.oid, schema: source.relation.schema, name: move.target.name,
            kind: source.relation.kind, owner: source.relation.owner)
        var view: SwitchRecord.Table?
        if let name = move.view {
            view = try createView(name, columns: source.columns.map(\.name), over: target)
        }

        // 3
        if !isOnline { try proveRename(plan, target: target, rows: rows) }
        try advanceSequence(of: move.target, column: move.key)

        // 4
        let cutOver = try cutOver()
        let record = SwitchRecord(
            strategy: .rename,
            source: .init(schema: source.relation.schema, name: source.relation.name),
            target: .init(schema: target.schema, name: target.name), key: move.key, view: view,
            undo: unbuild + changes.reversed().compactMap(\.undo),
            added: plan.added.map {
                .init(
                    name: $0.name,
                    initial: declared.constantDefaults.contains($0.name) ? $0.defaultExpression : nil)
            },
            restrictions: plan.retyped.map {
                .init(column: $0.old.name, type: $0.old.type, isNotNull: false)
            } + plan.relaxed.map { .init(column: $0.name, type: nil, isNotNull: true) },
            rows: rows ?? 0, relationOID: target.oid, snapshot: cutOver.snapshot,
            transactionID: cutOver.transactionID, systemIdentifier: try identityOfSystem())
        try add(record, context: context)
        return StepOutcome(rows: rows, details: details(of: plan, view: view, rows: rows))
    }

    private func details(of plan: RenamePlan, view: SwitchRecord.Table?, rows: Int?) -> [String] {
        var details = ["\(rows.map { "\($0) " } ?? "")rows stay where they are: the same relation under its new name"]
        if !plan.added.isEmpty {
            details.append("columns added: " + plan.added.map(\.name).joined(separator: ", "))
        }
        if !plan.droppedIndexes.isEmpty {
            details.append(
                "indexes dropped, recorded for the way back: "
                    + plan.droppedIndexes.map(\.name).joined(separator: ", "))
        }
        if let view { details.append("view \(view.name) left behind") }
        return details
    }

    /// The table is as declared, the same relation, with as many rows as before.
    /// - Throws: `MigratorError`, status difference.
    private func proveRename(_ plan: RenamePlan, target: CatalogRelation, rows: Int?) throws {
        let found = try catalog.relation(TableName(schema: target.schema, target.name))
        var differences: [String] = []
        if found?.oid != target.oid { differences.append("it is not the same relation") }
        let now = try count(target)
        if let rows, now != rows { differences.append("it has \(now.counted("row")), not \(rows.grouped)") }
        try refuseDifferences(from: plan.declared, of: found ?? target, key: plan.key, besides: differences)
    }

    func refuseDifferences(
        from declared: TableShape, of target: CatalogRelation, key: String, besides known: [String] = []
    ) throws {
        var differences = known
        do {
            differences += try RenamePlan(from: try shape(of: target), to: declared, key: key).differences
        } catch let error as RenamePlan.Unreachable {
            differences.append(error.reason)
        }
        guard differences.isEmpty else {
            throw MigratorError(
                "switch-differs", .difference,
                "\"\(target.name)\" is not as the script declares it after the rename; nothing was committed",
                hint: "use strategy=copy, and report this", details: differences)
        }
    }

    /// The statements that make an index again: definition, tablespace, statistics targets, comment.
    private func recreation(of index: CatalogIndex, in source: TableShape) throws -> String {
        let name = "\(source.relation.schema.quotedIdentifier).\(index.name.quotedIdentifier)"
        var statements = [index.definition]
        let space = try session.scalar(
            """
            SELECT s.spcname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
            WHERE c.oid = $1::oid
            """, [SQLValue(index.oid)]
        ).asText
        if let space { statements.append("ALTER INDEX \(name) SET TABLESPACE \(space.quotedIdentifier)") }
        let targets = try session.query(
            """
            SELECT attnum, attstattarget FROM pg_catalog.pg_attribute
            WHERE attrelid = $1::oid AND coalesce(attstattarget, -1) >= 0 ORDER BY attnum
            """, [SQLValue(index.oid)])
        for row in targets {
            statements.append(
                "ALTER INDEX \(name) ALTER COLUMN \(row.int("attnum") ?? 0) SET STATISTICS \(row.int("attstattarget") ?? -1)"
            )
        }
        if let comment = index.comment {
            statements.append("COMMENT ON INDEX \(name) IS \(comment.quotedLiteral)")
        }
        return statements.joined(separator: "; ")
    }

    // MARK: Shared by the strategies

    func count(_ relation: CatalogRelation) throws -> Int {
        try withPinnedOutput { try session.scalar("SELECT count(*) FROM \(relation.quoted)").asInt ?? 0 }
    }

    func cutOver() throws -> (snapshot: String, transactionID: String) {
        let row = try session.query(
            "SELECT pg_current_snapshot()::text AS snapshot, pg_current_xact_id()::text AS xid"
        ).first
        return (row?.text("snapshot") ?? "", row?.text("xid") ?? "")
    }

    /// Writes the record and its proof.
    func add(_ record: SwitchRecord, context: StepContext) throws {
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: "switch",
                name: record.name, detail: try record.json()))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "switch",
                subject: record.name, verdict: Verdict.exact.rawValue,
                detail: "{\"strategy\":\(Self.json(record.strategy.rawValue)),\"rows\":\(record.rows),"
                    + "\"relation\":\(record.relationOID),\"snapshot\":\(Self.json(record.snapshot)),"
                    + "\"transaction\":\(Self.json(record.transactionID))}"))
    }
}
