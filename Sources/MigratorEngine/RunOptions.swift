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

    public init() {}
}

public typealias Direction = MigratorPlan.Direction
