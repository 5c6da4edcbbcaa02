import FoundationEssentials
import Glibc
import MigratorDatabase
import MigratorScript

/// The breaks between batches (ONLINE.md 3).
struct Pace {
    static let shortestBreak: Duration = .milliseconds(10)

    /// How often the signals are read.
    static let interval: Duration = .seconds(1)
    /// How often a pause that goes on is told of again.
    static let reminder: Duration = .seconds(30)

    let options: RunOptions
    let reporter: any Reporter
    let signals: (any LoadSignals)?
    /// Those whose rows are being worked on.
    let tables: [TableName]
    /// The time spent waiting for a signal or a pause file.
    private(set) var paused: Duration = .zero
    private var lastLook: ContinuousClock.Instant?
    private var lastReasons: [PauseReason] = []

    init(options: RunOptions, reporter: any Reporter, signals: (any LoadSignals)?, tables: [TableName] = []) {
        self.options = options
        self.reporter = reporter
        self.signals = signals
        self.tables = tables
    }

    /// Sleeps `nice` times the batch's time, at least 10 ms; then as long as a signal or the pause file says so.
    mutating func rest(after batch: Duration, isInterrupted: () -> Bool) throws {
        Self.sleep(max(Self.shortestBreak, batch * options.niceness))
        let start = ContinuousClock.now
        var reported: (signals: [LoadSignal], at: ContinuousClock.Instant)?
        while !isInterrupted() {
            let reasons = try reasonsToPause()
            if reasons.isEmpty { break }
            let signals = reasons.map(\.signal)
            if reported.map({ $0.signals != signals || $0.at.duration(to: .now) > Self.reminder }) ?? true {
                reporter.report(.waiting("paused: " + reasons.map(\.text).joined(separator: "; ")))
                reported = (signals, .now)
            }
            Self.sleep(.milliseconds(250))
        }
        if reported != nil { paused += start.duration(to: .now) }
    }

    /// The file is looked for each time, the signals once a second.
    private mutating func reasonsToPause() throws -> [PauseReason] {
        if let file = options.pauseFile, Self.exists(file) {
            return [PauseReason(.pauseFile, "the file \"\(file)\" is there")]
        }
        guard let signals else { return [] }
        if let lastLook, lastLook.duration(to: .now) < Self.interval { return lastReasons }
        lastReasons = try signals.reasonsToPause(working: tables)
        lastLook = .now
        return lastReasons
    }

    static func exists(_ file: String) -> Bool { access(file, F_OK) == 0 }

    static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        // A signal's arrival ends the sleep early, which is welcome.
        nanosleep(&time, nil)
    }
}
