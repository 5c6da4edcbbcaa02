import MigratorDatabase
import MigratorScript

/// Rows that are not as the mapping says.
struct SQLiteComparison {
    var rows = 0
    var differenceCount = 0
    var differences: [Difference] = []
}

extension SQLiteBackend {
    static var batchRows: Int { 50_000 }

    /// Loads the target with what the mapping yields, in key order.
    /// - Throws: `value-does-not-fit` naming the key where a constraint of the target refuses a row.
    func load(
        _ mapping: SQLiteMapping, into target: SQLiteTable, key: String, context: StepContext
    ) throws {
        let title = "copy \(mapping.source.name) to \(target.name)"
        let total = try rowCount(mapping.source.name)
        let list = columnList(mapping.columns)
        guard mapping.obstacle == nil, let sourceKey = mapping.source.column(key)?.name.quotedIdentifier else {
            try insert(
                "INSERT INTO \(target.qualified) (\(list)) SELECT \(list) FROM (\(mapping.select)) ORDER BY \(key.quotedIdentifier)",
                [], mapping: mapping, target: target, key: key)
            return
        }
        // By literals: a key may hold bytes that no parameter can.
        var last: String?
        var done = 0
        var meter = ProgressMeter()
        while true {
            let rest = SQLiteStretch(low: last, high: nil)
            let end = try session.query(
                """
                SELECT \(SQLiteStretch.literal("k")), n FROM (SELECT max(k) AS k, count(*) AS n FROM (
                    SELECT \(sourceKey) AS k FROM \(mapping.source.qualified)
                    WHERE \(rest.condition(sourceKey)) ORDER BY \(sourceKey) LIMIT \(Self.batchRows)))
                """
            ).first
            guard let end, let high = end[0].asText, (end[1].asInt ?? 0) > 0 else { return }
            let batch = mapping.shadowed("WHERE \(SQLiteStretch(low: last, high: high).condition(sourceKey))")
            try insert(
                "INSERT INTO \(target.qualified) (\(list)) SELECT \(list) FROM (\(batch)) ORDER BY \(key.quotedIdentifier)",
                [], mapping: mapping, target: target, key: key)
            last = high
            done += end[1].asInt ?? 0
            var progress = StepProgress(title, rows: done, total: total)
            progress.rowsPerSecond = meter.rate(rows: done)
            context.reporter.report(.stepProgress(progress))
        }
    }

    private func insert(
        _ sql: String, _ parameters: [SQLValue], mapping: SQLiteMapping, target: SQLiteTable, key: String
    ) throws {
        do {
            try session.run(sql, parameters)
        } catch {
            let refusals = ["constraint failed", "datatype mismatch", "cannot store"]
            guard refusals.contains(where: error.message.contains) else { throw error }
            try nameRefusedRow(mapping, target: target, key: key)
            throw MigratorError(
                "value-does-not-fit", .difference, "a row does not fit into \"\(target.name)\": \(error.message)",
                hint: "correct the row, the mapping or the target")
        }
    }

    /// Repeats the copy row by row, only to say which row is refused.
    private func nameRefusedRow(_ mapping: SQLiteMapping, target: SQLiteTable, key: String) throws {
        let list = columnList(mapping.columns)
        let quoted = key.quotedIdentifier
        // The rows of batches that went well are not in the way.
        try session.run("DELETE FROM \(target.qualified)")
        try session.forEachRow("SELECT \(quoted) FROM (\(mapping.select)) ORDER BY \(quoted)", []) { row in
            do {
                try session.run(
                    "INSERT INTO \(target.qualified) (\(list)) SELECT \(list) FROM (\(mapping.select)) WHERE \(quoted) IS $1 LIMIT 1",
                    [row[0]])
            } catch let error as DatabaseError {
                let column = error.column.map { ", column \"\($0)\"" } ?? ""
                throw MigratorError(
                    "value-does-not-fit", .difference,
                    "the row \(key) = \(row[0].asText ?? "NULL")\(column) does not fit into \"\(target.name)\": \(error.message)",
                    hint: "correct the row, the mapping or the target")
            }
        }
    }

