import MigratorDatabase
import MigratorScript

/// `sync`, `copy`, `ensure` and `fill` while the application writes.
extension PostgreSQLBackend {
    /// The time for a batch whose row locks are ones that writers wait for.
    static let lockingBatchTarget: Duration = .milliseconds(100)

    func syncOnline(_ sync: Sync, _ work: OnlineWork) throws -> StepOutcome {
        let rows = try placeAndProve(Placement(sync: sync, triggers: "sync", isComplete: true), work)
        if sync.back != nil {
            try work.phase("back") {
                try brief(
                    work,
                    locking: { try lock(sync.source, .shareRowExclusive) + lock(sync.target, .shareRowExclusive) },
                    finishing: "back", changesSchema: true
                ) { _ in try createWayBack(of: sync, context: work.context) }
            }
        }
        return StepOutcome(rows: work.checkpoint.rows, details: ["\(rows.counted("row")) compared, 0 differences"])
    }

    /// The rows as they were at one moment: triggers keep both sides equal until that is proved, then they go.
    func copyOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        let sync = Sync(source: move.source, target: move.target, key: move.key, mapping: move.mapping)
        let rows = try placeAndProve(Placement(sync: sync, triggers: "move", isComplete: false), work)
        try work.phase("release") {
            try brief(
                work, locking: { try lock(move.source, .accessExclusive) }, finishing: "release",
                changesSchema: true
            ) { _ in try removeTriggers(kind: "move", item: work.context.item, context: work.context) }
        }
        return StepOutcome(rows: work.checkpoint.rows, details: ["\(rows.counted("row")) compared, 0 differences"])
    }

    // MARK: Ensure

    /// 1. the trigger; 2. the batches, pairs in order so that two never wait for each other crosswise; 3. the check.
    func ensureOnline(_ ensure: Ensure, _ work: OnlineWork) throws -> StepOutcome {
        let mapping = try session.discardingChanges { try analyseEnsure(ensure) }

        // 1
        try work.phase("expand") {
            try brief(
                work, locking: { try lock(ensure.source, .shareRowExclusive) }, finishing: "expand",
                changesSchema: true
            ) { _ in
                try createEnsureTriggers(
                    ensure, mapping, beforeRow: work.isFilledLater(ensure.source), context: work.context)
            }
        }

        // 2
        let key = try catalog.oid(of: ensure.source).flatMap { try catalog.singleKeyColumn(of: $0) }
        if let key {
            try backfill(
                "backfill", of: ensure.source, key: key, target: Self.lockingBatchTarget, work
            ) { batch in
                // Locked, so that nobody deletes what the new rows refer to meanwhile.
                let shadow = "WITH \(lockedRows(of: ensure.source, key: key, in: batch))"
                return try insert(ensure, mapping, shadow: shadow)
            }
        }

        // 3
        try work.phase("verify") {
            var result = try EnsureCheck().result(of: ensure, self)
            if result.differenceCount > 0 {
                // What only the whole SELECT yields, or a row that was on its way.
                try brief(work) { next in next.rows += try insert(ensure, mapping, shadow: "") }
                result = try EnsureCheck().result(of: ensure, self)
            }
            try refuse(ensure, result, nothing: "nothing was cut over")
            try brief(work, finishing: "verify") { _ in }
        }
        if ensure.back != nil {
            try work.phase("back") {
                try brief(
                    work,
                    locking: { try lock(ensure.source, .shareRowExclusive) + lock(ensure.target, .shareRowExclusive) },
                    finishing: "back", changesSchema: true
                ) { _ in try createWayBack(of: ensure, context: work.context) }
            }
        }
        return StepOutcome(rows: work.checkpoint.rows, details: ["every row is there"])
    }

    // MARK: Fill

    func fillOnline(_ fill: Fill, _ work: OnlineWork) throws -> StepOutcome {
        let (mapping, columns) = try session.discardingChanges { try analyseFill(fill) }
        try work.phase("expand") {
            try brief(
                work, locking: { try lock(fill.table, .shareRowExclusive) }, finishing: "expand",
                changesSchema: true
            ) { _ in try createFillTriggers(fill, columns, context: work.context) }
        }
        try backfill("backfill", of: fill.table, key: fill.key, target: Self.lockingBatchTarget, work) { batch in
            let shadow =
                "WITH \(lockedRows(of: fill.table, key: fill.key, in: batch, strength: "NO KEY UPDATE"))"
            // What the other triggers of the tool would do for these rows has been done.
            try session.execute("SET LOCAL migrator.backfill = 'on'")
            return try update(fill, mapping, columns, shadow: shadow)
        }
        return StepOutcome(rows: work.checkpoint.rows, details: [])
    }
}
