import MigratorDatabase
import MigratorScript

/// A switch while other processes write, and its way back with the roles swapped. There is no follower: SQLite's views
/// cannot stand in for the old table, so that the application changes its names at the cut-over. Until then the table
/// that is being filled has another name: of the two names that the application knows, one is there at any time.
extension SQLiteBackend {
    static func hiddenName(_ table: String) -> String { "migrator_next_\(table)" }

    private func hide(_ table: SQLiteTable) throws -> SQLiteTable {
        let name = Self.hiddenName(table.name)
        try session.execute("ALTER TABLE \(table.qualified) RENAME TO \(name.quotedIdentifier)")
        return try requireTable(TableName(name))
    }

    private func show(_ table: SQLiteTable, as name: String) throws -> SQLiteTable {
        try session.execute("ALTER TABLE \(table.qualified) RENAME TO \(name.quotedIdentifier)")
        return try requireTable(TableName(name))
    }

    /// 1. the rows, with triggers that keep both tables equal; 2. a clean comparison, the script's queries and the
    /// backup, again in every run; 3. the cut-over, in one short transaction.
    func switchOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        let context = work.context
        if !work.checkpoint.has("cut over") {
            guard let source = try table(move.source) else { throw sourceMissing(move.source, context: context) }
            try work.phase("hide") {
                let declared = try requireTable(move.target)
                try requireNoSteps(on: [source.name, declared.name])
                try brief(work, finishing: "hide", changesSchema: true) { next in
                    try requireEmpty(declared)
                    let carried = try carry(move, from: source, to: declared)
                    try refuseLoss(carried, of: source, move, context: context)
                    next.notes["carried"] = carried.columns
                    next.notes["carriedDetails"] = carried.details
                    next.notes["sourceColumns"] = source.columns.map(\.name)
                    let target = try requireTable(move.target)
                    next.notes["target"] = [target.name]
                    // Under the other name their definitions would name that one.
                    try takeTriggers(of: target, &next)
                    _ = try hide(target)
                }
            }
            let name = work.checkpoint.notes["target"]?.first ?? move.target.name
            let target = try requireTable(TableName(Self.hiddenName(name)))
            let key = target.column(move.key)?.name ?? move.key
            let mapping = try mapping(move.mapping, source: source, target: target, key: key)
            let placement = try placement(kind: "move", mapping: mapping, statement: move.mapping, to: target, key: key)

            // 1
            try place(placement, work)

            // 2
            var (rows, passed) = (0, 0)
            repeat {
                (rows, passed) = try verify(placement, work)
                try work.runChecks(
                    shadow: "WITH \(name.quotedIdentifier) AS (SELECT * FROM \(target.qualified))")
                try work.refuseBroken()
            } while try waitForCutOver(work)

            // 3
            // A carried column may refer to the source's own rows.
            let children = try children(of: source.name).filter { !isSameName($0, target.name) }
            let keys =
                NegativeControl.comparison.isLeftOut ? .none : SQLiteKeyScope.tables(before: children, after: children)
            try brief(work, keys: keys, finishing: "cut over", changesSchema: true) { next in
                try requireFollowed(placement, work)
                try requireSameColumns(of: move.source, as: work.checkpoint.notes["sourceColumns"])
                if try !NegativeControl.comparison.isLeftOut && rowCount(source.name) != rowCount(target.name) {
                    passed = try requireComplete(source: source, target: target, key: key, context: context)
                }
                try refuseReplacement(of: source, by: target, key: key, move, context: context)
                try removeStep(kind: "move", context: context)
                let target = try show(target, as: name)
                var record = try switchRecord(
                    move, source: source, target: target, key: key, mapping: mapping,
                    carried: work.checkpoint.notes["carried"] ?? [])
                let outcome = try passRole(
                    move, record: &record, to: target, triggers: work.checkpoint.notes["triggers"] ?? [], rows: rows,
                    passed: passed, context: context)
                next.notes["details"] = outcome.details + (work.checkpoint.notes["carriedDetails"] ?? [])
                next.notes["compared"] = [String(rows)]
            }
        }
        return StepOutcome(
            rows: work.checkpoint.notes["compared"]?.first.flatMap { Int($0) },
            details: work.checkpoint.notes["details"] ?? [])
    }

    // MARK: The way back

    func revertOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        if !work.checkpoint.has("cut back") {
            let object = try ledger.switchRecord(ledBackBy: move, revision: work.context.revision)
            guard let object else { return try abandonSwitch(move, work) }
            let switched = try decodeJSON(SQLiteSwitchRecord.self, object.detail, what: object.name)
            try requireDependents(of: switched.target, context: work.context)
            if try !followBack(move, switched: switched, record: object, work) {
                return try revertUnderLock(move, switched: switched, record: object, work)
            }
        }
        return StepOutcome(
            rows: work.checkpoint.notes["compared"]?.first.flatMap { Int($0) },
            details: work.checkpoint.notes["details"] ?? [])
    }

    /// 1. the old table as it was, and the triggers; 2. the batches; 3. a clean comparison; 4. the tables change places.
    /// - Returns: false where rows do not fit or cannot be followed: then nobody may write while they are counted.
    private func followBack(
        _ move: Move, switched: SQLiteSwitchRecord, record: ObjectRecord, _ work: OnlineWork
    ) throws -> Bool {
        let context = work.context
        let current = try requireTable(TableName(switched.target))
        let key = current.column(switched.key)?.name ?? switched.key
        if context.options.acceptedLoss != nil, !work.checkpoint.has("expand") { return false }

        // 1
        do {
            try work.phase("expand") {
                try requireKeys(current, key: key)
                try brief(work, finishing: "expand") { next in
                    try dropCarriedIndexes(switched, of: current)
                    let (made, view) = try makeOld(switched)
                    for index in switched.indexes { try session.execute(index.sql) }
                    let old = try hide(made)
                    if let view { try session.execute(view) }
                    let way = try wayBack(move, switched: switched, from: current, to: old, key: key, context: context)
                    next.notes["mapping"] = [way.select]
                    next.notes["backup"] = way.backup.map { [$0.name] }
                    let placement = try placementBack(way.select, from: current, to: old, key: switched.key)
                    try follow(placement, context: context, &next)
                }
            }
        } catch let error as MigratorError {
            guard ["mapping-not-row-local", "key-not-unique", "own-reference"].contains(error.code) else { throw error }
            return false
        }
        let old = try requireTable(TableName(Self.hiddenName(switched.source)))
        let select = work.checkpoint.notes["mapping"]?.first ?? ""
        let placement = try placementBack(select, from: current, to: old, key: switched.key)
        let oldKey = placement.key

        // 2
        try backfill(placement, ignoring: true, work)

        // 3
        if work.checkpoint.notes["backup"] != nil, let backup = try backup(behind: switched, context: context) {
            try requireUnchangedForWayBack(backup)
        }
        let lost = try session.scalar(
            """
            SELECT EXISTS (SELECT 1 FROM \(current.qualified) c WHERE c.\(key.quotedIdentifier) NOT IN
                (SELECT \(oldKey.quotedIdentifier) FROM \(old.qualified)))
            """
        ).asBool
        guard !lost else {
            try abandonWayBack(old, work)
            return false
        }
        var rows = 0
        repeat { rows = try verifyBack(placement, work) } while try waitForCutOver(work)

        // 4
        let children = try children(of: current.name)
        let keys = SQLiteKeyScope.tables(before: children, after: children)
        try brief(work, keys: keys, finishing: "cut back") { next in
            try requireFollowed(placement, work)
            guard try rowCount(current.name) == rowCount(old.name) else {
                throw MigratorError(
                    "rows-differ", .difference, "\"\(old.name)\" has not as many rows as \"\(current.name)\"",
                    hint: "run the same command again")
            }
            try removeStep(kind: "back", context: context)
            if let view = switched.view { try session.execute("DROP VIEW IF EXISTS \(main(view))") }
            let old = try show(old, as: switched.source)
            let way = try wayBack(move, switched: switched, from: current, to: old, key: key, context: context)
            let returned = try returnExceptions(
                way.backup, switched, current: current, key: key, old: old, oldKey: oldKey, context: context)
            let archived = try archiveDropped(way, of: current, context: context)
            try passBack(
                switched, record: record, from: current, to: old, rows: rows, lost: 0, context: context)
            var details = ["\(rows.counted("row")) compared, 0 differences"]
            if returned > 0 { details.append("\(returned.counted("exception")) returned from the backup") }
            next.notes["details"] = details + archived.details
            next.notes["compared"] = [String(rows + returned)]
        }
        return true
    }

    public func backupOfWayBack(_ move: Move, context: StepContext) throws -> BackupRecord? {
        guard let object = try ledger.switchRecord(ledBackBy: move, revision: context.revision) else { return nil }
        let switched = try decodeJSON(SQLiteSwitchRecord.self, object.detail, what: object.name)
        guard let current = try table(switched.target) else { return nil }
        let key = current.column(switched.key)?.name ?? switched.key
        let old = try makeOld(switched).table
        return try wayBack(move, switched: switched, from: current, to: old, key: key, context: context).backup
    }

    /// The old table as it was, empty, in the place of a view.
    /// - Returns: the table, and what makes the view again.
    private func makeOld(_ switched: SQLiteSwitchRecord) throws -> (table: SQLiteTable, view: String?) {
        let view = try takeView(named: switched.source)
        guard try freeName(switched.source) == switched.source else {
            throw MigratorError("target-exists", .refused, "\"\(switched.source)\" exists already", hint: "rename it")
        }
        try session.execute(switched.sourceSQL)
        return (try requireTable(TableName(switched.source)), view)
    }

    /// Drops a view and returns what makes it again.
    private func takeView(named name: String) throws -> String? {
        let sql = try session.scalar(
            "SELECT sql FROM main.sqlite_schema WHERE type = 'view' AND name = $1 COLLATE NOCASE", [.text(name)]
        ).asText
        if sql != nil { try session.execute("DROP VIEW \(main(name))") }
        return sql
    }

    private func placementBack(
        _ select: String, from current: SQLiteTable, to old: SQLiteTable, key: String
    ) throws -> SQLitePlacement {
        let oldKey = old.column(key)?.name ?? key
        let statement = Statement(text: select, location: ScriptLocation(file: "", line: 1), offset: 0)
        return try placement(
            kind: "back", mapping: try mapping(statement, source: current, target: old, key: oldKey, forEnsure: true),
            statement: statement, to: old, key: oldKey)
    }

    private func verifyBack(_ placement: SQLitePlacement, _ work: OnlineWork) throws -> Int {
        let comparison = try compareInStretches(
            placement.mapping.select, columns: placement.mapping.columns, with: placement.target, key: placement.key,
            work)
        try require(comparison, what: "way back from \(placement.source.name) to \(placement.target.name)")
        return comparison.rows
    }

    /// What the way back has made goes; the new table is in use and stays as it is.
    private func abandonWayBack(_ old: SQLiteTable, _ work: OnlineWork) throws {
        try brief(work) { next in
            try removeStep(kind: "back", context: work.context)
            try session.execute("DROP TABLE \(old.qualified)")
            next = Checkpoint()
        }
    }

    private func revertUnderLock(
        _ move: Move, switched: SQLiteSwitchRecord, record: ObjectRecord, _ work: OnlineWork
    ) throws -> StepOutcome {
        work.context.reporter.report(
            .note(
                "\(move.source) to \(move.target): rows do not fit or cannot be followed, so that this runs in one transaction"
            ))
        return try brief(work, keys: .all, finishing: "cut back") { next in
            let outcome = try revertSwitch(move, record: record, context: work.context)
            next.notes["details"] = outcome.details
            next.notes["compared"] = outcome.rows.map { [String($0)] }
            return outcome
        }
    }

    /// What an unfinished upgrade has made for its switch goes; nothing was cut over, so that nobody uses it.
    private func abandonSwitch(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        guard work.revision.isUndo else {
            throw MigratorError(
                "switch-not-recorded", .failed,
                "the ledger has no switch of \"\(move.target)\" to \"\(move.source)\" by revision \"\(work.context.revision)\"",
                hint: "name the tables of the upgrade's switch the other way round", location: work.item.location)
        }
        if let half = try table(Self.hiddenName(move.source.name)) {
            try brief(work, keys: .all) { _ in try session.execute("DROP TABLE \(half.qualified)") }
            return StepOutcome(details: ["\(move.source.name), which was not in use yet, is dropped"])
        }
        // Made by this upgrade alone, as its fingerprint says.
        let isOurs = try ledger.fingerprints(revision: work.context.revision).contains {
            isSameName($0.relation, "main.\(move.source.name)") && $0.before == nil && $0.after != nil
        }
        guard isOurs, let half = try table(move.source) else {
            return StepOutcome(details: ["not reached by the upgrade"])
        }
        try brief(work, keys: .all) { _ in try session.execute("DROP TABLE \(half.qualified)") }
        return StepOutcome(details: ["\(half.name), which was not in use yet, is dropped"])
    }
}
