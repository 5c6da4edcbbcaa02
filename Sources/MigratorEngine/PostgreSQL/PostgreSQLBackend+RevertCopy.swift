import MigratorDatabase
import MigratorScript

/// The way back of a switch that copied the rows.
extension PostgreSQLBackend {
    /// 1. the view goes, with those that read it; 2. values that only the new shape has are kept; 3. the empty
    /// source comes back from its shell; 4. the rows, with every write since, and what the new shape had dropped
    /// from the backup; rows that do not fit are counted; 5. the comparison; 6. sequence, keys, children and
    /// publications as they were; 7. the target goes; 8. the proof.
    func revertCopySwitch(
        _ move: Move, record: SwitchRecord, target: CatalogRelation, context: StepContext
    ) throws -> StepOutcome {
        // 1
        var readers: [DependentView] = []
        if let view = record.view, let relation = try catalog.relation(view.tableName), relation.kind == .view {
            readers = view == record.source ? try dependentViews(of: relation.oid) : []
            try drop(readers)
            try dropView(view, of: record)
        }

        // 2
        var details = try archiveAdded(addedSince(record, target: target), context: context)

        // 3
        var record = record
        if let follower = record.follower {
            details.append(try endFollowing(follower, record: &record, revision: context.revision))
        }
        try giveUpNames(record.carriedIndexes ?? [], of: target)
        let source = try bringBackShell(record)
        let triggers = try catalog.triggers(of: source.oid)
        if !triggers.isEmpty { try session.execute("ALTER TABLE \(source.quoted) DISABLE TRIGGER USER") }

        // 4
        let (select, columns) = try wayBack(move, record: record, source: source, context: context)
        let lost = try returnRows(
            select, columns: columns, key: record.key, target: target, source: source, context: context)
        details += lost.isEmpty ? [] : ["\(lost.count.counted("row")) given up, as accepted"]

        // 5
        let name = record.source.tableName
        let keys = lost.map(\.quotedLiteral).joined(separator: ", ")
        let key = record.key.quotedIdentifier
        let expected =
            lost.isEmpty ? select : "SELECT * FROM (\(select)) AS kept WHERE \(key)::text NOT IN (\(keys))"
        let comparison = try RowComparison(
            expected: expected, columns: columns, table: name, key: record.key, backend: self)
        try refuse(comparison, what: "\"\(record.source.name)\" is not what \"\(record.target.name)\" holds")

        // 6
        for trigger in triggers {
            let states = ["O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"]
            if let state = states[trigger.enabled] {
                try session.execute(
                    "ALTER TABLE \(source.quoted) \(state) TRIGGER \(trigger.name.quotedIdentifier)")
            }
        }
        var left = StepOutcome()
        for statement in record.undo { try undo(statement, of: record, &left) }
        details += left.details
        try advanceSequence(of: name, column: record.key)

        // 7
        do {
            try session.savepoint { try session.execute("DROP TABLE \(target.quoted)") }
        } catch let error as DatabaseError where error.sqlState == "2BP01" {
            throw MigratorError(
                "new-shape-in-use", .refused, "other objects depend on \"\(record.target.name)\"",
                hint: "drop them, or drop them in the downgrade section before the switch",
                details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
        }
        try create(readers)

        // 8
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "switch",
                subject: "\(record.target.name) -> \(record.source.name)", verdict: Verdict.exact.rawValue,
                detail: "{\"strategy\":\"copy\",\"rows\":\(comparison.expectedRows)}"))
        details.append("\(comparison.expectedRows.counted("row")) compared, 0 differences")
        (left.rows, left.details) = (comparison.expectedRows, details)
        return left
    }

    /// The record with the columns that somebody has added to the target since the switch.
    private func addedSince(_ record: SwitchRecord, target: CatalogRelation) throws -> SwitchRecord {
        guard let shell = record.shell, let old = try catalog.oid(of: shell.tableName) else { return record }
        let known = try catalog.columns(of: old).map(\.name) + record.added.map(\.name)
        var record = record
        for column in try catalog.columns(of: target.oid) where column.generated == nil && !known.contains(column.name)
        {
            record.added.append(.init(name: column.name, initial: nil))
        }
        return record
    }

    /// The downgrade's SELECT or by name, with what the upgrade carried beside its own.
    func mappingBack(
        _ mapping: Statement?, of record: SwitchRecord, to old: TableName
    ) throws -> PostgreSQLMapping {
        let target = record.target.tableName
        return try carrying(
            record.carried ?? [], beside: try analyse(mapping, source: target, target: old, key: record.key),
            from: target, to: old, key: record.key)
    }

    private func bringBackShell(_ record: SwitchRecord) throws -> CatalogRelation {
        guard let shell = record.shell, let relation = try catalog.relation(shell.tableName) else {
            throw MigratorError(
                "shell-missing", .refused,
                "the empty table that remembers what \"\(record.source.name)\" was is gone from the ledger's schema",
                hint: "restore the ledger's schema from a backup of the database")
        }
        let space = record.source.schema.quotedIdentifier
        try session.execute(
            """
            ALTER TABLE \(relation.quoted) SET SCHEMA \(space);
            ALTER TABLE \(space).\(relation.name.quotedIdentifier) RENAME TO \(record.source.name.quotedIdentifier)
            """)
        guard let source = try catalog.relation(record.source.tableName) else {
            throw MigratorError("shell-missing", .failed, "\"\(record.source.name)\" could not be brought back")
        }
        return source
    }

    /// The rows as the old shape has them: the downgrade's own SELECT or by name; columns that only the old shape
    /// has come from the backup, by key, for rows that are still there (ONLINE.md H22).
    private func wayBack(
        _ move: Move, record: SwitchRecord, source: CatalogRelation, context: StepContext
    ) throws -> (select: String, columns: [String]) {
        let mapping = try mappingBack(move.mapping, of: record, to: record.source.tableName)
        let (left, backup) = try leftBehind(record, mapping: mapping, old: source, context: context)
        let carried = try writable(of: source).map(\.name).filter(mapping.columns.contains)
        let list = carried.map { "m.\($0.quotedIdentifier)" }
        guard let backup else {
            // There was nothing in them, else the upgrade would not have gone without a backup.
            let empty = left.filter { !$0.isNotNull }
            let nulls = empty.map { "NULL::\($0.type) AS \($0.name.quotedIdentifier)" }
            return (
                "SELECT \((list + nulls).joined(separator: ", ")) FROM (\(mapping.select)\n) AS m",
                carried + empty.map(\.name)
            )
        }
        try requireUnchangedForWayBack(backup)
        let key = record.key.quotedIdentifier
        let kept = left.map { "b.\($0.name.quotedIdentifier)" }
        return (
            """
            SELECT \((list + kept).joined(separator: ", ")) FROM (\(mapping.select)
            ) AS m LEFT JOIN \(quoted(TableName(schema: backup.schema, backup.name))) AS b ON b.\(key) = m.\(key)
            """, carried + left.map(\.name)
        )
    }

    /// The columns of the old shape that the way back finds in the new table nowhere, and the backup that has them.
    private func leftBehind(
        _ record: SwitchRecord, mapping: PostgreSQLMapping, old: CatalogRelation, context: StepContext
    ) throws -> (columns: [CatalogColumn], backup: BackupRecord?) {
        let left = try writable(of: old).filter { !mapping.columns.contains($0.name) }
        if left.isEmpty { return ([], nil) }
        let values = "the values of \(left.map(\.name).joined(separator: ", "))"
        let backup = try backup(behindSwitchOf: record.source.name, revision: context.revision, values: values)
        if let backup, !left.allSatisfy({ backup.columns.contains($0.name) }) {
            throw MigratorError(
                "backup-missing", .refused,
                "\(values), which \"\(record.target.name)\" does not have, are not in the backup \"\(backup.name)\"",
                hint: "put `-- migrator:backup \(record.source.name)` before the switch; for now, restore the backup")
        }
        return (left, backup)
    }

    private func writable(of relation: CatalogRelation) throws -> [CatalogColumn] {
        try catalog.columns(of: relation.oid).filter { $0.generated == nil }
    }

    public func backupOfWayBack(_ move: Move, context: StepContext) throws -> BackupRecord? {
        guard let object = try ledger.switchRecord(ledBackBy: move, revision: context.revision) else { return nil }
        let record = try SwitchRecord(object)
        guard record.strategy == .copy, record.follower == nil, let shell = record.shell?.tableName,
            let old = try catalog.relation(shell), try catalog.relation(record.target.tableName) != nil
        else { return nil }
        let mapping = try mappingBack(move.mapping, of: record, to: shell)
        return try leftBehind(record, mapping: mapping, old: old, context: context).backup
    }

    /// Inserts all rows; where some do not fit, finds them by halves and loads the rest, if their number is accepted.
    /// - Returns: the keys of rows that were given up.
    private func returnRows(
        _ select: String, columns: [String], key: String, target: CatalogRelation, source: CatalogRelation,
        context: StepContext
    ) throws -> [String] {
        let list = columns.map(\.quotedIdentifier).joined(separator: ", ")
        let quotedKey = key.quotedIdentifier
        func insert(_ condition: String) throws -> Bool {
            do {
                try session.savepoint {
                    try session.run(
                        """
                        INSERT INTO \(source.quoted) (\(list)) OVERRIDING SYSTEM VALUE
                        SELECT \(list) FROM (\(select)) AS rows \(condition) ORDER BY \(quotedKey)
                        """)
                }
                return true
            } catch let error as DatabaseError where error.isAboutRows {
                return false
            }
        }
        if try insert("") { return [] }
        try session.execute(
            "CREATE TEMPORARY TABLE migrator_keys ON COMMIT DROP AS SELECT \(quotedKey) AS k, row_number() OVER (ORDER BY \(quotedKey)) AS n FROM \(target.quoted)"
        )
        var lost: [String] = []
        func place(_ first: Int, _ last: Int) throws {
            let range = "SELECT k FROM pg_temp.migrator_keys WHERE n BETWEEN \(first) AND \(last)"
            if first > last { return }
            if try insert("WHERE \(quotedKey) IN (\(range))") { return }
            if first == last {
                lost.append(try session.scalar("SELECT k::text FROM (\(range)) AS one").asText ?? "")
                return
            }
            let middle = (first + last) / 2
            try place(first, middle)
            try place(middle + 1, last)
        }
        let total = try session.scalar("SELECT count(*) FROM pg_temp.migrator_keys").asInt ?? 0
        try place(1, total)
        guard context.options.acceptedLoss == lost.count else {
            throw MigratorError(
                "would-lose-rows", .refused,
                "\(lost.count.counted("row")) of \"\(target.name)\" \(lost.count == 1 ? "does" : "do") not fit \"\(source.name)\" as it was",
                hint: "mend the rows, or accept the loss with --accept-loss \(lost.count)",
                details: lost.prefix(10).map { "\(key) \($0)" }
                    + (lost.count > 10 ? ["and \(lost.count - 10) more"] : []))
        }
        return lost
    }
}
