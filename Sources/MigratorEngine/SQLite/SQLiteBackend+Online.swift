import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public var defaultMode: MigrationMode { .window }
    public var isOnlineCapable: Bool { false }
    public func performOnline(_ work: OnlineWork) throws -> StepOutcome { StepOutcome() }
    public func loadSignals() -> (any LoadSignals)? { nil }
}
