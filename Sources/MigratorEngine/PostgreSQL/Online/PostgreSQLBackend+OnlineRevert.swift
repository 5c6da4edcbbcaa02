import MigratorDatabase
import MigratorScript

/// The way back of a switch while the application writes.
extension PostgreSQLBackend {
    func revertOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        if work.checkpoint.has("cut back") { return try finishRevert(move, work) }
        let name = "\(move.target) -> \(move.source)"
        let object = try ledger.objects(revision: work.context.revision, kind: "switch").last { $0.name == name }
        guard let object else { return try abandonSwitch(move, work) }
        let record = try SwitchRecord(object)
        guard let target = try catalog.relation(record.target.tableName), target.kind == .table else {
            throw MigratorError(
                "target-missing", .refused,
                "the table \"\(record.target.name)\", which the upgrade made of \"\(record.source.name)\", is gone",
                hint: "rename it back if it has been renamed, or restore a backup (`migrator backups list`)")
        }
        if record.strategy == .rename, record.restrictions.isEmpty {
            try renameBackOnline(move, record: record, object: object, target: target, work)
        } else if record.follower != nil {
            try followBackOnline(move, record: record, object: object, target: target, work)
        } else {
            return try revertUnderLock(move, object: object, work)
        }
        return try finishRevert(move, work)
    }

    /// Rows that the old shape may not hold have to be counted, and a source without a follower to be filled, while
    /// nobody writes.
    private func revertUnderLock(_ move: Move, object: ObjectRecord, _ work: OnlineWork) throws -> StepOutcome {
        work.context.reporter.report(
            .note("\(move.source) to \(move.target): nothing has followed the writes, so that this runs under a lock"))
        try beginWork(
            for: [work.item], run: work.executor.run, options: work.context.options,
            reporter: work.context.reporter)
        do {
            let outcome = try revertSwitch(move, record: object, context: work.context)
            var next = work.checkpoint
            next.finish("cut back")
            next.notes["details"] = outcome.details
            try work.commit(next, changesSchema: false)
            return outcome
        } catch {
            rollbackWork()
            throw error
        }
    }

    // MARK: An upgrade that was not finished

    /// What an unfinished upgrade has made for its switch goes; nothing was cut over, so that nobody uses it.
    /// The backup stays.
    private func abandonSwitch(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        guard work.revision.isUndo else {
            throw MigratorError(
                "switch-not-recorded", .failed,
                "the ledger has no switch of \"\(move.target)\" to \"\(move.source)\" by revision \"\(work.context.revision)\"",
                hint: "name the tables of the upgrade's switch the other way round", location: work.item.location)
        }
        let upgrade = FlatItem.flatten(try work.revision.planned.script.upgrade).first { item in
            if case .switchTable(let forth) = item.item.action {
                forth.source.name == move.target.name && forth.target.name == move.source.name
            } else {
                false
            }
        }
        let reached = try upgrade.flatMap { try work.upgradeCheckpoint(item: $0.ordinal) } ?? Checkpoint()
        for index in reached.notes["built"] ?? [] {
            try dropIndexOnline(
                TableName(schema: move.target.schema ?? schema, index), options: work.context.options)
        }
        // Made by this upgrade alone, as its fingerprint says.
        let relation = "\(move.source.schema ?? schema).\(move.source.name)"
        let isOurs = try ledger.fingerprints(revision: work.context.revision).contains {
            $0.relation == relation && $0.before == nil && $0.after != nil
        }
        guard isOurs, let half = try catalog.relation(move.source), half.isTable else {
            return StepOutcome(details: ["not reached by the upgrade"])
        }
        for key in try catalog.foreignKeysReferencing(half.oid) where key.tableOID != half.oid {
            try brief(work) { _ in
                try session.execute("ALTER TABLE \(key.table) DROP CONSTRAINT \(key.name.quotedIdentifier)")
            }
        }
        try dropOutgoingKeys(of: half, work)
        try brief(work) { _ in try session.execute("DROP TABLE \(half.quoted)") }
        return StepOutcome(details: ["\(move.source.name), which was not in use yet, is dropped"])
    }

    /// Each by itself, since dropping one locks the table it refers to (ONLINE.md H15).
    func dropOutgoingKeys(of table: CatalogRelation, _ work: OnlineWork) throws {
        for key in try catalog.constraints(of: table.oid)
        where key.kind == .foreignKey && !key.isInherited && key.referencedOID != table.oid {
            try brief(work) { _ in
                try session.execute("ALTER TABLE \(table.quoted) DROP CONSTRAINT \(key.name.quotedIdentifier)")
            }
        }
    }

    // MARK: After a rename

    /// 1. the values of columns that only the new shape has are kept, and kept up; 2. the old indexes, concurrently;
    /// 3. the changes are undone, in one moment under the lock.
    private func renameBackOnline(
        _ move: Move, record: SwitchRecord, object: ObjectRecord, target: CatalogRelation, _ work: OnlineWork
    ) throws {
        // 1
        try followAddedColumns(of: record, work)

        // 2
        try work.phase("indexes") {
            for statement in record.undo {
                guard let index = IndexCreation(statement, from: record.source, to: target) else { continue }
                try buildIndex(
                    index.statement, name: TableName(schema: record.source.schema, index.name),
                    on: record.target.tableName, work)
                for later in index.later { try session.execute(later) }
            }
            try brief(work, finishing: "indexes") { _ in }
        }

        // 3
        try brief(work, locking: { try ownLocks(back(record)) }, finishing: "cut back") { next in
            let readers = try takeView(record)
            if work.checkpoint.notes["archive"] != nil {
                try requireTriggers(kind: "archive", on: target, context: work.context)
                try removeTriggers(kind: "archive", item: work.context.item, context: work.context)
            }
            for statement in record.undo {
                if let index = IndexCreation(statement, from: record.source, to: target),
                    try isIndexValid(TableName(schema: record.source.schema, index.name)) == true
                {
                    continue
                }
                try undo(statement, of: record)
            }
            try create(readers)
            guard try catalog.relation(record.source.tableName)?.oid == target.oid else {
                throw MigratorError(
                    "switch-differs", .difference,
                    "\"\(record.source.name)\" is not the table that \"\(record.target.name)\" was; nothing was committed",
                    hint: "report this")
            }
            try ledger.add(
                ProofRecord(
                    runID: work.context.runID, revision: work.context.revision, item: work.context.item,
                    check: "switch", subject: "\(record.target.name) -> \(record.source.name)",
                    verdict: Verdict.exact.rawValue,
                    detail: "{\"strategy\":\"rename\",\"relation\":\(target.oid)}"))
            try ledger.removeObject(object.id)
            next.notes["details"] = ["rows stay where they are: the same relation under its old name"]
        }
    }

    /// The table of values that only the new shape has, as the target's rows have them: a trigger keeps it so.
    private func followAddedColumns(of record: SwitchRecord, _ work: OnlineWork) throws {
        guard !record.added.isEmpty, let target = try catalog.relation(record.target.tableName) else { return }
        let columns = try catalog.columns(of: target.oid)
        let added = record.added.filter { new in columns.contains { $0.name == new.name } }
        guard !added.isEmpty else { return }
        let kept = [record.key] + added.map(\.name)
        let condition = added.map { column in
            let type = columns.first { $0.name == column.name }?.type ?? "text"
            let initial = column.initial.map { "(\($0))::\(type)::text" } ?? "NULL"
            return "\(column.name.quotedIdentifier)::text IS DISTINCT FROM \(initial)"
        }.joined(separator: " OR ")
        let list = kept.map(\.quotedIdentifier).joined(separator: ", ")
        let mapping = PostgreSQLMapping(
            select: "SELECT \(list) FROM \(target.name.quotedIdentifier) WHERE \(condition)", columns: kept,
            unknownColumns: [], sourceColumns: kept, reasonNotRowLocal: nil)
        let source = TableName(schema: target.schema, target.name)
        try work.phase("archive") {
            try brief(work, locking: { try lock(source, .shareRowExclusive) }, finishing: "archive") { next in
                let name = Self.truncated(target.name, suffix: "_columns_backup")
                let copy = TableName(schema: target.schema, name)
                _ = try makeRoom(for: copy, context: work.context)
                let comment =
                    "Values of \(added.map(\.name).joined(separator: ", ")) of \(target.schema).\(target.name), kept by migrator when revision \(work.context.revision) was taken back"
                try session.execute(
                    """
                    CREATE TABLE \(quoted(copy)) AS SELECT \(list) FROM \(target.quoted) WITH NO DATA;
                    ALTER TABLE \(quoted(copy)) ADD PRIMARY KEY (\(record.key.quotedIdentifier));
                    REVOKE ALL ON \(quoted(copy)) FROM PUBLIC;
                    COMMENT ON TABLE \(quoted(copy)) IS \(comment.quotedLiteral)
                    """)
                let sync = Sync(source: source, target: copy, key: record.key)
                try createTriggers(
                    "archive", name: triggerName("archive", context: work.context), body: syncBody(sync, mapping),
                    on: source, target: copy,
                    events: [("AFTER INSERT OR UPDATE OR DELETE", true), ("AFTER TRUNCATE", false)],
                    context: work.context)
                next.notes["archive"] = [name]
                next.notes["archived"] = kept
            }
        }
        guard let name = work.checkpoint.notes["archive"]?.first else { return }
        let copy = TableName(schema: target.schema, name)
        try backfill("archive rows", of: source, key: record.key, work) { range, type in
            try copyStretch(mapping, from: source, to: copy, key: record.key, range: range, type: type)
        }
        let comparison = try compareInStretches(
            mapping.select, columns: kept, with: copy, key: record.key, work)
        try refuse(comparison, what: "\"\(name)\" is not equal to \"\(target.name)\"")
    }

    // MARK: After a copy

    /// 1. the children's keys to the follower; 2. a clean comparison; 3. the tables change places, in one moment under
    /// the locks. The target stays as a registered backup.
    private func followBackOnline(
        _ move: Move, record: SwitchRecord, object: ObjectRecord, target: CatalogRelation, _ work: OnlineWork
    ) throws {
        guard let followerTable = record.follower?.tableName, let follower = try catalog.relation(followerTable) else {
            throw MigratorError(
                "follower-missing", .refused, "the follower of \"\(record.target.name)\" is gone",
                hint: "restore a backup (`migrator backups list`), or take the revision back with --mode window")
        }
        let mapping = try session.discardingChanges {
            try analyse(move.mapping, source: record.target.tableName, target: followerTable, key: record.key)
        }

        // 1. In every run, since the application may have got new ones.
        try prepareChildren(of: target, for: follower, work)

        // 2
        var rows = 0
        repeat {
            let comparison = try compareInStretches(
                mapping.select, columns: mapping.columns, with: followerTable, key: record.key, work)
            try refuse(
                comparison, what: "the follower of \"\(record.target.name)\" is not equal to it",
                nothing: "nothing was cut over")
            rows = comparison.expectedRows
        } while try waitForCutOver(work)

        // 3
        try brief(
            work, locking: { try cutOverLocks(back(record)) + lock(followerTable, .accessExclusive) },
            finishing: "cut back"
        ) { next in
            try requireTriggers(kind: "follower", on: target, context: work.context)
            try refuseTail(mapping, with: followerTable, key: record.key)
            let readers = try takeView(record)
            for trigger in try ledger.objects(revision: work.context.revision, kind: "follower") {
                try removeTrigger(trigger)
            }
            _ = try takeChildren(from: target)
            let space = record.source.schema.quotedIdentifier
            try session.execute(
                """
                ALTER TABLE \(follower.quoted) SET SCHEMA \(space);
                ALTER TABLE \(space).\(follower.name.quotedIdentifier) RENAME TO \(record.source.name.quotedIdentifier)
                """)
            for statement in record.undo { try undo(statement, of: record) }
            try advanceSequence(of: record.source.tableName, column: record.key)
            // Out of the way of the next upgrade's names.
            let backup = Self.truncated(target.name, suffix: "_backup")
            let details = try makeRoom(for: TableName(schema: target.schema, backup), context: work.context)
            try session.execute("ALTER TABLE \(target.quoted) RENAME TO \(backup.quotedIdentifier)")
            try create(readers)
            try ledger.add(
                ProofRecord(
                    runID: work.context.runID, revision: work.context.revision, item: work.context.item,
                    check: "switch", subject: "\(record.target.name) -> \(record.source.name)",
                    verdict: Verdict.exact.rawValue, detail: "{\"strategy\":\"copy\",\"rows\":\(rows)}"))
            try ledger.removeObject(object.id)
            next.notes["retired"] = [target.schema, backup, target.name]
            next.notes["details"] = ["\(rows.counted("row")) compared, 0 differences"] + details
        }
    }

    // MARK: Shared

    /// The switch the other way round, for its locks.
    private func back(_ record: SwitchRecord) -> Move {
        Move(
            source: record.target.tableName, target: record.source.tableName, key: record.key,
            view: record.view?.tableName)
    }

    /// The compatibility view goes, and with it those that read it: they come back over the table.
    private func takeView(_ record: SwitchRecord) throws -> [DependentView] {
        guard let view = record.view, let relation = try catalog.relation(view.tableName), relation.kind == .view else {
            return []
        }
        let readers = view == record.source ? try dependentViews(of: relation.oid) : []
        try drop(readers)
        try dropView(view)
        return readers
    }

    private func undo(_ statement: String, of record: SwitchRecord) throws {
        do {
            try session.execute(statement)
        } catch {
            if error.isAboutRows {
                throw MigratorError(
                    "would-lose-rows", .refused,
                    "rows of \"\(record.target.name)\" do not fit \"\(record.source.name)\" as it was: \(error.message)",
                    hint: "mend the rows, or use --mode window to have them counted",
                    details: [error.detail].compactMap(\.self))
            }
            guard error.sqlState == "2BP01" else { throw error }
            throw MigratorError(
                "new-shape-in-use", .refused,
                "other objects depend on what the downgrade takes away from \"\(record.target.name)\"",
                hint: "drop them, or drop them in the downgrade section before the switch",
                details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
        }
    }

    /// What stays behind becomes a registered backup, now that nobody writes to it any more.
    private func finishRevert(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        let notes = work.checkpoint.notes
        var details = notes["details"] ?? []
        if let name = notes["archive"]?.first, let columns = notes["archived"] {
            try work.phase("register") {
                try brief(work, finishing: "register") { _ in
                    let copy = TableName(schema: move.source.schema ?? schema, name)
                    if try session.scalar("SELECT EXISTS (SELECT 1 FROM \(quoted(copy)))").asBool {
                        let content = try contentHash(of: copy, columns: columns)
                        try ledger.add(
                            try backupRecord(
                                kind: .columns, source: TableName(schema: copy.schema, move.source.name), name: name,
                                key: columns.first, columns: columns, content: (content.rows, content.hash),
                                context: work.context))
                    } else {
                        try session.execute("DROP TABLE \(quoted(copy))")
                    }
                }
            }
        }
        if let retired = notes["retired"], retired.count == 3 {
            try work.phase("register") { try retire(TableName(schema: retired[0], retired[1]), of: retired[2], work) }
            details.append("\(retired[1]) keeps what \(retired[2]) held")
        }
        return StepOutcome(rows: nil, details: details)
    }

    /// The former target without anything that could change it or stand in a later upgrade's way.
    private func retire(_ table: TableName, of name: String, _ work: OnlineWork) throws {
        guard let relation = try catalog.relation(table) else { return }
        try dropOutgoingKeys(of: relation, work)
        try brief(work, finishing: "register") { _ in
            let columns = try catalog.columns(of: relation.oid)
            var statements: [String] = []
            for trigger in try catalog.triggers(of: relation.oid) {
                statements.append("DROP TRIGGER \(trigger.name.quotedIdentifier) ON \(relation.quoted)")
            }
            for constraint in try catalog.constraints(of: relation.oid)
            where [.foreignKey, .check, .unique, .primaryKey].contains(constraint.kind) {
                statements.append(
                    "ALTER TABLE \(relation.quoted) DROP CONSTRAINT \(constraint.name.quotedIdentifier)")
            }
            for index in try catalog.indexes(of: relation.oid) where index.constraint == nil {
                statements.append(
                    "DROP INDEX \(relation.schema.quotedIdentifier).\(index.name.quotedIdentifier)")
            }
            for column in columns {
                let place = "ALTER TABLE \(relation.quoted) ALTER COLUMN \(column.name.quotedIdentifier)"
                if column.identity != nil { statements.append("\(place) DROP IDENTITY") }
                if column.defaultExpression != nil, column.generated == nil {
                    statements.append("\(place) DROP DEFAULT")
                }
            }
            // Keys to itself go before the key that they refer to.
            statements.sort { $0.contains("fkey") && !$1.contains("fkey") }
            for statement in statements { try session.execute(statement) }
            let roles = try relationGrants(of: relation.oid, on: relation.quoted).map(\.revoke)
            for revoke in roles { try session.execute(revoke) }
            let comment = "\(name) as revision \(work.context.revision) was taken back, kept by migrator"
            try session.execute("COMMENT ON TABLE \(relation.quoted) IS \(comment.quotedLiteral)")
            let names = columns.map(\.name)
            let content = try contentHash(of: table, columns: names)
            try ledger.add(
                try backupRecord(
                    kind: .archive, source: TableName(schema: relation.schema, name), name: relation.name,
                    key: nil, columns: names, content: (content.rows, content.hash), context: work.context))
        }
    }
}

/// A recorded `CREATE INDEX` of the old table, as it runs on the new one before the names change back.
private struct IndexCreation {
    var name: String
    var statement: String
    /// What belongs to it: comment, statistics targets.
    var later: [String]

    init?(_ recorded: String, from source: SwitchRecord.Table, to target: CatalogRelation) {
        let parts = recorded.components(separatedBy: "; ")
        guard let first = parts.first, first.hasPrefix("CREATE INDEX ") || first.hasPrefix("CREATE UNIQUE INDEX "),
            let on = first.firstRange(of: " ON "), let using = first.firstRange(of: " USING "),
            let place = first.firstRange(of: "INDEX ")
        else { return nil }
        let quotedName = String(first[place.upperBound..<on.lowerBound])
        name = PostgreSQLCatalog.identifiers(quotedName).first ?? quotedName
        statement = (first[..<on.upperBound] + target.quoted + first[using.lowerBound...]).description.concurrently
        later = Array(parts.dropFirst())
    }
}
