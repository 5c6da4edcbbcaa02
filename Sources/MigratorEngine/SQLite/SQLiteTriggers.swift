import MigratorDatabase
import MigratorScript

/// What keeps tables up to date by triggers, as the ledger keeps it: a `sync`, `ensure` or `fill`, which goes on after
/// its step; a `move` or a `backup`, which follows the application's writes until its rows are all there; a `back`,
/// which does so for the way back.
struct SQLiteTriggerStep: Codable, Equatable {
    var kind: String
    var source: String
    var target: String
    /// Of the rows in the target; empty for `ensure`.
    var key: String
    var on: [String]
    var owner: String?
    var raiseColumn: String?
    var raiseOrder: [String]
    var mapping: String?
    /// Target columns that the mapping yields.
    var columns: [String]
    var isBeforeRow: Bool
    /// Columns by which the target's rows refer to others of it, while some of those may not be there yet.
    var parents: [String]?

    /// Row by row, the target is what the mapping makes of the source.
    var isRowWise: Bool { ["sync", "move", "back"].contains(kind) }
}

/// SQLite does not say in which order several triggers of one event run, so one trigger for each table and event
/// carries the statements of all steps of all revisions, in the order of the steps.
extension SQLiteBackend {
    static let stepKinds = ["sync", "ensure", "fill", "move", "backup", "back"]
    /// A backup whose rows are all there and that is not registered yet.
    static let madeBackup = "backup-made"

    func triggerSteps() throws -> [(object: ObjectRecord, step: SQLiteTriggerStep)] {
        guard try ledger.exists() else { return [] }
        return try ledger.objects().filter { Self.stepKinds.contains($0.kind) }.map {
            ($0, try decodeJSON(SQLiteTriggerStep.self, $0.detail, what: $0.name))
        }
    }

    func add(_ step: SQLiteTriggerStep, context: StepContext) throws {
        try ledger.add(
            ObjectRecord(
                runID: context.runID, revision: context.revision, item: context.item, kind: step.kind,
                name: "\(step.source) -> \(step.target)", detail: try encodeJSON(step)))
        try makeTriggers(of: step.source)
    }

    public func performUnsync(
        source: TableName, target: TableName, context: StepContext
    ) throws -> StepOutcome {
        if context.direction == .downgrade { try removeTriggers(ofRevision: context.revision, context: context) }
        for (object, step) in try triggerSteps()
        where step.kind == "sync" && isSameName(step.source, source.name) && isSameName(step.target, target.name) {
            try ledger.removeObject(object.id)
        }
        try makeTriggers(of: source.name)
        return StepOutcome(details: ["triggers removed, the data stays"])
    }

    public func removeTriggers(ofRevision revision: String, context: StepContext) throws {
        var tables: [String] = []
        for (object, step) in try triggerSteps() where object.revision == revision && step.kind != "back" {
            try ledger.removeObject(object.id)
            if !tables.contains(step.source) { tables.append(step.source) }
            if step.kind == "backup" { try session.execute("DROP TABLE IF EXISTS \(main(step.target))") }
            try returnTriggers(of: step.target, revision: revision, item: object.item)
        }
        for table in tables { try makeTriggers(of: table) }
        // Nothing was registered yet: half a backup is none.
        for object in try ledger.objects(revision: revision, kind: Self.madeBackup) {
            try ledger.removeObject(object.id)
            try session.execute("DROP TABLE IF EXISTS \(main(object.detail))")
        }
    }

    /// The target's own triggers, which an unfinished step has taken off.
    private func returnTriggers(of target: String, revision: String, item: Int) throws {
        guard let reached = try ledger.checkpoint(revision: revision, item: item), !reached.has("prove"),
            try table(target) != nil
        else { return }
        for trigger in reached.notes["triggers"] ?? [] { try session.execute(trigger) }
    }

