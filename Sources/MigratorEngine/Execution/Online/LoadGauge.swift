/// A figure with a mark above which the work pauses. It goes on once the figure has come down to 70 % of the mark, so
/// that it does not stutter around it (ONLINE.md 3).
struct LoadGauge: Equatable {
    let limit: Double
    /// Whether little of it is what is bad, such as free space.
    var isFloor = false
    var resumeShare = 0.7
    private(set) var isPausing = false

    init(limit: Double, isFloor: Bool = false, resumeShare: Double = 0.7) {
        self.limit = limit
        self.isFloor = isFloor
        self.resumeShare = resumeShare
    }

    /// - Returns: whether the work should pause.
    mutating func update(_ value: Double) -> Bool {
        let load = isFloor ? (value > 0 ? limit / value : .infinity) : value / limit
        isPausing = isPausing ? load > resumeShare : load >= 1
        return isPausing
    }
}
