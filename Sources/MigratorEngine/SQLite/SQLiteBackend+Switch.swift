import FoundationEssentials
import MigratorDatabase
import MigratorScript

/// What the ledger's object `switch` keeps: all that the way back needs.
struct SQLiteSwitchRecord: Codable {
    var source: String
    var target: String
    var key: String
    var sourceSQL: String
    var indexes: [SQLiteObject]
    var triggers: [SQLiteObject]
    /// Tables whose foreign keys were re-pointed.
    var children: [String]
    var sequence: Int?
    var view: String?
    var mapping: String?
    var columns: [String]
    /// Of the source, as it was.
    var sourceColumns: [SQLiteColumn]
    /// Columns that came along although the script does not declare them.
    var carried: [String]?
}

func encodeJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

func decodeJSON<Value: Decodable>(_ type: Value.Type, _ text: String, what: String) throws -> Value {
    do { return try JSONDecoder().decode(type, from: [UInt8](text.utf8).withUnsafeBytes { Data($0) }) } catch {
        throw MigratorError(
            "ledger-damaged", .failed, "the ledger's record of \(what) cannot be read",
            hint: "restore the ledger from a backup")
    }
}

extension SQLiteBackend {
    public func decideStrategy(
        _ move: Move, definition: [Statement], context: StepContext
    ) throws -> StrategyDecision {
        guard move.strategy != .rename else {
            throw MigratorError(
                "strategy-not-possible", .refused,
                "strategy=rename is not available on SQLite: a table's constraints and defaults cannot be changed in place",
                hint: "leave the strategy out")
        }
        guard let source = try table(move.source) else { throw sourceMissing(move.source, context: context) }
        try requireDependents(of: source.name, context: context)
        guard source.column(move.key) != nil else {
            throw MigratorError(
                "not-the-source", .refused,
                "the table \"\(source.name)\" is not the one that this migration moves: it has no \"\(move.key)\"",
                hint: "rename that table, or run `migrator stamp` where the change has been made already")
        }
        if let statement = move.mapping {
            do { _ = try session.describe("SELECT * FROM (\(statement.text)\n) AS author") } catch {
                // Only says which columns the source lacks; other errors wait until all tables are there.
                try refuseForeign(source, statement: statement, error: error)
            }
        }
        if !definition.isEmpty, try tableExists(move.target) {
            throw MigratorError(
                "target-exists", .refused,
                "the table \"\(move.target)\" exists already and was not made by this script",
                hint: "name it in `-- migrator:leftovers`, or rename it")
        }
        return StrategyDecision(strategy: .copy, reason: "SQLite copies the rows")
    }

    public func performSwitch(
        _ move: Move, strategy: Strategy, definition: [Statement], context: StepContext
    ) throws -> StepOutcome {
        guard let source = try table(move.source) else { throw sourceMissing(move.source, context: context) }
        let declared = try requireTable(move.target)
        try requireEmpty(declared)
        try requireNoSteps(on: [source.name, declared.name])
        let carried = try carry(move, from: source, to: declared)
        let target = try requireTable(move.target)
        let key = target.column(move.key)?.name ?? move.key
        let mapping = try mapping(move.mapping, source: source, target: target, key: key)
        try requireKeys(source, key: key)
        var record = try switchRecord(
            move, source: source, target: target, key: key, mapping: mapping, carried: carried.columns)
        // 1. Load without secondary indexes and triggers; unique indexes stay, since they refuse rows.
        let comparison = try loadBare(target) {
            try load(mapping, into: target, key: key, context: context)
            return try compare(mapping.select, columns: mapping.columns, with: target, key: key)
        }
        try require(comparison, what: "switch of \(source.name) to \(target.name)")
        let passed = try requireComplete(source: source, target: target, key: key, context: context)
        try refuseLoss(carried, of: source, move, context: context)
        try refuseReplacement(of: source, by: target, key: key, move, context: context)
        let targetTriggers = try objects("trigger", of: target.name)
        for trigger in targetTriggers { try session.execute("DROP TRIGGER \(main(trigger.name))") }
        // 2
        var outcome = try passRole(
            move, record: &record, to: target, triggers: targetTriggers.map(\.sql), rows: comparison.rows,
            passed: passed,
            context: context)
        outcome.details += carried.details
        return outcome
    }