    /// Ends one step's part in its table's triggers.
    func removeStep(kind: String, context: StepContext) throws {
        for (object, step) in try triggerSteps()
        where step.kind == kind && object.revision == context.revision && object.item == context.item {
            try ledger.removeObject(object.id)
            try makeTriggers(of: step.source)
        }
    }

    /// The definitions of the tool's triggers on a table, by name.
    func ownTriggers(of table: String) throws -> [String] {
        try objects("trigger", of: table).filter { isOwnTrigger($0.name, of: table) }.map(\.sql).sorted()
    }

    func isOwnTrigger(_ name: String, of table: String) -> Bool {
        ["insert", "update", "delete"].contains { isSameName(name, "migrator_\(table)_\($0)") }
    }

    /// Makes a table's triggers anew from the ledger; without steps there are none.
    func makeTriggers(of name: String) throws {
        guard let table = try table(name) else { return }
        for event in ["insert", "update", "delete"] {
            try session.execute("DROP TRIGGER IF EXISTS \(main("migrator_\(table.name)_\(event)"))")
        }
        let all = try triggerSteps().map(\.step).filter { isSameName($0.source, name) }
        let steps = all.filter(\.isBeforeRow) + all.filter { !$0.isBeforeRow }
        guard !steps.isEmpty else { return }
        var written: [String] = []
        var changed: [String] = []
        var deleted: [String] = []
        for step in steps {
            guard let target = try self.table(step.target) else { continue }
            let statements = try SQLiteTriggerStatements(step: step, source: table, target: target)
            written += statements.whenWritten
            changed += statements.whenKeyChanges + statements.whenWritten
            deleted += statements.whenDeleted
        }
        for (event, body) in [("insert", written), ("update", changed), ("delete", deleted)] where !body.isEmpty {
            let name = "migrator_\(table.name)_\(event)"
            try session.execute(
                """
                CREATE TRIGGER \(main(name)) AFTER \(event.uppercased()) ON \(table.name.quotedIdentifier)
                FOR EACH ROW BEGIN
                \(body.map { $0 + ";" }.joined(separator: "\n"))
                END
                """)
        }
    }
}

/// What one step does in the triggers of its source. Names in a trigger's INSERT, UPDATE and DELETE are unqualified.
struct SQLiteTriggerStatements {
    let step: SQLiteTriggerStep
    let source: SQLiteTable
    let target: SQLiteTable
    /// The mapping over the row that was written, read again by its key: earlier steps may have changed it.
    private let mapped: String
    /// The mapping over all rows.
    private let whole: String

    init(step: SQLiteTriggerStep, source: SQLiteTable, target: SQLiteTable) throws {
        self.step = step
        self.source = source
        self.target = target
        let row = source.identity.map { "\($0.quotedIdentifier) = NEW.\($0.quotedIdentifier)" }.joined(
            separator: " AND ")
        let own = step.mapping == nil ? Set(source.columns.map { $0.name.lowercased() }) : nil
        let list = step.columns.map { column in
            guard let own, !own.contains(column.lowercased()) else { return column.quotedIdentifier }
            return "NULL AS \(column.quotedIdentifier)"
        }.joined(separator: ", ")
        if let text = step.mapping {
            let given = step.columns.map { column in
                target.column(column)?.hasVolatileDefault == true
                    && !SQLiteTokens(text).contains(word: column.lowercased())
                    ? "NULL AS \(column.quotedIdentifier)" : "author.\(column.quotedIdentifier)"
            }.joined(separator: ", ")
            whole = "SELECT \(given) FROM (\(text)\n) AS author"
            mapped = """
                SELECT \(given) FROM (
                WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(source.qualified) WHERE \(row))
                SELECT * FROM (\(text)
                ) AS author) AS author
                """
        } else {
            whole = "SELECT \(list) FROM \(source.qualified)"
            mapped = "SELECT \(list) FROM \(source.qualified) WHERE \(row)"
        }
    }

