import MigratorDatabase
import MigratorScript

/// A switch that copies the rows while the application writes (ONLINE.md B).
extension PostgreSQLBackend {
    /// 1. the rows, with a trigger that keeps both tables equal; 2. the children's keys; 3. a clean comparison and the
    /// script's queries, again in every run; 4. the cut-over, in one moment under the locks; 5. the fingerprints.
    func copySwitchOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        if !work.checkpoint.has("cut over") {
            guard let target = try catalog.relation(move.target), target.isTable else {
                throw MigratorError(
                    "target-undefined", .refused, "no statement before the switch creates the table \"\(move.target)\"",
                    hint: "put CREATE TABLE \(move.target) before the switch")
            }
            let (source, declared) = try work.executor.look(for: [work.item]) {
                var declared = try shape(of: target)
                for column in declared.columns where column.generated == nil {
                    if let text = column.defaultExpression, try isConstant(text, type: column.type) {
                        declared.constantDefaults.insert(column.name)
                    }
                }
                return (try recogniseSource(move, declared: declared, context: work.context), declared)
            }
            try refuseReaders(of: source, move: move)
            let mapping = try session.discardingChanges {
                try copyMapping(move, source: source, declared: declared)
            }
            let placement = Placement(
                sync: Sync(source: move.source, target: move.target, key: move.key, mapping: move.mapping),
                triggers: "move", isComplete: false)

            // 1
            try place(placement, mapping: mapping, work)

            // 2. In every run, since the application may have got new ones.
            try prepareChildren(of: source.relation, for: target, work)

            // 3
            try session.execute("ANALYZE \(quoted(move.target))")
            var rows = 0
            repeat {
                rows = try verify(placement, mapping: mapping, work)
                try work.runChecks()
                try work.refuseBroken()
            } while try waitForCutOver(work)

            // 4
            let children = try catalog.foreignKeysReferencing(source.relation.oid).map {
                TableName(schema: $0.tableSchema, $0.tableName)
            }
            try pin(
                [move.source, move.target] + children + sequences(of: source.relation.oid, column: move.key)
                    + (move.view.map { [$0] } ?? []), work)
            try brief(work, locking: { try cutOverLocks(move) }, finishing: "cut over") { next in
                let outcome = try cutOver(move, source: source, mapping: mapping, rows: rows, work)
                next.notes["details"] = outcome.details
                next.notes["compared"] = [String(rows)]
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

    /// Under the locks: 1. the trigger has been on all the time, and the newest rows are equal; 2. the sequence;
    /// 3. what belongs to the source beside its rows; 4. the children's keys take their names; 5. the source becomes
    /// the follower, in the ledger's schema; 6. the view; 7. the trigger back; 8. the ledger.
    private func cutOver(
        _ move: Move, source: TableShape, mapping: PostgreSQLMapping, rows: Int, _ work: OnlineWork
    ) throws -> StepOutcome {
        let context = work.context
        guard let target = try catalog.relation(move.target) else {
            throw MigratorError("target-missing", .failed, "the table \"\(move.target)\" is gone")
        }
        let declared = try shape(of: target)

        // 1
        try requireTriggers(kind: "move", on: source.relation, context: context)
        try refuseTail(mapping, with: move.target, key: move.key)
        try removeTriggers(kind: "move", item: context.item, context: context)
        var undo: [String] = []

        // 2
        undo += try passSequence(move, source: source, target: declared)
        try advanceSequence(of: move.target, column: move.key)

        // 3
        let readers = try dependentViews(of: source.relation.oid)
        try replayProperties(from: source, to: target)
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
        let back = try analyse(mappingBack, source: move.target, target: move.source, key: move.key)
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

        // 6
        var view: SwitchRecord.Table?
        if let viewName = move.view {
            let columns = source.columns.map(\.name)
            guard columns.allSatisfy({ declared.column($0) != nil }) else {
                throw MigratorError(
                    "view-impossible", .refused,
                    "a view \"\(viewName)\" would lack columns that \"\(move.target)\" does not have",
                    hint: "leave view= out, or declare the columns")
            }
            view = try createView(viewName, columns: columns, over: target)
            if let relation = try catalog.relation(follower.tableName), let view {
                try copyGrants(from: relation.oid, columns: columns, to: view)
            }
        }
        try create(readers)

        // 7
        let reverse = Sync(source: move.target, target: follower.tableName, key: move.key, mapping: mappingBack)
        try createTriggers(
            "follower", name: triggerName("follower", context: context), body: syncBody(reverse, back),
            on: move.target, target: follower.tableName,
            events: [("AFTER INSERT OR UPDATE OR DELETE", true), ("AFTER TRUNCATE", false)], context: context)

        // 8
        let moment = try cutOver()
        try add(
            SwitchRecord(
                strategy: .copy, source: .init(schema: source.relation.schema, name: source.relation.name),
                target: .init(schema: target.schema, name: target.name), key: move.key, view: view, undo: undo,
                added: declared.columns.filter { source.column($0.name) == nil }.map {
                    .init(name: $0.name, initial: nil)
                },
                restrictions: [], follower: follower, children: children, rows: rows, relationOID: target.oid,
                snapshot: moment.snapshot, transactionID: moment.transactionID,
                systemIdentifier: try identityOfSystem()),
            context: context)
        var details = [
            "\(rows.counted("row")) compared, 0 differences", "follower \(name) receives every write until `contract`",
        ]
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

    /// The triggers that have kept both sides equal are there and on.
    func requireTriggers(kind: String, on table: CatalogRelation, context: StepContext) throws {
        let records = try ledger.objects(revision: context.revision, kind: kind).compactMap {
            TriggerRecord(json: $0.detail)
        }.filter { $0.triggers.first?.table == table.quoted }
        let wanted = Set(records.flatMap(\.triggers).map(\.name))
        let there = Set(
            try catalog.triggers(of: table.oid).filter { ["O", "A"].contains($0.enabled) }.map(\.name.quotedIdentifier))
        guard !wanted.isEmpty, wanted.isSubset(of: there) else {
            throw MigratorError(
                "trigger-off", .difference,
                "the trigger that keeps the tables equal was dropped or switched off on \"\(table.name)\"; nothing was cut over",
                hint: "take the upgrade back with `migrator downgrade -1` and begin again")
        }
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
            let name = check.name.quotedIdentifier
            try change("DROP CONSTRAINT \(name)", back: "ADD CONSTRAINT \(name) \(check.definition)")
        }
        return undo
    }

    // MARK: Children

    /// Prefix of the names of children's keys until the cut-over.
    static let nextKeyPrefix = "migrator_next_"

    static func nextKeyName(_ name: String) -> String {
        nextKeyPrefix
            + String(
                name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 36)
    }

    /// Each key of another table that points at `old` gets a twin that points at `new`: not validated, then validated,
    /// while both tables are kept equal. Its place is taken at the cut-over.
    func prepareChildren(of old: CatalogRelation, for new: CatalogRelation, _ work: OnlineWork) throws {
        for child in try catalog.foreignKeysReferencing(old.oid)
        where child.tableOID != old.oid && child.tableOID != new.oid {
            let name = Self.nextKeyName(child.name)
            let table = TableName(schema: child.tableSchema, child.tableName)
            let twin = try catalog.constraints(of: child.tableOID).first { $0.name == name }
            if twin == nil, let definition = child.definition(referring: new.quoted) {
                try brief(
                    work,
                    locking: {
                        try lock(TableName(schema: new.schema, new.name), .shareRowExclusive)
                            + lock(table, .shareRowExclusive)
                    }, changesSchema: true
                ) { _ in
                    try session.execute(
                        "ALTER TABLE \(child.table) ADD CONSTRAINT \(name.quotedIdentifier) \(definition)"
                            + (definition.hasSuffix(" NOT VALID") ? "" : " NOT VALID"))
                }
            }
            if twin?.isValidated != true, child.isValidated { try validate(name, of: child.table, work) }
        }
    }

    /// The old keys go, the twins get their names.
    func takeChildren(from old: CatalogRelation) throws -> [String] {
        var names: [String] = []
        for child in try catalog.foreignKeysReferencing(old.oid) where child.tableOID != old.oid {
            let twin = Self.nextKeyName(child.name)
            guard try catalog.constraints(of: child.tableOID).contains(where: { $0.name == twin }) else {
                throw MigratorError(
                    "child-new", .failed,
                    "the foreign key \"\(child.name)\" of \"\(child.tableName)\" is new since the preparation; nothing was cut over",
                    hint: "run the same command again")
            }
            let name = child.name.quotedIdentifier
            try session.execute(
                "ALTER TABLE \(child.table) DROP CONSTRAINT \(name); ALTER TABLE \(child.table) RENAME CONSTRAINT \(twin.quotedIdentifier) TO \(name)"
            )
            if let comment = child.comment {
                try session.execute("COMMENT ON CONSTRAINT \(name) ON \(child.table) IS \(comment.quotedLiteral)")
            }
            names.append("\(child.table) \(name)")
        }
        return names
    }
}

extension CatalogConstraint {
    /// A foreign key's definition with another table in the place of the one that it refers to.
    func definition(referring table: String) -> String? {
        guard let start = definition.firstRange(of: " REFERENCES "),
            let end = definition[start.upperBound...].firstRange(of: "(")
        else { return nil }
        return definition[..<start.upperBound] + table + definition[end.lowerBound...]
    }
}
