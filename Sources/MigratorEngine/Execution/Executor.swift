import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Runs planned revisions, one after the other: each in one transaction together with its rows in the ledger,
/// or, where it holds statements that cannot run in a transaction, in segments that a restart picks up.
final class Executor {
    let backend: any Backend
    let run: RunIdentity
    let options: RunOptions
    let reporter: any Reporter
    /// The schema as the last committed revision left it; read once a run, then kept up to date.
    var knownSchema: SchemaSnapshot?
    /// What was not in force at the commit of the revision before, where that ran in one transaction.
    var knownUnsound: Set<String>?
    /// The tables that were there before the run's first script of another tool, by identity.
    var tablesBefore: Set<String>?
    /// The signals that make the run's batches wait; nil until they were asked for.
    var armedSignals: (any LoadSignals)??
    /// Values of the scripts' variables.
    var variables: [String: String] = [:]
    /// Asked before each item and each commit.
    var isInterrupted: @Sendable () -> Bool = { false }

    init(backend: any Backend, run: RunIdentity, options: RunOptions, reporter: any Reporter) {
        self.backend = backend
        self.run = run
        self.options = options
        self.reporter = reporter
    }

    /// - Parameter record: what the ledger holds of the revision, if anything.
    func execute(
        _ planned: PlannedRevision, record: RevisionRecord?
    ) throws -> RunReport.RevisionReport {
        let clock = ContinuousClock()
        let start = clock.now
        reporter.report(
            .running(
                planned.direction, from: planned.from, to: planned.to, message: planned.script.message))
        var work = try RevisionWork(planned: planned, record: record, run: run)
        let journal = backend.ledger.journal
        journal?.beginRevision(
            planned.script.revision, planned.direction, to: planned.to, title: planned.script.message)
        if planned.script.origin != nil, tablesBefore == nil { tablesBefore = try Set(backend.inventory().keys) }
        if planned.isForgetOnly {
            try forget(planned)
        } else {
            try work.loadProgress(from: backend.ledger)
            // What was begun while the application writes is ended so.
            let isBegun = try work.attempt != run.id && backend.ledger.hasCheckpoint(revision: planned.script.revision)
            work.isOnline = try isBegun || isOnline(planned, isUndo: work.isUndo)
            journal?.setMode(work.isOnline ? "online" : "window")
            if work.isOnline, options.mode == .window {
                reporter.report(.note("it was begun while the application writes, and goes on so, not in a window"))
            }
            if work.attempt != run.id { try recallSchema(of: planned.script.revision) }
            work.hasSwitched =
                try record != nil
                && !backend.ledger.objects(revision: planned.script.revision, kind: "switch").isEmpty
            if planned.direction == .upgrade { work.unsoundBefore = try knownUnsound ?? unsoundObjects() }
            knownUnsound = nil
            let items = FlatItem.flatten(try work.section())
            let segments = Segment.cut(
                items.filter { !work.done.contains($0.ordinal) }, script: planned.script, isOnline: work.isOnline)
            if !work.isUndo { try refuseSubscribed(items.filter { !work.done.contains($0.ordinal) }) }
            work.prepareMoves(items, isUpgrade: planned.direction == .upgrade)
            if work.isOnline {
                if planned.direction == .downgrade {
                    try checkWaysBack(items, work: work)
                    try beginOnlineDowngrade(work: &work)
                } else if work.attempt == run.id {
                    try checkBeforehand(items, work: work)
                }
            }
            for (index, segment) in segments.enumerated() {
                if index == segments.count - 1 { try registerKept(work: &work) }
                switch segment {
                case .transaction(let items):
                    try runTransaction(items, isLast: index == segments.count - 1, work: &work)
                case .outside(let item, let statement):
                    try runOutside(item, statement, work: &work)
                case .online(let item):
                    try runOnline(item, work: &work)
                }
            }
        }
        journal?.endRevision()
        return RunReport.RevisionReport(
            revision: planned.script.revision, direction: planned.direction, from: planned.from,
            to: planned.to, message: planned.script.message, steps: work.reports, duration: clock.now - start)
    }

    /// A stamped revision was never executed here: a downgrade only forgets it.
    private func forget(_ planned: PlannedRevision) throws {
        try backend.beginWork(for: [], run: run, options: options, reporter: reporter)
        do {
            try backend.ledger.remove(revision: planned.script.revision)
            try backend.commitWork()
        } catch {
            backend.rollbackWork()
            throw error
        }
        reporter.report(
            .note("revision \"\(planned.script.revision)\" was stamped, not run: it is forgotten, nothing is dropped"))
    }