    private var name: String { target.name.quotedIdentifier }
    private var key: String { step.key.quotedIdentifier }

    var whenWritten: [String] {
        switch step.kind {
        case "sync", "move", "back": parentStatements + syncStatements
        case "backup": backupStatements
        case "fill": [fillStatement]
        default: ensureStatements
        }
    }

    /// A reply that is written before its turn brings the messages above it along, up to the first that is there:
    /// without them the foreign key of the target to itself would refuse the application's write. SQLite looks at the
    /// keys when the application's statement ends, so that the order does not matter.
    private var parentStatements: [String] {
        (step.parents ?? []).map { column in
            let parent = column.quotedIdentifier
            return """
                INSERT INTO \(name) (\(columnList(step.columns))) SELECT \(columnList(step.columns)) FROM (\(whole)) AS m
                WHERE m.\(key) IN (
                    WITH RECURSIVE above (id) AS (
                        SELECT w.\(parent) FROM (\(mapped)) AS w WHERE w.\(parent) IS NOT NULL
                        UNION
                        SELECT w.\(parent) FROM above JOIN (\(whole)) AS w ON w.\(key) = above.id
                        WHERE w.\(parent) IS NOT NULL
                            AND NOT EXISTS (SELECT 1 FROM \(target.qualified) AS t WHERE t.\(key) = above.id))
                    SELECT id FROM above)
                ON CONFLICT (\(key)) DO NOTHING
                """
        }
    }

    /// By row id, since a backup has no key of its own.
    private var backupStatements: [String] {
        let columns = columnList((source.rowid.map { [$0] } ?? []) + step.columns)
        return [
            "DELETE FROM \(name) WHERE \(Self.sameRow(source, "NEW"))",
            "INSERT INTO \(name) (\(columns)) SELECT \(columns) FROM \(source.qualified) WHERE \(Self.sameRow(source, "NEW"))",
        ]
    }

    private static func sameRow(_ table: SQLiteTable, _ row: String) -> String {
        table.identity.map { "\($0.quotedIdentifier) = \(row).\($0.quotedIdentifier)" }.joined(separator: " AND ")
    }

    private var syncStatements: [String] {
        let others = step.columns.filter { !isSameName($0, step.key) }
        let set = others.map { "\($0.quotedIdentifier) = excluded.\($0.quotedIdentifier)" }.joined(separator: ", ")
        let same = step.columns.map { "m.\($0.quotedIdentifier) IS t.\($0.quotedIdentifier)" }.joined(
            separator: " AND ")
        return [
            // The mapping may leave out a row that it yielded before.
            "DELETE FROM \(name) WHERE \(key) = NEW.\(key) AND NOT EXISTS (SELECT 1 FROM (\(mapped)) AS m)",
            """
            INSERT INTO \(name) (\(columnList(step.columns))) SELECT \(columnList(step.columns)) FROM (\(mapped)) AS m
            WHERE true ON CONFLICT (\(key)) \(others.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(set)")
            """,
            // INSERT OR IGNORE of the application would make the statement above pass over what it cannot write.
            """
            SELECT RAISE(ABORT, \("migrator: a row of \(source.name) cannot be brought to \(target.name)".quotedLiteral))
            WHERE EXISTS (SELECT 1 FROM (\(mapped)) AS m LEFT JOIN \(target.qualified) AS t ON t.\(key) = m.\(key)
                WHERE t.\(key) IS NULL OR NOT (\(same)))
            """,
        ]
    }

    /// Only where a value is missing and there is one: with recursive_triggers on, it would never end otherwise.
    private var fillStatement: String {
        let columns = step.columns.filter { !isSameName($0, step.key) }
        let set = columns.map {
            "\($0.quotedIdentifier) = coalesce(\($0.quotedIdentifier), (SELECT m.\($0.quotedIdentifier) FROM (\(mapped)) AS m))"
        }.joined(separator: ", ")
        let lacks = columns.map {
            "(\($0.quotedIdentifier) IS NULL AND EXISTS (SELECT 1 FROM (\(mapped)) AS m WHERE m.\($0.quotedIdentifier) IS NOT NULL))"
        }.joined(separator: " OR ")
        return "UPDATE \(name) SET \(set) WHERE \(key) = NEW.\(key) AND (\(lacks))"
    }

