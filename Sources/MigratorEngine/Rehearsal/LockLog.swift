import MigratorDatabase
import MigratorScript

/// Collects which locks were taken where, and for how long.
final class LockLog {
    /// `upgrade 0002`, and the step that runs. What happens in no stage is the rehearsal's own.
    var stage = ""
    var step = ""
    private(set) var entries: [RehearsalReport.Lock] = []

    /// Locks of one step on one relation in one mode are one entry: the longest, and how many there were.
    func add(relation: String, mode: String, statement: String, stage: String, step: String, held: Duration) {
        guard !stage.isEmpty else { return }
        let index = entries.firstIndex {
            $0.relation == relation && $0.mode == mode && $0.stage == stage && $0.step == step
        }
        if let index {
            entries[index].held = max(entries[index].held, held)
            entries[index].count += 1
        } else {
            entries.append(
                RehearsalReport.Lock(
                    stage: stage, step: step, statement: statement, relation: relation, mode: mode, held: held,
                    count: 1))
        }
    }
}

/// The write lock of a SQLite file, from the first statement that writes to the end of the transaction.
final class SQLiteLockTrace: StatementTrace {
    private let log: LockLog
    private var statement = ""
    private var open: (start: ContinuousClock.Instant, statement: String, stage: String, step: String)?

    init(log: LockLog) { self.log = log }

    func begins(_ sql: String, isInTransaction: Bool) { statement = sql.firstLine }

    func ended(isInTransaction: Bool) {
        if isInTransaction {
            if open == nil { open = (.now, statement, log.stage, log.step) }
        } else if let was = open {
            open = nil
            log.add(
                relation: "the file", mode: "WRITE", statement: was.statement, stage: was.stage,
                step: log.step.isEmpty ? was.step : log.step, held: ContinuousClock.now - was.start)
        }
    }
}

extension String {
    /// The beginning of a statement on one line.
    var firstLine: String {
        let words = split(whereSeparator: \.isWhitespace).prefix(14).joined(separator: " ")
        return words.count <= 90 ? words : String(words.prefix(89)) + "…"
    }
}
