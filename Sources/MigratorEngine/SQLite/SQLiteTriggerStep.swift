/// What keeps tables up to date by triggers, as the ledger keeps it: a `sync`, `ensure` or `fill`, which goes on after
/// its step; a `sync-back` or `ensure-back`, which leads the other way where these go two ways; a `move` or a `backup`,
/// which follows the application's writes until its rows are all there; a `back`, which does so for the way back.
struct SQLiteTriggerStep: Codable, Equatable {
    /// Leads back what is written to the target of a two-way `sync`.
    static let syncBack = "sync-back"
    /// The same of a two-way `ensure`.
    static let ensureBack = "ensure-back"

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
    /// Where the step goes two ways: the mapping from the target to the source.
    var otherWay: SQLiteOtherWay?

    /// Row by row, the target is what the mapping makes of the source.
    var isRowWise: Bool { ["sync", "move", "back"].contains(kind) }
    var leadsBack: Bool { kind == Self.syncBack || kind == Self.ensureBack }
    /// This step's mapping, as the step that leads the other way keeps it.
    var asOtherWay: SQLiteOtherWay { SQLiteOtherWay(mapping: mapping, columns: columns) }
}

/// A mapping as a trigger step keeps it: the SELECT, nil where it goes by name, and the columns that it yields.
struct SQLiteOtherWay: Codable, Equatable {
    var mapping: String?
    var columns: [String]
}

/// A mapping from one table to another as SELECTs for triggers.
///
/// No name has a schema: in a trigger SQLite looks up each in the trigger's own database, and to a connection that has
/// the file attached, that is not `main`. It could not even read a schema with a trigger that says so.
struct SQLiteTriggerMapping {
    let text: String?
    let columns: [String]
    let source: SQLiteTable
    /// What the author's SELECT is taken for: each column, or NULL for one whose default would change.
    private let given: String

    init(_ text: String?, _ columns: [String], from source: SQLiteTable, to target: SQLiteTable) {
        self.text = text
        self.columns = columns
        self.source = source
        let own = Set(source.columns.map { $0.name.lowercased() })
        let tokens = SQLiteTokens(text ?? "")
        given = columns.map { column in
            let name = column.quotedIdentifier
            guard text != nil else { return own.contains(column.lowercased()) ? name : "NULL AS \(name)" }
            return target.column(column)?.hasVolatileDefault == true && !tokens.contains(word: column.lowercased())
                ? "NULL AS \(name)" : "author.\(name)"
        }.joined(separator: ", ")
    }

    /// Over all rows.
    var whole: String { "SELECT \(given) FROM \(text.map { "(\($0)\n) AS author" } ?? source.name.quotedIdentifier)" }

    /// Over those rows that a SELECT of the source's columns yields. It stands outside of what takes the source's name,
    /// where that name means the table.
    func over(_ rows: String) -> String {
        guard let text else { return "SELECT \(given) FROM (\(rows)) AS own" }
        return """
            SELECT \(given) FROM (
            WITH migrator_row AS (\(rows))
            SELECT * FROM (
            WITH \(source.name.quotedIdentifier) AS (SELECT * FROM migrator_row)
            SELECT * FROM (\(text)
            ) AS author) AS author) AS author
            """
    }

    /// Over those rows of the source that meet a condition.
    func over(where condition: String) -> String {
        over("SELECT * FROM \(source.name.quotedIdentifier) WHERE \(condition)")
    }
}
