import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public func contentHash(
        of table: TableName, columns: [String]
    ) throws -> (rows: Int, hash: String, algorithm: String) {
        let row = try session.query(
            "SELECT count(*), \(SQLiteContentHash.function)(\(columnList(columns))) FROM \(quoted(table))"
        ).first
        return (row?[0].asInt ?? 0, row?[1].asText ?? "", SQLiteContentHash.algorithm)
    }

    public func backup(_ table: TableName, context: StepContext) throws -> StepOutcome {
        guard let source = try self.table(table) else { throw sourceMissing(table, context: context) }
        return try makeBackup(of: source, kind: .table, context: context)
    }

    /// A transaction that writes keeps out all others.
    public func holdStill(_ table: TableName) throws {}

    public func archive(_ tables: [TableName], context: StepContext) throws -> StepOutcome {
        // Triggers that mention a table about to be dropped would make every later ALTER TABLE fail.
        if context.direction == .downgrade { try removeTriggers(ofRevision: context.revision, context: context) }
        var outcome = StepOutcome(rows: 0)
        for table in tables {
            guard let source = try self.table(table),
                try session.scalar("SELECT EXISTS (SELECT 1 FROM \(source.qualified))").asBool
            else { continue }
            let made = try makeBackup(of: source, kind: .archive, context: context)
            outcome.rows = (outcome.rows ?? 0) + (made.rows ?? 0)
            outcome.details += made.details
        }
        return outcome
    }

    private func makeBackup(
        of source: SQLiteTable, kind: BackupRecord.Kind, context: StepContext
    ) throws -> StepOutcome {
        try requireIdentity(of: source)
        let name = "\(source.name)_backup"
        try makeRoom(for: name, context: context)
        try createLike(source, named: name)
        try copyRows(of: source, into: name)
        let hash = try compareCopy(of: source, with: name)
        return try register(
            requireTable(TableName(name)), of: source, kind: kind, rows: hash.rows, hash: hash.hash, context: context)
    }

    /// Notes a copy that has been compared.
    func register(
        _ copy: SQLiteTable, of source: SQLiteTable, kind: BackupRecord.Kind, rows: Int, hash: String,
        context: StepContext
    ) throws -> StepOutcome {
        let definition =
            ([source.sql] + (try objects("index", of: source.name).map(\.sql))
            + (try objects("trigger", of: source.name).map(\.sql))).joined(separator: ";\n")
        try ledger.add(
            BackupRecord(
                runID: context.runID, revision: context.revision, kind: kind, schema: schema,
                source: source.name, name: copy.name, key: source.singleKey, columns: source.columns.map(\.name),
                rows: rows,
                hash: hash, algorithm: SQLiteContentHash.algorithm, definition: definition))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "backup",
                subject: source.name, verdict: Verdict.exact.rawValue, detail: "{\"rows\":\(rows),\"differences\":0}"))
        return StepOutcome(
            rows: rows,
            details: ["\(rows.counted("row")) in \(copy.name), compared row by row, 0 differences"])
    }

    /// A table with the same columns, types and so affinities, without constraints.
    func createLike(_ source: SQLiteTable, named name: String, columns: [SQLiteColumn]? = nil) throws {
        var parts = (columns ?? source.columns).map { "\($0.name.quotedIdentifier) \($0.type)" }
        if source.isWithoutRowid { parts.append("PRIMARY KEY (\(columnList(source.primaryKey)))") }
        let traits = [source.isWithoutRowid ? "WITHOUT ROWID" : nil, source.isStrict ? "STRICT" : nil]
        try session.execute(
            "CREATE TABLE \(main(name)) (\(parts.joined(separator: ", "))) "
                + traits.compactMap { $0 }.joined(separator: ", "))
    }

    /// Row ids are kept, so that rows can be compared one by one, whatever the table's key is.
    func copyRows(of source: SQLiteTable, into name: String) throws {
        let columns = columnList((source.rowid.map { [$0] } ?? []) + source.columns.map(\.name))
        try session.run("INSERT INTO \(main(name)) (\(columns)) SELECT \(columns) FROM \(source.qualified)")
    }

    /// - Throws: `backup-differs` where a single value is not the same.
    @discardableResult
    func compareCopy(of source: SQLiteTable, with name: String) throws -> (rows: Int, hash: String) {
        let columns = source.columns.map(\.name)
        let same = columns.map {
            "\(SQLiteContentHash.sameFunction)(s.\($0.quotedIdentifier), b.\($0.quotedIdentifier))"
        }.joined(separator: " AND ")
        let different =
            try session.scalar(
                """
                SELECT count(*) FROM \(source.qualified) s LEFT JOIN \(main(name)) b ON \(source.sameRow("s", "b"))
                WHERE b.\(source.identity[0].quotedIdentifier) IS NULL OR NOT (\(same))
                """
            ).asInt ?? 0
        let expected = try contentHash(of: TableName(source.name), columns: columns)
        let made = try contentHash(of: TableName(name), columns: columns)
        guard different == 0, expected == made else {
            throw MigratorError(
                "backup-differs", .difference,
                "the copy \"\(name)\" differs from \"\(source.name)\" in \(max(different, abs(expected.rows - made.rows)).counted("row"))",
                hint: "report this: nothing has been changed")
        }
        return (made.rows, made.hash)
    }

    /// A registered older backup gets its run's number; another table is refused or set aside. What was registered under
    /// the name and is not there any more is forgotten, or it would be taken for the new one.
    func makeRoom(for name: String, context: StepContext) throws {
        let registered = try ledger.backups().filter { isSameName($0.name, name) }
        let columns = try table(name)?.columns.map(\.name) ?? []
        let older = registered.last { $0.columns.allSatisfy(columns.contains) }
        func forget() throws {
            for lost in registered where lost.id != older?.id { try ledger.setBackupRemoved(lost.id) }
        }
        guard let existing = try table(name) else {
            let taken = try session.scalar(
                "SELECT count(*) FROM main.sqlite_schema WHERE name = $1 COLLATE NOCASE", [.text(name)])
            guard taken.asInt == 0 else {
                throw MigratorError(
                    "backup-exists", .refused, "\"\(name)\" exists and is not a table",
                    hint: "rename it")
            }
            try forget()
            return
        }
        if let older {
            try forget()
            let newName = try freeName("\(name)_\(older.runID)")
            try session.execute("ALTER TABLE \(existing.qualified) RENAME TO \(newName.quotedIdentifier)")
            try ledger.renameBackup(older.id, to: newName)
            return
        }
        guard context.options.setsAside else {
            throw MigratorError(
                "backup-exists", .refused,
                "the table \"\(name)\" exists and is no backup of this tool: it will not be overwritten",
                hint: "look at it, then rename it or run again with --set-aside")
        }
        try forget()
        _ = try setAside(existing, context: context)
    }

    func freeName(_ wish: String) throws -> String {
        var name = wish
        var number = 2
        while try session.scalar(
            "SELECT count(*) FROM main.sqlite_schema WHERE name = $1 COLLATE NOCASE", [.text(name)]
        ).asInt != 0 {
            name = "\(wish)_\(number)"
            number += 1
        }
        return name
    }

    // MARK: Leftovers

    public func clearLeftovers(_ tables: [TableName], context: StepContext) throws -> StepOutcome {
        let registered = Set(try ledger.backups().map { $0.name.lowercased() })
        let found = try tables.compactMap { try table($0) }.filter { !registered.contains($0.name.lowercased()) }
        let full = try found.filter { try rowCount($0.name) > 0 }
        guard full.isEmpty || context.options.setsAside else {
            let listed = try full.map { "\"\($0.name)\": \(try rowCount($0.name).counted("row"))" }
            throw MigratorError(
                "leftover-table", .refused,
                "tables of an earlier attempt are in the way: \(full.map { "\"\($0.name)\"" }.joined(separator: ", "))",
                hint: "look at them, then run again with --set-aside, which renames them", details: listed)
        }
        var outcome = StepOutcome(rows: 0)
        for table in found {
            let rows = try rowCount(table.name)
            if rows == 0 {
                try session.execute("DROP TABLE \(table.qualified)")
                outcome.details.append("\(table.name): empty, dropped")
            } else {
                outcome.details.append(
                    "\(table.name): \(rows.counted("row")), now \(try setAside(table, context: context))")
            }
        }
        return outcome
    }

    /// Renames a table out of the way. Names of indexes and triggers are free afterwards: SQLite cannot rename
    /// them, so they are dropped and their definitions recorded.
    func setAside(_ table: SQLiteTable, context: StepContext) throws -> String {
        let name = try freeName("\(table.name)_set_aside_\(context.runID)")
        let indexes = try objects("index", of: table.name)
        let triggers = try objects("trigger", of: table.name)
        for index in indexes { try session.execute("DROP INDEX \(main(index.name))") }
        for trigger in triggers { try session.execute("DROP TRIGGER \(main(trigger.name))") }
        try session.execute("ALTER TABLE \(table.qualified) RENAME TO \(name.quotedIdentifier)")
        let columns = table.columns.map(\.name)
        let hash = try contentHash(of: TableName(name), columns: columns)
        try ledger.add(
            BackupRecord(
                runID: context.runID, revision: context.revision, kind: .setAside, schema: schema,
                source: table.name, name: name, key: table.singleKey, columns: columns, rows: hash.rows,
                hash: hash.hash, algorithm: hash.algorithm,
                definition: (indexes + triggers).map { $0.sql + ";" }.joined(separator: "\n")))
        return name
    }

    // MARK: Columns

    public func archiveColumns(
        _ columns: [String], of table: TableName, context: StepContext
    ) throws -> StepOutcome {
        let source = try requireTable(table)
        let wanted = source.columns.filter { column in columns.contains { isSameName($0, column.name) } }
        return try archive(
            wanted, of: source, where: wanted.map { "\($0.name.quotedIdentifier) IS NOT NULL" }, context: context)
    }

    /// Key and values of columns, in the rows where any of the conditions holds.
    func archive(
        _ columns: [SQLiteColumn], of source: SQLiteTable, where conditions: [String], context: StepContext
    ) throws -> StepOutcome {
        guard !columns.isEmpty else { return StepOutcome(rows: 0) }
        let condition = conditions.joined(separator: " OR ")
        let rows = try session.scalar("SELECT count(*) FROM \(source.qualified) WHERE \(condition)").asInt ?? 0
        guard rows > 0 else { return StepOutcome(rows: 0) }
        let keys = source.primaryKey.compactMap(source.column)
        let kept = keys + columns.filter { column in !keys.contains { $0.name == column.name } }
        let name = "\(source.name)_columns_backup"
        try makeRoom(for: name, context: context)
        try createLike(source, named: name, columns: kept)
        // Without a primary key of its own a row is told by its row id.
        let names = (keys.isEmpty ? source.rowid.map { [$0] } ?? [] : []) + kept.map(\.name)
        try session.run(
            """
            INSERT INTO \(main(name)) (\(columnList(names)))
            SELECT \(columnList(names)) FROM \(source.qualified) WHERE \(condition)
            """)
        let hash = try contentHash(of: TableName(name), columns: kept.map(\.name))
        let expected = try session.scalar(
            "SELECT \(SQLiteContentHash.function)(\(columnList(kept.map(\.name)))) FROM \(source.qualified) WHERE \(condition)"
        )
        guard hash.rows == rows, expected.asText == hash.hash else {
            throw MigratorError(
                "backup-differs", .difference, "the copy \"\(name)\" differs from \"\(source.name)\"",
                hint: "report this: nothing has been changed")
        }
        try ledger.add(
            BackupRecord(
                runID: context.runID, revision: context.revision, kind: .columns, schema: schema,
                source: source.name, name: name, key: source.singleKey, columns: kept.map(\.name),
                rows: hash.rows, hash: hash.hash, algorithm: hash.algorithm))
        let list = columns.map(\.name).joined(separator: ", ")
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) with values in \(list) kept in \(name)"])
    }
}
