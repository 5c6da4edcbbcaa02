import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public func performCopy(_ move: Move, context: StepContext) throws -> StepOutcome {
        guard let source = try table(move.source) else { throw sourceMissing(move.source, context: context) }
        let target = try requireTable(move.target)
        let key = target.column(move.key)?.name ?? move.key
        let mapping = try mapping(move.mapping, source: source, target: target, key: key)
        return try bring(mapping, to: target, key: key, check: "copy", context: context)
    }

    private func bring(
        _ mapping: SQLiteMapping, to target: SQLiteTable, key: String, check: String, context: StepContext
    ) throws -> StepOutcome {
        try requireEmpty(target)
        try requireKeys(mapping.source, key: key)
        let comparison = try loadBare(target) {
            try load(mapping, into: target, key: key, context: context)
            return try compare(mapping.select, columns: mapping.columns, with: target, key: key)
        }
        try require(comparison, what: "\(check) of \(mapping.source.name) to \(target.name)")
        let passed = try requireComplete(source: mapping.source, target: target, key: key, context: context)
        try raiseSequence(of: target.name, to: try sequence(of: mapping.source.name))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: check,
                subject: target.name, verdict: Verdict.exact.rawValue,
                detail: "{\"rows\":\(comparison.rows),\"differences\":0,\"exceptions\":\(passed)}"))
        var details = ["\(comparison.rows.counted("row")) compared, 0 differences"]
        if passed > 0 { details.append("\(passed.counted("row is an exception", "rows are exceptions"))") }
        return StepOutcome(rows: comparison.rows, details: details)
    }

    public func performSync(_ sync: Sync, context: StepContext) throws -> StepOutcome {
        guard let source = try table(sync.source) else { throw sourceMissing(sync.source, context: context) }
        let target = try requireTable(sync.target)
        let key = target.column(sync.key)?.name ?? sync.key
        let mapping = try mapping(sync.mapping, source: source, target: target, key: key)
        try requireRowLocal(mapping, sync.mapping)
        try requireOwnKeys(mapping, key: key, at: sync.mapping)
        let back = try wayBack(of: sync, mapping, target: target, key: key)
        let outcome = try bring(mapping, to: target, key: key, check: "sync", context: context)
        try add(
            SQLiteTriggerStep(
                kind: "sync", source: source.name, target: target.name, key: key, on: [], owner: nil,
                raiseColumn: nil, raiseOrder: [], mapping: sync.mapping?.text, columns: mapping.columns,
                isBeforeRow: false, otherWay: back?.step.asOtherWay), context: context)
        if let back { try lead(back, context: context) }
        return outcome
    }

    func requireRowLocal(_ mapping: SQLiteMapping, _ statement: Statement?) throws {
        guard let obstacle = mapping.obstacle else { return }
        throw MigratorError(
            "mapping-not-row-local", .refused,
            "the mapping cannot be kept up row by row: \(obstacle)",
            hint: "write it so that each row of \"\(mapping.source.name)\" is mapped by itself",
            location: statement?.location)
    }

    /// A trigger finds the target's row by the source's key: a sample of rows must come out under their own.
    func requireOwnKeys(_ mapping: SQLiteMapping, key: String, at statement: Statement?) throws {
        guard statement != nil, let own = mapping.source.column(key)?.name.quotedIdentifier else { return }
        let sample = try session.query("SELECT \(own) FROM \(mapping.source.qualified) ORDER BY \(own) DESC LIMIT 100")
        for row in sample {
            let keys = try session.query(
                "SELECT \(key.quotedIdentifier) FROM (\(mapping.shadowed("WHERE \(own) IS $1")))", [row[0]])
            guard keys.count <= 1, keys.allSatisfy({ $0[0] == row[0] }) else {
                throw MigratorError(
                    "mapping-not-row-local", .refused,
                    "the mapping does not yield the row \(key) = \(row[0].asText ?? "NULL") under its own key",
                    hint: "let the mapping pass the key on as it is", location: statement?.location)
            }
        }
    }

    // MARK: Ensure, fill, exceptions

    public func performEnsure(_ ensure: Ensure, beforeRow: Bool, context: StepContext) throws -> StepOutcome {
        let (mapping, target, step) = try analyse(ensure, beforeRow: beforeRow, context: context)
        let rows = try insert(ensure, step, into: target, from: mapping.select)
        let missing = try missingRows(step, mapping: mapping, target: target)
        guard missing == 0 else {
            throw MigratorError(
                "rows-differ", .difference, "\(missing.counted("row")) that \"\(target.name)\" must have are not there",
                hint: "correct the mapping", location: ensure.mapping.location)
        }
        try add(step, context: context)
        if let back = try wayBack(of: ensure, mapping, target: target) { try lead(back, context: context) }
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) written, every expected row is there"])
    }

    func analyse(
        _ ensure: Ensure, beforeRow: Bool, context: StepContext
    ) throws -> (mapping: SQLiteMapping, target: SQLiteTable, step: SQLiteTriggerStep) {
        guard let source = try table(ensure.source) else { throw sourceMissing(ensure.source, context: context) }
        let target = try requireTable(ensure.target)
        let mapping = try mapping(ensure.mapping, source: source, target: target, key: nil, forEnsure: true)
        try requireRowLocal(mapping, ensure.mapping)
        let step = SQLiteTriggerStep(
            kind: "ensure", source: source.name, target: target.name, key: "", on: ensure.on, owner: ensure.owner,
            raiseColumn: ensure.raise?.column, raiseOrder: ensure.raise?.order ?? [],
            mapping: ensure.mapping.text, columns: mapping.columns, isBeforeRow: beforeRow,
            otherWay: try wayBack(of: ensure, mapping, target: target)?.step.asOtherWay)
        return (mapping, target, step)
    }

    /// Inserts the rows of `select` that are missing, or raises those that stand too low.
    func insert(
        _ ensure: Ensure, _ step: SQLiteTriggerStep, into target: SQLiteTable, from select: String
    ) throws -> Int {
        do {
            return try session.run(
                SQLiteTriggerStatements.ensure(
                    step, into: target.qualified, target: target.name.quotedIdentifier, from: select))
        } catch {
            throw ensureFails(error, target: target, ensure: ensure)
        }
    }

    private func ensureFails(_ error: DatabaseError, target: SQLiteTable, ensure: Ensure) -> any Error {
        if error.message.contains("constraint failed") {
            return MigratorError(
                "value-does-not-fit", .difference,
                "a row does not fit into \"\(target.name)\": \(error.message)",
                hint: "correct the row, the mapping or the target", location: ensure.mapping.location)
        }
        if error.message.contains("ON CONFLICT clause does not match") {
            return MigratorError(
                "ensure-not-unique", .refused,
                "\"\(target.name)\" has no unique constraint on \(ensure.on.joined(separator: ", "))",
                hint: "add UNIQUE (\(ensure.on.joined(separator: ", "))) to it", location: ensure.mapping.location)
        }
        return error
    }

    /// Rows that the mapping yields and the target lacks, or whose raised column stands too low.
    func missingRows(
        _ step: SQLiteTriggerStep, mapping: SQLiteMapping, target: SQLiteTable
    ) throws -> Int {
        var match = step.on.map { "t.\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }.joined(separator: " AND ")
        if let column = step.raiseColumn?.quotedIdentifier {
            match +=
                " AND \(SQLiteTriggerStatements.rank("t.\(column)", step.raiseOrder)) >= "
                + SQLiteTriggerStatements.rank("m.\(column)", step.raiseOrder)
        }
        return try session.scalar(
            """
            SELECT count(*) FROM (\(mapping.select)) m WHERE \(SQLiteTriggerStatements.isComplete(step, "m"))
                AND NOT EXISTS (SELECT 1 FROM \(target.qualified) t WHERE \(match))
            """
        ).asInt ?? 0
    }

    public func performFill(_ fill: Fill, context: StepContext) throws -> StepOutcome {
        let (table, key, mapping) = try analyse(fill)
        let rows = try update(table, key: key, from: mapping.select, columns: mapping.columns)
        try add(triggerStep(of: fill, table, key: key, mapping), context: context)
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) filled"])
    }

    func analyse(_ fill: Fill) throws -> (table: SQLiteTable, key: String, mapping: SQLiteMapping) {
        let table = try requireTable(fill.table)
        let key = table.column(fill.key)?.name ?? fill.key
        let mapping = try mapping(fill.mapping, source: table, target: table, key: key, forEnsure: true)
        try requireRowLocal(mapping, fill.mapping)
        try requireOwnKeys(mapping, key: key, at: fill.mapping)
        return (table, key, mapping)
    }

    func triggerStep(
        of fill: Fill, _ table: SQLiteTable, key: String, _ mapping: SQLiteMapping
    ) -> SQLiteTriggerStep {
        SQLiteTriggerStep(
            kind: "fill", source: table.name, target: table.name, key: key, on: [], owner: nil,
            raiseColumn: nil, raiseOrder: [], mapping: fill.mapping.text, columns: mapping.columns,
            isBeforeRow: false)
    }

    /// Gives rows the values that they lack and `select` has.
    func update(_ table: SQLiteTable, key: String, from select: String, columns all: [String]) throws -> Int {
        let columns = all.filter { !isSameName($0, key) }
        let set = columns.map {
            "\($0.quotedIdentifier) = coalesce(\(table.name.quotedIdentifier).\($0.quotedIdentifier), m.\($0.quotedIdentifier))"
        }
        let lacks = columns.map {
            "(\(table.name.quotedIdentifier).\($0.quotedIdentifier) IS NULL AND m.\($0.quotedIdentifier) IS NOT NULL)"
        }.joined(separator: " OR ")
        // The mapping is computed first, so that it does not read rows that the update has just changed.
        try session.execute(
            "DROP TABLE IF EXISTS temp.migrator_fill; CREATE TEMP TABLE migrator_fill AS \(select)")
        let rows = try session.run(
            """
            UPDATE \(table.qualified) SET \(set.joined(separator: ", ")) FROM temp.migrator_fill m
            WHERE m.\(key.quotedIdentifier) = \(table.name.quotedIdentifier).\(key.quotedIdentifier) AND (\(lacks))
            """)
        try session.execute("DROP TABLE temp.migrator_fill")
        return rows
    }

    public func recordExceptions(_ exceptions: Exceptions, context: StepContext) throws -> StepOutcome {
        try checkExceptions(exceptions)
        return try recordExceptions(exceptions, from: exceptions.mapping.text, context: context)
    }

    func checkExceptions(_ exceptions: Exceptions) throws {
        let table = try requireTable(exceptions.table)
        let key = table.column(exceptions.key)?.name ?? exceptions.key
        let names: [String]
        do { names = try session.describe("SELECT * FROM (\(exceptions.mapping.text)\n) AS x") } catch {
            throw mappingFails(error, exceptions.mapping)
        }
        for needed in [key, "reason"] where !names.contains(where: { isSameName($0, needed) }) {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the exceptions do not yield \"\(needed)\"",
                hint: "select the key and a reason", location: exceptions.mapping.location)
        }
    }

    /// - Parameter select: yields what the exceptions' own SELECT does.
    func recordExceptions(
        _ exceptions: Exceptions, from select: String, context: StepContext
    ) throws -> StepOutcome {
        let table = try requireTable(exceptions.table)
        let key = table.column(exceptions.key)?.name ?? exceptions.key
        let pairs = table.columns.map { column in
            let value = "s.\(column.name.quotedIdentifier)"
            return
                "\(column.name.quotedLiteral), CASE typeof(\(value)) WHEN 'blob' THEN hex(\(value)) ELSE \(value) END"
        }
        // More than 60 columns would exceed the number of a function's arguments: objects are merged.
        let chunks = stride(from: 0, to: pairs.count, by: 30).map {
            "json_object(\(pairs[$0..<min($0 + 30, pairs.count)].joined(separator: ", ")))"
        }
        let json = chunks.dropFirst().reduce(chunks[0]) { "json_patch(\($0), \($1))" }
        let rows = try session.run(
            """
            INSERT INTO \(ledger.table("exception")) (revision, item, table_name, row_key, reason, row_data)
            SELECT $1, $2, $3, CAST(x.\(key.quotedIdentifier) AS TEXT), x.reason, \(json)
            FROM (\(select)
            ) AS x JOIN \(table.qualified) AS s ON s.\(key.quotedIdentifier) = x.\(key.quotedIdentifier)
            WHERE true ON CONFLICT (revision, item, table_name, row_key) DO UPDATE SET reason = excluded.reason
            """, [.text(context.revision), SQLValue(context.item), .text(table.name)])
        if rows > 0 {
            context.reporter.report(
                .warning("\(rows.counted("row")) of \"\(table.name)\" cannot be placed; they are listed in the ledger"))
        }
        return StepOutcome(rows: rows, details: ["\(rows.counted("exception")) recorded"])
    }
}