    /// A deadlock or serialization failure rolls everything back, so the transaction can simply be tried again;
    /// so does an online revision's lock that could not be had in a moment.
    private func runTransaction(_ items: [FlatItem], isLast: Bool, work: inout RevisionWork) throws {
        let deadline = ContinuousClock.now + options.lockTimeout
        var attempt = 1
        if try keepsTable(items, work: work) { try dropKeysFirst(items) }
        while true {
            var tentative = work
            do {
                try runTransactionOnce(items, isLast: isLast, work: &tentative)
                tentative.isRegistered = true
                work = tentative
                return
            } catch let error as DatabaseError {
                if error.kind == .lockNotAvailable, work.isOnline {
                    try dropKeysFirst(items)
                    try waitForLock(error, attempt: attempt, until: deadline, for: items.map(\.item))
                } else {
                    guard ["40P01", "40001"].contains(error.sqlState), attempt < 4 else { throw error }
                    reporter.report(.warning("\(error.message); the transaction starts again"))
                }
                attempt += 1
            }
        }
    }

    private func runTransactionOnce(_ items: [FlatItem], isLast: Bool, work: inout RevisionWork) throws {
        var options = self.options
        options.isBrief = work.isOnline
        if work.isOnline, knownSchema == nil { knownSchema = try backend.schemaSnapshot(of: nil) }
        // A SQLite file has one writer at a time, who must not wait for queries over all rows.
        var proofs: [ProofRecord]?
        if isLast, work.isOnline, backend.session.dialect == .sqlite {
            proofs = try runChecksBeforehand(items, work: work)
        }
        try backend.beginWork(
            for: items.map(\.item).filter { try !copiesNothing($0, work: work) }, run: run, options: options,
            reporter: reporter)
        backend.ledger.journal?.watchLocks()
        let recording = backend.session as? RecordingSession
        let schemaBefore = knownSchema
        do {
            if knownSchema == nil { knownSchema = try backend.schemaSnapshot(of: nil) }
            try recording?.began(work.planned)
            work.missingBefore = try work.creatable.filter { try !exists($0) }
            if work.planned.direction == .downgrade, !work.isOnline {
                // First, since on SQLite a trigger that names a dropped table breaks every later ALTER TABLE.
                try backend.removeTriggers(
                    ofRevision: work.planned.script.revision, context: work.context(item: -1, self))
            }
            for item in items {
                try checkInterruption()
                try perform(item, work: &work)
            }
            try checkInterruption()
            if isLast { for proof in try proofs ?? runChecks(work: work) { try backend.ledger.add(proof) } }
            if isLast, work.planned.direction == .upgrade {
                let found = try refuseUnsound(work: work, consequence: "nothing was committed")
                if !work.isOnline { knownUnsound = found }
            }
            try recordLedger(isLast: isLast, work: &work)
            try backend.commitWork()
        } catch {
            backend.rollbackWork()
            knownSchema = schemaBefore
            throw error
        }
    }

    func checkInterruption() throws {
        if isInterrupted() { throw MigratorError.interrupted }
    }

    /// The ledger's part of the segment, in the same transaction as its work.
    private func recordLedger(isLast: Bool, work: inout RevisionWork) throws {
        let ledger = backend.ledger
        ledger.writeLater(ledger.additions(of: work.steps))
        work.steps = []
        switch work.planned.direction {
        case .upgrade:
            try recordFingerprints(work: work)
            try recordCreated(work: work)
            if isLast, !work.planned.script.variables.isEmpty { try recordVariables(work: work) }
            let record = work.record(state: isLast ? .applied : .upgrading)
            ledger.writeLater([ledger.setting(of: record, script: work.planned.script.text)])
        case .downgrade:
            if isLast {
                try compareFingerprints(work: work)
                try ledger.remove(revision: work.planned.script.revision)
            } else {
                try ledger.set(work.record(state: .downgrading), script: work.planned.script.text)
            }
        }
    }

    private func exists(_ condition: Condition) throws -> Bool {
        guard case .created(let table, let column) = condition else { return false }
        guard let columns = try backend.columnNames(of: table) else { return false }
        return column.map(columns.contains) ?? true
    }

    /// What the downgrade asks about with `when created`, and what was not there before.
    private func recordCreated(work: RevisionWork) throws {
        for condition in work.missingBefore where try exists(condition) {
            guard case .created(let table, let column) = condition else { continue }
            try backend.ledger.add(
                ObjectRecord(
                    runID: run.id, revision: work.planned.script.revision, item: -1,
                    kind: column == nil ? "created-table" : "created-column",
                    name: RevisionWork.createdName(table, column), detail: ""))
        }
    }
}
