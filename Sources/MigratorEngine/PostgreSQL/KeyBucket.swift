import MigratorDatabase

/// Keys parted into buckets: neighbours together where the key is an integer, since what is written lately stands
/// together; otherwise by their hash.
struct KeyBucket {
    /// Into how many the keys are parted.
    static let count = 16_384

    private let key: String
    /// Of how many keys a bucket is; nil where keys are parted by their hash.
    private let width: Int?

    /// - Parameter table: whose keys are found by an index.
    init(_ key: String, type: String, of table: String, _ session: any Session) throws {
        self.key = key.quotedIdentifier
        guard ["smallint", "integer", "bigint"].contains(type) else {
            width = nil
            return
        }
        let ends = try session.query("SELECT min(\(self.key)), max(\(self.key)) FROM \(table)").first
        let (span, overflows) = (ends?[1].asInt ?? 0).subtractingReportingOverflow(ends?[0].asInt ?? 0)
        width = max(64, (overflows ? Int.max : span) / Self.count + 1)
    }

    func expression(_ alias: String) -> String { of("\(alias).\(key)") }

    private func of(_ value: String) -> String {
        width.map { "\(value)::bigint / \($0)" }
            ?? "pg_catalog.hashtextextended(\(value)::pg_catalog.text COLLATE \"C\", 0) & \(Self.count - 1)"
    }

    /// For the rows of these buckets, in ascending order. A range goes before, by which an index finds them.
    func condition(_ buckets: some Collection<Int>) -> String {
        let list = "\(of(key)) = ANY ('{\(buckets.map(String.init).joined(separator: ","))}'::bigint[])"
        guard let width, let low = buckets.min(), let high = buckets.max() else { return list }
        // A bucket begins at a multiple of the width, or ends there below zero.
        let (from, isTooLow) = (low &* width).subtractingReportingOverflow(width)
        let (to, isTooHigh) = (high &* width).addingReportingOverflow(width)
        guard !isTooLow, !isTooHigh else { return list }
        return "\(key) >= \(from) AND \(key) <= \(to) AND \(list)"
    }
}
