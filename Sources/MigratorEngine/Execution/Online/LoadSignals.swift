import MigratorScript

/// What says that the database has enough to do without us.
public protocol LoadSignals: AnyObject {
    /// Looks at the signals that could be read at the start.
    /// - Parameter tables: those whose rows are being worked on.
    /// - Returns: why the work should pause; empty where it may go on.
    func reasonsToPause(working tables: [TableName]) throws -> [PauseReason]
    /// As last read; nil where it is not watched.
    var replayLag: Duration? { get }
}

/// A signal that says stop.
public struct PauseReason: Sendable, Equatable {
    public var signal: LoadSignal
    /// For people, with the figure and its limit.
    public var text: String

    public init(_ signal: LoadSignal, _ text: String) {
        self.signal = signal
        self.text = text
    }
}

/// The signals by the names that `--ignore-signal` takes.
public enum LoadSignal: String, Sendable, CaseIterable {
    case pauseFile = "pause-file"
    case replayLag = "replay-lag"
    case slots
    case archive
    case autovacuum
    case connections
    case oldestTransaction = "oldest-transaction"
    case disk
    case query

    /// As a sentence names it.
    var title: String {
        switch self {
        case .pauseFile: "the pause file"
        case .replayLag: "the replay lag"
        case .slots: "the WAL that slots retain"
        case .archive: "the archive queue"
        case .autovacuum: "autovacuum"
        case .connections: "the active connections"
        case .oldestTransaction: "the oldest transaction"
        case .disk: "the free disk space"
        case .query: "the throttle query"
        }
    }
}
