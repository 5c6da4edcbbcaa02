import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Revisions whose steps run while the application writes (ONLINE.md 2).
extension Executor {
    /// `--mode`, else the script, else the database's own; only scripts that move rows have anything to gain.
    func isOnline(_ planned: PlannedRevision, isUndo: Bool) throws -> Bool {
        let script = planned.script
        // What an online upgrade has left unfinished is taken back as it was made.
        let isWanted = options.mode ?? script.mode ?? backend.defaultMode == .online || isUndo
        guard script.isTransactional, isWanted, backend.isOnlineCapable else { return false }
        if try script.upgrade.movesRows { return true }
        if case .section(let section) = try script.downgrade { return section.movesRows }
        return false
    }

    /// Refuses what would be refused in the middle, before anything has committed: looks, in a transaction that is
    /// rolled back.
    func checkBeforehand(_ items: [FlatItem], work: RevisionWork) throws {
        try look(for: items.map(\.item)) {
            var tried = work
            for item in items where try holds(item, work: &tried) {
                let context = work.context(item: item.ordinal, self)
                switch item.item.action {
                case .leftovers(let tables): _ = try backend.clearLeftovers(tables, context: context)
                case .backup(let table): try backend.checkBackup(of: table, context: context)
                case .switchTable(let move):
                    let strategy = try decideMove(definedBy: item, work: &tried, isSilent: true)
                    if strategy == .copy { try backend.requireFollowable(move) }
                default: break
                }
            }
        }
    }

    /// Looks in a transaction that is rolled back, and that waits for a lock for a moment only: whoever holds one goes
    /// first.
    /// - Parameter items: those whose tables are looked at.
    func look<Result>(for items: [Item], _ body: () throws -> Result) throws -> Result {
        let deadline = ContinuousClock.now + options.lockTimeout
        var attempt = 1
        while true {
            do {
                return try backend.session.discardingChanges {
                    try backend.waitBriefly()
                    return try body()
                }
            } catch {
                let refused = MigratorError.from(error)
                guard refused.code == "lock-not-available" else { throw error }
                try waitForLock(
                    DatabaseError(kind: .lockNotAvailable, message: refused.message), attempt: attempt,
                    until: deadline, for: items)
                attempt += 1
            }
        }
    }

    func runOnline(_ item: FlatItem, work: inout RevisionWork) throws {
        guard try holds(item, work: &work) else { return }
        try checkInterruption()
        if knownSchema == nil { knownSchema = try backend.schemaSnapshot(of: nil) }
        let clock = ContinuousClock()
        let start = clock.now
        let title = item.item.action.title
        reporter.report(.stepStarted(title))
        if case .switchTable = item.item.action, work.planned.direction == .upgrade {
            // Known already where statements of this section define the target.
            let definition = work.moves.filter { $0.ordinal == item.ordinal }.flatMap(\.definition)
            work = try look(
                for: [item.item]
                    + definition.map { Item(location: $0.statement.location, action: .statement($0.statement)) }
            ) {
                var decided = work
                _ = try decideMove(definedBy: item, work: &decided)
                return decided
            }
        }
        backend.ledger.journal?.beginStep(item: item.ordinal, kind: item.item.action.kind, title: title)
        let online = try OnlineWork(executor: self, revision: work, item: item)
        let outcome = try backend.performOnline(online)
        backend.ledger.journal?.endStep()
        work = online.revision
        work.done.insert(item.ordinal)
        let duration = clock.now - start
        work.add(item, outcome: outcome, duration: duration)
        reporter.report(.stepFinished(title, rows: outcome.rows, duration: duration, details: outcome.details))
        let checkpointItem = work.checkpointItem(item.ordinal)
        let revision = work.planned.script.revision
        try commitProgress(work: &work) {
            try backend.ledger.removeCheckpoint(revision: revision, item: checkpointItem)
        }
    }

    /// Before anything else of a downgrade the triggers go, in a moment: the first of its two stages. The data stays.
    func beginOnlineDowngrade(work: inout RevisionWork) throws {
        var options = self.options
        options.isBrief = true
        let deadline = ContinuousClock.now + options.lockTimeout
        var attempt = 1
        while true {
            if knownSchema == nil { knownSchema = try backend.schemaSnapshot(of: nil) }
            try backend.beginWork(for: [], run: run, options: options, reporter: reporter)
            do {
                try backend.removeTriggers(
                    ofRevision: work.planned.script.revision, context: work.context(item: -1, self))
                try backend.ledger.add(work.steps)
                try backend.ledger.set(work.record(state: .downgrading), script: work.planned.script.text)
                try backend.commitWork()
                work.steps = []
                return
            } catch let error as DatabaseError {
                backend.rollbackWork()
                guard error.kind == .lockNotAvailable else { throw error }
                try waitForLock(error, attempt: attempt, until: deadline, for: work.section().flatItems)
                attempt += 1
            } catch {
                backend.rollbackWork()
                throw error
            }
        }
    }

    /// Whoever else holds the lock goes first: the migrator waits, longer each time, then tries again.
    /// - Parameter items: those whose tables were to be locked.
    func waitForLock(
        _ error: DatabaseError, attempt: Int, until deadline: ContinuousClock.Instant, for items: [Item]
    ) throws {
        guard ContinuousClock.now < deadline else {
            throw MigratorError(
                "table-locked", .locked, "a lock could not be had in time: \(error.message)",
                hint: "end the transactions that hold it, or give more time with --lock-timeout",
                details: try [error.detail].compactMap(\.self) + backend.blockers(of: items))
        }
        try checkInterruption()
        // Now and again, since those who hold it come and go.
        if attempt == 3 || attempt.isMultiple(of: 10) {
            let blockers = try backend.blockers(of: items)
            reporter.report(
                .waiting(
                    "waiting for a lock: " + (blockers.isEmpty ? error.message : blockers.joined(separator: "; "))))
        }
        let pause = min(0.05 * Double(1 << min(attempt, 8)), 5) * .random(in: 0.5...1.5)
        Pace.sleep(min(.milliseconds(Int(pause * 1000)), ContinuousClock.now.duration(to: deadline)))
    }

    /// After a restart: the relations that the revision has changed so far are known as it left them, the others as
    /// they are now.
    func recallSchema(of revision: String) throws {
        guard knownSchema == nil else { return }
        var schema = try backend.schemaSnapshot(of: nil)
        for record in try backend.ledger.fingerprints(revision: revision) { schema[record.relation] = record.after }
        knownSchema = schema
    }

    /// Before a statement that commits by itself: the ledger learns what its table looked like, so that a run that
    /// is killed right after it does not take the result for the beginning.
    func pinFingerprint(of traits: StatementTraits, work: RevisionWork) throws {
        guard work.planned.direction == .upgrade, case .create(_, let table)? = traits.concurrentIndex else { return }
        try pinFingerprint(of: table, revision: work.planned.script.revision)
    }

    func pinFingerprint(of table: TableName, revision: String) throws {
        let relation = "\(table.schema ?? backend.schema).\(table.name)"
        guard let known = knownSchema?[relation] else { return }
        try backend.ledger.set(
            [FingerprintRecord(relation: relation, before: known, after: known)], revision: revision)
    }
}
