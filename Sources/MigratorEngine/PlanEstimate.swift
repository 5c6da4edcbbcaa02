/// About how long a step takes, how long writers wait for it, and how much room it needs.
///
/// An estimate from the rows that the database's statistics know of and from what was measured on two cores with an
/// SSD (scripts/bench): a faster or a busier machine differs by a factor, not by the order of the strategies.
public struct PlanEstimate: Sendable, Equatable {
    public var duration: Duration = .zero
    /// In which nobody can write to a table that was there before.
    public var exclusive: Duration = .zero
    public var bytes = 0

    public init(duration: Duration = .zero, exclusive: Duration = .zero, bytes: Int = 0) {
        self.duration = duration
        self.exclusive = exclusive
        self.bytes = bytes
    }

    static func + (left: PlanEstimate, right: PlanEstimate) -> PlanEstimate {
        PlanEstimate(
            duration: left.duration + right.duration, exclusive: left.exclusive + right.exclusive,
            bytes: left.bytes + right.bytes)
    }

    /// What a table holds.
    struct Size {
        var rows: Int
        /// With its indexes.
        var bytes: Int

        func times(_ perRow: Duration) -> Duration { perRow * rows }
    }

    // MARK: What was measured

    /// A change of the catalog under a lock.
    static let moment: Duration = .milliseconds(10)
    /// Names, sequence, view, triggers and the newest rows, under the locks.
    static let cutOver: Duration = .milliseconds(50)
    /// Copied and compared, by a hash of each row.
    static let backupRow: Duration = .nanoseconds(2000)
    /// Copied, indexed and compared, in one transaction.
    static let copyRow: Duration = .nanoseconds(16_000)
    /// The same in batches, with a trigger on the source.
    static let onlineRow: Duration = .nanoseconds(20_000)
    /// Rows of other tables made where they are missing.
    static let ensureRow: Duration = .nanoseconds(20_000)
    /// Updated in place.
    static let fillRow: Duration = .nanoseconds(100_000)
    static let indexRow: Duration = .nanoseconds(1000)
}
