import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Registered backups of tables that a downgrade is about to drop.
    public func archive(_ tables: [TableName], context: StepContext) throws -> StepOutcome {
        var details: [String] = []
        var total = 0
        for table in tables {
            guard try tableExists(table) else { continue }
            // Until the table is gone, nobody writes what the archive would lack.
            try holdStill(table)
            guard try session.scalar("SELECT EXISTS (SELECT 1 FROM \(quoted(table)))").asBool else { continue }
            let outcome = try makeBackup(of: table, kind: .archive, context: context)
            total += outcome.rows ?? 0
            details += outcome.details
        }
        return StepOutcome(rows: total, details: details)
    }

    public func holdStill(_ table: TableName) throws {
        try session.execute("LOCK TABLE \(quoted(table)) IN ACCESS EXCLUSIVE MODE")
    }

    /// Key and values of columns that are about to go, for rows that have any.
    public func archiveColumns(
        _ columns: [String], of table: TableName, context: StepContext
    ) throws -> StepOutcome {
        let anyValue = columns.map { "\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " OR ")
        return try archiveColumns(columns, of: table, where: anyValue, context: context)
    }

    /// Key and values of columns, for rows that meet the condition.
    func archiveColumns(
        _ columns: [String], of table: TableName, where condition: String, context: StepContext
    ) throws -> StepOutcome {
        guard let source = try catalog.relation(table) else { return StepOutcome() }
        // Until the columns are gone, nobody writes what the archive would lack.
        try session.execute("LOCK TABLE \(source.quoted) IN ACCESS EXCLUSIVE MODE")
        let keys = try catalog.constraints(of: source.oid).first { $0.kind == .primaryKey }?.columns ?? []
        let kept = keys + columns.filter { !keys.contains($0) }
        let list = kept.map(\.quotedIdentifier).joined(separator: ", ")
        let select = "SELECT \(list) FROM \(source.quoted) WHERE \(condition)"
        guard try session.scalar("SELECT EXISTS (\(select))").asBool else { return StepOutcome(rows: 0) }
        let name = Self.truncated(source.name, suffix: "_columns_backup")
        let copy = TableName(schema: source.schema, name)
        var details = try makeRoom(for: copy, context: context)
        try session.execute("CREATE TABLE \(quoted(copy)) AS \(select)")
        let comment =
            "Values of \(columns.joined(separator: ", ")) of \(source.schema).\(source.name), kept by migrator when revision \(context.revision) was taken back"
        try session.execute(
            "REVOKE ALL ON \(quoted(copy)) FROM PUBLIC; COMMENT ON TABLE \(quoted(copy)) IS \(comment.quotedLiteral)")
        let content = try contentHash(of: copy, columns: kept)
        let expected = try session.scalar("SELECT count(*) FROM (\(select)) AS kept").asInt ?? -1
        let different =
            try session.scalar(
                "SELECT count(*) FROM (\(textRows(kept, select)) EXCEPT ALL \(textRows(kept, "SELECT * FROM \(quoted(copy))"))) AS d"
            ).asInt ?? -1
        guard content.rows == expected, different == 0 else {
            throw MigratorError(
                "backup-differs", .difference, "the backup \"\(name)\" is not equal to \"\(source.name)\"",
                hint: "run the command again; if it happens again, report it")
        }
        try ledger.add(
            try backupRecord(
                kind: .columns, source: TableName(schema: source.schema, source.name), name: name,
                key: keys.count == 1 ? keys[0] : nil, columns: kept, content: (content.rows, content.hash),
                context: context))
        details.append(
            "\(name): \(content.rows.counted("row")) with values of \(columns.joined(separator: ", ")) kept")
        return StepOutcome(rows: content.rows, details: details)
    }

    private func textRows(_ columns: [String], _ select: String) -> String {
        "SELECT \(Self.rowText(columns, of: "r")) FROM (\(select)) AS r"
    }
}
