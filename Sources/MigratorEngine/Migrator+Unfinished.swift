import MigratorScript

/// Where an upgrade or downgrade stands that has committed some of its steps only.
public struct UnfinishedReport: Sendable, Equatable {
    public var revision: String
    public var direction: Direction
    /// The step that is under way or comes next, from 1.
    public var step: Int
    public var stepCount: Int
    public var title: String
    /// The phase of the step that was running with its last commit.
    public var phase: String?
    public var phasesDone: [String] = []
    /// The last key of the phase that has committed, and the last one that it goes to.
    public var cursor: String?
    public var end: String?
    public var rows = 0
    public var total: Int?
    /// As last measured.
    public var rowsPerSecond: Double?
    public var batchRows: Int?
    /// When the run began that the revision is being done by, and the last commit of the step; ISO 8601, UTC.
    public var startedAt: String?
    public var updatedAt: String?
    /// The migrator that works on it now; nil where none does.
    public var atWork: String?
    /// What the same command would do next.
    public var goesOn = ""

    /// How long the phase takes from the last commit on, at the rate as last measured.
    public var remaining: Duration? {
        var progress = StepProgress(title, rows: rows, total: total)
        progress.rowsPerSecond = rowsPerSecond
        return progress.remaining
    }
}

extension Migrator {
    func unfinishedReport(_ records: [RevisionRecord], planning: Planning) throws -> UnfinishedReport? {
        guard let record = records.last, !record.isFinished else { return nil }
        let direction: Direction = record.state == .upgrading ? .upgrade : .downgrade
        let script = try planning.recordedScript(of: record)
        var items: [FlatItem] = []
        switch (direction, try script.downgrade) {
        case (.upgrade, _): items = FlatItem.flatten(try script.upgrade)
        case (.downgrade, .section(let section)): items = FlatItem.flatten(section)
        case (.downgrade, .irreversible): break
        }
        let steps = try backend.ledger.steps(attempt: record.runID, revision: record.revision, direction: direction)
        let done = Set(steps.filter { $0.state == .done }.map(\.item))
        let blocks = Dictionary(
            steps.filter { $0.kind == "when" }.map { ($0.item, $0.intent == "true") }, uniquingKeysWith: { $1 })
        // Their numbers are as people count them, whatever blocks held.
        let open = items.filter { item in
            !done.contains(item.ordinal) && (item.block.map { blocks[$0.id] ?? true } ?? true)
        }
        let checkpoints = try backend.ledger.checkpoints(revision: record.revision)
        func stored(_ item: FlatItem) -> Ledger.StoredCheckpoint? {
            checkpoints.last { $0.item == (direction == .upgrade ? item.ordinal : -1 - item.ordinal) }
        }
        let current = open.first { stored($0) != nil } ?? open.first
        var report = UnfinishedReport(
            revision: record.revision, direction: direction, step: (current?.ordinal ?? items.count) + 1,
            stepCount: items.count, title: current?.item.action.title ?? "the end of the revision")
        report.startedAt = try backend.ledger.startOfRun(record.runID)
        report.atWork = try backend.migratorAtWork()
        if let stored = current.flatMap(stored) {
            let checkpoint = stored.checkpoint
            report.phase = checkpoint.running
            report.phasesDone = checkpoint.phases
            report.cursor = checkpoint.cursor
            report.end = checkpoint.end
            report.rows = checkpoint.rows
            report.total = checkpoint.total
            report.rowsPerSecond = checkpoint.rowsPerSecond
            report.batchRows = checkpoint.batchRows
            report.updatedAt = stored.updatedAt
        }
        report.goesOn = goesOn(report, parent: record.revises ?? "base")
        return report
    }

    private func goesOn(_ report: UnfinishedReport, parent: String) -> String {
        if let owner = report.atWork { return "a migrator works on it: \(owner)" }
        let command =
            report.direction == .upgrade
            ? "`migrator upgrade \(report.revision)`" : "`migrator downgrade \(parent)`"
        let place: String
        if report.step > report.stepCount {
            place = "checks what was done and finishes the revision"
        } else {
            var text = "goes on with step \(report.step) of \(report.stepCount), \(report.title)"
            switch (report.phase, report.cursor, report.phasesDone.last) {
            case (let phase?, let cursor?, _): text += ", phase \(phase) after key \(cursor)"
            case (let phase?, nil, _): text += ", phase \(phase)"
            case (nil, _, let last?): text += ", after its phase \(last)"
            case (nil, _, nil): text += ", from its beginning"
            }
            place = text
        }
        let back = report.direction == .upgrade ? "; `migrator downgrade -1` takes it back" : ""
        let what = report.direction == .upgrade ? "upgrade to" : "downgrade of"
        return "the \(what) \(report.revision) is half done: \(command) \(place)\(back)"
    }
}