    /// Compares what the unshadowed mapping yields with the target, value by value and by storage class.
    /// - Parameters:
    ///   - isSubset: true where the target may hold other rows too.
    ///   - stretch: compares only these keys.
    func compare(
        _ select: String, columns: [String], with target: SQLiteTable, key: String, isSubset: Bool = false,
        in stretch: SQLiteStretch? = nil
    ) throws -> SQLiteComparison {
        let quoted = key.quotedIdentifier
        let select = stretch.map { "SELECT * FROM (\(select)) AS x WHERE \($0.condition(quoted))" } ?? select
        let flags = columns.map {
            "\(SQLiteContentHash.sameFunction)(e.\($0.quotedIdentifier), t.\($0.quotedIdentifier))"
        }
        var comparison = SQLiteComparison()
        comparison.rows = try session.scalar("SELECT count(*) FROM (\(select))").asInt ?? 0
        let join = "FROM (\(select)) AS e LEFT JOIN \(target.qualified) AS t ON t.\(quoted) = e.\(quoted)"
        let isDifferent = "t.\(quoted) IS NULL OR NOT (\(flags.joined(separator: " AND ")))"
        comparison.differenceCount = try session.scalar("SELECT count(*) \(join) WHERE \(isDifferent)").asInt ?? 0
        if comparison.differenceCount > 0 {
            for row in try session.query(
                """
                SELECT e.\(quoted), t.\(quoted) IS NULL, \(flags.joined(separator: ", ")) \(join)
                WHERE \(isDifferent) LIMIT 10
                """)
            {
                let differing = columns.indices.filter { !row[$0 + 2].asBool }.map { columns[$0] }
                let isMissing = row[1].asBool
                comparison.differences.append(
                    Difference(
                        table: target.name, key: row[0].asText, columns: isMissing ? [] : differing,
                        message: isMissing ? "the row is missing" : "differs in \(differing.joined(separator: ", "))"))
            }
        }
        guard !isSubset else { return comparison }
        let extra =
            "FROM \(target.qualified) t WHERE \(stretch.map { $0.condition("t.\(quoted)") + " AND " } ?? "")(t.\(quoted) IS NULL OR t.\(quoted) NOT IN (SELECT \(quoted) FROM (\(select)) WHERE \(quoted) IS NOT NULL))"
        let extras = try session.scalar("SELECT count(*) \(extra)").asInt ?? 0
        if extras > 0 {
            comparison.differenceCount += extras
            for row in try session.query("SELECT t.\(quoted) \(extra) LIMIT 10") {
                comparison.differences.append(
                    Difference(
                        table: target.name, key: row[0].asText, columns: [], message: "the row should not be there"))
            }
        } else if try session.scalar(
            "SELECT count(*) FROM \(target.qualified) t WHERE \(stretch?.condition("t.\(quoted)") ?? "true")"
        ).asInt != comparison.rows {
            comparison.differenceCount += 1
            comparison.differences.append(
                Difference(table: target.name, columns: [key], message: "the key \"\(key)\" does not tell rows apart"))
        }
        return comparison
    }

    func require(_ comparison: SQLiteComparison, what: String) throws {
        guard comparison.differenceCount > 0 else { return }
        let lines = comparison.differences.prefix(10).map {
            "\($0.table ?? ""), key \($0.key ?? "NULL"): \($0.message)"
        }
        let changed = comparison.differences.first { !$0.columns.isEmpty }
        throw MigratorError(
            changed == nil ? "rows-differ" : "value-does-not-fit", .difference,
            "\(what): \(comparison.differenceCount.counted("row differs", "rows differ")); \(lines.first ?? "")",
            hint: "correct the row, the mapping or the target", details: Array(lines))
    }

    /// Every row of the source is in the target, or an `exceptions` step has named it.
    /// - Returns: how many were let pass.
    func requireComplete(
        source: SQLiteTable, target: SQLiteTable, key: String, context: StepContext
    ) throws -> Int {
        let sourceKey = source.column(key)?.name.quotedIdentifier ?? key.quotedIdentifier
        let absent = """
            FROM \(source.qualified) s
            WHERE NOT EXISTS (SELECT 1 FROM \(target.qualified) t WHERE t.\(key.quotedIdentifier) = s.\(sourceKey))
            """
        let passed = """
            EXISTS (SELECT 1 FROM \(ledger.table("exception")) x WHERE x.revision = $1
                AND x.table_name = $2 AND x.row_key = CAST(s.\(sourceKey) AS TEXT))
            """
        let parameters: [SQLValue] = [.text(context.revision), .text(source.name)]
        let lost = try session.scalar("SELECT count(*) \(absent) AND NOT \(passed)", parameters).asInt ?? 0
        if lost > 0 {
            let keys = try session.query(
                "SELECT s.\(sourceKey) \(absent) AND NOT \(passed) ORDER BY 1 LIMIT 10", parameters
            ).map { "\(source.name), key \($0[0].asText ?? "NULL"): no row in \(target.name)" }
            throw MigratorError(
                "rows-not-moved", .difference,
                "\(lost.counted("row")) of \"\(source.name)\" \(lost == 1 ? "has" : "have") no row in \"\(target.name)\" and no exception",
                hint: "correct the mapping, or name the rows in an `exceptions` step", details: keys)
        }
        return try session.scalar("SELECT count(*) \(absent) AND \(passed)", parameters).asInt ?? 0
    }

    // MARK: Next ids

    func sequence(of table: String) throws -> Int? {
        guard try session.scalar("SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").asInt == 1
        else { return nil }
        return try session.scalar("SELECT seq FROM main.sqlite_sequence WHERE name = $1", [.text(table)]).asInt
    }

    /// Ids that were given once do not come again: never below what was handed out, nor below the highest id.
    func raiseSequence(of name: String, to value: Int?) throws {
        guard let table = try table(name), table.isAutoincrement, let key = table.singleKey else { return }
        let highest = try session.scalar("SELECT max(\(key.quotedIdentifier)) FROM \(table.qualified)").asInt
        guard let wanted = [value, highest, try sequence(of: table.name)].compactMap({ $0 }).max() else { return }
        if try session.run(
            "UPDATE main.sqlite_sequence SET seq = $1 WHERE name = $2", [SQLValue(wanted), .text(table.name)]) == 0
        {
            try session.run(
                "INSERT INTO main.sqlite_sequence (name, seq) VALUES ($2, $1)", [SQLValue(wanted), .text(table.name)])
        }
    }
}
