import MigratorDatabase
import MigratorScript

/// Batches that lock no row of the source, which would write each of them once more.
///
/// A row that is deleted while its batch reads and writes is copied all the same. So the trigger notes the key of every
/// deletion in a table, the deletion log; once nobody deletes any more who could have overlooked a batch's row, what has
/// no source is taken out again, of these keys alone.
extension PostgreSQLBackend {
    /// Whether nothing but the key is unique in the target, so that a deleted row is in nobody's way until it goes.
    func canCopyUnlocked(_ placement: Placement, _ mapping: PostgreSQLMapping) throws -> Bool {
        guard placement.isApart, !mapping.leavesRowsOut, let target = try catalog.relation(placement.sync.target)
        else { return false }
        return try target.kind == .table && catalog.indexes(of: target.oid).count == 1
            && catalog.triggers(of: target.oid).isEmpty
            && !session.scalar("SELECT EXISTS (SELECT 1 FROM \(target.quoted))").asBool
    }

    /// - Returns: the log, quoted and qualified. It goes with the trigger.
    func createDeletionLog(_ placement: Placement, context: StepContext) throws -> String {
        let name = Self.truncated(triggerName(placement.triggers, context: context), suffix: "_deleted")
        let log = "\(ledger.schema.quotedIdentifier).\(name.quotedIdentifier)"
        let sync = placement.sync
        // A publication of all tables would refuse to delete from a table without an identity.
        try session.execute(
            """
            CREATE TABLE \(log) AS SELECT \(sync.key.quotedIdentifier) AS key FROM \(quoted(sync.source)) WITH NO DATA;
            ALTER TABLE \(log) REPLICA IDENTITY FULL
            """)
        return log
    }

    /// ON CONFLICT costs each row something, so it is left to a batch that has met a writer's row.
    func copyUnlocked(_ batch: Batch, of mapping: PostgreSQLMapping, _ sync: Sync) throws(DatabaseError) -> Int {
        let (source, target, key) = (quoted(sync.source), quoted(sync.target), sync.key.quotedIdentifier)
        try session.execute(Self.byAnIndex)
        return try session.run(
            """
            WITH \(sync.source.name.quotedIdentifier) AS NOT MATERIALIZED (
                SELECT * FROM \(source) WHERE \(batch.condition(key)))
            INSERT INTO \(target) (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
            SELECT \(mapping.valueList) FROM (
            \(mapping.select)
            ) AS mapping WHERE NOT EXISTS (
                SELECT 1 FROM \(target) AS t WHERE \(batch.condition("t.\(key)")) AND t.\(key) = mapping.\(key))
            ORDER BY mapping.\(key) \(batch.isContested ? "ON CONFLICT (\(key)) DO NOTHING" : "")
            """)
    }

    /// Takes out of the target what was deleted beside its batch. Whoever deletes from now on sees all that was copied.
    func takeOutDeleted(notedIn log: String, _ sync: Sync, _ work: OnlineWork) throws {
        try awaitWriters(of: sync.target, work)
        if NegativeControl.deletionLog.isLeftOut { return }
        let (source, target, key) = (quoted(sync.source), quoted(sync.target), sync.key.quotedIdentifier)
        let most = 10_000
        var isRest = true
        while isRest {
            try work.executor.checkInterruption()
            try brief(work) { next in
                // Not by reading a whole table, however large the log seems to be, nor compiled because that is ruled out.
                try session.execute(
                    "\(Self.byAnIndex); SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off")
                // A row that was inserted again meanwhile has another version.
                let counts = try session.query(
                    """
                    WITH deleted AS (
                        DELETE FROM \(log) WHERE ctid = ANY (ARRAY(SELECT ctid FROM \(log) LIMIT \(most))) RETURNING key),
                    stale AS MATERIALIZED (
                        SELECT c.\(key) AS key, c.xmin AS version FROM deleted AS d
                        JOIN \(target) AS c ON c.\(key) = d.key
                        WHERE NOT EXISTS (SELECT 1 FROM \(source) AS s WHERE s.\(key) = d.key)),
                    removed AS (
                        DELETE FROM \(target) AS t USING stale WHERE t.\(key) = stale.key AND t.xmin = stale.version
                        RETURNING 1)
                    SELECT (SELECT count(*) FROM deleted) AS deleted, (SELECT count(*) FROM removed) AS removed
                    """
                ).first
                isRest = counts?.int("deleted") == most
                next.rows -= counts?.int("removed") ?? 0
            }
        }
    }

    /// Waits until every transaction has ended that may have written to a table before now, prepared ones too, without a
    /// lock that anybody would queue behind.
    private func awaitWriters(of table: TableName, _ work: OnlineWork) throws {
        if NegativeControl.olderWriters.isLeftOut { return }
        guard let relation = try catalog.relation(table) else { return }
        let lock = TableLock(
            oid: relation.oid, name: relation.quoted, shown: relation.name, mode: .shareRowExclusive)
        func writers() throws -> Set<String> {
            try Set(
                session.query(
                    """
                    SELECT DISTINCT virtualtransaction FROM pg_catalog.pg_locks
                    WHERE locktype = 'relation' AND relation = $1::oid AND mode = 'RowExclusiveLock' AND granted
                      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                    """, [SQLValue(relation.oid)]
                ).compactMap { $0[0].asText })
        }
        let older = try writers()
        let start = ContinuousClock.now
        var isTold = false
        while try !older.isDisjoint(with: writers()) {
            try work.executor.checkInterruption()
            let waited = start.duration(to: .now)
            if waited > .seconds(1), !isTold {
                let shown = try blockers(of: [lock])
                work.context.reporter.report(
                    .waiting("waiting for transactions that began before: " + shown.joined(separator: "; ")))
                isTold = true
            }
            guard waited < work.context.options.lockTimeout else {
                throw MigratorError(
                    "table-locked", .locked, "transactions that may have deleted rows did not end in time",
                    hint: "end them, or give more time with --lock-timeout", details: try blockers(of: [lock]))
            }
            Pace.sleep(.milliseconds(50))
        }
    }
}
