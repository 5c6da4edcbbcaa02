import MigratorDatabase
import MigratorScript

/// The way back of a switch while the application writes.
extension PostgreSQLBackend {
    func revertOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        if work.checkpoint.has("cut back") { return try finishRevert(move, work) }
        let object = try ledger.switchRecord(ledBackBy: move, revision: work.context.revision)
        guard let object else { return try abandonSwitch(move, work) }
        let record = try SwitchRecord(object)
        guard let target = try catalog.relation(record.target.tableName), target.isTable else {
            throw MigratorError(
                "target-missing", .refused,
                "the table \"\(record.target.name)\", which the upgrade made of \"\(record.source.name)\", is gone",
                hint: "rename it back if it has been renamed, or restore a backup (`migrator backups list`)")
        }
        try checkSourceIsFree(record)
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

    // MARK: Shared

    /// The switch the other way round, for its locks.
    func back(_ record: SwitchRecord) -> Move {
        Move(
            source: record.target.tableName, target: record.source.tableName, key: record.key,
            view: record.view?.tableName)
    }

    /// The compatibility view goes, and with it those that read it: they come back over the table.
    func takeView(_ record: SwitchRecord) throws -> [DependentView] {
        guard let view = record.view, let relation = try catalog.relation(view.tableName), relation.kind == .view else {
            return []
        }
        let readers = view == record.source ? try dependentViews(of: relation.oid) : []
        try drop(readers)
        try dropView(view, of: record)
        return readers
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
        var outcome = StepOutcome(rows: nil, details: details)
        outcome.leftNames = Set(notes["left"] ?? [])
        return outcome
    }

    /// The former target without anything that could change it or stand in a later upgrade's way.
    private func retire(_ table: TableName, of name: String, _ work: OnlineWork) throws {
        guard let relation = try catalog.relation(table) else { return }
        try dropOutgoingKeys(of: relation, work)
        try brief(work, finishing: "register") { _ in
            try disarm(relation)
            let comment = "\(name) as revision \(work.context.revision) was taken back, kept by migrator"
            try session.execute("COMMENT ON TABLE \(relation.quoted) IS \(comment.quotedLiteral)")
            let names = try catalog.columns(of: relation.oid).map(\.name)
            let content = try contentHash(of: table, columns: names)
            try ledger.add(
                try backupRecord(
                    kind: .archive, source: TableName(schema: relation.schema, name), name: relation.name,
                    key: nil, columns: names, content: (content.rows, content.hash), context: work.context))
        }
    }
}
