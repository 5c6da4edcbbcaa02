import MigratorDatabase
import MigratorScript

/// Rows that `INSERT OR REPLACE` and `UPDATE OR REPLACE` take away because of another unique column than the key: unless
/// `recursive_triggers` is on, no trigger learns of them.
///
/// So the rows that have the new row's unique values are noted before it is written, and of those that are gone when it
/// has been written the steps' rows go too. A statement that turns out to replace nothing (OR IGNORE, ON CONFLICT)
/// leaves notes that mean nothing: what is there is left alone.
struct SQLiteReplacedRows {
    /// In the ledger's neighbourhood: no table of the application.
    static let table = "migrator_replaced"

    let source: SQLiteTable
    let uniqueKeys: [SQLiteUniqueKey]
    let steps: [SQLiteTriggerStatements]

    /// - Returns: nil where nothing can be replaced unseen.
    init?(_ source: SQLiteTable, uniqueKeys: [SQLiteUniqueKey], steps: [SQLiteTriggerStatements]) {
        let followed = steps.filter { $0.followedColumn != nil }
        let others = uniqueKeys.filter { key in
            followed.contains { step in
                let own = [step.followedColumn, step.followedColumn == source.rowid ? source.rowidAlias : nil]
                return key.columns.count > 1 || !own.compactMap(\.self).contains { isSameName(key.columns[0], $0) }
            }
        }
        guard !others.isEmpty else { return nil }
        self.source = source
        self.uniqueKeys = others
        self.steps = followed
    }

    private var noted: String { "FROM \(Self.table) WHERE source = \(source.name.quotedLiteral)" }
    private var forget: String { "DELETE FROM \(Self.table) WHERE source = \(source.name.quotedLiteral)" }
    private var columns: [String] { Array(Set(steps.compactMap(\.followedColumn))).sorted() }

    /// Of the triggers BEFORE INSERT and BEFORE UPDATE.
    var note: [String] {
        let same = uniqueKeys.map { key in
            zip(key.columns, key.collations).map { column, collation in
                "s.\(column.quotedIdentifier) = NEW.\(column.quotedIdentifier) COLLATE \(collation.quotedIdentifier)"
            }.joined(separator: " AND ")
        }
        return [forget]
            + columns.map {
                """
                INSERT INTO \(Self.table) (source, name, value)
                SELECT \(source.name.quotedLiteral), \($0.quotedLiteral), s.\($0.quotedIdentifier)
                FROM \(source.name.quotedIdentifier) AS s WHERE \(same.joined(separator: " OR "))
                """
            }
    }

    /// Of the triggers AFTER INSERT and AFTER UPDATE.
    var follow: [String] {
        steps.compactMap { step in
            step.followedColumn.map { column in
                let quoted = column.quotedIdentifier
                let key = step.step.kind == "backup" ? quoted : step.key
                return """
                    DELETE FROM \(step.name) WHERE \(key) IN (SELECT value \(noted) AND name = \(column.quotedLiteral))
                        AND NOT EXISTS (SELECT 1 FROM \(source.name.quotedIdentifier) AS s WHERE s.\(quoted) = \(step.name).\(key))
                    """
            }
        } + [forget]
    }
}

extension SQLiteTriggerStatements {
    /// The source's column whose value finds the step's row in the target; nil for steps that never delete one.
    var followedColumn: String? {
        switch step.kind {
        case "sync", "move", "back", SQLiteTriggerStep.syncBack: source.column(step.key)?.name
        case "backup": source.rowid ?? source.singleKey
        default: nil
        }
    }
}

/// Columns that a constraint or an index makes unique together; partial indexes and those on expressions aside.
struct SQLiteUniqueKey {
    var columns: [String]
    /// By which each of them is compared.
    var collations: [String]
}

extension SQLiteTable {
    /// The column that is another name of the row id.
    var rowidAlias: String? {
        guard !isWithoutRowid, let key = singleKey, column(key)?.type.lowercased() == "integer" else { return nil }
        return key
    }
}

extension SQLiteBackend {
    func uniqueKeys(of table: SQLiteTable) throws -> [SQLiteUniqueKey] {
        let indexes = try session.query(
            "SELECT name FROM pragma_index_list($1) WHERE \"unique\" = 1 AND partial = 0", [.text(table.name)])
        let keys = try indexes.compactMap { index -> SQLiteUniqueKey? in
            let columns = try session.query(
                "SELECT name, coll FROM pragma_index_xinfo($1) WHERE key = 1 ORDER BY seqno", [index[0]])
            let names = columns.compactMap { $0[0].asText }
            guard names.count == columns.count else { return nil }
            return SQLiteUniqueKey(columns: names, collations: columns.map { $0[1].asText ?? "BINARY" })
        }
        return keys
            + [table.rowidAlias.map { SQLiteUniqueKey(columns: [$0], collations: ["BINARY"]) }].compactMap(\.self)
    }
}
