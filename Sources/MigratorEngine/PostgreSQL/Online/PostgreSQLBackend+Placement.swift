import MigratorDatabase
import MigratorScript

/// Rows that are brought over while the application writes, by sync, copy and switch alike (ONLINE.md B, E1 to E7).
struct Placement {
    /// Source, target, key and mapping.
    var sync: Sync
    /// The kind under which the ledger keeps the trigger.
    var triggers: String
    /// Whether every row of the source must be placed or be an exception.
    var isComplete: Bool
    /// Whether nobody else uses the target until it takes the source's place.
    var isApart = false

    /// Whether the triggers fire under `session_replication_role = replica`, too.
    var isForEveryRole: Bool { triggers == "move" }
}

extension PostgreSQLBackend {
    /// 1. the target's foreign keys and secondary indexes come off; 2. the trigger; 3. the batches; 4. what was deleted
    /// beside those that lock nothing goes, then the indexes, concurrently; 5. the keys, validated. What follows is `verify`.
    func place(_ placement: Placement, mapping: PostgreSQLMapping, _ work: OnlineWork) throws {
        let sync = placement.sync
        try session.discardingChanges {
            try requireRowLocal(
                mapping, "\"\(sync.source)\" to \"\(sync.target)\"", location: sync.mapping?.location)
            try requireUnique([sync.key], of: sync.target, directive: "online")
            try requireComparableKeys(sync)
            if sync.back != nil { try requireImmediateKey(sync.key, of: sync.source) }
        }

        // 1
        try work.phase("detach") { try detachOnline(sync.target, work) }

        // 2
        if !NegativeControl.earlyTrigger.isLeftOut { try expand(placement, mapping: mapping, work) }

        // 3
        let deletionLog = work.checkpoint.notes["deletionLog"]?.first
        let target = mapping.leavesRowsOut ? Self.lockingBatchTarget : nil
        try backfill("backfill", of: sync.source, key: sync.key, target: target, work) { batch in
            do {
                return try deletionLog == nil
                    ? copyLocked(batch, of: mapping, sync) : copyUnlocked(batch, of: mapping, sync)
            } catch {
                guard let error = error as? DatabaseError, error.isAboutRows,
                    batch.isContested || error.sqlState != "23505"
                else { throw error }
                rollbackWork()
                throw try session.discardingChanges {
                    try rowError(
                        error, mapping: mapping, target: sync.target, source: sync.source, key: sync.key,
                        statement: sync.mapping,
                        among: batch.condition(sync.key.quotedIdentifier))
                }
            }
        }

        if NegativeControl.earlyTrigger.isLeftOut { try expand(placement, mapping: mapping, work) }

        // 4
        try work.phase("indexes") {
            if let deletionLog { try takeOutDeleted(notedIn: deletionLog, sync, work) }
            try attachIndexes(of: sync.target, work)
            try session.execute("ANALYZE \(quoted(sync.target))")
            try brief(work, finishing: "indexes", changesSchema: true, comparesEverything: true) { _ in }
        }

        // 5
        try work.phase("keys") {
            try attachKeys(of: sync.target, work)
            try brief(work, finishing: "keys", changesSchema: true) { _ in }
        }
    }

    /// Function, triggers and the ledger's row commit together, so that no writer meets one without the other (H3).
    private func expand(_ placement: Placement, mapping: PostgreSQLMapping, _ work: OnlineWork) throws {
        try work.phase("expand") {
            try brief(
                work, locking: { try lock(placement.sync.source, .shareRowExclusive) }, finishing: "expand",
                changesSchema: true
            ) { next in
                let log =
                    try canCopyUnlocked(placement, mapping)
                    ? createDeletionLog(placement, context: work.context) : nil
                try createSyncTriggers(
                    placement.triggers, placement.sync, mapping, isForEveryRole: placement.isForEveryRole,
                    deletionLog: log, context: work.context)
                next.notes["deletionLog"] = log.map { [$0] }
            }
        }
    }

