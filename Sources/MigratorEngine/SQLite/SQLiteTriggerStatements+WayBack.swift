import MigratorDatabase
import MigratorScript

/// What leads from the target of a two-way `sync` or `ensure` back to its source (ONLINE.md, "Two-way sync").
///
/// The triggers of both sides write to each other's table. There is no circle: the way back does nothing where the row
/// is what the mapping makes of its source anyway, which it is when the way there has just written it, and the way there
/// writes only what differs. Nothing depends on `PRAGMA recursive_triggers`.
///
/// In this file `source` is the table that has the trigger (the directive's target), `target` the one that is written to.
extension SQLiteTriggerStatements {
    enum Event { case insert, update }

    /// The way there, from `target` to `source`.
    private var there: SQLiteTriggerMapping {
        SQLiteTriggerMapping(step.otherWay?.mapping, step.otherWay?.columns ?? [], from: target, to: source)
    }

    /// The row as the way there makes it, by the key that the trigger's row (NEW, OLD) has.
    private func asMeant(_ row: String) -> String {
        guard step.kind == SQLiteTriggerStep.ensureBack else {
            return there.over(where: "\(key) = \(row).\(key)")
        }
        let match = step.on.map { "f.\($0.quotedIdentifier) = \(row).\($0.quotedIdentifier)" }
        return "SELECT * FROM (\(there.whole)) AS f WHERE \(match.joined(separator: " AND "))"
    }

    /// Whether a row of the trigger's table is as the way there makes it.
    private func agrees(_ row: String, where sameRow: String) -> String {
        let same = there.columns.map { "f.\($0.quotedIdentifier) IS t.\($0.quotedIdentifier)" }
        return """
            EXISTS (SELECT 1 FROM (\(asMeant(row))) AS f JOIN (SELECT * FROM \(source.name.quotedIdentifier) WHERE \(sameRow)) AS t
                ON \(same.joined(separator: " AND ")))
            """
    }

    /// Columns of the trigger's table that the way there does not write.
    private var columnsBeyond: [SQLiteColumn] {
        source.columns.filter { column in !there.columns.contains { isSameName($0, column.name) } }
    }

    /// Where the way there has written the row, there is nothing to lead back. Of a sync's row this says itself: what the
    /// mapping makes of it and of what it was is the same then.
    private func unlessSettled(_ event: Event) -> String {
        guard step.kind == SQLiteTriggerStep.ensureBack else { return "" }
        var conditions = [agrees("NEW", where: Self.sameRow(source, "NEW"))]
        if event == .update {
            conditions += columnsBeyond.map { "NEW.\($0.name.quotedIdentifier) IS OLD.\($0.name.quotedIdentifier)" }
        }
        return " AND NOT (\(conditions.joined(separator: " AND ")))"
    }

    /// What the mapping makes of the row as it was: a column whose value is another now is led back. Of a sync's row
    /// `target` still has what it was, whatever has been written to it since by triggers of the application.
    private func before(_ event: Event) -> String {
        if step.kind == SQLiteTriggerStep.ensureBack {
            let none = step.columns.map { "NULL AS \($0.quotedIdentifier)" }.joined(separator: ", ")
            return event == .update ? mapping.over(oldRow) : "SELECT \(none) WHERE false"
        }
        let columns = there.columns.map { "f.\($0.quotedIdentifier) AS \($0.quotedIdentifier)" }
        let beyond = columnsBeyond.map { column in
            "\(event == .update ? "OLD.\(column.name.quotedIdentifier)" : "NULL") AS \(column.name.quotedIdentifier)"
        }
        return mapping.over("SELECT \((columns + beyond).joined(separator: ", ")) FROM (\(asMeant("NEW"))) AS f")
    }

    private var others: [String] { step.columns.filter { !isSameName($0, step.key) } }

    /// Changes columns of the target's row whose mapped value is not what it was, and leaves the others alone.
    private func changes(_ event: Event, join: String) -> String {
        let set = others.map { column in
            let quoted = column.quotedIdentifier
            return
                "\(quoted) = CASE WHEN made.\(quoted) IS NOT was.\(quoted) THEN made.\(quoted) ELSE \(name).\(quoted) END"
        }
        let differs = others.map { column in
            let quoted = column.quotedIdentifier
            return "made.\(quoted) IS NOT was.\(quoted) AND \(name).\(quoted) IS NOT made.\(quoted)"
        }
        return """
            UPDATE \(name) SET \(set.joined(separator: ", "))
            FROM (\(mapped)) AS made \(join) (\(before(event))) AS was ON true
            WHERE \(name).\(key) = made.\(key)\(unlessSettled(event)) AND (\(differs.joined(separator: " OR ")))
            """
    }

