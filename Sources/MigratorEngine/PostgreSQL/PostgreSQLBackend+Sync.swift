import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// The rows are brought over and compared, then triggers keep the target equal, or both sides (window mode: the
    /// source is locked against writers, so the load needs no trigger beside it).
    public func performSync(_ sync: Sync, context: StepContext) throws -> StepOutcome {
        let mapping = try analyse(sync.mapping, source: sync.source, target: sync.target, key: sync.key)
        try requireRowLocal(
            mapping, "the sync of \"\(sync.source)\" to \"\(sync.target)\"", location: sync.mapping?.location)
        try requireUnique([sync.key], of: sync.target, directive: "sync")
        try requireComparableKeys(sync)
        if sync.back != nil { try requireImmediateKey(sync.key, of: sync.source) }
        let rows = try load(
            mapping, into: sync.target, source: sync.source, key: sync.key, statement: sync.mapping,
            conflict: "ON CONFLICT (\(sync.key.quotedIdentifier)) DO NOTHING", context: context)
        try prove(sync, mapping: mapping, context: context)
        try createSyncTriggers("sync", sync, mapping, context: context)
        if sync.back != nil { try createWayBack(of: sync, context: context) }
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) compared, 0 differences"])
    }

    /// The triggers that lead from the source to the target.
    /// - Parameters:
    ///   - isForEveryRole: whether they fire under `session_replication_role = replica`, too.
    ///   - deletionLog: the table in which they note deleted keys (`createDeletionLog`).
    func createSyncTriggers(
        _ kind: String, _ sync: Sync, _ mapping: PostgreSQLMapping, isForEveryRole: Bool = false,
        deletionLog: String? = nil, context: StepContext
    ) throws {
        let way = sync.back == nil ? nil : way(context)
        try createTriggers(
            kind, name: triggerName(kind, context: context),
            body: try syncBody(
                sync, mapping, nested: nestedWrites(kind, to: sync.source, key: [sync.key], context), way: way,
                deletionLog: deletionLog),
            on: sync.source,
            target: sync.target,
            events: [("AFTER INSERT OR UPDATE OR DELETE", true), ("AFTER TRUNCATE", false)],
            lockTimeout: sync.back == nil ? nil : Self.holdersPatience,
            isForEveryRole: isForEveryRole, deletionLog: deletionLog, context: context)
    }

    /// ONLINE.md H1: an upsert, and where a row is taken away the isolation guard, which makes a row that the
    /// writer's snapshot cannot see raise 40001 instead of being missed.
    /// - Parameter way: where the sync goes two ways, the setting that tells the way back which row is being led here.
    func syncBody(
        _ sync: Sync, _ mapping: PostgreSQLMapping, nested: NestedWrites, way: String? = nil, deletionLog: String? = nil
    ) throws -> String {
        let key = sync.key.quotedIdentifier
        let target = quoted(sync.target)
        let others = mapping.columns.filter { $0 != sync.key }.map(\.quotedIdentifier)
        /// Says in `placed` how many rows of the target stand for it: one or none.
        func put(_ rows: String) -> String {
            let same = "placed := (\(rows) SELECT count(*) FROM (\n\(mapping.select)\n) AS mapping);"
            return """
                \(upsert(sync, mapping, rows: rows));
                GET DIAGNOSTICS placed = ROW_COUNT;
                \(sync.back == nil ? "" : "IF placed = 0 THEN \(same) END IF;")
                """
        }
        func lead(_ row: String) -> String {
            way.map { "PERFORM set_config('\($0)', \(row).\(key)::text, true);" } ?? ""
        }
        let above = try leadRowsAbove(mapping, from: sync.source, to: sync.target, key: sync.key, lead: lead)
        let outset = way.map { "before text := coalesce(current_setting('\($0)', true), '');" } ?? ""
        let leave = way.map { "PERFORM set_config('\($0)', before, true);" } ?? ""
        // What goes from here because it was led away from the other side stays there.
        let stay =
            way.map {
                "IF TG_OP = 'DELETE' AND OLD.\(key)::text = current_setting('\($0)_out', true) THEN RETURN NULL; END IF;"
            } ?? ""
        var place = put(shadow(sync.source, by: "NEW"))
        if NegativeControl.upsert.isLeftOut {
            let changes = others.map { "\($0) = m.\($0)" }.joined(separator: ", ")
            place = """
                IF TG_OP = 'UPDATE' THEN
                    \(shadow(sync.source, by: "NEW")) UPDATE \(target) AS t SET \(changes)
                    FROM (\(mapping.select)) AS m WHERE m.\(key) = t.\(key);
                    placed := 1;
                ELSE
                    \(place)
                END IF;
                """
        }
        let guardOfInvisible = guardOfInvisible(
            insert: upsert(sync, mapping, rows: shadow(sync.source, by: "OLD")),
            delete: "DELETE FROM \(target) AS t WHERE t.\(key) = OLD.\(key)")
        let changes = try leadChanges(
            of: sync, mapping, lead: lead("NEW"), leave: leave, nested: nested,
            unseen: "PERFORM 1 FROM \(target) AS t WHERE t.\(key) = NEW.\(key); \(guardOfInvisible)")
        let note = deletionLog.map { "INSERT INTO \($0) (key) VALUES (OLD.\(key));" } ?? ""
        let outermost =
            NegativeControl.nestedWrites.isLeftOut ? "IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;" : ""
        return """
            DECLARE
                placed bigint;
                is_nested boolean;
                was record;
                made record;
                above record;
                \(outset)
            BEGIN
                \(outermost)
                \(nested.notice)
                is_nested := \(nested.isNoticed);
                IF TG_OP = 'TRUNCATE' THEN
                    DELETE FROM \(target);
                    RETURN NULL;
                END IF;
                \(stay)
                \(changes)
                -- As text, since a key may equal one that is written otherwise.
                IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.\(key)::text IS DISTINCT FROM NEW.\(key)::text THEN
                    \(lead("OLD"))
                    placed := 0;
                    IF is_nested THEN
                        \(put(shadow(sync.source, as: nested.standing("OLD"))))
                    END IF;
                    IF placed = 0 THEN
                        DELETE FROM \(target) AS t WHERE t.\(key) = OLD.\(key);
                        \(guardOfInvisible)
                        \(note)
                    END IF;
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    \(above)
                    \(lead("NEW"))
                    IF is_nested THEN
                        \(put(shadow(sync.source, as: nested.standing("NEW"))))
                    ELSE
                        \(place)
                    END IF;
                    IF placed = 0 THEN
                        DELETE FROM \(target) AS t WHERE t.\(key) = NEW.\(key);
                        IF TG_OP = 'UPDATE' THEN
                            \(guardOfInvisible)
                        END IF;
                    END IF;
                END IF;
                \(leave)
                RETURN NULL;
            END
            """
    }

    /// Two ways, a row that is the same is not written again: else what comes back from there would make triggers of the
    /// application fire twice.
    /// - Parameter rows: the WITH clause that stands in for the source.
    func upsert(_ sync: Sync, _ mapping: PostgreSQLMapping, rows: String) -> String {
        let key = sync.key.quotedIdentifier
        let others = mapping.columns.filter { $0 != sync.key }.map(\.quotedIdentifier)
        func list(_ row: String) -> String { others.map { "\(row).\($0)" }.joined(separator: ", ") }
        let update = (others.isEmpty ? [key] : others).map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        let unlessSame = sync.back == nil ? "" : "WHERE ROW(\(list("t")))::record *<> ROW(\(list("excluded")))::record"
        return """
            \(rows)
            INSERT INTO \(quoted(sync.target)) AS t (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
            SELECT \(mapping.valueList) FROM (
            \(mapping.select)
            ) AS mapping ON CONFLICT (\(key)) DO UPDATE SET \(update) \(unlessSame)
            """
    }

    /// Behind a DELETE that has found nothing (ONLINE.md H1): where the writer's snapshot is older than the row, it is put
    /// there once more, which raises 40001, instead of being missed.
    func guardOfInvisible(insert: String, delete: String) -> String {
        if NegativeControl.guardOfDeletes.isLeftOut { return "" }
        return """
            IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN
                BEGIN
                    \(insert);
                    \(delete);
                EXCEPTION WHEN integrity_constraint_violation THEN
                    -- Nothing was there: the row goes because its parent did, say.
                    NULL;
                END;
            END IF;
            """
    }

    /// Every row of the target is what the mapping makes of the source, and every source row has its place.
    private func prove(_ sync: Sync, mapping: PostgreSQLMapping, context: StepContext) throws {
        let comparison = try RowComparison(
            expected: mapping.select, columns: mapping.columns, table: sync.target, key: sync.key, backend: self)
        try refuse(comparison, what: "\"\(sync.target)\" is not what the mapping makes of \"\(sync.source)\"")
        let key = sync.key.quotedIdentifier
        let unplaced = try session.query(
            """
            SELECT s.\(key)::text AS key, count(*) OVER () AS total FROM \(quoted(sync.source)) AS s
            WHERE NOT EXISTS (SELECT 1 FROM (\(mapping.select)
                ) AS m WHERE m.\(key) = s.\(key))
              AND NOT EXISTS (SELECT 1 FROM \(ledger.table("exception")) AS x
                WHERE x.revision = $1 AND x.table_name = $2 AND x.row_key = s.\(key)::text)
            ORDER BY s.\(key) LIMIT 10
            """, [.text(context.revision), .text(sync.source.name)])
        guard unplaced.isEmpty else {
            throw MigratorError(
                "rows-without-place", .difference,
                "\((unplaced.first?.int("total") ?? 0).counted("row")) of \"\(sync.source)\" without a place in \"\(sync.target)\"; nothing was committed",
                hint: "let the mapping yield them, or select them with `exceptions` and a reason",
                location: sync.mapping?.location,
                details: unplaced.map { "\(sync.source) \(sync.key) \($0.text("key") ?? "")" })
        }
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "sync",
                subject: "\(sync.source) -> \(sync.target)", verdict: Verdict.exact.rawValue,
                detail: "{\"rows\":\(comparison.expectedRows)}"))
    }

    /// - Parameter following: the tables from which and to which triggers lead rows while the application writes.
    func refuse(
        _ comparison: RowComparison, what: String, following: (source: String, target: TableName)? = nil,
        nothing: String = "nothing was committed"
    ) throws {
        guard comparison.differenceCount > 0 else { return }
        var hint = "look for triggers on the target that change or swallow rows, and for types that lose precision"
        if let following {
            hint +=
                "; what was written while triggers were off, or under session_replication_role = replica, is led over again "
                + "by an UPDATE of the row in \"\(following.source)\", even to the values that it has, and what was deleted, "
                + "by a DELETE in \(quoted(following.target)) by hand"
        }
        throw MigratorError(
            "content-differs", .difference,
            "\(what): \(comparison.differenceCount.counted("row differs", "rows differ")); \(nothing)", hint: hint,
            details: comparison.differences.map {
                "\($0.table ?? "") \($0.key ?? ""): \($0.message)"
            })
    }
}
