/// How far a long step has come.
public struct StepProgress: Sendable, Equatable {
    /// The step: `copy direct_messages to messages`.
    public var title: String
    /// What it is at, where it has several phases: `backfill`, `compare`.
    public var phase: String?
    public var rows: Int
    /// How many there will be, about; nil where that is not known.
    public var total: Int?
    public var rowsPerSecond: Double?
    /// How many rows the next batch takes.
    public var batchRows: Int?
    /// How far the slowest replica is behind, where it is watched.
    public var replayLag: Duration?
    /// The time spent on pauses so far.
    public var paused: Duration = .zero

    public init(_ title: String, rows: Int, total: Int? = nil) {
        self.title = title
        self.rows = rows
        self.total = total
    }

    /// An estimate from the rate.
    public var remaining: Duration? {
        guard let total, let rowsPerSecond, rowsPerSecond > 0 else { return nil }
        return .milliseconds(Int(Double(max(total - rows, 0)) / rowsPerSecond * 1000))
    }
}

/// Rows a second over the last moments, so that the figure follows what happens.
struct ProgressMeter {
    static let window: Duration = .seconds(15)

    private var samples: [(rows: Int, at: ContinuousClock.Instant)] = []

    /// - Returns: nil until there are two looks that are apart.
    mutating func rate(rows: Int, at now: ContinuousClock.Instant = .now) -> Double? {
        // A new phase counts anew.
        if let last = samples.last, rows < last.rows { samples = [] }
        samples.append((rows, now))
        while samples.count > 2, samples[1].at.duration(to: now) >= Self.window { samples.removeFirst() }
        guard let first = samples.first else { return nil }
        let time = first.at.duration(to: now).seconds
        return time >= 0.001 ? Double(rows - first.rows) / time : nil
    }
}
