/// What a run takes: when its steps and phases ran, how its batches went, which locks it held for how long. Kept in
/// memory until the next transaction commits, which writes it to the ledger; nothing is decided by it.
///
/// Bounded: at most `samplesPerStep` samples of a step, `activitiesPerRevision` steps and phases of a revision,
/// `sectionsPerRevision` critical sections.
final class RunJournal {
    static let samplesPerStep = 200
    static let activitiesPerRevision = 200
    static let sectionsPerRevision = 200
    /// How often the samples of batches are written.
    static let interval: Duration = .seconds(1)

    /// A step of a revision.
    struct Step: Equatable {
        var revision: String
        var direction: Direction
        var item: Int
    }

    /// What the next commit writes.
    struct Entries {
        var activities: [ActivityRecord] = []
        var samples: [SampleRecord] = []
        /// Steps of which only every so manieth sample is to stay.
        var thinned: [(step: Step, stride: Int)] = []
        var sections: [CriticalSectionRecord] = []
        var sizes: [SizeRecord] = []

        var isEmpty: Bool {
            activities.isEmpty && samples.isEmpty && thinned.isEmpty && sections.isEmpty && sizes.isEmpty
        }
        /// Whether there are samples only, which can wait.
        var isPatient: Bool { activities.isEmpty && sections.isEmpty && sizes.isEmpty }

        static func + (left: Entries, right: Entries) -> Entries {
            Entries(
                activities: left.activities + right.activities, samples: left.samples + right.samples,
                thinned: left.thinned + right.thinned, sections: left.sections + right.sections,
                sizes: left.sizes + right.sizes)
        }
    }

    let runID: Int
    /// What a run took is not what its script will take: nothing is written.
    var isRecorded = false
    private let start = ContinuousClock.now
    var pending = Entries()
    /// Written in the open transaction.
    private var written = Entries()
    private var lastWrite = ContinuousClock.now

    private var revision: ActivityRecord?
    var step: ActivityRecord?
    private var phase: ActivityRecord?
    private var activityCount = 0
    var sectionCount = 0
    private var sampling: Sampling?
    /// Of the phase that runs, until its first batch is sampled.
    private var beginning: SampleRecord?
    var transaction = Transaction()

    init(runID: Int) { self.runID = runID }

    /// Since the run's beginning.
    var now: Duration { start.duration(to: .now) }

    // MARK: Revisions, steps, phases

    /// - Parameter to: where it leads to; empty for base.
    func beginRevision(_ name: String, _ direction: Direction, to: String, title: String) {
        var begun = ActivityRecord(
            revision: name, direction: direction, item: -1, phase: nil, kind: "revision", title: title,
            startedMilliseconds: now.milliseconds, milliseconds: 0, outcome: .done)
        begun.to = to
        revision = begun
        step = nil
        phase = nil
        activityCount = 0
        sectionCount = 0
    }

    /// - Parameter mode: `online` or `window`.
    func setMode(_ mode: String) { revision?.mode = mode }

    func endRevision() {
        endStep()
        if let ended = revision.map(ended) { pending.activities.append(ended) }
        revision = nil
    }

    func beginStep(item: Int, kind: String, title: String) {
        guard let revision else { return }
        endStep()
        // Tried again: what came of it before counts no more.
        pending.activities.removeAll {
            $0.isStep && $0.item == item && $0.revision == revision.revision && $0.outcome != .done
        }
        transaction.forgetAttempts()
        if transaction.began != nil { transaction.steps.append(title) }
        step = ActivityRecord(
            revision: revision.revision, direction: revision.direction, item: item, phase: nil, kind: kind,
            title: title, startedMilliseconds: now.milliseconds, milliseconds: 0, outcome: .done)
    }

    func endStep(_ outcome: ActivityRecord.Outcome = .done) {
        endPhase(outcome)
        if let step { add(step, outcome) }
        step = nil
    }

    /// - Parameter rows: of the step, so far.
    func beginPhase(_ name: String, rows: Int) {
        guard var next = step else { return }
        endPhase()
        transaction.forgetAttempts()
        next.phase = name
        next.startedMilliseconds = now.milliseconds
        phase = next
        beginning = SampleRecord(
            revision: next.revision, direction: next.direction, item: next.item, phase: name, batch: 0,
            atMilliseconds: next.startedMilliseconds, rows: rows, pausedMilliseconds: 0)
    }

