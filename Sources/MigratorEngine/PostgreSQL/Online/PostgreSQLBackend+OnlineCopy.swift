import MigratorDatabase
import MigratorScript

/// A switch that copies the rows while the application writes (ONLINE.md B).
extension PostgreSQLBackend {
    /// 0. the columns that the script does not declare; 1. the rows, with a trigger that keeps both tables equal;
    /// 2. the children's keys; 3. a clean comparison and the script's queries, again in every run; 4. the target becomes as
    /// strict as it is declared, and the cut-over, in one moment under the locks; 5. the fingerprints.
    func copySwitchOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        if !work.checkpoint.has("cut over") {
            guard let target = try catalog.relation(move.target), target.isTable else {
                throw MigratorError(
                    "target-undefined", .refused, "no statement before the switch creates the table \"\(move.target)\"",
                    hint: "put CREATE TABLE \(move.target) before the switch")
            }
            let source = try work.executor.look(for: [work.item]) {
                try recogniseSource(move, declared: try shape(of: target), context: work.context)
            }
            try refuseReaders(of: source, move: move)
            try requireFollowable(move)

            // 0
            let carried = try carryOnline(move, source: source, target: target, work)
            let declared = try session.discardingChanges { try declaredInPlace(target) }
            var mapping = try session.discardingChanges {
                try copyMapping(move, source: source, declared: declared, carried: carried.columns)
            }
            let strictness = try relaxTarget(move, declared: declared, source: source, mapping: mapping, work)
            mapping.casts = strictness.casts
            let placement = Placement(
                sync: Sync(source: move.source, target: move.target, key: move.key, mapping: move.mapping),
                triggers: "move", isComplete: false, isApart: true)

            // 1
            try place(placement, mapping: mapping, work)

            // 2. In every run, since the application may have got new ones.
            try prepareChildren(of: source.relation, for: target, work)

            // 3
            var (rows, storage) = (0, "")
            repeat {
                try keepFollowing("move", placement.sync, mapping, on: source.relation, work)
                storage = try self.storage(of: source.relation)
                try refuseBreaking(strictness, move, mapping: mapping)
                rows = try verify(placement, mapping: mapping, work)
                try work.runChecks()
                try work.refuseBroken()
            } while try waitForCutOver(work)

            // 4
            let children = try catalog.foreignKeysReferencing(source.relation.oid).map {
                TableName(schema: $0.tableSchema, $0.tableName)
            }
            let numbering = try ([move.key] + carried.columns).flatMap {
                try sequences(of: source.relation.oid, column: $0)
            }
            try pin([move.source, move.target] + children + numbering + (move.view.map { [$0] } ?? []), work)
            try tighten(strictness, move, placement: placement, mapping: mapping, work)
            do {
                try brief(work, locking: { try cutOverLocks(move) }, finishing: "cut over") { next in
                    let outcome = try cutOver(
                        move, source: source, mapping: mapping, carried: carried, rows: rows, storage: storage, work)
                    next.notes["details"] = outcome.details
                    next.notes["compared"] = [String(rows)]
                }
            } catch {
                try? relaxAgain(strictness, move, placement: placement, mapping: mapping, work)
                throw error
            }
        }

