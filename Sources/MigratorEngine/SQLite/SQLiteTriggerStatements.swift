import MigratorDatabase
import MigratorScript

/// What one step does in the triggers of its source. No name in them has a schema: see `SQLiteTriggerMapping`.
struct SQLiteTriggerStatements {
    let step: SQLiteTriggerStep
    let source: SQLiteTable
    let target: SQLiteTable
    let mapping: SQLiteTriggerMapping
    /// The mapping over the row that was written, read again by its key: earlier steps may have changed it.
    let mapped: String
    /// The mapping over all rows.
    private var whole: String { mapping.whole }

    init(step: SQLiteTriggerStep, source: SQLiteTable, target: SQLiteTable) {
        self.step = step
        self.source = source
        self.target = target
        mapping = SQLiteTriggerMapping(step.mapping, step.columns, from: source, to: target)
        mapped = mapping.over(where: Self.sameRow(source, "NEW"))
    }

    // MARK: Events

    /// What stands before the statements of all steps.
    var whenInsertedFirst: [String] { step.kind == "sync" ? guardOfIDs : [] }

    var whenInserted: [String] {
        switch step.kind {
        case SQLiteTriggerStep.syncBack: leadBack(.insert) + raisedSequence
        case SQLiteTriggerStep.ensureBack: leadStatusBack(.insert)
        case "sync": whenWritten + raisedSequence
        case "ensure": arriving + whenWritten
        default: whenWritten
        }
    }

    var whenUpdated: [String] {
        if step.leadsBack, NegativeControl.wayBack.isLeftOut { return [] }
        switch step.kind {
        case SQLiteTriggerStep.syncBack: return leadBack(.update) + evenSequences
        case SQLiteTriggerStep.ensureBack: return leadStatusBack(.update)
        case "fill": return [fillAgainStatement]
        default: return whenKeyChanges + whenWritten + (step.kind == "sync" ? evenSequences : [])
        }
    }

    private var whenWritten: [String] {
        switch step.kind {
        case "sync", "move", "back": parentStatements + syncStatements
        case "backup": backupStatements
        case "fill": [fillStatement]
        default: ensureStatements
        }
    }

    private var whenKeyChanges: [String] {
        if step.kind == "backup" { return ["DELETE FROM \(name) WHERE \(Self.sameRow(source, "OLD"))"] }
        guard step.isRowWise else { return [] }
        return ["DELETE FROM \(name) WHERE \(key) = OLD.\(key) AND OLD.\(key) IS NOT NEW.\(key)"]
    }

    var whenDeleted: [String] {
        switch step.kind {
        case SQLiteTriggerStep.syncBack: return [leadDeletionBack]
        case "sync", "move", "back": return ["DELETE FROM \(name) WHERE \(key) = OLD.\(key)\(unlessMovedAway)"]
        case "backup": return ["DELETE FROM \(name) WHERE \(Self.sameRow(source, "OLD"))"]
        case "ensure":
            guard let owner = step.owner, let sourceKey = source.singleKey else { return [] }
            return ["DELETE FROM \(name) WHERE \(owner.quotedIdentifier) = OLD.\(sourceKey.quotedIdentifier)"]
        default: return []
        }
    }

    /// Two ways, the source's row also goes because the target's has been put where the source cannot follow: then that
    /// one stays.
    private var unlessMovedAway: String {
        guard let back = step.otherWay else { return "" }
        let leadsBack = SQLiteTriggerMapping(back.mapping, back.columns, from: target, to: source)
            .over(where: "\(key) = OLD.\(key)")
        let same = step.columns.map { "m.\($0.quotedIdentifier) IS \(name).\($0.quotedIdentifier)" }
        return """
             AND (EXISTS (SELECT 1 FROM (\(leadsBack)) AS m)
                OR EXISTS (SELECT 1 FROM (\(mapping.over(oldRow))) AS m WHERE \(same.joined(separator: " AND "))))
            """
    }

    // MARK: Parts

    var name: String { target.name.quotedIdentifier }
    var key: String { step.key.quotedIdentifier }

    /// The row as it was before an UPDATE or DELETE.
    var oldRow: String {
        "SELECT "
            + source.columns.map { "OLD.\($0.name.quotedIdentifier) AS \($0.name.quotedIdentifier)" }
            .joined(separator: ", ")
    }

