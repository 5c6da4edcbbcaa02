import MigratorDatabase
import MigratorScript

/// A mapping as verification runs it: unshadowed, with the output columns that the target has.
struct MappingSource {
    var select: String
    var columns: [String]

    init(select: String, columns: [String]) {
        self.select = select
        self.columns = columns
    }

    /// - Parameters:
    ///   - source: the table read; given another table (a backup), the mapping reads that one instead.
    ///   - carried: columns that a switch has brought over beside an author's SELECT, found by `key`.
    init(
        mapping: Statement?, source: TableName, readFrom other: TableName? = nil, target: TableName,
        carried: [String] = [], key: String = "", backend: any TableAccess
    ) throws {
        let targetColumns = try backend.columnNames(of: target) ?? []
        if let mapping {
            let shadow = other.map {
                "WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(backend.quoted($0))) "
            }
            var text = mapping.text
            if !carried.isEmpty {
                let yielded = try backend.session.describe("\(shadow ?? "")SELECT * FROM (\(text)\n) AS author")
                let read = try backend.columnNames(of: other ?? source) ?? []
                let beside = carried.filter {
                    !yielded.contains($0) && read.contains($0) && targetColumns.contains($0)
                }
                text = PostgreSQLMapping.carrying(text, beside, from: source, key: key)
            }
            select = "\(shadow ?? "")SELECT * FROM (\(text)\n) AS author"
            let described = try backend.session.describe(select)
            columns = described.filter(targetColumns.contains)
        } else {
            let read = other ?? source
            let sourceColumns = try backend.columnNames(of: read) ?? []
            columns = targetColumns.filter(sourceColumns.contains)
            select =
                "SELECT \(columns.map(\.quotedIdentifier).joined(separator: ", ")) FROM \(backend.quoted(read))"
        }
    }
}
