/// What happens, as it happens. The command line turns it into lines on standard error.
public enum Event: Sendable {
    /// `Running upgrade 0001 -> 0002, message`; base is an empty string.
    case running(Direction, from: String, to: String, message: String)
    /// A step begins: `copy direct_messages to messages`.
    case stepStarted(String)
    case stepProgress(StepProgress)
    case stepFinished(String, rows: Int?, duration: Duration, details: [String])
    /// Something people should know; nothing is wrong.
    case note(String)
    case warning(String)
    /// Waiting for a lock; the text names who holds it.
    case waiting(String)
    /// For `--verbose`: a statement that is sent.
    case statement(String)
}

public protocol Reporter: AnyObject {
    func report(_ event: Event)
}

/// Says nothing.
public final class SilentReporter: Reporter {
    public init() {}
    public func report(_ event: Event) {}
}
