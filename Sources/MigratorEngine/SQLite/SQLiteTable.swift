import MigratorDatabase
import MigratorScript

struct SQLiteColumn: Codable, Equatable {
    var name: String
    /// As declared; may be empty.
    var type: String
    var isNotNull: Bool
    /// The default's expression as SQL.
    var defaultSQL: String?
    /// From 1; 0 for a column outside the primary key.
    var primaryKeyPosition: Int
    var isGenerated: Bool

    /// The default, where it is a literal: the same whenever it is asked for.
    var constantDefault: String? {
        guard let defaultSQL else { return nil }
        let volatile = SQLiteTokens(defaultSQL).tokens.contains { token in
            if case .word(let word) = token { return !["null", "true", "false", "e"].contains(word) }
            return false
        }
        return volatile ? nil : defaultSQL
    }
    var hasVolatileDefault: Bool { defaultSQL != nil && constantDefault == nil }
}

/// An index, trigger or view as `sqlite_schema` holds it.
struct SQLiteObject: Codable, Equatable {
    var name: String
    var sql: String

    /// Of an index: whether it refuses rows.
    var isUnique: Bool { SQLiteTokens(sql).tokens.prefix(2) == [.word("create"), .word("unique")] }
}

struct SQLiteTable {
    var name: String
    var sql: String
    var columns: [SQLiteColumn]
    var isWithoutRowid: Bool
    var isStrict: Bool

    var qualified: String { "main.\(name.quotedIdentifier)" }
    /// Columns that a statement can write.
    var writable: [SQLiteColumn] { columns.filter { !$0.isGenerated } }
    var primaryKey: [String] {
        columns.filter { $0.primaryKeyPosition > 0 }.sorted { $0.primaryKeyPosition < $1.primaryKeyPosition }
            .map(\.name)
    }
    var singleKey: String? { primaryKey.count == 1 ? primaryKey[0] : nil }
    var isAutoincrement: Bool { SQLiteTokens(sql).contains(word: "autoincrement") }

    func column(_ name: String) -> SQLiteColumn? { columns.first { isSameName($0.name, name) } }

    /// A name of the row id that no column hides; nil where there is none.
    var rowid: String? {
        isWithoutRowid ? nil : ["rowid", "_rowid_", "oid"].first { column($0) == nil }
    }
    /// What tells rows apart in a trigger or a comparison.
    var identity: [String] { rowid.map { [$0] } ?? primaryKey }

    func sameRow(_ left: String, _ right: String) -> String {
        identity.map { "\(left).\($0.quotedIdentifier) = \(right).\($0.quotedIdentifier)" }
            .joined(separator: " AND ")
    }
}

extension SQLiteBackend {
    func table(_ name: TableName) throws -> SQLiteTable? { try table(name.name) }

    func table(_ name: String) throws -> SQLiteTable? {
        guard
            let row = try session.query(
                "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name = $1 COLLATE NOCASE",
                [.text(name)]
            ).first, let actual = row.text("name")
        else { return nil }
        let columns = try session.query(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo($1) ORDER BY cid",
            [.text(actual)]
        ).filter { $0.int("hidden") != 1 }.map { row in
            let isGenerated = (row.int("hidden") ?? 0) > 1
            var type = row.text("type") ?? ""
            if isGenerated, let range = type.uppercased().firstRange(of: "GENERATED ALWAYS") {
                type = String(
                    type.prefix(type.uppercased().distance(from: type.uppercased().startIndex, to: range.lowerBound)))
            }
            return SQLiteColumn(
                name: row.text("name") ?? "", type: type, isNotNull: row.bool("notnull"),
                defaultSQL: row.text("dflt_value"), primaryKeyPosition: row.int("pk") ?? 0,
                isGenerated: isGenerated)
        }
        let traits = try session.query(
            "SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = $1", [.text(actual)]
        ).first
        return SQLiteTable(
            name: actual, sql: row.text("sql") ?? "", columns: columns,
            isWithoutRowid: traits?.bool("wr") ?? false, isStrict: traits?.bool("strict") ?? false)
    }

    func requireTable(_ name: TableName) throws -> SQLiteTable {
        guard let table = try table(name) else {
            throw MigratorError(
                "table-missing", .refused, "there is no table \"\(name)\"", hint: "check the name")
        }
        return table
    }

    /// - Throws: where nothing tells the rows of a table apart: columns hide each name of the row id.
    func requireIdentity(of table: SQLiteTable) throws {
        guard table.identity.isEmpty else { return }
        throw MigratorError(
            "no-row-identity", .refused,
            "the rows of \"\(table.name)\" cannot be told apart: it has no primary key, and columns named rowid, _rowid_ and oid hide the row id",
            hint: "rename one of these columns, or declare a primary key")
    }

    /// Indexes (`type` "index") or triggers of a table; automatic indexes have no SQL and are left out.
    func objects(_ type: String, of table: String) throws -> [SQLiteObject] {
        try session.query(
            """
            SELECT name, sql FROM main.sqlite_schema
            WHERE type = $1 AND tbl_name = $2 COLLATE NOCASE AND sql IS NOT NULL ORDER BY rowid
            """, [.text(type), .text(table)]
        ).map { SQLiteObject(name: $0.text("name") ?? "", sql: $0.text("sql") ?? "") }
    }

    func rowCount(_ table: String) throws -> Int {
        try session.scalar("SELECT count(*) FROM \(main(table))").asInt ?? 0
    }
}