    static func sameRow(_ table: SQLiteTable, _ row: String) -> String {
        table.identity.map { "\($0.quotedIdentifier) = \(row).\($0.quotedIdentifier)" }.joined(separator: " AND ")
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
                            AND NOT EXISTS (SELECT 1 FROM \(name) AS t WHERE t.\(key) = above.id))
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
            "INSERT INTO \(name) (\(columns)) SELECT \(columns) FROM \(source.name.quotedIdentifier) WHERE \(Self.sameRow(source, "NEW"))",
        ]
    }

    private var syncStatements: [String] {
        let list = columnList(step.columns)
        let others = step.columns.filter { !isSameName($0, step.key) }.map(\.quotedIdentifier)
        let same = step.columns.map { "m.\($0.quotedIdentifier) IS t.\($0.quotedIdentifier)" }.joined(
            separator: " AND ")
        var statements = [
            // The mapping may leave out a row that it yielded before.
            "DELETE FROM \(name) WHERE \(key) = NEW.\(key) AND NOT EXISTS (SELECT 1 FROM (\(mapped)) AS m)"
        ]
        if step.otherWay == nil {
            let set = others.map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
            statements.append(
                """
                INSERT INTO \(name) (\(list)) SELECT \(list) FROM (\(mapped)) AS m
                WHERE true ON CONFLICT (\(key)) \(others.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(set)")
                """)
        } else {
            // What comes back changes nothing. No upsert: SQLite would compile the triggers of the other side a second
            // time for its DO UPDATE, in every statement that writes here.
            if !others.isEmpty {
                statements.append(
                    """
                    UPDATE \(name) SET \(others.map { "\($0) = m.\($0)" }.joined(separator: ", ")) FROM (\(mapped)) AS m
                    WHERE \(name).\(key) = m.\(key)
                        AND (\(others.map { "\(name).\($0) IS NOT m.\($0)" }.joined(separator: " OR ")))
                    """)
            }
            statements.append(
                """
                INSERT INTO \(name) (\(list)) SELECT \(list) FROM (\(mapped)) AS m
                WHERE NOT EXISTS (SELECT 1 FROM \(name) AS t WHERE t.\(key) = m.\(key))
                """)
        }
        // INSERT OR IGNORE of the application would make the statements above pass over what they cannot write.
        return statements + [
            """
            SELECT RAISE(ABORT, \("migrator: a row of \(source.name) cannot be brought to \(target.name)".quotedLiteral))
            WHERE EXISTS (SELECT 1 FROM (\(mapped)) AS m LEFT JOIN \(name) AS t ON t.\(key) = m.\(key)
                WHERE t.\(key) IS NULL OR NOT (\(same)))
            """
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

    /// As before; and again where what a column is computed from has changed and the writer left the column alone.
    private var fillAgainStatement: String {
        var set: [String] = []
        var needs: [String] = []
        for column in step.columns where !isSameName(column, step.key) {
            let quoted = column.quotedIdentifier
            let isNeeded = """
                (\(name).\(quoted) IS NULL AND made.\(quoted) IS NOT NULL OR NEW.\(quoted) IS OLD.\(quoted)
                AND \(name).\(quoted) IS OLD.\(quoted) AND made.\(quoted) IS NOT was.\(quoted)
                AND \(name).\(quoted) IS NOT made.\(quoted))
                """
            set.append("\(quoted) = CASE WHEN \(isNeeded) THEN made.\(quoted) ELSE \(name).\(quoted) END")
            needs.append(isNeeded)
        }
        return """
            UPDATE \(name) SET \(set.joined(separator: ", ")) FROM (SELECT 1) LEFT JOIN (\(mapped)) AS made ON true
            LEFT JOIN (\(mapping.over(oldRow))) AS was ON true
            WHERE \(name).\(key) = NEW.\(key) AND (\(needs.joined(separator: " OR ")))
            """
    }

    private var ensureStatements: [String] {
        let match = step.on.map { "t.\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }.joined(separator: " AND ")
        return raiseStatement + [
            Self.ensure(step, into: name, target: name, from: mapped, isRaising: false),
            """
            SELECT RAISE(ABORT, \("migrator: a row of \(source.name) has no row in \(target.name)".quotedLiteral))
            WHERE EXISTS (SELECT 1 FROM (\(mapped)) AS m WHERE \(Self.isComplete(step, "m"))
                AND NOT EXISTS (SELECT 1 FROM \(name) AS t WHERE \(match)))
            """,
        ]
    }

    /// The rows that are there move upwards, in a statement of its own: see `syncStatements`.
    private var raiseStatement: [String] {
        guard let column = step.raiseColumn else { return [] }
        let quoted = column.quotedIdentifier
        let others = step.columns.filter { other in
            !isSameName(other, column) && !step.on.contains { isSameName($0, other) }
        }.map { ", \($0.quotedIdentifier) = coalesce(m.\($0.quotedIdentifier), \(name).\($0.quotedIdentifier))" }
        let match = step.on.map { "\(name).\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }
        let isHigher =
            "\(Self.rank("m.\(quoted)", step.raiseOrder)) > \(Self.rank("\(name).\(quoted)", step.raiseOrder))"
        return [
            """
            UPDATE \(name) SET \(quoted) = m.\(quoted)\(others.joined()) FROM (\(mapped)) AS m
            WHERE \(match.joined(separator: " AND ")) AND \(isHigher)
            """
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
    /// - Parameter isRaising: false where a statement before has done that.
    static func ensure(
        _ step: SQLiteTriggerStep, into name: String, target: String, from mapped: String, isRaising: Bool = true
    ) -> String {
        var action = "DO NOTHING"
        // A row that meets a conflict has used up an id of an AUTOINCREMENT table all the same.
        let match = step.on.map { "\(target).\($0.quotedIdentifier) = m.\($0.quotedIdentifier)" }.joined(
            separator: " AND ")
        var missing = " AND NOT EXISTS (SELECT 1 FROM \(target) WHERE \(match))"
        if isRaising, let column = step.raiseColumn {
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
}
