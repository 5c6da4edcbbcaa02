import MigratorDatabase
import MigratorScript

/// A stretch of keys: above `low` (all, where that is nil), up to and with `high` (all, where that is nil).
struct KeyRange: Equatable {
    var low: String?
    var high: String?

    /// As a condition on a column, with the bounds as literals of the key's type.
    func condition(_ column: String, type: String) -> String {
        let parts = [
            low.map { "\(column) > \($0.quotedLiteral)::\(type)" },
            high.map { "\(column) <= \($0.quotedLiteral)::\(type)" },
        ].compactMap(\.self)
        return parts.isEmpty ? "true" : parts.joined(separator: " AND ")
    }
}

/// What one short transaction of a backfill brings over.
struct Batch {
    var range: KeyRange
    /// The key's type as `format_type` writes it.
    var type: String
    /// Whether it has failed once because a writer had placed one of its rows meanwhile.
    var isContested: Bool

    func condition(_ column: String) -> String { range.condition(column, type: type) }
}

extension PostgreSQLBackend {
    /// Walks through a table by its key in short transactions, each of which commits its rows with the cursor
    /// (ONLINE.md B, E2). The highest key is frozen at the start: what comes later, the triggers see to (H2).
    /// - Parameters:
    ///   - target: the time of a batch, where its row locks are ones that writers wait for.
    ///   - body: does one batch and returns the rows that it wrote.
    func backfill(
        _ phase: String, of table: TableName, key: String, target: Duration? = nil, _ work: OnlineWork,
        _ body: (Batch) throws -> Int
    ) throws {
        guard !work.checkpoint.has(phase) else { return }
        work.begin(phase)
        let source = quoted(table)
        let column = key.quotedIdentifier
        let type = try keyType(of: table, key: key)
        if work.checkpoint.end == nil {
            try brief(work) { next in
                // Not every key has a max(). Without the table's name the order would be that of the text.
                next.end = try session.scalar(
                    "SELECT t.\(column)::text FROM \(source) AS t ORDER BY t.\(column) DESC LIMIT 1"
                ).asText
                if next.end == nil { next.finish(phase) }
            }
        }
        guard !work.checkpoint.has(phase), let end = work.checkpoint.end else {
            work.end()
            return
        }
        let total = try estimatedSize(of: table)
        let ceiling = max(BatchSize.smallest, BatchSize.rowBytesLimit / rowBytes(total))
        let wanted = work.context.options.batchTarget
        var size = BatchSize(target: target.map { min($0, wanted) } ?? wanted, ceiling: ceiling)
        var failures = 0
        var isContested = false
        var done = work.checkpoint.rows
        while true {
            let clock = ContinuousClock()
            let start = clock.now
            let before = work.checkpoint
            let remaining = KeyRange(low: before.cursor, high: end).condition(column, type: type)
            do {
                try session.execute(Self.byAnIndex)
                let place = try session.query(
                    """
                    SELECT k::text AS high, pg_current_wal_insert_lsn()::text AS lsn FROM (
                        SELECT \(column) AS k FROM \(source) WHERE \(remaining) ORDER BY \(column) LIMIT \(size.rows)) AS b
                    ORDER BY k DESC LIMIT 1
                    """
                ).first
                guard let high = place?.text("high") else {
                    try brief(work, finishing: phase) { _ in }
                    work.end()
                    return
                }
                try brief(work) { next in
                    let range = KeyRange(low: before.cursor, high: high)
                    let rows = try body(Batch(range: range, type: type, isContested: isContested))
                    next.cursor = high
                    next.rows = before.rows + rows
                }
                let duration = clock.now - start
                let wal =
                    try session.scalar(
                        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::bigint",
                        [SQLValue(place?.text("lsn"))]
                    ).asInt ?? 0
                failures = 0
                isContested = false
                done += work.checkpoint.rows - before.rows
                size.adapt(to: duration, walBytes: wal)
                work.report(
                    rows: done, total: total.rows.flatMap { $0 > 0 ? max($0, done) : nil }, batchRows: size.rows,
                    took: duration)
                try work.rest(after: duration)
            } catch let error as DatabaseError {
                if error.sqlState == "23505", !isContested {
                    isContested = true
                    continue
                }
                guard ["57014", "55P03"].contains(error.sqlState), failures < 3, !work.executor.isInterrupted() else {
                    throw error
                }
                failures += 1
                size.halve()
            }
        }
    }