    /// The rows are placed, compared and proved; the triggers stay.
    /// - Returns: the rows compared.
    func placeAndProve(_ placement: Placement, _ work: OnlineWork) throws -> Int {
        let sync = placement.sync
        let mapping = try session.discardingChanges {
            try analyse(sync.mapping, source: sync.source, target: sync.target, key: sync.key)
        }
        try place(placement, mapping: mapping, work)
        var compared = work.checkpoint.notes["compared"]?.first.flatMap { Int($0) } ?? 0
        try work.phase("verify") {
            compared = try verify(placement, mapping: mapping, work)
            try brief(work, finishing: "verify") { next in
                next.notes["compared"] = [String(compared)]
                try ledger.add(
                    ProofRecord(
                        runID: work.context.runID, revision: work.context.revision, item: work.context.item,
                        check: placement.triggers, subject: "\(sync.source) -> \(sync.target)",
                        verdict: Verdict.exact.rawValue, detail: "{\"rows\":\(compared)}"))
            }
        }
        return compared
    }

    /// A fully clean pass: every row of the target is what the mapping makes of the source, and nothing is missing.
    /// - Throws: `MigratorError`, status difference, with the keys.
    func verify(_ placement: Placement, mapping: PostgreSQLMapping, _ work: OnlineWork) throws -> Int {
        let sync = placement.sync
        if NegativeControl.comparison.isLeftOut { return 0 }
        let comparison = try compareInStretches(
            mapping.select, columns: mapping.columns, with: sync.target, key: sync.key, work)
        try refuse(
            comparison, what: "\"\(sync.target)\" is not what the mapping makes of \"\(sync.source)\"",
            following: (sync.source.name, sync.target), nothing: "nothing was cut over")
        guard placement.isComplete else { return comparison.expectedRows }
        let source = MappingSource(select: mapping.select, columns: mapping.columns)
        var unplaced = try Unplaced(
            sync: sync, mapping: source, script: work.revision.planned.script, backend: self)
        if unplaced.count > 0 {
            // A row may have been in the middle of its way between two statements of its writer.
            unplaced = try Unplaced(
                sync: sync, mapping: source, script: work.revision.planned.script, backend: self)
        }
        guard unplaced.count == 0 else {
            throw MigratorError(
                "rows-without-place", .difference,
                "\(unplaced.count.counted("row")) of \"\(sync.source)\" \(unplaced.count == 1 ? "has" : "have") no place in \"\(sync.target)\"; nothing was cut over",
                hint: "let the mapping yield them, or select them with `exceptions` and a reason",
                location: sync.mapping?.location,
                details: unplaced.differences.map { "\(sync.source) \(sync.key) \($0.key ?? "")" })
        }
        return comparison.expectedRows
    }

    // MARK: What comes off and on again

    /// Foreign keys one at a time, each under a moment's locks (ONLINE.md H15); then the secondary indexes of a table
    /// that nobody uses yet. Their definitions stay in the checkpoint. A table with rows keeps everything.
    private func detachOnline(_ table: TableName, _ work: OnlineWork) throws {
        let isEmpty = try !session.scalar("SELECT EXISTS (SELECT 1 FROM \(quoted(table)))").asBool
        guard isEmpty || !work.checkpoint.notes.isEmpty, let oid = try catalog.oid(of: table) else {
            try brief(work, finishing: "detach") { _ in }
            return
        }
        let name = quoted(table)
        for constraint in try catalog.constraints(of: oid)
        where constraint.kind == .foreignKey && !constraint.isInherited {
            try brief(work, changesSchema: true) { next in
                let quotedName = constraint.name.quotedIdentifier
                try session.execute("ALTER TABLE \(name) DROP CONSTRAINT \(quotedName)")
                next.notes["keys", default: []].append(
                    "ALTER TABLE \(name) ADD CONSTRAINT \(quotedName) \(constraint.definition)")
                if let comment = constraint.comment {
                    next.notes["keyComments", default: []].append(
                        "COMMENT ON CONSTRAINT \(quotedName) ON \(name) IS \(comment.quotedLiteral)")
                }
            }
        }
        try brief(work, finishing: "detach", changesSchema: true) { next in
            for index in try catalog.indexes(of: oid)
            where index.constraint == nil && !index.isReplicaIdentity && !index.isUnique {
                let place = TableName(schema: table.schema ?? schema, index.name)
                try session.execute("DROP INDEX \(quoted(place))")
                next.notes["indexes", default: []].append(index.definition)
                next.notes["indexNames", default: []].append(index.name)
                next.notes["indexComments", default: []].append(index.comment ?? "")
            }
        }
    }

