import MigratorDatabase
import MigratorPlan
import MigratorScript

extension MigratorError {
    public static let interrupted = MigratorError(
        "interrupted", .interrupted, "interrupted; what was open has been rolled back",
        hint: "run the same command again: it goes on from where the ledger says it is")

    /// Any error of the layers below as the one that reaches the command line.
    public static func from(_ error: any Error) -> MigratorError {
        switch error {
        case let error as MigratorError: error
        case let error as DatabaseError: MigratorError(error)
        case let error as ScriptError: MigratorError(error)
        default:
            MigratorError(
                "internal-error", .failed, "the run stopped on an error that migrator has no words for",
                hint: "run the same command again with --verbose and report what it says")
        }
    }

    public init(_ error: ScriptError) {
        self.init(
            error.code, .malformedScripts, error.message, hint: error.hint, location: error.location)
    }

    func adding(detail: String?) -> MigratorError {
        guard let detail else { return self }
        var error = self
        error.details.append(detail)
        return error
    }
}

extension ExitStatus {
    /// How a run that ended with this status is called in the ledger.
    var outcome: String {
        switch self {
        case .done: "done"
        case .interrupted: "interrupted"
        case .refused, .locked, .usage, .malformedScripts, .unavailable, .configuration: "refused"
        case .failed, .difference, .pending: "failed"
        }
    }
}
