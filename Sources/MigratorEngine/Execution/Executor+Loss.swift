import MigratorDatabase
import MigratorScript

/// Loss accounting: what a statement would take away for good is counted before it may.
extension Executor {
    /// Runs a statement that may drop or empty something: once to see what goes, undone, then for good.
    /// The server says what goes, not our reading of the statement.
    func runGuarded(
        _ statement: Statement, work: inout RevisionWork, context: StepContext
    ) throws {
        let session = backend.session
        let before = try backend.inventory()
        try session.execute("SAVEPOINT migrator_guard")
        var gone: [(identity: String, table: InventoryTable, columns: [String]?)] = []
        /// Tables that have got other files, with the rows that they have then.
        var rewritten: [(table: InventoryTable, rows: Int)] = []
        do {
            try session.execute(statement.text)
            let after = try backend.inventory()
            for (identity, table) in before.sorted(by: { $0.value.name < $1.value.name }) {
                if let now = after[identity] {
                    if now.storage != table.storage {
                        rewritten.append((table, try rowCount(TableName(schema: now.schema, now.name))))
                    }
                    let columns = table.columns.filter { now.columns[$0.key] == nil }.map(\.value).sorted()
                    if !columns.isEmpty { gone.append((identity, table, columns)) }
                } else {
                    gone.append((identity, table, nil))
                }
            }
        } catch {
            try? session.execute("ROLLBACK TO SAVEPOINT migrator_guard; RELEASE SAVEPOINT migrator_guard")
            throw try neededByBackup(error, work: work, at: statement) ?? error
        }
        if gone.isEmpty && rewritten.isEmpty {
            try session.execute("RELEASE SAVEPOINT migrator_guard")
            return
        }
        try session.execute("ROLLBACK TO SAVEPOINT migrator_guard; RELEASE SAVEPOINT migrator_guard")
        var emptied = try rewritten.filter { table, rows in
            try rowCount(TableName(schema: table.schema, table.name)) > rows
        }.map(\.table)
        // What is not there again was taken by somebody else meanwhile.
        let there = try backend.inventory()
        gone = gone.filter { loss in
            there[loss.identity].map { Set(loss.columns ?? []).isSubset(of: $0.columns.values) } ?? false
        }
        if gone.count == 1, emptied.isEmpty, let table = statement.droppedTable, table.name == gone[0].table.name,
            try keepDropped(table, work: work, context: context)
        {
            return
        }
        let lossBefore = work.losses.count
        if work.planned.script.origin != nil, options.acceptedLoss == nil {
            let old = oldTables(of: before)
            emptied.removeAll { !old.contains(TableName(schema: $0.schema, $0.name)) }
            gone.removeAll { !old.contains(TableName(schema: $0.table.schema, $0.table.name)) }
        }
        for table in emptied { try account(for: table, columns: nil, work: &work, context: context) }
        for loss in gone {
            try account(for: loss.table, columns: loss.columns, work: &work, context: context)
        }
        if work.losses.count > lossBefore { try checkLosses(work: work, at: statement) }
        try session.execute(statement.text)
    }

    /// Those that may hold anybody's rows: what the run's own scripts have made holds theirs only. SQLite tells tables
    /// by their names, which change: there all tables count, unless the file was empty.
    private func oldTables(of inventory: [String: InventoryTable]) -> Set<TableName> {
        let tablesBefore = tablesBefore ?? Set(inventory.keys)
        let known = backend.session.dialect == .sqlite && !tablesBefore.isEmpty ? Set(inventory.keys) : tablesBefore
        return Set(
            inventory.filter { known.contains($0.key) }.map { TableName(schema: $0.value.schema, $0.value.name) })
    }

    private func account(
        for table: InventoryTable, columns: [String]?, work: inout RevisionWork, context: StepContext
    ) throws {
        let name = TableName(schema: table.schema, table.name)
        if try backupNames(work: work).contains(name) {
            let rows = try rowCount(name)
            if rows > 0 { work.losses.append(("of the backup \"\(table.name)\"", rows)) }
            return
        }
        if try hasFreshBackup(of: table, work: work, context: context) { return }
        // Other tools have no word for keeping rows, so that they are kept unasked.
        if work.planned.script.origin != nil, options.acceptedLoss == nil {
            let outcome =
                try columns.map { try backend.archiveColumns($0, of: name, context: context) }
                ?? backend.archive([name], context: context)
            for detail in outcome.details { reporter.report(.note(detail)) }
            return
        }
        guard let columns else {
            let rows = try rowCount(name)
            if rows > 0 { work.losses.append(("of \"\(table.name)\"", rows)) }
            return
        }
        if try work.isOnline && areComputed(columns, of: name, work: work) { return }
        let anyValue = columns.map { "\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " OR ")
        let rows =
            try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(name)) WHERE \(anyValue)").asInt ?? 0
        guard rows > 0 else { return }
        if work.planned.direction == .downgrade {
            let outcome = try backend.archiveColumns(columns, of: name, context: context)
            for detail in outcome.details { reporter.report(.note(detail)) }
        } else {
            let named = columns.map { "\"\($0)\"" }.joined(separator: ", ")
            work.losses.append(("of \"\(table.name)\" with values in \(named)", rows))
        }
    }