    private func attachIndexes(of table: TableName, _ work: OnlineWork) throws {
        let notes = work.checkpoint.notes
        let comments = notes["indexComments"] ?? []
        for (index, definition) in (notes["indexes"] ?? []).enumerated() {
            let name = TableName(schema: table.schema ?? schema, notes["indexNames"]?[index] ?? "")
            try buildIndex(
                definition.concurrently, name: name, on: table,
                comment: comments[index].isEmpty ? nil : comments[index], work)
            try work.executor.checkInterruption()
        }
    }

    /// Not validated, in the application's order of locks, one at a time, then validated. Rows whose parent went meanwhile
    /// get what the key would have done to them (ONLINE.md H7).
    private func attachKeys(of table: TableName, _ work: OnlineWork) throws {
        guard let oid = try catalog.oid(of: table) else { return }
        let there = Set(try catalog.constraints(of: oid).map(\.name))
        for statement in work.checkpoint.notes["keys"] ?? [] {
            if there.contains(where: { statement.adds($0) }) { continue }
            let isMarked = statement.hasSuffix(" NOT VALID")
            try brief(work, locking: { try lock(table, .shareRowExclusive) }, changesSchema: true) { _ in
                try session.execute(isMarked ? statement : statement + " NOT VALID")
            }
        }
        for statement in work.checkpoint.notes["keyComments"] ?? [] {
            try brief(work, changesSchema: true) { _ in try session.execute(statement) }
        }
        let taken = (work.checkpoint.notes["keys"] ?? []).filter { !$0.hasSuffix(" NOT VALID") }
        for key in try catalog.constraints(of: oid) where key.kind == .foreignKey && !key.isValidated {
            guard taken.contains(where: { $0.adds(key.name) }) else {
                try adoptOrphans(of: key, work)
                continue
            }
            do {
                try validate(key.name, of: quoted(table), work)
            } catch let error as MigratorError where error.code == Self.brokenConstraint {
                guard try adoptOrphans(of: key, work) > 0 else { throw error }
                try validate(key.name, of: quoted(table), work)
            }
        }
    }

    @discardableResult
    private func adoptOrphans(of key: CatalogConstraint, _ work: OnlineWork) throws -> Int {
        let action: String
        if key.definition.contains("ON DELETE CASCADE") {
            action = "DELETE FROM \(key.table) AS c"
        } else if key.definition.contains("ON DELETE SET NULL") {
            let columns = key.columns.map { "\($0.quotedIdentifier) = NULL" }.joined(separator: ", ")
            action = "UPDATE \(key.table) AS c SET \(columns)"
        } else {
            return 0
        }
        guard let referenced = try key.referencedOID.flatMap({ try catalog.relation(oid: $0) }) else { return 0 }
        let join = zip(key.columns, key.referencedColumns).map {
            "p.\($1.quotedIdentifier) = c.\($0.quotedIdentifier)"
        }.joined(separator: " AND ")
        let isSet = key.columns.map { "c.\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " AND ")
        let orphans = "\(isSet) AND NOT EXISTS (SELECT 1 FROM \(referenced.quoted) AS p WHERE \(join))"
        guard try session.scalar("SELECT EXISTS (SELECT 1 FROM \(key.table) AS c WHERE \(orphans))").asBool
        else { return 0 }
        let rows = try brief(work) { _ in try session.run("\(action) WHERE \(orphans)") }
        work.context.reporter.report(
            .note("\(key.name): \(rows.counted("row")) whose parent had gone meanwhile got what the key says"))
        return rows
    }

    private static let brokenConstraint = "constraint-broken"

    /// VALIDATE takes no lock that writers wait for, and reads the whole table.
    func validate(_ constraint: String, of table: String, _ work: OnlineWork) throws {
        do {
            try brief(work, changesSchema: true) { _ in
                try session.execute("ALTER TABLE \(table) VALIDATE CONSTRAINT \(constraint.quotedIdentifier)")
            }
        } catch {
            guard let error = error as? DatabaseError, error.isAboutRows else { throw error }
            throw MigratorError(
                Self.brokenConstraint, .difference,
                "rows break the constraint \"\(constraint)\": \(error.message)",
                hint: "mend them and run the same command again",
                details: [error.detail].compactMap(\.self))
        }
    }
}

extension String {
    /// Whether the statement adds a constraint of that name.
    fileprivate func adds(_ constraint: String) -> Bool {
        contains(" ADD CONSTRAINT \(constraint.quotedIdentifier) ")
    }
}