    // MARK: Sync

    func leadBack(_ event: Event) -> [String] {
        let list = columnList(step.columns)
        var statements: [String] = []
        if event == .update { statements.append(leadChangeOfPlaceBack) }
        statements.append(
            """
            INSERT INTO \(name) (\(list)) SELECT \(list) FROM (\(mapped)) AS m
            WHERE NOT EXISTS (SELECT 1 FROM \(name) AS s WHERE s.\(key) = m.\(key))
            """)
        if !others.isEmpty { statements += [changes(event, join: "JOIN")] + evened }
        if event == .insert {
            // The id of a row that has no place here, or whose row found none there.
            statements.append(
                """
                SELECT RAISE(ABORT, \(takenID(in: target)))
                WHERE EXISTS (SELECT 1 FROM \(name) AS s WHERE s.\(key) = NEW.\(key))
                    AND NOT EXISTS (SELECT 1 FROM (\(asMeant("NEW"))) AS f)
                """)
        }
        // INSERT OR IGNORE of the application would make the statements above pass over what they cannot write.
        let agrees = agrees("NEW", where: Self.sameRow(source, "NEW"))
        statements.append(
            """
            SELECT RAISE(ABORT, \("migrator: a row of \(source.name) cannot be brought to \(target.name)".quotedLiteral))
            WHERE EXISTS (SELECT 1 FROM (\(mapped)) AS m) AND NOT \(agrees)
            """)
        return statements
    }

    /// The row is what the way there makes of what has been led back: usually so by itself, but where that way's own
    /// trigger is at work already, it does not run once more.
    private var evened: [String] {
        let own = source.name.quotedIdentifier
        let columns = there.columns.filter { !isSameName($0, step.key) }.map(\.quotedIdentifier)
        guard !columns.isEmpty else { return [] }
        return [
            """
            UPDATE \(own) SET \(columns.map { "\($0) = f.\($0)" }.joined(separator: ", ")) FROM (\(asMeant("NEW"))) AS f
            WHERE \(own).\(key) = f.\(key) AND (\(columns.map { "\(own).\($0) IS NOT f.\($0)" }.joined(separator: " OR ")))
            """
        ]
    }

    /// The row has another key now, or none that leads back.
    private var leadChangeOfPlaceBack: String {
        let oldKey = "\(key) = OLD.\(key)"
        let same = there.columns.map { "f.\($0.quotedIdentifier) IS t.\($0.quotedIdentifier)" }
        return """
            DELETE FROM \(name) WHERE \(oldKey)
                AND NOT EXISTS (SELECT 1 FROM (\(mapping.over(where: oldKey))) AS m)
                AND EXISTS (SELECT 1 FROM (\(mapping.over(oldRow))) AS m)
                AND EXISTS (SELECT 1 FROM (\(asMeant("OLD"))) AS f LEFT JOIN \(source.name.quotedIdentifier) AS t ON t.\(oldKey)
                    WHERE t.\(key) IS NULL OR NOT (\(same.joined(separator: " AND "))))
            """
    }

    /// A row that the way there has taken out, since its source has no place any more, is gone already or stays.
    var leadDeletionBack: String {
        """
        DELETE FROM \(name) WHERE \(key) = OLD.\(key) AND EXISTS (SELECT 1 FROM (\(asMeant("OLD"))) AS f)
            AND EXISTS (SELECT 1 FROM (\(mapping.over(oldRow))) AS m)
        """
    }

    // MARK: Ensure

    /// Changes of a row that belongs to one of the target's; it never makes nor deletes one there.
    func leadStatusBack(_ event: Event) -> [String] { others.isEmpty ? [] : [changes(event, join: "LEFT JOIN")] }

