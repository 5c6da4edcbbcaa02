import FoundationEssentials
import Glibc
import MigratorDatabase

/// What says that the database has enough to do without us.
public protocol LoadSignals: AnyObject {
    /// Looks at the signals that could be read at the start.
    /// - Returns: why the work should pause, a line each; empty where it may go on.
    func reasonsToPause() throws -> [String]
}

/// The breaks between batches (ONLINE.md 3).
struct Pace {
    static let shortestBreak: Duration = .milliseconds(10)

    let options: RunOptions
    let reporter: any Reporter
    let signals: (any LoadSignals)?
    private var lastLook: ContinuousClock.Instant?

    init(options: RunOptions, reporter: any Reporter, signals: (any LoadSignals)?) {
        self.options = options
        self.reporter = reporter
        self.signals = signals
    }

    /// Sleeps `nice` times the batch's time, at least 10 ms; then as long as a signal or the pause file says so.
    mutating func rest(after batch: Duration, isInterrupted: () -> Bool) throws {
        Self.sleep(max(Self.shortestBreak, batch * options.niceness))
        var reported: [String] = []
        while !isInterrupted() {
            let reasons = try reasonsToPause()
            if reasons.isEmpty { break }
            if reasons != reported {
                reporter.report(.waiting("paused: " + reasons.joined(separator: "; ")))
                reported = reasons
            }
            Self.sleep(.milliseconds(250))
            lastLook = nil
        }
    }

    private mutating func reasonsToPause() throws -> [String] {
        if let file = options.pauseFile, Self.exists(file) { return ["the file \"\(file)\" is there"] }
        let now = ContinuousClock.now
        guard let signals, lastLook.map({ $0.duration(to: now) >= .seconds(1) }) ?? true else { return [] }
        lastLook = now
        return try signals.reasonsToPause()
    }

    static func exists(_ file: String) -> Bool { access(file, F_OK) == 0 }

    static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        // A signal's arrival ends the sleep early, which is welcome.
        nanosleep(&time, nil)
    }
}
