import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    func copySwitchOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome { throw Self.notYet }
    func revertOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome { throw Self.notYet }
    private static let notYet = MigratorError(
        "online-not-available", .usage, "this switch is not available in mode online yet",
        hint: "use --mode window, while the application does not write")
    public func loadSignals() -> (any LoadSignals)? { nil }
}
