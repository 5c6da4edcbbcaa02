import MigratorDatabase
import MigratorScript

/// What a rehearsal is asked to do.
public struct RehearsalOptions {
    /// `head`, `+1`, `0002`.
    public var target = "head"
    /// Of the upgrades and downgrades.
    public var run = RunOptions()
    /// About how many rows of a table are copied; nil copies all of them. SQLite always copies the whole file.
    public var rowsPerTable: Int? = 100_000
    /// PostgreSQL: a database of the server on which the copy is made. SQLite: the folder that holds the copy.
    public var scratch: DatabaseLocator?
    /// The pg_dump to use; nil looks for one.
    public var pgDump: String?
    /// Is handed each session that does long work, so that a signal can cancel it.
    public var register: (any CancelHandle) -> Void = { _ in }

    public init() {}
}

/// What a rehearsal found.
public struct RehearsalReport: Sendable, Equatable {
    public struct Copy: Sendable, Equatable {
        /// The copy's name, without anything secret.
        public var shown: String
        /// `pg_dump 15.14`, `template`, `backup API`.
        public var method: String
        public var tables = 0
        public var rows = 0
        /// Tables of which only a part was copied.
        public var sampledTables: [String] = []
        public var duration = Duration.zero
        public var bytes = 0
    }

    public enum Result: String, Sendable {
        /// As it must be.
        case exact
        case differences
        /// An error ended it.
        case failed
        /// Declared as irreversible: the way back ends here.
        case irreversible
        /// What an earlier stage left makes it pointless.
        case notRun = "not-run"
    }

    public struct Stage: Sendable, Equatable {
        /// `upgrade`, `downgrade`, `verify`, `writes`.
        public var kind: String
        /// The lap, from 1: first without writes, then with them, then up again.
        public var lap: Int
        /// What it went to, or was verified at; empty is the base.
        public var revision: String
        public var result = Result.exact
        public var duration = Duration.zero
        /// Of the database afterwards; backups apart.
        public var bytes: Int?
        public var backupBytes: Int?
        public var walBytes: Int?
        public var steps: [RunReport.StepReport] = []
        /// One line each.
        public var details: [String] = []
        public var differences: [Difference] = []
    }

    /// A lock that a statement took.
    public struct Lock: Sendable, Equatable {
        /// `upgrade 0002`
        public var stage: String
        /// `switch direct_messages to messages`
        public var step: String
        /// The statement after which the lock was seen first.
        public var statement: String
        public var relation: String
        /// `ACCESS EXCLUSIVE`; on SQLite `WRITE`.
        public var mode: String
        /// The longest of them.
        public var held: Duration
        public var count: Int
    }

    public var from: String?
    public var to: String?
    public var copy: Copy
    /// Scratch copies of killed rehearsals that were found and removed.
    public var removedLeftovers: [String] = []
    public var stages: [Stage] = []
    public var locks: [Lock] = []
    public var notes: [String] = []
    public var duration = Duration.zero

    public var isExact: Bool {
        stages.allSatisfy { $0.result == .exact || $0.result == .irreversible }
    }
}
