import MigratorDatabase
import MigratorScript

/// Rows that are brought over while the application writes, by sync, copy and switch alike.
struct SQLitePlacement {
    var step: SQLiteTriggerStep
    var mapping: SQLiteMapping
    var target: SQLiteTable
    var key: String
    /// By which the source is walked through.
    var walked: String

    var source: SQLiteTable { mapping.source }
}

extension SQLiteBackend {
    /// What a row-wise step brings over, or why it cannot do so while the application writes.
    func placement(
        kind: String, mapping: SQLiteMapping, statement: Statement?, to target: SQLiteTable, key: String
    ) throws -> SQLitePlacement {
        try requireRowLocal(mapping, statement)
        try requireOwnKeys(mapping, key: key, at: statement)
        guard try isUnique(key, in: target), let walked = try walkColumn(of: mapping.source, key: key) else {
            throw MigratorError(
                "key-not-unique", .refused,
                "nothing makes \"\(key)\" unique in \"\(mapping.source.name)\" and \"\(target.name)\", so that single rows cannot be followed",
                hint: "declare it as a primary key, or run with --mode window", location: statement?.location)
        }
        let step = SQLiteTriggerStep(
            kind: kind, source: mapping.source.name, target: target.name, key: key, on: [], owner: nil,
            raiseColumn: nil, raiseOrder: [], mapping: statement?.text, columns: mapping.columns, isBeforeRow: false,
            parents: NegativeControl.parents.isLeftOut ? nil : try parentColumns(of: target, key: key))
        return SQLitePlacement(step: step, mapping: mapping, target: target, key: key, walked: walked)
    }

    /// The columns by which rows of a table refer to others of it.
    private func parentColumns(of table: SQLiteTable, key: String) throws -> [String] {
        let keys = try foreignKeys(of: table.name).filter { isSameName($0.referenced.name, table.name) }
        for reference in keys
        where reference.columns.count > 1 || !(reference.referencedColumns.first.map { isSameName($0, key) } ?? false) {
            throw MigratorError(
                "own-reference", .refused,
                "\"\(table.name)\" refers to itself by more than its key, so that rows cannot come one after the other",
                hint: "run with --mode window")
        }
        return keys.flatMap(\.columns)
    }

    /// 1. the triggers; 2. the batches. Both sides are equal from then on in every snapshot.
    func place(_ placement: SQLitePlacement, _ work: OnlineWork) throws {
        // 1
        try work.phase("expand") {
            try requireKeys(placement.source, key: placement.walked)
            try brief(work, finishing: "expand", changesSchema: true) { next in
                try requireEmpty(placement.target)
                try follow(placement, context: work.context, &next)
            }
        }

        // 2
        try backfill(placement, work)
    }

    /// The target's own triggers come off until its rows are all there, and the source's writes are followed.
    func follow(_ placement: SQLitePlacement, context: StepContext, _ next: inout Checkpoint) throws {
        try takeTriggers(of: placement.target, &next)
        try follow(placement.step, context: context, &next)
    }

    /// Takes a table's own triggers off, and keeps their definitions with the checkpoint.
    func takeTriggers(of table: SQLiteTable, _ next: inout Checkpoint) throws {
        for trigger in try objects("trigger", of: table.name) where !isOwnTrigger(trigger.name, of: table.name) {
            try session.execute("DROP TRIGGER \(main(trigger.name))")
            next.notes["triggers", default: []].append(trigger.sql)
        }
    }

    func follow(_ step: SQLiteTriggerStep, context: StepContext, _ next: inout Checkpoint) throws {
        try add(step, context: context)
        if NegativeControl.trigger.isLeftOut {
            for event in Self.triggerEvents {
                try session.execute("DROP TRIGGER IF EXISTS \(main("migrator_\(step.source)_\(event)"))")
            }
        }
        next.notes["followed"] = try ownTriggers(of: step.source)
    }

    func backfill(
        _ placement: SQLitePlacement, ignoring isIgnoring: Bool = false, _ work: OnlineWork
    ) throws {
        let list = columnList(placement.mapping.columns)
        let key = placement.key.quotedIdentifier
        try walk("backfill", through: placement.source, by: placement.walked, work) { stretch in
            let rows = placement.mapping.shadowed(
                "WHERE \(stretch.condition(placement.walked.quotedIdentifier))")
            let conflict = isIgnoring ? "" : "ON CONFLICT (\(key)) DO NOTHING"
            do {
                return try session.run(
                    """
                    INSERT \(isIgnoring ? "OR IGNORE " : "")INTO \(placement.target.qualified) (\(list))
                    SELECT \(list) FROM (\(rows)) AS m WHERE true ORDER BY \(key) \(conflict)
                    """)
            } catch {
                guard let error = error as? DatabaseError, error.isRefusedRow else { throw error }
                try nameRefusedRow(from: rows, into: placement)
                throw refusedRow(error, target: placement.target)
            }
        }
    }