        // 5
        try brief(work, changesSchema: true, comparesEverything: true) { _ in }
        return StepOutcome(
            rows: work.checkpoint.notes["compared"]?.first.flatMap { Int($0) },
            details: work.checkpoint.notes["details"] ?? [])
    }

    private func refuseReaders(of source: TableShape, move: Move) throws {
        guard let reader = try dependentViews(of: source.relation.oid).first, move.view?.name != move.source.name
        else { return }
        throw MigratorError(
            "dependent-view", .refused,
            "the view \"\(reader.relation.name)\" reads \"\(move.source)\", which the copy takes away",
            hint: "leave a view behind with view=\(move.source.name), or use strategy=rename")
    }

    // MARK: Cut-over

    /// Under the locks: 1. nothing has passed the trigger, and the newest rows are equal; 2. the sequence;
    /// 3. what belongs to the source beside its rows; 4. the children's keys take their names; 5. the source becomes
    /// the follower, in the ledger's schema; 6. the view; 7. the trigger back; 8. the ledger.
    private func cutOver(
        _ move: Move, source: TableShape, mapping: PostgreSQLMapping, carried: OnlineCarried, rows: Int,
        storage: String, _ work: OnlineWork
    ) throws -> StepOutcome {
        let context = work.context
        guard let target = try catalog.relation(move.target) else {
            throw MigratorError("target-missing", .failed, "the table \"\(move.target)\" is gone")
        }
        let declared = try shape(of: target)

        // 1
        try requireSameColumns(of: try shape(of: source.relation), as: carried.sourceColumns)
        try requireTriggers(kind: "move", on: source.relation, storage: storage, context: context)
        try refuseTail(mapping, with: move.target, key: move.key)
        try removeTriggers(kind: "move", item: context.item, context: context)
        var undo: [String] = []

        // 2
        try passOwner(from: source.relation, to: target)
        undo += try passSequence(move, source: source, target: declared)
        try advanceSequence(of: move.target, column: move.key)

        // 3
        let readers = try dependentViews(of: source.relation.oid)
        try replayProperties(from: source, to: target)
        undo += try passCarriedSequences(carried.columns, source: source, target: target)
        undo += try moveToPublications(of: source.relation, to: target)

        // 4
        let children = try takeChildren(from: source.relation)

        // 5
        try drop(readers)
        let old = source.relation.quoted
        for trigger in try catalog.triggers(of: source.relation.oid) {
            let name = trigger.name.quotedIdentifier
            let states = ["O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"]
            undo.append("ALTER TABLE \(old) \(states[trigger.enabled] ?? "ENABLE") TRIGGER \(name)")
        }
        if undo.contains(where: { $0.contains(" TRIGGER ") }) {
            try session.execute("ALTER TABLE \(old) DISABLE TRIGGER USER")
        }
        let mappingBack = try work.revision.planned.script.wayBack(from: move.source.name, move.target.name)?.mapping
        let back = try carrying(
            carried.columns,
            beside: try analyse(mappingBack, source: move.target, target: move.source, key: move.key),
            from: move.target, to: move.source, key: move.key)
        undo += try relax(source, for: declared, mapped: back.columns)
        let name = try freeName(
            Self.truncated("follower_\(context.revision)_\(context.item)_\(source.relation.name)", suffix: ""),
            in: ledger.schema)
        let follower = SwitchRecord.Table(schema: ledger.schema, name: name)
        let space = ledger.schema.quotedIdentifier
        try session.execute(
            """
            ALTER TABLE \(old) RENAME TO \(name.quotedIdentifier);
            ALTER TABLE \(source.relation.schema.quotedIdentifier).\(name.quotedIdentifier) SET SCHEMA \(space)
            """)
        try nameCarried(carried.indexes, of: target)

        // 6
        var view: SwitchRecord.Table?
        if let viewName = move.view {
            let columns = source.columns.map(\.name)
            view = try createView(viewName, columns: columns, over: target)
            if let relation = try catalog.relation(follower.tableName), let view {
                try copyGrants(from: relation.oid, columns: columns, to: view)
            }
        }
        try create(readers)

        // 7
        let reverse = Sync(source: move.target, target: follower.tableName, key: move.key, mapping: mappingBack)
        try createSyncTriggers("follower", reverse, back, context: context)

        // 8
        let moment = try cutOver()
        try add(
            SwitchRecord(
                strategy: .copy, source: .init(schema: source.relation.schema, name: source.relation.name),
                target: .init(schema: target.schema, name: target.name), key: move.key, view: view, undo: undo,
                added: declared.columns.map(\.name).filter {
                    source.column($0) == nil || carried.replaced.contains($0)
                }.map { .init(name: $0, initial: nil) },
                restrictions: [], follower: follower, children: children, carried: carried.columns,
                carriedIndexes: carried.indexes, rows: rows, relationOID: target.oid,
                snapshot: moment.snapshot, transactionID: moment.transactionID,
                systemIdentifier: try identityOfSystem()),
            context: context)
        var details = [
            "\(rows.counted("row")) compared, 0 differences", "follower \(name) receives every write until `contract`",
        ]
        details += carried.details
        if let view { details.append("view \(view.name) left behind") }
        return StepOutcome(rows: rows, details: details)
    }

    /// The newest rows of both sides, under the lock: a last look at what a full comparison has just proved.
    func refuseTail(_ mapping: PostgreSQLMapping, with target: TableName, key: String) throws {
        let column = key.quotedIdentifier
        let start = try session.scalar(
            "SELECT t.\(column)::text FROM \(quoted(target)) AS t ORDER BY t.\(column) DESC OFFSET 1000 LIMIT 1"
        ).asText
        let comparison = try compareInStretches(
            mapping.select, columns: mapping.columns, with: target, key: key, above: start)
        try refuse(
            comparison, what: "\"\(target)\" is not what the mapping makes of its source",
            nothing: "nothing was cut over")
    }

    /// What the follower must let pass, since the new shape does: a stricter one would make the application's writes
    /// fail (ONLINE.md H8).
    /// - Returns: the statements that lead back.
    private func relax(_ source: TableShape, for declared: TableShape, mapped: [String]) throws -> [String] {
        let table = source.relation.quoted
        var undo: [String] = []
        func change(_ statement: String, back: String) throws {
            try session.execute("ALTER TABLE \(table) \(statement)")
            undo.append("ALTER TABLE \(table) \(back)")
        }
        for column in source.columns where column.generated == nil {
            let name = column.name.quotedIdentifier
            let new = mapped.contains(column.name) ? declared.column(column.name) : nil
            if column.identity == .always, mapped.contains(column.name) {
                try change(
                    "ALTER COLUMN \(name) SET GENERATED BY DEFAULT", back: "ALTER COLUMN \(name) SET GENERATED ALWAYS")
            }
            let isHeld = new.map { $0.isNotNull } ?? (column.defaultExpression != nil || column.identity != nil)
            if column.isNotNull, !isHeld, column.identity == nil,
                !source.constraints.contains(where: { $0.kind == .primaryKey && $0.columns.contains(column.name) })
            {
                try change("ALTER COLUMN \(name) DROP NOT NULL", back: "ALTER COLUMN \(name) SET NOT NULL")
            }
            if let new, new.type != column.type, RenamePlan.widens(column.type, to: new.type) {
                try change("ALTER COLUMN \(name) TYPE \(new.type)", back: "ALTER COLUMN \(name) TYPE \(column.type)")
            }
        }
        for check in source.constraints
        where check.kind == .check && !declared.constraints.contains(where: { $0.definition == check.definition }) {
            undo += try takeOff(check, of: source.relation, recordedFor: table)
        }
        return undo
    }
}