    /// A row that comes from the other side may find its row of the target there, which says more than the row itself does:
    /// a message that was read in a group is read where it goes, too.
    var arriving: [String] {
        guard let back = step.otherWay, let own = source.singleKey,
            back.columns.contains(where: { isSameName($0, own) })
        else { return [] }
        let match = step.on.map { "t.\($0.quotedIdentifier) = n.\($0.quotedIdentifier)" }.joined(separator: " AND ")
        let same = step.columns.map { "t.\($0.quotedIdentifier) IS n.\($0.quotedIdentifier)" }
        let made = SQLiteTriggerMapping(back.mapping, back.columns, from: target, to: source)
            .over(
                "SELECT t.* FROM \(name) AS t JOIN (\(mapped)) AS n ON \(match) AND NOT (\(same.joined(separator: " AND ")))"
            )
        let columns = back.columns.filter { !isSameName($0, own) }.map(\.quotedIdentifier)
        let (table, key) = (source.name.quotedIdentifier, own.quotedIdentifier)
        return [
            """
            UPDATE \(table) SET \(columns.map { "\($0) = m.\($0)" }.joined(separator: ", ")) FROM (\(made)) AS m
            WHERE \(table).\(key) = NEW.\(key) AND m.\(key) = NEW.\(key)
                AND (\(columns.map { "\(table).\($0) IS NOT m.\($0)" }.joined(separator: " OR ")))
            """
        ]
    }

    // MARK: Ids

    private func takenID(in other: SQLiteTable) -> String {
        "migrator: a row of \(other.name) that is not led to \(source.name) has this \(step.key) already".quotedLiteral
    }

    /// What comes to the source of a two-way sync never takes the place of a row that only its target holds.
    var guardOfIDs: [String] {
        guard let back = step.otherWay else { return [] }
        let mapping = SQLiteTriggerMapping(back.mapping, back.columns, from: target, to: source)
        return [
            """
            SELECT RAISE(ABORT, \(takenID(in: target)))
            WHERE EXISTS (SELECT 1 FROM \(name) AS t WHERE t.\(key) = NEW.\(key))
                AND NOT EXISTS (SELECT 1 FROM (\(mapping.over(where: "\(key) = NEW.\(key)"))) AS m)
            """
        ]
    }

    /// An id that was given on one side is not given again on the other, also where the row has no place there.
    ///
    /// SQLite keeps the counter of a table that a statement inserts into in memory, and writes it at the statement's end
    /// where it has risen: what is written to `sqlite_sequence` meanwhile is lost. So a statement of new code must not
    /// insert rows that get there and then others; where one of old code does, the next update makes it good.
    var raisedSequence: [String] {
        guard keepsIDs else { return [] }
        let isAbsent = "NOT EXISTS (SELECT 1 FROM \(name) AS t WHERE t.\(key) = NEW.\(key))"
        let sequence = "(SELECT seq FROM sqlite_sequence WHERE name = \(target.name.quotedLiteral))"
        let refusal =
            "migrator: rows of \(source.name) that are led to \(target.name) and others cannot be inserted by one statement"
        let refused = """
            SELECT RAISE(ABORT, \(refusal.quotedLiteral))
            WHERE \(isAbsent) AND (SELECT max(\(key)) FROM \(name)) > \(sequence)
            """
        return (step.leadsBack ? [refused] : []) + [
            "UPDATE sqlite_sequence SET seq = NEW.\(key) WHERE name = \(target.name.quotedLiteral) AND seq < NEW.\(key) AND \(isAbsent)"
        ]
    }

    /// Both counters are as high as the higher one, and as a key that was changed.
    var evenSequences: [String] {
        guard keepsIDs else { return [] }
        let both = "name IN (\(source.name.quotedLiteral), \(target.name.quotedLiteral))"
        let highest = "(SELECT max(seq) FROM sqlite_sequence WHERE \(both))"
        return [
            "UPDATE sqlite_sequence SET seq = \(highest) WHERE \(both) AND seq < \(highest)",
            "UPDATE sqlite_sequence SET seq = NEW.\(key) WHERE \(both) AND seq < NEW.\(key) AND OLD.\(key) IS NOT NEW.\(key)",
        ]
    }

    private var keepsIDs: Bool {
        step.otherWay != nil && step.kind != SQLiteTriggerStep.ensureBack && target.isAutoincrement
            && source.isAutoincrement && target.singleKey.map { isSameName($0, step.key) } ?? false
    }
}
