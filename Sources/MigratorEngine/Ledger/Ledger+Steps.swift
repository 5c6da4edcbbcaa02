import MigratorDatabase

/// A row of `step`: an item of a script that was begun (`intent`) or has been done.
public struct StepRecord: Sendable, Equatable {
    public enum State: String, Sendable {
        /// Committed before a statement that cannot run in a transaction, so that a restart judges it.
        case intent
        case done
    }
    public var runID: Int
    /// The run that began this upgrade or downgrade of the revision; a resumed one keeps it.
    public var attempt: Int
    public var revision: String
    public var direction: Direction
    /// Ordinal within the section, nested items counted flat.
    public var item: Int
    public var kind: String
    public var title: String
    public var state: State
    /// What a restart needs to judge the step: for a `when` block whether it holds.
    public var intent: String?
    public var rows: Int?
    public var duration: Duration
    public var details: [String]

    public init(
        runID: Int, attempt: Int, revision: String, direction: Direction, item: Int, kind: String,
        title: String, state: State, intent: String? = nil, rows: Int? = nil, duration: Duration = .zero,
        details: [String] = []
    ) {
        self.runID = runID
        self.attempt = attempt
        self.revision = revision
        self.direction = direction
        self.item = item
        self.kind = kind
        self.title = title
        self.state = state
        self.intent = intent
        self.rows = rows
        self.duration = duration
        self.details = details
    }
}

extension Ledger {
    public func add(_ steps: [StepRecord]) throws(DatabaseError) { try write(additions(of: steps)) }

    /// SQLite binds at most 32,766 values in one statement, PostgreSQL 65,535.
    func additions(of steps: [StepRecord]) -> [LedgerWrite] {
        // How long it took to write a script is not how long the script takes.
        let isRecorded = session is RecordingSession
        return stride(from: 0, to: steps.count, by: 500).map { start in
            var parameters: [SQLValue] = []
            var tuples: [String] = []
            for step in steps[start..<min(start + 500, steps.count)] {
                let first = parameters.count
                parameters += [
                    SQLValue(step.runID), SQLValue(step.attempt), .text(step.revision),
                    .text(step.direction.rawValue), SQLValue(step.item), .text(step.kind), .text(step.title),
                    .text(step.state.rawValue), SQLValue(step.intent), SQLValue(step.rows),
                    SQLValue(isRecorded ? 0 : step.duration.milliseconds), .text(step.details.joined(separator: "\n")),
                ]
                let places = (1...12).map { "$\(first + $0)" }.joined(separator: ", ")
                tuples.append("(\(places), \(now))")
            }
            return LedgerWrite(
                """
                INSERT INTO \(table("step")) (run_id, attempt, revision, direction, item, kind, title, state,
                    intent, rows, duration_ms, detail, recorded_at)
                VALUES \(tuples.joined(separator: ", "))
                """, parameters)
        }
    }

    /// What an unfinished upgrade or downgrade has done or begun, oldest first.
    public func steps(
        attempt: Int, revision: String, direction: Direction
    ) throws(DatabaseError) -> [StepRecord] {
        try session.query(
            """
            SELECT run_id, item, kind, title, state, intent FROM \(table("step"))
            WHERE attempt = $1 AND revision = $2 AND direction = $3 ORDER BY id
            """, [SQLValue(attempt), .text(revision), .text(direction.rawValue)]
        ).map { row in
            StepRecord(
                runID: row.int("run_id") ?? 0, attempt: attempt, revision: revision, direction: direction,
                item: row.int("item") ?? 0, kind: row.text("kind") ?? "", title: row.text("title") ?? "",
                state: StepRecord.State(rawValue: row.text("state") ?? "") ?? .done,
                intent: row.text("intent"))
        }
    }

    /// Which `when` blocks of a revision held when it was upgraded last, by the ordinal of their first item.
    public func blocks(ofUpgrade revision: String) throws(DatabaseError) -> [Int: Bool] {
        var blocks: [Int: Bool] = [:]
        for row in try session.query(
            """
            SELECT item, intent FROM \(table("step"))
            WHERE revision = $1 AND direction = $2 AND kind = 'when' ORDER BY id
            """, [.text(revision), .text(Direction.upgrade.rawValue)])
        {
            blocks[row.int("item") ?? 0] = row.text("intent") == "true"
        }
        return blocks
    }
}

extension Duration {
    /// Whole milliseconds.
    public var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
