import MigratorScript

/// What the process returns; README.md documents each.
public enum ExitStatus: Int32, Sendable {
    case done = 0
    case failed = 1
    case difference = 2
    case pending = 3
    case refused = 4
    case locked = 5
    case usage = 64
    case malformedScripts = 65
    case unavailable = 69
    case configuration = 78
    case interrupted = 130
}

/// The one error that reaches the command line.
///
/// The message says what is wrong with names quoted; the hint is one imperative sentence.
public struct MigratorError: Error, Sendable {
    /// Kebab-case and documented: `checksum-mismatch`.
    public var code: String
    public var status: ExitStatus
    public var message: String
    public var hint: String?
    public var location: ScriptLocation?
    /// Further lines below the message: rows listed, the server's DETAIL, differences.
    public var details: [String]

    public init(
        _ code: String, _ status: ExitStatus, _ message: String, hint: String? = nil,
        location: ScriptLocation? = nil, details: [String] = []
    ) {
        self.code = code
        self.status = status
        self.message = message
        self.hint = hint
        self.location = location
        self.details = details
    }
}
