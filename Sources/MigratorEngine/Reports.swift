import MigratorScript

/// What an upgrade or a downgrade did.
public struct RunReport: Sendable, Equatable {
    public struct RevisionReport: Sendable, Equatable {
        public var revision: String
        public var direction: Direction
        public var from: String
        public var to: String
        public var message: String
        public var steps: [StepReport]
        /// Of the transaction(s), steps and commit together.
        public var duration: Duration
    }
    public struct StepReport: Sendable, Equatable {
        public var title: String
        public var rows: Int?
        public var duration: Duration
        public var details: [String]
    }
    public var from: String?
    public var to: String?
    public var revisions: [RevisionReport] = []
    public var runID: Int?
    public var exceptions = 0
}

/// What an upgrade or downgrade would do.
public struct PlanReport: Sendable, Equatable {
    public struct PlannedRevision: Sendable, Equatable {
        public var revision: String
        public var direction: Direction
        public var from: String
        public var to: String
        public var message: String
        public var file: String
        /// A stamped revision is only forgotten.
        public var isForgetOnly: Bool
        /// Whether the steps run while the application writes, each in transactions of its own.
        public var isOnline = false
        public var steps: [PlannedStep]
        public var estimate = PlanEstimate()
    }
    public struct PlannedStep: Sendable, Equatable {
        /// `switch direct_messages to messages`
        public var title: String
        /// `strategy rename: the declared table is the source plus columns`, `about 5,000,000 rows, 1.1 GB`, ...
        public var details: [String]
        /// Locks that writers feel: `ACCESS EXCLUSIVE on direct_messages`.
        public var locks: [String]
        /// What an online step consists of; each is taken up where it was left.
        public var phases: [String] = []
        public var estimate = PlanEstimate()
    }
    public var direction: Direction
    public var from: String?
    public var to: String?
    public var revisions: [PlannedRevision]
    /// What stays behind: backups, views.
    public var staysBehind: [String]
    /// What would be lost, where that can be known before.
    public var losses: [String]
    public var warnings: [String]
    /// Of all revisions together.
    public var estimate: PlanEstimate { revisions.reduce(PlanEstimate()) { $0 + $1.estimate } }
}

/// Where the database is.
public struct CurrentReport: Sendable, Equatable {
    /// Nil where nothing is applied.
    public var revision: String?
    public var isHead: Bool
    /// Revisions that the scripts have and the database has not.
    public var pending: [String]
    /// A revision that has committed some of its steps only, and which way it was going.
    public var unfinished: (revision: String, direction: Direction)?
    /// Edited or missing scripts, a database ahead of them.
    public var drift: [Difference]

    public static func == (left: CurrentReport, right: CurrentReport) -> Bool {
        left.revision == right.revision && left.isHead == right.isHead && left.pending == right.pending
            && left.unfinished?.revision == right.unfinished?.revision && left.drift == right.drift
    }
}

/// Where the database is, and what lies around: `status`.
public struct StatusReport: Sendable, Equatable {
    public struct RunSummary: Sendable, Equatable {
        public var id: Int
        public var command: String
        public var outcome: String
        public var user: String
        public var host: String
        /// Of the process on its host.
        public var pid: Int
        /// Of the server's process; nil on SQLite.
        public var backendPID: Int?
        public var startedAt: String
        public var finishedAt: String?
        public var error: String?
    }
    public var current: CurrentReport
    /// Where a half-done upgrade or downgrade stands.
    public var unfinished: UnfinishedReport?
    public var revisions: [RevisionRecord]
    public var lastRun: RunSummary?
    public var backups: [BackupRecord]
    /// Compatibility views that stand until `contract`.
    public var soaking: [String]
    public var exceptions: Int
    /// What to do next, as a sentence with a command.
    public var next: String
}

public struct VerificationReport: Sendable, Equatable {
    public var revision: String?
    public var level: VerificationLevel
    public var results: [CheckResult]
    /// The worst verdict of all.
    public var verdict: Verdict
    /// Why not everything could be judged; empty where it could.
    public var reasons: [String] = []
    /// True where the result is to be reported with exit status 2.
    public var isDifference: Bool
}

public struct StampReport: Sendable, Equatable {
    public var from: String?
    public var to: String?
    /// What differs between the database and what the scripts declare, a line each.
    public var notes: [String]
}
