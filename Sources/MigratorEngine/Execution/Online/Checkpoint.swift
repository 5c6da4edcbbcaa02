import FoundationEssentials

/// How far a step that commits many times has come: a row of the ledger, as JSON.
public struct Checkpoint: Codable, Equatable, Sendable {
    /// Phases that have committed, by name.
    public var phases: [String] = []
    /// The last key of the running phase that committed, as text; nil before its first batch.
    public var cursor: String?
    /// The highest key that the running phase goes to, as text: what comes later, triggers see to.
    public var end: String?
    /// Rows done so far, of all phases.
    public var rows = 0
    /// What later phases need to know of earlier ones.
    public var notes: [String: [String]] = [:]

    // For people only; nothing is decided by it.
    /// The phase that was running with the last commit.
    public var running: String?
    /// How many rows the running phase has, about.
    public var total: Int?
    public var rowsPerSecond: Double?
    public var batchRows: Int?

    public init() {}

    init?(json: String) {
        guard let checkpoint = try? JSONDecoder().decode(Checkpoint.self, from: Data(json.utf8)) else { return nil }
        self = checkpoint
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings and numbers only: encoding them cannot fail.
        guard let data = try? encoder.encode(self) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    public func has(_ phase: String) -> Bool { phases.contains(phase) }

    /// The phase is over; the next one begins without a cursor.
    public mutating func finish(_ phase: String) {
        if !phases.contains(phase) { phases.append(phase) }
        cursor = nil
        end = nil
        running = nil
        total = nil
        rowsPerSecond = nil
        batchRows = nil
    }
}
