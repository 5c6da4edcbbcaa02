import MigratorEngine

enum BackupsOutput {
    /// A table with a heading; nothing where there are none.
    static func table(_ backups: [BackupRecord]) -> [String] {
        if backups.isEmpty { return [] }
        let heading = ["NAME", "KIND", "SOURCE", "ROWS", "REVISION", "CREATED"]
        let rows =
            [heading]
            + backups.map {
                [
                    $0.name.oneLine, $0.kind.rawValue, $0.source.oneLine, $0.rows.grouped,
                    $0.revision.oneLine, $0.createdAt,
                ]
            }
        let widths = heading.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                let isLast = column == row.count - 1
                line += column == 3 ? padding + cell + "  " : isLast ? cell : cell + padding + "  "
            }
            return line
        }
    }
}

extension BackupRecord {
    var json: JSONValue {
        .object([
            "id": .int(id), "run": .int(runID), "revision": .string(revision), "kind": .string(kind.rawValue),
            "schema": .string(schema), "source": .string(source), "name": .string(name),
            "key": JSONValue(key), "columns": JSONValue(columns), "rows": .int(rows), "hash": .string(hash),
            "algorithm": .string(algorithm), "created_at": .string(createdAt),
        ])
    }
}
