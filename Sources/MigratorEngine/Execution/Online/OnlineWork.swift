import MigratorDatabase
import MigratorScript

/// A step that runs while the application writes: what a backend is given to do it in transactions of its own.
///
/// A step is a row of named phases. Each phase commits what it did together with the checkpoint that says so, so
/// that a run that was killed is picked up where the ledger says it is, never where memory says.
public final class OnlineWork {
    public let item: Item
    public let context: StepContext
    /// As committed.
    public internal(set) var checkpoint: Checkpoint
    let executor: Executor
    var revision: RevisionWork
    let ordinal: Int
    /// Until when locks are tried for.
    let deadline: ContinuousClock.Instant
    var pace: Pace
    /// The phase that runs.
    private(set) var phase: String?
    private var meter = ProgressMeter()
    /// As last reported of batches.
    private var pacing: StepProgress?

    init(executor: Executor, revision: RevisionWork, item: FlatItem) throws {
        self.executor = executor
        self.revision = revision
        self.item = item.item
        ordinal = item.ordinal
        context = revision.context(item: item.ordinal, executor)
        checkpoint =
            try executor.backend.ledger.checkpoint(revision: context.revision, item: revision.checkpointItem(ordinal))
            ?? Checkpoint()
        deadline = ContinuousClock.now + executor.options.lockTimeout
        pace = Pace(
            options: executor.options, reporter: executor.reporter, signals: try executor.loadSignals(),
            tables: item.item.action.workedTables)
    }

    /// The decision on a switch's strategy and the statements that define its target; nil for other steps.
    var move: RevisionWork.MovePlan? { revision.moves.first { $0.ordinal == ordinal } }

    func isFilledLater(_ table: TableName) -> Bool { revision.isFilledLater(table, after: ordinal) }

    /// The checkpoint of the upgrade's item, seen from a downgrade that takes back an unfinished upgrade.
    func upgradeCheckpoint(item: Int) throws -> Checkpoint? {
        try executor.backend.ledger.checkpoint(revision: context.revision, item: item)
    }

    /// Runs `body` unless the ledger says that the phase is over. The body commits that it is (`finishing:`).
    func phase(_ name: String, _ body: () throws -> Void) throws {
        guard !checkpoint.has(name) else { return }
        try executor.checkInterruption()
        begin(name)
        try body()
        end()
    }

    /// The phase is over, whatever the checkpoint says of it.
    func end() {
        phase = nil
        executor.backend.ledger.journal?.endPhase()
    }

    /// The ledger learns of it with the phase's first commit.
    func begin(_ name: String) {
        phase = name
        pacing = nil
        executor.backend.ledger.journal?.beginPhase(name, rows: checkpoint.rows)
    }

    /// The end of one of the step's transactions: fingerprints, checkpoint, state of the revision, COMMIT.
    /// - Parameter changesSchema: whether definitions may have changed; the touched ones are looked at then.
    func commit(_ next: Checkpoint, changesSchema: Bool, comparesEverything: Bool = false) throws {
        let backend = executor.backend
        var tentative = revision
        if changesSchema, context.direction == .upgrade {
            tentative.comparesEverything = comparesEverything
            try executor.recordFingerprints(work: tentative)
        }
        // A batch takes no lock that writers feel, or is sampled.
        if changesSchema || next.phases.count > checkpoint.phases.count { backend.ledger.journal?.watchLocks() }
        var next = next
        next.running = phase.flatMap { next.has($0) ? nil : $0 }
        if let pacing, next.running != nil {
            next.total = pacing.total
            next.rowsPerSecond = pacing.rowsPerSecond
            next.batchRows = pacing.batchRows
        }
        if next != checkpoint {
            try backend.ledger.setCheckpoint(next, revision: context.revision, item: revision.checkpointItem(ordinal))
        }
        if !revision.isRegistered {
            try backend.ledger.set(
                tentative.record(state: context.direction == .upgrade ? .upgrading : .downgrading),
                script: tentative.planned.script.text)
        }
        try backend.commitWork()
        checkpoint = next
        revision.isRegistered = true
    }

    /// Between two batches: a moment for the application, and for whoever asks the tool to hold on.
    func rest(after batch: Duration) throws {
        try executor.checkInterruption()
        try pace.rest(after: batch, isInterrupted: executor.isInterrupted)
        try executor.checkInterruption()
    }

    /// Runs a comparison, of which the run's journal keeps the time. The ledger's checkpoint does not name it: every
    /// run makes it again.
    func comparing<Result>(_ body: () throws -> Result) rethrows -> Result {
        let isPhase = executor.backend.ledger.journal?.beginComparison() ?? false
        let result = try body()
        if isPhase { end() }
        return result
    }

    /// How far a comparison has come.
    /// - Parameters:
    ///   - stretch: how many rows it compares at once.
    ///   - took: what the last of them took.
    func reportComparison(rows: Int, stretch: Int, took: Duration) {
        var progress = StepProgress(item.action.title, rows: rows, total: nil)
        progress.phase = "compare"
        progress.rowsPerSecond = meter.rate(rows: rows)
        progress.replayLag = pace.signals?.replayLag
        progress.paused = pace.paused
        executor.backend.ledger.journal?.sample(
            RunJournal.SampledBatch(
                rows: rows, nextRows: stretch, took: took, paused: pace.paused, isComparison: true))
        executor.reporter.report(.stepProgress(progress))
    }

    /// - Parameter took: what the batch took that has just committed.
    func report(rows: Int, total: Int?, batchRows: Int? = nil, took: Duration? = nil) {
        var progress = StepProgress(item.action.title, rows: rows, total: total)
        progress.phase = phase
        progress.rowsPerSecond = meter.rate(rows: rows)
        progress.batchRows = batchRows
        progress.replayLag = pace.signals?.replayLag
        progress.paused = pace.paused
        if batchRows != nil {
            pacing = progress
            executor.backend.ledger.journal?.sample(
                RunJournal.SampledBatch(
                    rows: rows, total: total, nextRows: batchRows, took: took, paused: pace.paused))
        }
        executor.reporter.report(.stepProgress(progress))
    }
}

extension Executor {
    /// Those of the run, read at its first online step.
    func loadSignals() throws -> (any LoadSignals)? {
        if let armedSignals { return armedSignals }
        let signals = try backend.loadSignals(options: options, reporter: reporter)
        armedSignals = .some(signals)
        return signals
    }
}

extension Action {
    /// The tables whose rows the step reads under locks or changes in batches.
    fileprivate var workedTables: [TableName] {
        switch self {
        case .switchTable(let move), .copy(let move): [move.source]
        case .sync(let sync): [sync.source]
        case .ensure(let ensure): [ensure.source]
        case .fill(let fill): [fill.table]
        default: []
        }
    }
}
