import MigratorDatabase
import MigratorScript

/// A stretch of keys: above `low` (all, where that is nil), up to and with `high`, each as a literal of SQL.
struct SQLiteStretch: Equatable {
    var low: String?
    var high: String?

    /// As a condition on a column.
    func condition(_ column: String) -> String {
        let parts = [low.map { "\(column) > \($0)" }, high.map { "\(column) <= \($0)" }].compactMap(\.self)
        return parts.isEmpty ? "true" : parts.joined(separator: " AND ")
    }

    /// The value of an expression as a literal that compares as the value itself does.
    static func literal(_ expression: String) -> String { "\(SQLiteLiteral.function)(\(expression))" }
}

extension SQLiteBackend {
    /// How long a batch keeps other writers waiting. SQLite's own busy handler looks again after at most 25 ms for
    /// its first tenth of a second, and then after 100 ms: short batches with breaks as long as that let every
    /// writer in at its first or second look.
    static let batchTarget: Duration = .milliseconds(50)
    static let batchBreak: Duration = .milliseconds(25)

    /// Walks through a table in short transactions by a column that tells its rows apart, each of which commits its
    /// rows with the cursor. The highest key is frozen at the start: what comes later, the triggers see to.
    /// - Parameter body: does one stretch and returns the rows that it wrote.
    func walk(
        _ phase: String, through table: SQLiteTable, by column: String, _ work: OnlineWork,
        _ body: (SQLiteStretch) throws -> Int
    ) throws {
        guard !work.checkpoint.has(phase) else { return }
        work.begin(phase)
        let key = column.quotedIdentifier
        if work.checkpoint.end == nil {
            try brief(work) { next in
                next.end = try session.scalar(
                    "SELECT \(SQLiteStretch.literal("k")) FROM (SELECT max(\(key)) AS k FROM \(table.qualified)) WHERE k IS NOT NULL"
                ).asText
                if next.end == nil { next.finish(phase) }
            }
        }
        var size = BatchSize(target: min(Self.batchTarget, work.context.options.batchTarget))
        let total = try rowCount(table.name)
        while !work.checkpoint.has(phase) {
            let before = work.checkpoint
            let rest = SQLiteStretch(low: before.cursor, high: before.end)
            try brief(work) { next in
                let high = try session.scalar(
                    """
                    SELECT \(SQLiteStretch.literal("k")) FROM (SELECT max(k) AS k FROM (SELECT \(key) AS k
                        FROM \(table.qualified) WHERE \(rest.condition(key)) ORDER BY \(key) LIMIT \(size.rows)))
                    WHERE k IS NOT NULL
                    """
                ).asText
                guard let high else { return next.finish(phase) }
                next.rows += try body(SQLiteStretch(low: before.cursor, high: high))
                next.cursor = high
            }
            size.adapt(to: lastHold, walBytes: 0)
            work.report(
                rows: work.checkpoint.rows, total: max(total, work.checkpoint.rows), batchRows: size.rows,
                took: lastHold)
            if work.checkpoint.has(phase) { break }
            Pace.sleep(Self.batchBreak)
            try work.rest(after: lastHold)
        }
        work.end()
    }

    /// The column by which a table is walked through: its only primary key, or `key` where an index makes it unique.
    func walkColumn(of table: SQLiteTable, key: String? = nil) throws -> String? {
        if let key, try isUnique(key, in: table) { return table.column(key)?.name ?? key }
        return key == nil ? table.singleKey : nil
    }

    func isUnique(_ column: String, in table: SQLiteTable) throws -> Bool {
        if let key = table.singleKey, isSameName(key, column) { return true }
        return try session.query(
            """
            SELECT (SELECT group_concat(name) FROM pragma_index_info(i.name)) AS columns
            FROM pragma_index_list($1) i WHERE i."unique" = 1 AND i.partial = 0
            """, [.text(table.name)]
        ).contains { isSameName($0.text("columns") ?? "", column) }
    }

    /// Compares a mapping with its target stretch by stretch, each in one snapshot, in which the triggers have kept
    /// both sides equal.
    /// - Parameters:
    ///   - above: compares only keys above this literal.
    ///   - more: what else is to be looked at in the same snapshot.
    func compareInStretches(
        _ select: String, columns: [String], with target: SQLiteTable, key: String, above: String? = nil,
        size: Int = 20_000, _ work: OnlineWork? = nil, more: (SQLiteStretch) throws -> Void = { _ in }
    ) throws -> SQLiteComparison {
        func compare() throws -> SQLiteComparison {
            try compareStretches(
                select, columns: columns, with: target, key: key, above: above, size: size, work, more: more)
        }
        return try work.map { try $0.comparing(compare) } ?? compare()
    }

    private func compareStretches(
        _ select: String, columns: [String], with target: SQLiteTable, key: String, above: String?, size: Int,
        _ work: OnlineWork?, more: (SQLiteStretch) throws -> Void
    ) throws -> SQLiteComparison {
        let quoted = key.quotedIdentifier
        var total = SQLiteComparison()
        var low = above
        while true {
            let start = ContinuousClock.now
            let high = try snapshot {
                let high = try session.scalar(
                    """
                    SELECT \(SQLiteStretch.literal("k")) FROM (SELECT \(quoted) AS k FROM \(target.qualified)
                        WHERE \(SQLiteStretch(low: low, high: nil).condition(quoted)) ORDER BY \(quoted) LIMIT 1 OFFSET \(size))
                    """
                ).asText
                let stretch = SQLiteStretch(low: low, high: high)
                if !NegativeControl.comparison.isLeftOut {
                    total.add(try compare(select, columns: columns, with: target, key: key, in: stretch))
                    try more(stretch)
                }
                return high
            }
            work?.reportComparison(rows: total.rows, stretch: size, took: start.duration(to: .now))
            guard let high else { return total }
            low = high
            try work?.executor.checkInterruption()
        }
    }

    /// The literal above which the newest thousand keys of a table lie.
    func tail(of table: SQLiteTable, key: String) throws -> String? {
        let quoted = key.quotedIdentifier
        return try session.scalar(
            "SELECT \(SQLiteStretch.literal("k")) FROM (SELECT \(quoted) AS k FROM \(table.qualified) ORDER BY \(quoted) DESC LIMIT 1 OFFSET 1000)"
        ).asText
    }
}

extension SQLiteComparison {
    /// Takes in what another stretch has shown.
    mutating func add(_ part: SQLiteComparison) {
        rows += part.rows
        differenceCount += part.differenceCount
        differences = Array((differences + part.differences).prefix(10))
    }
}
