/// How many rows the next batch takes: it follows the time, the bytes and the WAL of the batches before
/// (ONLINE.md 3 calls for 250 ms, 16 MiB of rows and 64 MiB of WAL at most).
struct BatchSize: Equatable {
    static let smallest = 100
    static let largest = 50_000
    static let rowBytesLimit = 16 * 1024 * 1024
    static let walBytesLimit = 64 * 1024 * 1024

    private(set) var rows: Int
    /// The time that a batch is to take.
    let target: Duration
    /// No more rows than this whatever the times say: a row's bytes, or row locks that writers wait for.
    let ceiling: Int
    private var average: Double?

    init(target: Duration, rows: Int = 1000, ceiling: Int = BatchSize.largest) {
        self.target = target
        self.ceiling = max(1, min(ceiling, Self.largest))
        self.rows = min(rows, self.ceiling)
    }

    /// Adapts to a batch of this size that took `duration` and wrote `walBytes`.
    mutating func adapt(to duration: Duration, walBytes: Int) {
        let time = max(duration.seconds, 0.001)
        let smoothed = average.map { 0.7 * $0 + 0.3 * time } ?? time
        average = smoothed
        var factor = min(max(target.seconds / smoothed, 0.5), 1.2)
        if walBytes > Self.walBytesLimit {
            factor = min(factor, max(0.5, Double(Self.walBytesLimit) / Double(walBytes)))
        }
        set(Double(rows) * factor)
    }

    /// After a batch that was cancelled or lost a lock.
    mutating func halve() {
        average = nil
        rows = max(1, rows / 2)
    }

    private mutating func set(_ wanted: Double) {
        rows = max(min(Self.smallest, ceiling), min(ceiling, Int(wanted)))
    }
}
