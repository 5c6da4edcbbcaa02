import MigratorPlan
import MigratorScript

/// What the command line asks of an upgrade or a downgrade.
public struct RunOptions: Sendable {
    /// `--mode`; nil leaves it to the script.
    public var mode: MigrationMode?
    /// How long a table's lock is tried for, in all; each attempt is short (ONLINE.md 3).
    public var lockTimeout: Duration = .seconds(600)
    /// How long to wait for another migrator: nil not at all.
    public var wait: Duration?
    /// Rename unregistered tables that are in the way instead of refusing.
    public var setsAside = false
    /// The number of rows whose loss is accepted; must be exact.
    public var acceptedLoss: Int?
    /// While this file is there, batches wait.
    public var pauseFile: String?
    /// While this file is there, an online switch waits before its cut-over.
    public var postponeFile: String?
    /// The time that a batch is to take.
    public var batchTarget: Duration = .milliseconds(250)
    /// How long to rest after a batch, as a multiple of the batch's time.
    public var niceness = 0.0
    /// The replay lag above which batches wait.
    public var maximalLag: Duration = .milliseconds(1500)
    /// A query of one boolean column: while a row of it is true, batches wait.
    public var throttleQuery: String?
    /// Signals that are not to be looked at.
    public var ignoredSignals: Set<LoadSignal> = []
    /// Also the statements of the step wait for locks for a moment only, and whoever loses starts again.
    var isBrief = false

    public init() {}

    /// For tidying up on the way out of an error.
    static var impatient: RunOptions {
        var options = RunOptions()
        options.lockTimeout = .milliseconds(500)
        return options
    }
}

public typealias Direction = MigratorPlan.Direction
