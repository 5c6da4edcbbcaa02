import MigratorEngine

/// `history -r A:B`: both ends included, either may be absent; `-3:` counts from the head, `A:+1` from A,
/// as Alembic has them.
struct ListingRange: Equatable {
    var lower: String
    var upper: String

    init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw MigratorError(
                "bad-range", .usage, "the range \"\(text)\" is not of the form A:B",
                hint: "write [start]:[end], [start]: or :[end]")
        }
        lower = String(parts[0])
        upper = String(parts[1])
    }

    var namesCurrent: Bool { lower == "current" || upper == "current" }

    func bounds(in lineage: Lineage, current: String?) throws -> Range<Int> {
        let count = lineage.listed.count
        var first = 0
        var last = count - 1
        if upper.hasPrefix("-"), let steps = Int(upper) {
            last = count - 1 + steps
        } else if !upper.isEmpty, !upper.hasPrefix("+") {
            last = try index(upper, lineage, current)
        }
        if lower.hasPrefix("-"), let steps = Int(lower) {
            first = count - 1 + steps
        } else if lower.hasPrefix("+"), let steps = Int(lower) {
            first = steps - 1
        } else if !lower.isEmpty {
            first = try index(lower, lineage, current)
        }
        if upper.hasPrefix("+"), let steps = Int(upper) { last = max(first, -1) + steps }
        first = max(first, 0)
        last = min(last, count - 1)
        return first <= last ? first..<(last + 1) : 0..<0
    }

    /// -1 for base, and for `current` where nothing is applied.
    private func index(_ name: String, _ lineage: Lineage, _ current: String?) throws -> Int {
        if name == "current" {
            guard let current else { return -1 }
            return lineage.listed.firstIndex { $0.script.revision == current } ?? -1
        }
        return try lineage.index(of: name)
    }
}