    /// A table without statistics (just restored, or upgraded by pg_upgrade) looks so small that the server would read and
    /// sort all that is left of it, for each batch. The next transaction resets the settings.
    static let byAnIndex = "SET enable_seqscan = off; SET enable_bitmapscan = off"

    private func rowBytes(_ size: (rows: Int?, bytes: Int?)) -> Int {
        guard let rows = size.rows, rows > 0, let bytes = size.bytes else { return 512 }
        return max(32, bytes / rows)
    }

    /// The type of the key as `format_type` writes it, with its length: `char` by itself is `char(1)`.
    func keyType(of table: TableName, key: String) throws -> String {
        try session.query(
            """
            SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped
            """, [.text(quoted(table)), .text(key)]
        ).first?[0].asText ?? "text"
    }

    /// `WITH source AS (the batch's rows, locked against a change of their keys)`: the lock stands inside, since
    /// outside of the common table expression it would lock nothing at all (ONLINE.md, decision 2).
    func lockedRows(of table: TableName, key: String, in batch: Batch, strength: String = "KEY SHARE") -> String {
        let column = key.quotedIdentifier
        let lock = NegativeControl.rowLock.isLeftOut ? "" : "FOR \(strength)"
        return """
            \(table.name.quotedIdentifier) AS MATERIALIZED (
                SELECT * FROM \(quoted(table)) WHERE \(batch.condition(column))
                ORDER BY \(column) \(lock))
            """
    }

    /// Copies one batch of a row-local mapping; rows that triggers have placed already stay as they are. Where an update
    /// can take a row away from the target, no update comes between: its trigger would not see the row that is not committed.
    func copyLocked(_ batch: Batch, of mapping: PostgreSQLMapping, _ sync: Sync) throws(DatabaseError) -> Int {
        let strength = mapping.leavesRowsOut ? "SHARE" : "KEY SHARE"
        return try session.run(
            """
            WITH \(lockedRows(of: sync.source, key: sync.key, in: batch, strength: strength))
            INSERT INTO \(quoted(sync.target)) (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
            SELECT \(mapping.valueList) FROM (
            \(mapping.select)
            ) AS mapping ON CONFLICT (\(sync.key.quotedIdentifier)) DO NOTHING
            """)
    }

    // MARK: Comparison

    /// Compares a mapping with its target stretch by stretch, each in one statement and so in one snapshot, in which
    /// the triggers have kept both sides equal (ONLINE.md, decision 3).
    /// - Parameter above: compares only keys above this one.
    /// - Returns: the rows that the mapping yields.
    func compareInStretches(
        _ select: String, columns: [String], with target: TableName, key: String, above: String? = nil,
        size: Int = 50_000, _ work: OnlineWork? = nil
    ) throws -> RowComparison {
        func compare() throws -> RowComparison {
            try compareStretches(select, columns: columns, with: target, key: key, above: above, size: size, work)
        }
        return try work.map { try $0.comparing(compare) } ?? compare()
    }

    private func compareStretches(
        _ select: String, columns: [String], with target: TableName, key: String, above: String?, size: Int,
        _ work: OnlineWork?
    ) throws -> RowComparison {
        let type = try keyType(of: target, key: key)
        let column = key.quotedIdentifier
        var total = RowComparison()
        var low = above
        while true {
            let start = ContinuousClock.now
            let rest = KeyRange(low: low, high: nil).condition(column, type: type)
            let high = try session.scalar(
                "SELECT t.\(column)::text FROM \(quoted(target)) AS t WHERE \(rest) ORDER BY t.\(column) OFFSET \(size) LIMIT 1"
            ).asText
            let part = try RowComparison(
                expected: select, columns: columns, table: target, key: key, backend: self,
                range: KeyRange(low: low, high: high), type: type)
            total.add(part)
            work?.reportComparison(rows: total.expectedRows, stretch: size, took: start.duration(to: .now))
            guard let high else { return total }
            low = high
            try work?.executor.checkInterruption()
        }
    }
}
