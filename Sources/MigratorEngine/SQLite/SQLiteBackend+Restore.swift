import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public func restore(
        _ backup: BackupRecord, into name: String?, context: StepContext
    ) throws -> StepOutcome {
        guard let source = try table(backup.name) else {
            throw MigratorError(
                "backup-missing", .refused, "the backup's table \"\(backup.name)\" is not there",
                hint: "restore the database file from another copy")
        }
        let wanted = name ?? backup.source
        guard try freeName(wanted) == wanted else {
            throw MigratorError(
                "target-exists", .refused, "\"\(wanted)\" exists already", hint: "name another table with --into")
        }
        try requireUnchanged(backup, hint: "look at it before you use it")
        if backup.kind == .setAside, name == nil {
            try session.execute("ALTER TABLE \(source.qualified) RENAME TO \(wanted.quotedIdentifier)")
            if let definition = backup.definition { try session.execute(definition) }
            try ledger.setBackupRemoved(backup.id)
        } else {
            try createLike(source, named: wanted)
            try copyRows(of: source, into: wanted)
            try compareCopy(of: source, with: wanted)
        }
        return StepOutcome(
            rows: backup.rows, details: ["\(backup.rows.counted("row")) in \(wanted), compared by hash"])
    }

    public func prune(_ backup: BackupRecord) throws {
        try session.execute("DROP TABLE IF EXISTS \(main(backup.name))")
        try ledger.setBackupRemoved(backup.id)
    }

    public func export(_ backups: [BackupRecord], write: (String) throws -> Void) throws {
        try write("PRAGMA foreign_keys = OFF;\nBEGIN;\n")
        for backup in backups {
            guard let table = try table(backup.name) else { continue }
            try write("\(table.sql);\n")
            let columns = table.columns.map(\.name)
            let values = columns.map { "\(SQLiteLiteral.function)(\($0.quotedIdentifier))" }
            let prefix = "INSERT INTO \(backup.name.quotedIdentifier) (\(columnList(columns))) VALUES ("
            try session.forEachRow("SELECT \(values.joined(separator: ", ")) FROM \(table.qualified)", []) { row in
                try write(prefix + row.values.map { $0.asText ?? "NULL" }.joined(separator: ", ") + ");\n")
            }
        }
        try write("COMMIT;\n")
    }
}