    private var ensureStatements: [String] {
        let match = step.on.map { "t.\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }.joined(separator: " AND ")
        return [
            Self.ensure(step, into: name, target: target.name.quotedIdentifier, from: mapped),
            """
            SELECT RAISE(ABORT, \("migrator: a row of \(source.name) has no row in \(target.name)".quotedLiteral))
            WHERE EXISTS (SELECT 1 FROM (\(mapped)) AS m WHERE \(Self.isComplete(step, "m"))
                AND NOT EXISTS (SELECT 1 FROM \(target.qualified) AS t WHERE \(match)))
            """,
        ]
    }

    static func isComplete(_ step: SQLiteTriggerStep, _ alias: String) -> String {
        step.on.map { "\(alias).\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " AND ")
    }

    /// How far a value of the raised column has come; -1 for one that the order does not name.
    static func rank(_ expression: String, _ order: [String]) -> String {
        let cases = order.enumerated().map { "WHEN \($0.element.quotedLiteral) THEN \($0.offset)" }
        return "CASE \(expression) \(cases.joined(separator: " ")) ELSE -1 END"
    }

    /// Inserts what is missing; a raised column of rows that are there only moves upwards.
    static func ensure(_ step: SQLiteTriggerStep, into name: String, target: String, from mapped: String) -> String {
        var action = "DO NOTHING"
        // A row that meets a conflict has used up an id of an AUTOINCREMENT table all the same.
        let match = step.on.map { "\(target).\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }.joined(
            separator: " AND ")
        var missing = " AND NOT EXISTS (SELECT 1 FROM \(target) WHERE \(match))"
        if let column = step.raiseColumn {
            missing = ""
            let quoted = column.quotedIdentifier
            let others = step.columns.filter { other in
                !isSameName(other, column) && !step.on.contains { isSameName($0, other) }
            }.map {
                ", \($0.quotedIdentifier) = coalesce(excluded.\($0.quotedIdentifier), \(target).\($0.quotedIdentifier))"
            }
            action = """
                DO UPDATE SET \(quoted) = excluded.\(quoted)\(others.joined())
                WHERE \(rank("excluded.\(quoted)", step.raiseOrder)) > \(rank("\(target).\(quoted)", step.raiseOrder))
                """
        }
        let list = columnList(step.columns)
        return """
            INSERT INTO \(name) (\(list)) SELECT \(list) FROM (\(mapped)) AS m WHERE \(isComplete(step, "m"))\(missing)
            ON CONFLICT (\(columnList(step.on))) \(action)
            """
    }

    var whenKeyChanges: [String] {
        if step.kind == "backup" { return ["DELETE FROM \(name) WHERE \(Self.sameRow(source, "OLD"))"] }
        guard step.isRowWise else { return [] }
        return ["DELETE FROM \(name) WHERE \(key) = OLD.\(key) AND OLD.\(key) IS NOT NEW.\(key)"]
    }

    var whenDeleted: [String] {
        switch step.kind {
        case "sync", "move", "back": return ["DELETE FROM \(name) WHERE \(key) = OLD.\(key)"]
        case "backup": return ["DELETE FROM \(name) WHERE \(Self.sameRow(source, "OLD"))"]
        case "ensure":
            guard let owner = step.owner, let sourceKey = source.singleKey else { return [] }
            return ["DELETE FROM \(name) WHERE \(owner.quotedIdentifier) = OLD.\(sourceKey.quotedIdentifier)"]
        default: return []
        }
    }
}