    /// The source goes, and the target takes its place.
    /// - Parameter triggers: the target's own, which have come off.
    func passRole(
        _ move: Move, record: inout SQLiteSwitchRecord, to target: SQLiteTable, triggers: [String], rows: Int,
        passed: Int, context: StepContext
    ) throws -> StepOutcome {
        let source = try requireTable(TableName(record.source))
        try requireUnnamed(source, isLast: true, context: context)
        if record.sequence != nil, !target.isAutoincrement {
            context.reporter.report(
                .warning("\"\(target.name)\" is not AUTOINCREMENT: ids of deleted rows can be given again"))
        }
        for key in try lostUniqueKeys(of: source, in: target, record: record) {
            context.reporter.report(
                .warning(
                    "the script declares no \(key), which \"\(source.name)\" has: \"\(target.name)\" takes rows that it would refuse"
                ))
        }
        try session.execute("DROP TABLE \(source.qualified)")
        let left = try passRole(
            of: source.name, to: target.name, triggers: record.triggers, indexes: record.indexes,
            carried: record.carried ?? [])
        for trigger in triggers { try session.execute(trigger) }
        try raiseSequence(of: target.name, to: record.sequence)
        renamedTables[target.name.lowercased()] = source.name.lowercased()
        if let view = move.view {
            try createView(view.name, over: target, like: source)
            record.view = view.name
        }
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: "switch",
                name: "\(move.source) -> \(move.target)", detail: try encodeJSON(record)))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "switch",
                subject: target.name, verdict: Verdict.exact.rawValue,
                detail: "{\"rows\":\(rows),\"differences\":0,\"exceptions\":\(passed)}"))
        var details = ["\(rows.counted("row")) compared, 0 differences"]
        if passed > 0 { details.append("\(passed.counted("row is an exception", "rows are exceptions"))") }
        if !left.isEmpty { details.append("not possible on \(target.name): trigger \(left.joined(separator: ", "))") }
        return StepOutcome(rows: rows, details: details)
    }

    // MARK: Parts

    func switchRecord(
        _ move: Move, source: SQLiteTable, target: SQLiteTable, key: String, mapping: SQLiteMapping,
        carried: [String]
    ) throws -> SQLiteSwitchRecord {
        SQLiteSwitchRecord(
            source: source.name, target: target.name, key: key, sourceSQL: source.sql,
            indexes: try objects("index", of: source.name),
            triggers: try objects("trigger", of: source.name).filter { !isOwnTrigger($0.name, of: source.name) },
            children: try children(of: source.name).filter { !isSameName($0, target.name) },
            sequence: try sequence(of: source.name), view: nil,
            mapping: move.mapping?.text, columns: mapping.columns, sourceColumns: source.columns,
            carried: carried)
    }

    func requireEmpty(_ target: SQLiteTable) throws {
        let rows = try rowCount(target.name)
        guard rows == 0 else {
            throw MigratorError(
                "target-not-empty", .refused, "the table \"\(target.name)\" has \(rows.counted("row")) already",
                hint: "name it in `-- migrator:leftovers`, or rename it")
        }
    }

    func requireKeys(_ source: SQLiteTable, key: String) throws {
        let without =
            try session.scalar(
                "SELECT count(*) FROM \(source.qualified) WHERE \(key.quotedIdentifier) IS NULL"
            ).asInt ?? 0
        guard without == 0 else {
            throw MigratorError(
                "key-missing", .refused,
                "\(without.counted("row")) of \"\(source.name)\" \(without == 1 ? "has" : "have") no \"\(key)\"",
                hint: "give these rows a key")
        }
    }

    func requireNoSteps(on tables: [String]) throws {
        guard
            let step = try triggerSteps().first(where: { step in
                tables.contains { isSameName($0, step.step.source) || isSameName($0, step.step.target) }
            })
        else { return }
        throw MigratorError(
            "sync-in-the-way", .refused,
            "\"\(step.step.source)\" still keeps \"\(step.step.target)\" up to date",
            hint: "end it with `-- migrator:unsync \(step.step.source) -> \(step.step.target)` first")
    }

    func children(of table: String) throws -> [String] {
        try session.query(
            """
            SELECT DISTINCT s.name FROM main.sqlite_schema s JOIN pragma_foreign_key_list(s.name) f
            WHERE s.type = 'table' AND f."table" = $1 COLLATE NOCASE AND s.name <> $1 COLLATE NOCASE ORDER BY 1
            """, [.text(table)]
        ).compactMap { $0[0].asText }
    }

    /// Runs `body` while the table has no triggers and none but unique indexes, then brings them back.
    func loadBare<Result>(_ table: SQLiteTable, _ body: () throws -> Result) throws -> Result {
        let unique = Set(
            try session.query("SELECT name FROM pragma_index_list($1) WHERE \"unique\" = 1", [.text(table.name)])
                .compactMap { $0[0].asText })
        let indexes = try objects("index", of: table.name).filter { !unique.contains($0.name) }
        let triggers = try objects("trigger", of: table.name)
        for trigger in triggers { try session.execute("DROP TRIGGER \(main(trigger.name))") }
        for index in indexes { try session.execute("DROP INDEX \(main(index.name))") }
        let result = try body()
        for object in indexes + triggers { try session.execute(object.sql) }
        return result
    }

    /// The dropped table's name goes to `new` and back: children, views and others' triggers follow.
    ///
    /// Under legacy_alter_table a rename leaves references alone, so that those to `old` find the new table;
    /// the second rename, without it, takes them along (sqlite.org/lang_altertable.html). Foreign keys are off.
    /// - Parameters:
    ///   - triggers: of the dropped table; those that the new one can bear are made again on it.
    ///   - indexes: of the dropped table; those of carried columns are made again.
    /// - Returns: the names of those that it cannot.
    func passRole(
        of old: String, to new: String, triggers: [SQLiteObject], indexes: [SQLiteObject] = [], carried: [String] = []
    ) throws -> [String] {
        try session.execute("PRAGMA legacy_alter_table = ON")
        defer { try? session.execute("PRAGMA legacy_alter_table = OFF") }
        try session.execute("ALTER TABLE \(main(new)) RENAME TO \(old.quotedIdentifier)")
        try session.execute("PRAGMA legacy_alter_table = OFF")
        var left: [String] = []
        try carryIndexes(indexes, with: carried)
        for trigger in triggers {
            do {
                // A rename looks into every trigger, which CREATE TRIGGER does not.
                try session.savepoint(keeping: false) {
                    try session.execute(trigger.sql)
                    try session.execute("ALTER TABLE \(main(old)) RENAME TO \(new.quotedIdentifier)")
                }
                try session.execute(trigger.sql)
            } catch is DatabaseError {
                left.append(trigger.name)
            }
        }
        do {
            try session.execute("ALTER TABLE \(main(old)) RENAME TO \(new.quotedIdentifier)")
        } catch let error {
            throw MigratorError(
                "view-in-the-way", .refused,
                "a view or trigger cannot follow from \"\(old)\" to \"\(new)\": \(error.message)",
                hint: "drop it in the script before the switch and create it again after it")
        }
        return left
    }

    private func createView(_ name: String, over target: SQLiteTable, like source: SQLiteTable) throws {
        let columns = source.columns.compactMap { column in
            target.column(column.name).map { "\($0.name.quotedIdentifier) AS \(column.name.quotedIdentifier)" }
        }
        try session.execute(
            "CREATE VIEW \(main(name)) AS SELECT \(columns.joined(separator: ", ")) FROM \(target.name.quotedIdentifier)"
        )
    }

    public func contract(revision: String, context: StepContext) throws -> StepOutcome {
        var outcome = StepOutcome()
        for object in try ledger.objects(revision: revision, kind: "switch") {
            var record = try decodeJSON(SQLiteSwitchRecord.self, object.detail, what: object.name)
            guard let view = record.view else { continue }
            try session.execute("DROP VIEW IF EXISTS \(main(view))")
            record.view = nil
            try ledger.updateObject(object.id, detail: try encodeJSON(record))
            outcome.details.append("view \(view) dropped")
        }
        return outcome
    }
}
