import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public func revertSwitch(_ move: Move, record: ObjectRecord, context: StepContext) throws -> StepOutcome {
        let switched = try decodeJSON(SQLiteSwitchRecord.self, record.detail, what: record.name)
        guard let current = try table(switched.target) else {
            throw MigratorError(
                "target-missing", .refused, "there is no table \"\(switched.target)\" to go back from",
                hint: "restore it, or forget the revision with `migrator stamp`")
        }
        try requireDependents(of: current.name, context: context)
        if let view = switched.view { try session.execute("DROP VIEW IF EXISTS \(main(view))") }
        guard
            try session.scalar(
                "SELECT count(*) FROM main.sqlite_schema WHERE name = $1 COLLATE NOCASE", [.text(switched.source)]
            ).asInt == 0
        else {
            throw MigratorError(
                "target-exists", .refused, "\"\(switched.source)\" exists already", hint: "rename it")
        }
        // 1. The source as it was.
        try dropCarriedIndexes(switched, of: current)
        try session.execute(switched.sourceSQL)
        // Unique indexes refuse rows, which are counted below.
        for index in switched.indexes where index.isUnique { try session.execute(index.sql) }
        let old = try requireTable(TableName(switched.source))
        let key = current.column(switched.key)?.name ?? switched.key
        let oldKey = old.column(switched.key)?.name ?? switched.key
        try requireKeys(current, key: key)
        // 2. What it held and what was written since.
        let way = try wayBack(move, switched: switched, from: current, to: old, key: key, context: context)
        if let backup = way.backup { try requireUnchangedForWayBack(backup) }
        let list = columnList(way.columns)
        try session.run(
            "INSERT OR IGNORE INTO \(old.qualified) (\(list)) SELECT \(list) FROM (\(way.select)) ORDER BY \(oldKey.quotedIdentifier)"
        )
        let lost = try acceptLoss(of: current, key: key, in: old, oldKey: oldKey, context: context)
        let returned = try returnExceptions(
            way.backup, switched, current: current, key: key, old: old, oldKey: oldKey, context: context)
        // 3. Compared row by row, those aside that cannot be held and those that were never in the target.
        let kept =
            "SELECT * FROM (\(way.select)) AS kept WHERE kept.\(oldKey.quotedIdentifier) IN (SELECT \(oldKey.quotedIdentifier) FROM \(old.qualified))"
        let comparison = try compare(kept, columns: way.columns, with: old, key: oldKey, isSubset: true)
        try require(comparison, what: "way back from \(current.name) to \(old.name)")
        guard try rowCount(old.name) == comparison.rows + returned else {
            throw MigratorError(
                "rows-differ", .difference, "\"\(old.name)\" has rows that should not be there",
                hint: "report this: nothing has been changed")
        }
        // 4. What only the new shape holds is kept.
        let archived = try archiveDropped(way, of: current, context: context)
        // 5
        try passBack(
            switched, record: record, from: current, to: old, rows: comparison.rows, lost: lost, context: context)
        var details = ["\(comparison.rows.counted("row")) compared, 0 differences"]
        if returned > 0 { details.append("\(returned.counted("exception")) returned from the backup") }
        if lost > 0 { details.append("\(lost.counted("row")) lost as accepted") }
        return StepOutcome(rows: comparison.rows + returned, details: details + archived.details)
    }

    func archiveDropped(_ way: WayBack, of current: SQLiteTable, context: StepContext) throws -> StepOutcome {
        try archive(
            way.dropped, of: current,
            where: way.dropped.map { column in
                let name = column.name.quotedIdentifier
                guard let constant = column.constantDefault else { return "\(name) IS NOT NULL" }
                return "(\(name) IS NOT NULL AND NOT \(SQLiteContentHash.sameFunction)(\(name), (\(constant))))"
            }, context: context)
    }

    /// The role passes back to the old table, which is full.
    func passBack(
        _ switched: SQLiteSwitchRecord, record: ObjectRecord, from current: SQLiteTable, to old: SQLiteTable, rows: Int,
        lost: Int, context: StepContext
    ) throws {
        try requireUnnamed(current, isLast: true, context: context)
        let next = [switched.sequence, try sequence(of: current.name)].compactMap { $0 }.max()
        for trigger in try objects("trigger", of: current.name) {
            try session.execute("DROP TRIGGER \(main(trigger.name))")
        }
        try session.execute("DROP TABLE \(current.qualified)")
        _ = try passRole(of: current.name, to: old.name, triggers: [])
        let there = try objects("index", of: old.name).map(\.name)
        let indexes = switched.indexes.filter { !there.contains($0.name) }
        for object in indexes + switched.triggers { try session.execute(object.sql) }
        try raiseSequence(of: old.name, to: next)
        renamedTables[old.name.lowercased()] = current.name.lowercased()
        guard let made = try table(old.name),
            SQLiteTokens(made.sql).normalised == SQLiteTokens(switched.sourceSQL).normalised
        else {
            throw MigratorError(
                "schema-differs", .difference, "\"\(old.name)\" is not defined as it was",
                hint: "report this: nothing has been changed")
        }
        try ledger.removeObject(record.id)
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "switch",
                subject: old.name, verdict: Verdict.exact.rawValue,
                detail: "{\"rows\":\(rows),\"differences\":0,\"lost\":\(lost)}"))
    }

    struct WayBack {
        /// Yields `columns` of the old table.
        var select: String
        var columns: [String]
        /// Columns that only the new shape has.
        var dropped: [SQLiteColumn]
        /// What values or rows come back from.
        var backup: BackupRecord?
    }

    func wayBack(
        _ move: Move, switched: SQLiteSwitchRecord, from current: SQLiteTable, to old: SQLiteTable, key: String,
        context: StepContext
    ) throws -> WayBack {
        var columns: [String]
        var base: String
        var dropped: [SQLiteColumn]
        if let statement = move.mapping {
            let mapping = try mapping(statement, source: current, target: old, key: switched.key, forEnsure: true)
            columns = mapping.columns
            base = mapping.select
            let read = try (session.unwrapped as? SQLiteSession)?.readsOf(mapping.select) ?? []
            dropped = current.writable.filter { column in
                !read.contains { isSameName($0.table, current.name) && isSameName($0.column, column.name) }
            }
        } else {
            columns = old.writable.map(\.name).filter { current.column($0) != nil }
            base = "SELECT \(columnList(columns)) FROM \(current.name.quotedIdentifier)"
            dropped = current.writable.filter { old.column($0.name) == nil }
        }
        // Columns that the new shape dropped come from the backup, by key; newer rows get the default.
        let absent = old.writable.filter { column in !columns.contains { isSameName($0, column.name) } }
        // Beside a SELECT that does not know them, those that came along come back from where they are.
        let carried = Set((switched.carried ?? []).map { $0.lowercased() })
            .intersection(absent.map { $0.name.lowercased() }).filter { current.column($0) != nil }
        dropped.removeAll { carried.contains($0.name.lowercased()) }
        let isLeftBehind = try absent.count > carried.count || hasExceptions(switched, context)
        let backup = isLeftBehind ? try backup(behind: switched, context: context) : nil
        guard !absent.isEmpty else {
            return WayBack(select: base, columns: columns, dropped: dropped, backup: backup)
        }
        var list = columns.map { "b.\($0.quotedIdentifier)" }
        for column in absent {
            if carried.contains(column.name.lowercased()) {
                list.append("c.\(column.name.quotedIdentifier) AS \(column.name.quotedIdentifier)")
                continue
            }
            // Evaluated once, so that the comparison finds the same value.
            let value =
                try column.defaultSQL.map { try session.scalar("SELECT quote((\($0)))").asText ?? "NULL" } ?? "NULL"
            if let backup, backup.columns.contains(where: { isSameName($0, column.name) }) {
                list.append(
                    "CASE WHEN k.\(switched.key.quotedIdentifier) IS NULL THEN \(value) ELSE k.\(column.name.quotedIdentifier) END AS \(column.name.quotedIdentifier)"
                )
            } else {
                list.append("\(value) AS \(column.name.quotedIdentifier)")
            }
        }
        func join(_ table: String, as name: String) -> String {
            let key = switched.key.quotedIdentifier
            return " LEFT JOIN \(table) AS \(name) ON \(name).\(key) = b.\(key)"
        }
        let beside =
            (backup.map { join(main($0.name), as: "k") } ?? "")
            + (carried.isEmpty ? "" : join(current.qualified, as: "c"))
        return WayBack(
            select: "SELECT \(list.joined(separator: ", ")) FROM (\(base)) AS b\(beside)",
            columns: columns + absent.map(\.name), dropped: dropped, backup: backup)
    }

    func backup(behind switched: SQLiteSwitchRecord, context: StepContext) throws -> BackupRecord? {
        let found = try backup(
            behindSwitchOf: switched.source, revision: context.revision, values: "what the switch has left behind")
        return found.flatMap { backup in
            backup.columns.contains { isSameName($0, switched.key) } ? backup : nil
        }
    }

    /// Rows that the old shape cannot hold are loss, to be accepted by their exact number.
    private func acceptLoss(
        of current: SQLiteTable, key: String, in old: SQLiteTable, oldKey: String, context: StepContext
    ) throws -> Int {
        let lost = """
            FROM \(current.qualified) c WHERE NOT EXISTS
                (SELECT 1 FROM \(old.qualified) o WHERE o.\(oldKey.quotedIdentifier) = c.\(key.quotedIdentifier))
            """
        let count = try session.scalar("SELECT count(*) \(lost)").asInt ?? 0
        guard count > 0, context.options.acceptedLoss != count else { return count }
        let keys = try session.query("SELECT c.\(key.quotedIdentifier) \(lost) ORDER BY 1 LIMIT 10").map {
            "\(current.name), key \($0[0].asText ?? "NULL")"
        }
        throw MigratorError(
            "would-lose-rows", .refused,
            "\"\(old.name)\" cannot hold \(count.counted("row")) of \"\(current.name)\"",
            hint: "change these rows, or accept the loss with --accept-loss \(count)", details: keys)
    }

    /// Rows that no mapping could place were never in the target: the backup has them.
    func returnExceptions(
        _ backup: BackupRecord?, _ switched: SQLiteSwitchRecord, current: SQLiteTable, key: String, old: SQLiteTable,
        oldKey: String, context: StepContext
    ) throws -> Int {
        guard let backup else { return 0 }
        let columns = old.writable.map(\.name).filter { name in backup.columns.contains { isSameName($0, name) } }
        let list = columnList(columns)
        let quoted = oldKey.quotedIdentifier
        return try session.run(
            """
            INSERT INTO \(old.qualified) (\(list)) SELECT \(list) FROM \(main(backup.name)) AS k
            WHERE CAST(k.\(quoted) AS TEXT) IN (SELECT row_key FROM \(ledger.table("exception"))
                    WHERE revision = $1 AND table_name = $2)
                AND NOT EXISTS (SELECT 1 FROM \(current.qualified) c WHERE c.\(key.quotedIdentifier) = k.\(quoted))
            """, [.text(context.revision), .text(switched.source)])
    }

    private func hasExceptions(_ switched: SQLiteSwitchRecord, _ context: StepContext) throws -> Bool {
        try session.scalar(
            "SELECT EXISTS (SELECT 1 FROM \(ledger.table("exception")) WHERE revision = $1 AND table_name = $2)",
            [.text(context.revision), .text(switched.source)]
        ).asBool
    }
}
