import MigratorDatabase
import MigratorScript

/// The triggers that keep two tables equal until one takes the other's place: whether they miss a write.
extension PostgreSQLBackend {
    /// From here on they also fire for writers under `session_replication_role = replica`, such as tools that load or
    /// replicate rows, and those that somebody has dropped, changed or switched off are made again: the comparison that
    /// comes next finds what they have missed. A follower's is not left so for good: a subscriber with the same tables gets
    /// the rows of both from its publisher.
    /// - Parameter item: the one under which the ledger has them; nil for the step's own.
    func keepFollowing(
        _ kind: String, _ sync: Sync, _ mapping: PostgreSQLMapping, on table: CatalogRelation, item: Int? = nil,
        _ work: OnlineWork
    ) throws {
        if NegativeControl.replicaRole.isLeftOut { return }
        var context = work.context
        context.item = item ?? context.item
        if try isFiring(kind, on: table, states: "A", context) { return }
        let isAsMade = try isFiring(kind, on: table, states: "AO", context)
        let place = TableName(schema: table.schema, table.name)
        try brief(work, locking: { try lock(place, isAsMade ? .shareRowExclusive : .accessExclusive) }) { _ in
            if isAsMade, let record = try record(kind, on: table, context) {
                for trigger in try triggers(calling: record.function) {
                    try session.execute("ALTER TABLE \(table.quoted) ENABLE ALWAYS TRIGGER \(trigger.name)")
                }
            } else {
                for object in try objects(kind, on: table, context) { try removeTrigger(object) }
                try createSyncTriggers(kind, sync, mapping, isForEveryRole: true, context: context)
            }
        }
        if !isAsMade {
            work.context.reporter.report(
                .warning("the triggers of \"\(table.name)\" were dropped, changed or switched off: they are made again")
            )
        }
    }

    /// Nothing has passed them since the comparison: one that was off for a while does not fire for every role any more.
    /// - Parameter storage: where the rows were before the comparison.
    func requireTriggers(
        kind: String, on table: CatalogRelation, storage: String, context: StepContext
    ) throws {
        let states = NegativeControl.replicaRole.isLeftOut ? "AO" : "A"
        guard try isFiring(kind, on: table, states: states, context) else {
            throw triggerOff(
                table, hint: "run the same command again: it makes the triggers anew and compares all rows")
        }
        guard try self.storage(of: table) == storage || NegativeControl.storage.isLeftOut else {
            throw MigratorError(
                "rows-replaced", .difference,
                "\"\(table.name)\" or a partition of it was emptied, rewritten, attached or detached after its rows were "
                    + "compared; nothing was cut over",
                hint: "run the same command again: it compares all rows")
        }
    }

    /// Where the rows are, those of partitions too, with their triggers, which a partition that comes again gets anew.
    /// TRUNCATE changes it, and so do a partition that comes or goes, of which no trigger tells, and what rewrites a table
    /// and leaves it equal, such as VACUUM FULL.
    func storage(of table: CatalogRelation) throws -> String {
        try session.scalar(
            """
            WITH RECURSIVE own AS (
                SELECT $1::oid AS oid
                UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN own ON i.inhparent = own.oid)
            SELECT string_agg(concat_ws(' ', c.oid, c.relfilenode, t.oid), ', ' ORDER BY c.oid, t.oid)
            FROM pg_catalog.pg_class c JOIN own ON own.oid = c.oid
            LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgparentid <> 0
            """, [SQLValue(table.oid)]
        ).asText ?? ""
    }

    public func requireFollowed(_ move: Move, context: StepContext) throws {
        guard let object = try ledger.switchRecord(ledBackBy: move, revision: context.revision) else { return }
        let record = try SwitchRecord(object)
        // One that has begun makes them again.
        let isWhole = try ledger.revisions(isBrief: true).contains {
            $0.revision == context.revision && $0.state == .applied
        }
        guard isWhole, record.follower != nil, let target = try catalog.relation(record.target.tableName) else {
            return
        }
        guard target.kind == .table else {
            throw MigratorError(
                "target-partitioned", .refused,
                "\"\(target.name)\" is partitioned, so that \"\(record.source.name)\" cannot take its place while the "
                    + "application writes",
                hint: "use --mode window")
        }
        guard try !isFiring("follower", on: target, states: "AO", context) else { return }
        throw triggerOff(
            target,
            hint:
                "use --mode window, which takes every row from \"\(target.name)\"; or switch it on, and UPDATE the rows "
                + "that were written meanwhile")
    }

    private func triggerOff(_ table: CatalogRelation, hint: String) -> MigratorError {
        MigratorError(
            "trigger-off", .difference,
            "the trigger that keeps the tables equal was dropped or switched off on \"\(table.name)\"; nothing was cut over",
            hint: hint)
    }

    /// Whether they are there as they were made, for every row and every TRUNCATE, and on, also on all partitions.
    /// - Parameter states: any of `O`, `A`, `R` and `D` (pg_trigger.tgenabled).
    private func isFiring(
        _ kind: String, on table: CatalogRelation, states: String, _ context: StepContext
    ) throws -> Bool {
        guard let record = try record(kind, on: table, context),
            try bodyHash(of: record.function) == record.bodyHash
        else { return false }
        return try session.scalar(
            """
            WITH RECURSIVE own AS (
                SELECT oid, tgtype, tgenabled, tgqual IS NULL AND tgattr::text = '' AS is_whole
                FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND tgfoid = to_regprocedure($2)
                UNION ALL SELECT t.oid, own.tgtype, t.tgenabled, own.is_whole
                FROM pg_catalog.pg_trigger t JOIN own ON t.tgparentid = own.oid)
            -- AFTER INSERT OR DELETE OR UPDATE FOR EACH ROW; AFTER TRUNCATE.
            SELECT count(DISTINCT tgtype) FILTER (WHERE is_whole AND tgtype IN (29, 32)) = 2
                AND bool_and(strpos($3, tgenabled::text) > 0) FROM own
            """, [SQLValue(table.oid), .text(record.function + "()"), .text(states)]
        ).asBool
    }

    /// The ledger's records of them.
    private func objects(
        _ kind: String, on table: CatalogRelation, _ context: StepContext
    ) throws -> [ObjectRecord] {
        try ledger.objects(revision: context.revision, kind: kind).filter {
            TriggerRecord(json: $0.detail)?.triggers.first?.table == table.quoted
        }
    }

    private func record(
        _ kind: String, on table: CatalogRelation, _ context: StepContext
    ) throws -> TriggerRecord? {
        try objects(kind, on: table, context).first.flatMap { TriggerRecord(json: $0.detail) }
    }
}