    /// The registered backups, and the tables that will be.
    private func backupNames(work: RevisionWork) throws -> [TableName] {
        let kept = try (backend as? any TableKeeper)?.keptNames(revision: work.planned.script.revision) ?? []
        return try backend.ledger.backups().map { TableName(schema: $0.schema, $0.name) } + kept
    }

    /// In other words where a backup needs what the statement drops: its schema, a type of its columns. What the server
    /// advises, CASCADE, would take the backup away.
    private func neededByBackup(
        _ error: any Error, work: RevisionWork, at statement: Statement
    ) throws -> MigratorError? {
        guard let error = error as? DatabaseError, error.sqlState == "2BP01" else { return nil }
        let lines = (error.detail ?? "").split(separator: "\n").map(String.init)
        let needed = lines.filter { $0.contains("_back") }
        let backups = try backupNames(work: work).map(\.name)
        guard let backup = backups.first(where: { name in needed.contains { $0.contains(name) } }) else { return nil }
        return MigratorError(
            "backup-needs-it", .refused,
            "\(statement.title): the backup \"\(backup)\" needs what it would drop",
            hint:
                "take the statement out of the script and run the same command again; drop it by hand when the backup has been exported and pruned",
            location: statement.location, details: lines)
    }

    /// Whether the upgrade's own `fill` makes every value of the columns again, so that nothing goes with them.
    private func areComputed(_ columns: [String], of table: TableName, work: RevisionWork) throws -> Bool {
        for item in try work.planned.script.upgrade.flatItems {
            guard case .fill(let fill) = item.action, fill.table.name == table.name else { continue }
            let key = fill.key.quotedIdentifier
            let computed = try backend.session.describe(fill.mapping.text)
            guard columns.allSatisfy(computed.contains) else { continue }
            if try (backend as? any TableKeeper)?.holdsComputedOnly(columns, of: fill) == true { return true }
            let others = columns.map {
                "t.\($0.quotedIdentifier) IS NOT NULL AND t.\($0.quotedIdentifier) IS DISTINCT FROM m.\($0.quotedIdentifier)"
            }
            // Counted: for the first row alone the planner would look up one row after the other.
            return try backend.session.scalar(
                """
                SELECT count(*) FROM \(backend.quoted(table)) AS t LEFT JOIN (\(fill.mapping.text)
                ) AS m ON m.\(key) = t.\(key) WHERE \(others.joined(separator: " OR "))
                """
            ).asInt == 0
        }
        return false
    }

    /// A registered backup of the whole table that this upgrade or downgrade made. Where the backup and the end of
    /// the table are transactions of their own, something may have been written between: it is archived as well.
    private func hasFreshBackup(of table: InventoryTable, work: RevisionWork, context: StepContext) throws -> Bool {
        let backup = try backend.ledger.backups().last {
            $0.runID >= work.attempt && $0.source == table.name && $0.schema == table.schema
                && ($0.kind == .table || $0.kind == .archive)
        }
        guard let backup else { return false }
        let name = TableName(schema: table.schema, table.name)
        if work.isOnline, backup.kind == .archive, try !isAsArchived(name, backup) {
            for detail in try backend.archive([name], context: context).details { reporter.report(.note(detail)) }
        }
        return true
    }

    /// Whether a table that nobody writes to any more has the very content of its archive.
    private func isAsArchived(_ table: TableName, _ backup: BackupRecord) throws -> Bool {
        try backend.holdStill(table)
        guard try backend.columnNames(of: table) == backup.columns, try rowCount(table) == backup.rows else {
            return false
        }
        return try backend.contentHash(of: table, columns: backup.columns).hash
            == backup.hash
    }

    private func rowCount(_ table: TableName) throws -> Int {
        try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(table))").asInt ?? 0
    }

    private func checkLosses(work: RevisionWork, at statement: Statement) throws {
        let total = work.losses.reduce(0) { $0 + $1.rows }
        if options.acceptedLoss == total { return }
        let listed = work.losses.map { "\($0.rows.counted("row")) \($0.subject)" }
        if work.planned.direction == .upgrade {
            throw MigratorError(
                "would-lose-rows", .refused,
                "\(statement.title) would take away what no backup holds",
                hint: "put `-- migrator:backup TABLE` before the statement",
                location: statement.location, details: listed)
        }
        throw MigratorError(
            "would-lose-rows", .refused,
            "the downgrade of revision \"\(work.planned.script.revision)\" would lose \(total.counted("row")) that nothing else holds",
            hint: work.losses.contains { $0.subject.hasPrefix("of the backup ") }
                ? "take what the backups need, their schema and their types, out of its downgrade, or accept the loss with --accept-loss \(total)"
                : "add `-- migrator:archive TABLE` to its downgrade, or accept the loss with --accept-loss \(total)",
            location: statement.location, details: listed)
    }
}
