/// `history -r A:B`: both ends included, either may be absent; `-3:` counts from the head, `A:+1` from A,
/// as Alembic has them.
public struct HistoryRange: Sendable, Equatable {
    public var lower: String
    public var upper: String

    public init(_ text: String) throws(PlanError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw PlanError(
                code: "bad-range", message: "the range \"\(text)\" is not of the form A:B",
                hint: "write [start]:[end], [start]: or :[end]")
        }
        lower = String(parts[0])
        upper = String(parts[1])
    }

    public var namesCurrent: Bool { lower == "current" || upper == "current" }

    /// Which of the listed revisions the range takes; none where its ends are the wrong way round.
    /// - Parameter current: the database's revision; nil where nothing is applied.
    public func bounds(in listing: RevisionList, current: String?) throws(PlanError) -> Range<Int> {
        let count = listing.scripts.count
        var first = 0
        var last = count - 1
        if let steps = steps(upper, "-") {
            last = count - 1 + steps
        } else if !upper.isEmpty, steps(upper, "+") == nil {
            last = try index(upper, listing, current)
        }
        if let steps = steps(lower, "-") {
            first = count - 1 + steps
        } else if let steps = steps(lower, "+") {
            first = steps - 1
        } else if !lower.isEmpty {
            first = try index(lower, listing, current)
        }
        if let steps = steps(upper, "+") { last = max(first, -1) + steps }
        first = max(first, 0)
        last = min(last, count - 1)
        return first <= last ? first..<(last + 1) : 0..<0
    }

    /// More steps than there can be revisions count as that many.
    private func steps(_ text: String, _ sign: Character) -> Int? {
        guard text.first == sign, let steps = Int(text) else { return nil }
        return min(max(steps, -1_000_000), 1_000_000)
    }

    /// -1 for base, and for `current` where nothing is applied.
    private func index(
        _ name: String, _ listing: RevisionList, _ current: String?
    ) throws(PlanError) -> Int {
        if name == "current" {
            guard let current else { return -1 }
            return listing.scripts.firstIndex { $0.revision == current } ?? -1
        }
        return try listing.index(of: name)
    }
}