    func endPhase(_ outcome: ActivityRecord.Outcome = .done) {
        beginning = nil
        if let phase { add(phase, outcome) }
        phase = nil
    }

    /// A comparison counts rows of its own, from 0; outside of any phase it is one itself.
    /// - Returns: whether it is a phase, which has to be ended.
    func beginComparison() -> Bool {
        guard phase == nil else {
            beginning?.rows = 0
            return false
        }
        beginPhase("compare", rows: 0)
        return true
    }

    /// The place that a critical section is named by.
    var place: (revision: String, direction: Direction, title: String) {
        let title = phase.map { "\($0.title), \($0.phase ?? "")" } ?? step?.title ?? ""
        return (revision?.revision ?? "", revision?.direction ?? .upgrade, title)
    }

    private func add(_ activity: ActivityRecord, _ outcome: ActivityRecord.Outcome) {
        activityCount += 1
        // A failure is told however much came before it.
        guard activityCount <= Self.activitiesPerRevision || outcome != .done else { return }
        var activity = ended(activity)
        activity.outcome = outcome
        pending.activities.append(activity)
    }

    private func ended(_ activity: ActivityRecord) -> ActivityRecord {
        var activity = activity
        activity.milliseconds = max(0, now.milliseconds - activity.startedMilliseconds)
        return activity
    }

    // MARK: Batches

    /// Which batches of the step in work are kept.
    private struct Sampling {
        var step: Step
        var batch = 0
        var stride = 1
        var kept = 0
    }

    /// How a step in batches stands.
    struct SampledBatch {
        var rows: Int
        var total: Int?
        var nextRows: Int?
        var took: Duration?
        var paused = Duration.zero
        /// Few, and a phase of its own: they are not left out because many batches came before them.
        var isComparison = false
    }

    /// Every batch at first; when there are too many, every second one of those goes, and only every second is kept
    /// from then on.
    func sample(_ batch: SampledBatch) {
        guard let phase, let name = phase.phase else { return }
        let step = Step(revision: phase.revision, direction: phase.direction, item: phase.item)
        var state = sampling.flatMap { $0.step == step ? $0 : nil } ?? Sampling(step: step)
        state.batch += 1
        if batch.isComparison { state.batch = (state.batch + state.stride - 1) / state.stride * state.stride }
        defer { sampling = state }
        if let beginning { pending.samples.append(beginning) }
        beginning = nil
        guard state.batch.isMultiple(of: state.stride) else { return }
        pending.samples.append(
            SampleRecord(
                revision: step.revision, direction: step.direction, item: step.item, phase: name, batch: state.batch,
                atMilliseconds: now.milliseconds, rows: batch.rows, total: batch.total, batchRows: batch.nextRows,
                batchMilliseconds: batch.took?.milliseconds, pausedMilliseconds: batch.paused.milliseconds))
        state.kept += 1
        guard state.kept >= Self.samplesPerStep else { return }
        state.stride *= 2
        state.kept /= 2
        let stride = state.stride
        pending.samples.removeAll { sample in
            sample.item == step.item && sample.revision == step.revision && !sample.batch.isMultiple(of: stride)
        }
        pending.thinned.append((step, stride))
    }

    // MARK: Writing

    func add(_ sizes: [SizeRecord]) { pending.sizes += sizes }

    /// Leaves what has come together for the end of the open transaction.
    func write(to ledger: Ledger, isLast: Bool = false) throws {
        guard !pending.isEmpty, !isRecorded else { return }
        if !isLast, pending.isPatient, lastWrite.duration(to: .now) < Self.interval { return }
        for (step, stride) in pending.thinned { try ledger.thinSamples(of: step, every: stride, run: runID) }
        ledger.writeLater(
            ledger.additions(of: pending.samples, run: runID) + ledger.additions(of: pending.activities, run: runID)
                + ledger.additions(of: pending.sections, run: runID) + ledger.additions(of: pending.sizes, run: runID))
        written = written + pending
        pending = Entries()
    }

    /// The open transaction has ended.
    func settle(isCommitted: Bool) {
        if isCommitted {
            if !written.isEmpty { lastWrite = .now }
        } else {
            pending = written + pending
        }
        written = Entries()
    }

    /// What the error that ends the run has met.
    func fail() {
        endTransactionUnfinished()
        endStep(.failed)
        if var ended = revision.map(ended) {
            ended.outcome = .failed
            pending.activities.append(ended)
        }
        revision = nil
    }
}