    /// Repeats a batch row by row, in the transaction that will be rolled back, only to say which row is refused.
    private func nameRefusedRow(from rows: String, into placement: SQLitePlacement) throws {
        let list = columnList(placement.mapping.columns)
        let key = placement.key.quotedIdentifier
        for row in try session.query("SELECT \(key) FROM (\(rows)) AS m ORDER BY \(key)") {
            do throws(DatabaseError) {
                try session.run(
                    "INSERT INTO \(placement.target.qualified) (\(list)) SELECT \(list) FROM (\(rows)) AS m WHERE \(key) IS $1 ON CONFLICT (\(key)) DO NOTHING",
                    [row[0]])
            } catch {
                throw refusedRow(error, target: placement.target, key: "\(placement.key) = \(row[0].asText ?? "NULL")")
            }
        }
    }

    /// A fully clean pass, in which the source's rows without a place are exceptions as well.
    /// - Returns: the rows compared, and how many were let pass.
    func verify(_ placement: SQLitePlacement, _ work: OnlineWork) throws -> (rows: Int, passed: Int) {
        let source = placement.source
        let quoted = (source.column(placement.key)?.name ?? placement.key).quotedIdentifier
        let key = placement.key.quotedIdentifier
        let excused = FlatItem.flatten(try work.revision.planned.script.upgrade).compactMap { flat -> Exceptions? in
            guard case .exceptions(let exceptions) = flat.item.action, isSameName(exceptions.table.name, source.name)
            else { return nil }
            return exceptions
        }
        var passed = 0
        let comparison = try compareInStretches(
            placement.mapping.select, columns: placement.mapping.columns, with: placement.target, key: placement.key,
            work
        ) { stretch in
            let absent = """
                FROM \(source.qualified) s WHERE \(stretch.condition("s.\(quoted)")) AND s.\(quoted) NOT IN
                    (SELECT \(key) FROM \(placement.target.qualified) WHERE \(stretch.condition(key)))
                """
            let count = try session.scalar("SELECT count(*) \(absent)").asInt ?? 0
            guard count > 0 else { return }
            let named = excused.map {
                " AND s.\(quoted) NOT IN (SELECT x.\($0.key.quotedIdentifier) FROM (\($0.mapping.text)\n) AS x)"
            }.joined()
            let lost = try session.query("SELECT s.\(quoted) \(absent)\(named) ORDER BY 1 LIMIT 10").map {
                "\(source.name), key \($0[0].asText ?? "NULL"): no row in \(placement.target.name)"
            }
            guard lost.isEmpty else {
                throw MigratorError(
                    "rows-not-moved", .difference,
                    "rows of \"\(source.name)\" have no row in \"\(placement.target.name)\" and no exception; nothing was cut over",
                    hint: "correct the mapping, or name the rows in an `exceptions` step", details: lost)
            }
            passed += count
        }
        try require(comparison, what: "\(source.name) to \(placement.target.name)")
        try requireParents(of: placement.target, as: source)
        return (comparison.rows, passed)
    }

    /// Rows of the target that refer to nothing, other than those that did so in the source.
    private func requireParents(of target: SQLiteTable, as source: SQLiteTable) throws {
        defer { renamedTables = [:] }
        try snapshot {
            let isClean = try session.scalar(
                "SELECT NOT EXISTS (SELECT 1 FROM pragma_foreign_key_check($1))", [.text(target.name)])
            guard !isClean.asBool else { return }
            try noteViolations(of: [source.name])
            renamedTables[target.name.lowercased()] = source.name.lowercased()
            try checkForeignKeys(of: [target.name])
        }
    }

    /// The triggers that have kept both sides equal are as they were made, and the newest rows are equal: a last look,
    /// under the lock, at what a full comparison has just proved.
    func requireFollowed(_ placement: SQLitePlacement, _ work: OnlineWork) throws {
        try requireTriggers(of: placement.source, work)
        let tail = try tail(of: placement.target, key: placement.key)
        let comparison = try compareInStretches(
            placement.mapping.select, columns: placement.mapping.columns, with: placement.target, key: placement.key,
            above: tail)
        try require(comparison, what: "\(placement.source.name) to \(placement.target.name)")
    }

    func requireTriggers(of source: SQLiteTable, _ work: OnlineWork) throws {
        guard try ownTriggers(of: source.name) == work.checkpoint.notes["followed"] ?? [] else {
            throw MigratorError(
                "trigger-off", .difference,
                "the trigger that follows the writes to \"\(source.name)\" was dropped or changed; nothing was cut over",
                hint: "take the upgrade back with `migrator downgrade -1` and begin again")
        }
    }
}

extension DatabaseError {
    /// A constraint or a strict column type refuses a value.
    var isRefusedRow: Bool {
        ["constraint failed", "datatype mismatch", "cannot store"].contains(where: message.contains)
    }
}

extension SQLiteBackend {
    func refusedRow(_ error: DatabaseError, target: SQLiteTable, key: String? = nil) -> MigratorError {
        let column = error.column.map { ", column \"\($0)\"" } ?? ""
        return MigratorError(
            "value-does-not-fit", .difference,
            "\(key.map { "the row \($0)" } ?? "a row")\(column) does not fit into \"\(target.name)\": \(error.message)",
            hint: "correct the row, the mapping or the target")
    }
}
