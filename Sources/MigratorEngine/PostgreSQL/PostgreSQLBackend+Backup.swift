import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// `TABLE_backup`, made and compared in the open transaction under the lock that `beginWork` took, registered
    /// with rows and hash. A difference leaves nothing behind: the caller rolls back.
    public func backup(_ table: TableName, context: StepContext) throws -> StepOutcome {
        try makeBackup(of: table, kind: .table, context: context)
    }

    func makeBackup(
        of table: TableName, kind: BackupRecord.Kind, context: StepContext
    ) throws -> StepOutcome {
        guard let source = try catalog.relation(table), source.isTable else {
            throw MigratorError(
                "table-missing", .refused,
                "the table \"\(table)\" does not exist, so that there is nothing to back up",
                hint: "if the database already has what revision \(context.revision) makes, "
                    + "run migrator stamp \(context.revision)")
        }
        let name = Self.truncated(source.name, suffix: "_backup")
        var details = try makeRoom(for: TableName(schema: source.schema, name), context: context)
        let columns = try catalog.columns(of: source.oid).map(\.name)
        let key = try catalog.singleKeyColumn(of: source.oid)
        let copy = TableName(schema: source.schema, name)
        try copyRows(of: source, columns: columns, to: copy, revision: context.revision)
        let content = try compare(source, with: copy, columns: columns, key: key)
        try ledger.add(
            try backupRecord(
                kind: kind, source: TableName(schema: source.schema, source.name), name: name, key: key,
                columns: columns, content: content, context: context))
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "backup",
                subject: "\(source.schema).\(source.name)", verdict: Verdict.exact.rawValue,
                detail: "{\"backup\":\(Self.json(name)),\"rows\":\(content.rows),"
                    + "\"hash\":\(Self.json(content.hash)),\"algorithm\":\(Self.json(Self.hashAlgorithm))}"))
        details.append("\(name): \(content.rows.counted("row")) compared, 0 differences")
        return StepOutcome(rows: content.rows, details: details)
    }

    /// Creates a plain table with the rows: logged (an unlogged one is empty after a crash), for its owner alone.
    func copyRows(
        of source: CatalogRelation, columns: [String], to copy: TableName, revision: String
    ) throws {
        let target = quoted(copy)
        let list = columns.map { "s.\($0.quotedIdentifier)" }.joined(separator: ", ")
        try withPinnedOutput {
            try session.execute("CREATE TABLE \(target) AS SELECT \(list) FROM \(source.quoted) s")
        }
        // ALTER DEFAULT PRIVILEGES may have let others in.
        let grantees = try session.query(
            """
            SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
                aclexplode(c.relacl) g
            WHERE n.nspname = $1 AND c.relname = $2 AND g.grantee <> c.relowner
            """, [.text(copy.schema ?? schema), .text(copy.name)]
        ).compactMap { $0[0].asText }
        let roles = Set(grantees + ["PUBLIC"]).sorted().joined(separator: ", ")
        let comment = "Backup of \(source.schema).\(source.name), made by migrator before revision \(revision)"
        try session.execute(
            "REVOKE ALL ON \(target) FROM \(roles); COMMENT ON TABLE \(target) IS \(comment.quotedLiteral)")
    }

    /// Compares by the hashes of all rows: by buckets of keys where there is a key, so that the rows that differ are
    /// found without a join of two large tables, else by their sum.
    /// - Returns: rows and hash of both.
    /// - Throws: `MigratorError`, status difference, with the keys.
    func compare(
        _ source: CatalogRelation, with copy: TableName, columns: [String], key: String?
    ) throws -> (rows: Int, hash: String) {
        let name = TableName(schema: source.schema, source.name)
        let copied: (rows: Int, hash: String)
        let rows: Int
        var keys: [String] = []
        let isEqual: Bool
        if let key, try canHash(copy, name, columns: columns, key: key) {
            let pass = try hashPass(copy, name, columns: columns, key: key)
            (copied, rows, isEqual) = (pass.content, pass.rows, pass.suspects == .none)
            if !isEqual { keys = try differingKeys(of: name, and: copy, columns: columns, key: key) }
        } else {
            let (original, made) = (
                try contentHash(of: name, columns: columns), try contentHash(of: copy, columns: columns)
            )
            copied = (made.rows, made.hash)
            (rows, isEqual) = (original.rows, original == made)
        }
        guard isEqual else {
            throw MigratorError(
                "backup-differs", .difference,
                "the backup \"\(copy.name)\" is not equal to \"\(source.name)\"",
                hint: "run the command again; if it happens again, report it",
                details: ["\(rows.counted("row")) in the table, \(copied.rows.grouped) in the backup"]
                    + keys.prefix(10).map { "\(key ?? "key") \($0) differs" }
                    + (keys.count > 10 ? ["and more"] : []))
        }
        return (copied.rows, copied.hash)
    }

    /// The first eleven.
    private func differingKeys(
        of table: TableName, and copy: TableName, columns: [String], key: String
    ) throws -> [String] {
        let comparison = ColumnComparison(session: session)
        let types = try comparison.types(of: quoted(table))
        func side(_ alias: String, _ column: String) -> String { "\(alias).\(column.quotedIdentifier)" }
        let differs = columns.map { comparison.differs(side("s", $0), side("c", $0), type: types[$0]) }
        // By the key's text where need be: operators of other types' schemas are out of the pinned search path.
        let isExact = types[key].map(ColumnComparison.exactTypes.contains) ?? false
        let place = isExact ? "" : "::text COLLATE \"C\""
        return try withPinnedOutput {
            try session.query(
                """
                SELECT coalesce(\(side("s", key)), \(side("c", key)))::text AS key
                FROM \(quoted(table)) s FULL JOIN \(quoted(copy)) c
                    ON \(side("s", key))\(place) = \(side("c", key))\(place)
                WHERE \(differs.joined(separator: " OR ")) ORDER BY 1 LIMIT 11
                """
            ).compactMap { $0[0].asText }
        }
    }

    // MARK: Names in the way

    /// Frees a name for a new backup: a registered older one is renamed, another relation is refused or set aside. What
    /// was registered under the name and is not there any more is forgotten, or it would be taken for the new one.
    func makeRoom(for table: TableName, context: StepContext) throws -> [String] {
        let occupant = try catalog.relation(table)
        let place = occupant?.schema ?? table.schema ?? schema
        let registered = try ledger.backups().filter { $0.schema == place && $0.name == table.name }
        let columns = try occupant.map { try catalog.columns(of: $0.oid).map(\.name) } ?? []
        let older = occupant?.isTable == true ? registered.last { $0.columns.allSatisfy(columns.contains) } : nil
        if let occupant, older == nil, !context.options.setsAside || !occupant.isTable {
            throw MigratorError(
                "backup-exists", .refused,
                "the \(occupant.kindName) \"\(occupant.name)\" is in the way of a backup, and migrator did not make it",
                hint: occupant.isTable
                    ? "look at it, then rename it, or let --set-aside do so" : "rename or drop it")
        }
        var details: [String] = []
        for lost in registered where lost.id != older?.id {
            try ledger.setBackupRemoved(lost.id)
            details.append("older backup \(lost.name) was not there any more: forgotten")
        }
        guard let occupant else { return details }
        guard let older else { return try details + [setAside(occupant, context: context)] }
        let name = try freeName(Self.truncated(occupant.name, suffix: "_\(context.runID)"), in: occupant.schema)
        try session.execute("ALTER TABLE \(occupant.quoted) RENAME TO \(name.quotedIdentifier)")
        try ledger.renameBackup(older.id, to: name)
        return details + ["older backup \(occupant.name) renamed \(name)"]
    }

    public func checkBackup(of table: TableName, context: StepContext) throws {
        guard let source = try catalog.relation(table) else { return }
        _ = try makeRoom(
            for: TableName(schema: source.schema, Self.truncated(source.name, suffix: "_backup")), context: context)
    }

    /// A name with a suffix within PostgreSQL's 63 bytes; the front is cut, at a character's boundary.
    static func truncated(_ name: String, suffix: String) -> String {
        var front = name
        while front.utf8.count + suffix.utf8.count > 63, !front.isEmpty { front.removeLast() }
        return front + suffix
    }

    /// The name, or with a number where it is taken.
    func freeName(_ name: String, in schema: String) throws -> String {
        var candidate = name
        var number = 1
        while try catalog.relation(TableName(schema: schema, candidate)) != nil {
            number += 1
            candidate = Self.truncated(name, suffix: "_\(number)")
        }
        return candidate
    }

    /// A JSON string.
    static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 32:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
