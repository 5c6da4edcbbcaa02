/// A row of `activity`: a revision, a step or a phase of one, with its place in the run's time.
public struct ActivityRecord: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case done
        /// Ended by the error that ended the run.
        case failed
        /// Done, and taken back with the transaction that it was part of.
        case rolledBack = "rolled-back"
    }
    public var revision: String
    public var direction: Direction
    /// As in `step`; -1 for the revision as a whole.
    public var item: Int
    /// Nil for a step as a whole.
    public var phase: String?
    /// As in `step`; `revision` for one as a whole.
    public var kind: String
    public var title: String
    /// Since the run's beginning.
    public var startedMilliseconds: Int
    public var milliseconds: Int
    public var outcome: Outcome
    /// Of a revision: `online` or `window`.
    public var mode: String?
    /// Of a revision: where it leads to; empty for base.
    public var to: String?

    public var isRevision: Bool { kind == "revision" }
    public var isStep: Bool { !isRevision && phase == nil }
}

/// A row of `sample`: how far a step in batches had come, after a batch.
public struct SampleRecord: Sendable, Equatable {
    public var revision: String
    public var direction: Direction
    public var item: Int
    public var phase: String
    /// Counts the step's batches in this run; 0 is the phase's beginning.
    public var batch: Int
    /// Since the run's beginning.
    public var atMilliseconds: Int
    /// Of the step, so far.
    public var rows: Int
    /// About.
    public var total: Int?
    /// What the next batch takes.
    public var batchRows: Int?
    /// What this batch took; on SQLite that long nobody else could write.
    public var batchMilliseconds: Int?
    /// Spent on waiting for signals or a pause file, so far in this step.
    public var pausedMilliseconds: Int
}

/// A row of `critical_section`: a transaction that held locks which keep writers waiting.
public struct CriticalSectionRecord: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case committed
        case rolledBack = "rolled-back"
    }
    public var revision: String
    public var direction: Direction
    /// The step, or its phase.
    public var title: String
    /// `ACCESS EXCLUSIVE on messages, users`
    public var locks: String
    /// How often it was tried to get the locks and to commit.
    public var attempts: Int
    /// When the locks were had, since the run's beginning.
    public var startedMilliseconds: Int
    /// From the first try until the locks were had.
    public var waitedMicroseconds: Int
    /// From then until the commit had returned.
    public var heldMicroseconds: Int
    public var outcome: Outcome
}

/// A row of `size`.
public struct SizeRecord: Sendable, Equatable {
    public enum Moment: String, Sendable {
        case before
        case after
    }
    public enum Kind: String, Sendable {
        case database
        /// Pages of a SQLite file that hold nothing.
        case free
        /// With indexes and out-of-line values.
        case table
        /// A registered backup, likewise.
        case backup
        /// The ledger's own tables, all together.
        case ledger
    }
    public var moment: Moment
    public var kind: Kind
    public var name: String
    public var bytes: Int
}
