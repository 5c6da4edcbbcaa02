import MigratorDatabase
import MigratorScript

/// What the server says an author's SELECT reads and yields.
struct MappingReading {
    /// Its output columns.
    var output: [String]
    /// Those that are the source's columns of the same name as they are.
    var passed: Set<String>
    /// Columns of the source that it reads; a whole row is none.
    var columns: Set<String>
    /// Whether its key is the source's key as it is.
    var keepsKey: Bool
}

extension PostgreSQLBackend {
    /// - Returns: nil where the server cannot analyse it.
    func reading(of mapping: Statement, source: TableShape, key: String) throws -> MappingReading? {
        do {
            return try session.savepoint(keeping: false) {
                try session.execute("CREATE TEMPORARY VIEW migrator_mapping AS \(mapping.text)")
                let rule = try rule(of: "migrator_mapping")
                let origins = Self.outputOrigins(in: rule)
                let passed = origins.filter {
                    $0.table == source.relation.oid && $0.column == source.column($0.name)?.number
                }
                return MappingReading(
                    output: try columnNames(ofTemporary: "migrator_mapping"), passed: Set(passed.map(\.name)),
                    columns: Set(try columnsRead(by: "migrator_mapping", of: source.relation.oid)),
                    keepsKey: passed.contains { $0.name == key })
            }
        } catch {
            guard let error = error as? DatabaseError, error.kind == .statement else { throw error }
            return nil
        }
    }

    /// The columns of a table that a temporary view reads.
    func columnsRead(by view: String, of table: Int) throws -> [String] {
        try session.query(
            """
            SELECT DISTINCT a.attname FROM pg_catalog.pg_rewrite r
            JOIN pg_catalog.pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE r.ev_class = ('pg_temp.' || $2)::regclass AND d.refobjid = $1::oid
            """, [SQLValue(table), .text(view)]
        ).compactMap { $0[0].asText }
    }

    /// The table's column that each output column of a view is as it is, as its rule says: of the outermost query, not
    /// of those inside.
    static func outputOrigins(in rule: String) -> [(name: String, table: Int, column: Int)] {
        var entries: [String] = []
        var entry: [UInt8] = []
        var depth = 0
        var isInList = false
        let bytes = Array(rule.utf8)
        let mark = Array(":targetList ".utf8)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\\"), index + 1 < bytes.count {
                if isInList, depth == 2 { entry += [byte, bytes[index + 1]] }
                index += 2
                continue
            }
            if byte == UInt8(ascii: "{") {
                depth += 1
            } else if byte == UInt8(ascii: "}") {
                depth -= 1
                if isInList, depth == 1 {
                    entries.append(String(decoding: entry, as: UTF8.self))
                    entry = []
                }
            } else if depth == 1, byte == UInt8(ascii: ":") {
                isInList = bytes[index...].starts(with: mark)
            } else if isInList, depth == 2 {
                entry.append(byte)
            }
            index += 1
        }
        return entries.compactMap { entry in
            guard let name = value(":resname ", in: entry),
                let table = value(":resorigtbl ", in: entry).flatMap({ Int($0) }),
                let column = value(":resorigcol ", in: entry).flatMap({ Int($0) }), table > 0
            else { return nil }
            return (name, table, column)
        }
    }

    /// What stands behind a field's name, without the backslashes that protect it.
    private static func value(_ field: String, in entry: String) -> String? {
        guard let start = entry.firstRange(of: field)?.upperBound else { return nil }
        var value = String.UnicodeScalarView()
        var isProtected = false
        for scalar in entry[start...].unicodeScalars {
            if !isProtected, scalar == "\\" {
                isProtected = true
                continue
            }
            if !isProtected, scalar == " " { break }
            value.append(scalar)
            isProtected = false
        }
        return String(value)
    }
}

extension PostgreSQLMapping {
    /// Stands where a condition on the key spares the server the rows that are not meant: it does not find out by itself
    /// that what holds for one side's key holds for the other's.
    private static let everyKey = "true /* migrator: every key */"

    /// Columns that the author's SELECT does not yield come from the table that it reads, found by the key. The table
    /// is named as the SELECT names it, so that what stands in for it there does so here.
    static func carrying(_ select: String, _ columns: [String], from table: TableName, key: String) -> String {
        guard !columns.isEmpty else { return select }
        let list = columns.map { ", carried.\($0.quotedIdentifier)" }.joined()
        let column = key.quotedIdentifier
        return """
            SELECT author.*\(list) FROM (\(select)
            ) AS author LEFT JOIN (SELECT * FROM \(table.name.quotedIdentifier) WHERE \(everyKey)) AS carried
            ON carried.\(column) = author.\(column)
            """
    }

    /// A SELECT of which only those rows are meant whose key meets the condition.
    static func narrowed(_ select: String, to condition: String?) -> String {
        guard let condition else { return select }
        return select.components(separatedBy: everyKey).joined(separator: "(\(condition))")
    }
}

extension PostgreSQLBackend {
    /// The mapping with the columns that are carried and that it does not yield itself; without those that the table
    /// written to computes.
    func carrying(
        _ names: [String], beside mapping: PostgreSQLMapping, from source: TableName, to target: TableName, key: String
    ) throws -> PostgreSQLMapping {
        guard !names.isEmpty, let oid = try catalog.oid(of: target) else { return mapping }
        let read = Set(try columnNames(of: source) ?? [])
        let written = try catalog.columns(of: oid)
        let computed = Set(written.filter { $0.generated != nil }.map(\.name))
        var mapping = mapping
        mapping.columns.removeAll { names.contains($0) && computed.contains($0) }
        let beside = written.map(\.name).filter {
            names.contains($0) && read.contains($0) && !computed.contains($0) && !mapping.columns.contains($0)
        }
        mapping.select = PostgreSQLMapping.carrying(mapping.select, beside, from: source, key: key)
        mapping.columns += beside
        return mapping
    }
}
