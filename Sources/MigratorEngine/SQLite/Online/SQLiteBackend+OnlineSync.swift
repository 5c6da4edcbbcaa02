import MigratorDatabase
import MigratorScript

/// `sync`, `copy`, `ensure` and `fill` while other processes write.
extension SQLiteBackend {
    func syncOnline(_ sync: Sync, _ work: OnlineWork) throws -> StepOutcome {
        try bringOnline(sync, kind: "sync", work)
    }

    /// The rows as they were at one moment: triggers keep both sides equal until that is proved, then they go.
    func copyOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        try bringOnline(
            Sync(source: move.source, target: move.target, key: move.key, mapping: move.mapping), kind: "move", work)
    }

    private func bringOnline(_ sync: Sync, kind: String, _ work: OnlineWork) throws -> StepOutcome {
        let context = work.context
        guard let source = try table(sync.source) else { throw sourceMissing(sync.source, context: context) }
        let target = try requireTable(sync.target)
        let key = target.column(sync.key)?.name ?? sync.key
        let placement = try placement(
            kind: kind, mapping: try mapping(sync.mapping, source: source, target: target, key: key),
            statement: sync.mapping, to: target, key: key)
        let back = try wayBack(of: sync, placement.mapping, target: target, key: key)
        try place(placement, work)
        try work.phase("prove") {
            let (rows, passed) = try verify(placement, work)
            try brief(work, finishing: "prove", changesSchema: true) { next in
                try requireFollowed(placement, work)
                if kind == "sync" {
                    try settle(placement.step, otherWay: back?.step.asOtherWay, context: context)
                } else {
                    try removeStep(kind: kind, context: context)
                }
                for trigger in work.checkpoint.notes["triggers"] ?? [] { try session.execute(trigger) }
                try raiseSequence(of: target.name, to: try sequence(of: source.name))
                if let back { try lead(back, context: context) }
                try ledger.add(
                    ProofRecord(
                        runID: context.runID, revision: context.revision, item: context.item,
                        check: kind == "sync" ? "sync" : "copy", subject: target.name, verdict: Verdict.exact.rawValue,
                        detail: "{\"rows\":\(rows),\"differences\":0,\"exceptions\":\(passed)}"))
                next.notes["details"] =
                    ["\(rows.counted("row")) compared, 0 differences"]
                    + (passed > 0 ? ["\(passed.counted("row is an exception", "rows are exceptions"))"] : [])
                next.notes["compared"] = [String(rows)]
            }
        }
        return StepOutcome(
            rows: work.checkpoint.notes["compared"]?.first.flatMap { Int($0) },
            details: work.checkpoint.notes["details"] ?? [])
    }

    /// Every row is there: from now on a row's parents are, too.
    private func settle(_ step: SQLiteTriggerStep, otherWay: SQLiteOtherWay?, context: StepContext) throws {
        for (object, kept) in try triggerSteps() where kept == step && object.revision == context.revision {
            var settled = kept
            settled.parents = nil
            settled.otherWay = otherWay
            try ledger.updateObject(object.id, detail: try encodeJSON(settled))
        }
        try makeTriggers(of: step.source)
    }

    // MARK: Ensure and fill

    /// 1. the trigger; 2. the batches; 3. the check over all rows.
    func ensureOnline(_ ensure: Ensure, _ work: OnlineWork) throws -> StepOutcome {
        let (mapping, target, step) = try analyse(
            ensure, beforeRow: work.isFilledLater(ensure.source), context: work.context)
        // 1
        try work.phase("expand") {
            try brief(work, finishing: "expand", changesSchema: true) { next in
                try follow(step, context: work.context, &next)
            }
        }
        // 2
        if let column = try walkColumn(of: mapping.source) {
            try walk("backfill", through: mapping.source, by: column, work) { stretch in
                try insert(
                    ensure, step, into: target,
                    from: mapping.shadowed("WHERE \(stretch.condition(column.quotedIdentifier))"))
            }
        } else {
            try work.phase("backfill") {
                try brief(work, finishing: "backfill") { next in
                    next.rows = try insert(ensure, step, into: target, from: mapping.select)
                }
            }
        }
        // 3
        try work.phase("prove") {
            let missing = try missingRows(step, mapping: mapping, target: target)
            guard missing == 0 else {
                throw MigratorError(
                    "rows-differ", .difference,
                    "\(missing.counted("row")) that \"\(target.name)\" must have are not there",
                    hint: "correct the mapping", location: ensure.mapping.location)
            }
            let back = try wayBack(of: ensure, mapping, target: target)
            try brief(work, finishing: "prove", changesSchema: back != nil) { _ in
                try requireTriggers(of: mapping.source, work)
                if let back { try lead(back, context: work.context) }
            }
        }
        let rows = work.checkpoint.rows
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) written, every expected row is there"])
    }

    func fillOnline(_ fill: Fill, _ work: OnlineWork) throws -> StepOutcome {
        let (table, key, mapping) = try analyse(fill)
        try work.phase("expand") {
            try brief(work, finishing: "expand", changesSchema: true) { next in
                try follow(triggerStep(of: fill, table, key: key, mapping), context: work.context, &next)
            }
        }
        if let column = try walkColumn(of: table, key: key) {
            try walk("backfill", through: table, by: column, work) { stretch in
                try update(
                    table, key: key, from: mapping.shadowed("WHERE \(stretch.condition(column.quotedIdentifier))"),
                    columns: mapping.columns)
            }
        } else {
            try work.phase("backfill") {
                try brief(work, finishing: "backfill") { next in
                    next.rows = try update(table, key: key, from: mapping.select, columns: mapping.columns)
                }
            }
        }
        try brief(work) { _ in try requireTriggers(of: table, work) }
        return StepOutcome(rows: work.checkpoint.rows, details: ["\(work.checkpoint.rows.counted("row")) filled"])
    }
}
