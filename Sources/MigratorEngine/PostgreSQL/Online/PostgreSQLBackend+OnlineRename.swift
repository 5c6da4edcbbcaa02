import MigratorDatabase
import MigratorScript

/// A switch while the application writes.
extension PostgreSQLBackend {
    func switchOnline(_ move: Move, _ work: OnlineWork) throws -> StepOutcome {
        guard let plan = work.move, let decision = plan.decision else { return StepOutcome() }
        switch decision.strategy {
        case .rename:
            return try renameOnline(move, definition: plan.definition.map(\.statement), work)
        case .copy:
            return try copySwitchOnline(move, work)
        }
    }

    /// ONLINE.md R. 1. the plan; 2. the new indexes that the source can have already, concurrently; 3. the script's
    /// queries, over the source as the target will be; 4. the changes, in one moment under the lock; 5. what had to
    /// wait for the new columns, and what is validated without a lock; 6. the proof.
    private func renameOnline(
        _ move: Move, definition: [Statement], _ work: OnlineWork
    ) throws -> StepOutcome {
        if !work.checkpoint.has("cut over") {
            // 1
            let (declared, plan) = try work.executor.look(for: [work.item]) {
                let declared = try declaredShape(of: move.target, definition: definition)
                let source = try recogniseSource(move, declared: declared, context: work.context)
                return (declared, try onlineRenamePlan(move, source: source, declared: declared))
            }

            // 2
            try work.phase("indexes") {
                for index in plan.addedIndexes where plan.canPrecede(index) {
                    try brief(work) { next in
                        if next.notes["built"]?.contains(index.name) != true {
                            next.notes["built", default: []].append(index.name)
                        }
                    }
                    try buildIndex(
                        index.creation(name: index.name, on: plan.source.relation.quoted).concurrently,
                        name: TableName(schema: plan.source.relation.schema, index.name), on: move.source,
                        comment: index.comment, work)
                }
                try brief(work, finishing: "indexes") { _ in }
            }

            // 3
            try work.phase("verify") {
                try refuseOrphans(of: move.source, consequence: "nothing was cut over")
                try work.refuseBroken()
                let columns =
                    plan.source.columns.map { "s.\($0.name.quotedIdentifier)" }
                    + plan.added.map { column in
                        let isConstant = declared.constantDefaults.contains(column.name)
                        let value = isConstant ? column.defaultExpression ?? "NULL" : "NULL"
                        return "CAST(\(value) AS \(column.type)) AS \(column.name.quotedIdentifier)"
                    }
                try work.runChecks(
                    shadow:
                        "WITH \(move.target.name.quotedIdentifier) AS NOT MATERIALIZED (SELECT \(columns.joined(separator: ", ")) FROM \(plan.source.relation.quoted) AS s)"
                )
                try brief(work, finishing: "verify") { _ in }
            }

            // 4
            while try waitForCutOver(work) { try work.refuseBroken() }
            try pin(
                [move.source, move.target] + sequences(of: plan.source.relation.oid, column: move.key), work)
            try brief(
                work, locking: { try ownLocks(move) }, finishing: "cut over"
            ) { next in
                let source = try recogniseSource(move, declared: declared, context: work.context)
                let plan = try onlineRenamePlan(move, source: source, declared: declared)
                let rows = try ledger.backups().last {
                    $0.revision == work.context.revision && $0.source == move.source.name && $0.kind == .table
                }?.rows
                let outcome = try applyRename(
                    move, plan: plan, isOnline: true, built: next.notes["built"] ?? [], rows: rows,
                    context: work.context)
                next.notes["details"] = outcome.details
                next.notes["indexes"] = plan.addedIndexes.map {
                    $0.creation(name: $0.name, on: quoted(move.target)).concurrently
                }
                next.notes["indexNames"] = plan.addedIndexes.map(\.name)
                next.notes["constraints"] = plan.addedConstraints
                    .filter { $0.kind == .check || $0.kind == .foreignKey }.map(\.name)
            }
            try brief(work, changesSchema: true, comparesEverything: true) { _ in }
        }

        // 5
        let notes = work.checkpoint.notes
        for (index, statement) in (notes["indexes"] ?? []).enumerated() {
            try buildIndex(
                statement, name: TableName(schema: move.target.schema ?? schema, notes["indexNames"]?[index] ?? ""),
                on: move.target, work)
        }
        for constraint in notes["constraints"] ?? [] { try validate(constraint, of: quoted(move.target), work) }

        // 6
        try work.phase("prove") {
            try brief(work, finishing: "prove", changesSchema: true, comparesEverything: true) { _ in
                let declared = try declaredShape(of: move.target, definition: definition)
                guard let target = try catalog.relation(move.target) else { return }
                try refuseDifferences(from: declared, of: target, key: move.key)
            }
        }
        return StepOutcome(rows: nil, details: notes["details"] ?? [])
    }

    private func onlineRenamePlan(_ move: Move, source: TableShape, declared: TableShape) throws -> RenamePlan {
        do {
            let plan = try renamePlan(from: source, to: declared, key: move.key)
            guard plan.tightened.isEmpty else {
                throw MigratorError(
                    "needs-window", .refused,
                    "\"\(move.target)\" demands values where \"\(move.source)\" does not (\(plan.tightened.map(\.name).joined(separator: ", "))), which would be checked under the lock",
                    hint: "use --mode window, or strategy=copy")
            }
            return plan
        } catch let error as RenamePlan.Unreachable {
            throw MigratorError(
                "rename-impossible", .refused,
                "\"\(move.source)\" cannot become \"\(move.target)\" by a rename any more: \(error.reason)",
                hint: "run the command again")
        }
    }

    /// View, source, target, children: the application's order (ONLINE.md H5).
    func cutOverLocks(_ move: Move) throws -> [TableLock] {
        try tableLocks(for: [
            Item(location: ScriptLocation(file: "", line: 0), action: .switchTable(move))
        ])
    }

    /// A rename leaves the children alone: their keys go by the relation, not by its name.
    func ownLocks(_ move: Move) throws -> [TableLock] {
        try (move.view.map { try lock($0, .accessExclusive) } ?? []).filter { view in
            try catalog.relation(move.source)?.oid != view.oid
        } + lock(move.source, .accessExclusive)
    }

    func sequences(of table: Int, column: String) throws -> [TableName] {
        try catalog.ownedSequence(of: table, column: column).map { [TableName(schema: $0.schema, $0.name)] } ?? []
    }

    /// The ledger learns what relations look like before a moment in which there is no time to look.
    func pin(_ tables: [TableName], _ work: OnlineWork) throws {
        guard work.context.direction == .upgrade else { return }
        let known = work.executor.knownSchema ?? [:]
        try brief(work) { _ in
            try ledger.set(
                Set(tables.map { "\($0.schema ?? schema).\($0.name)" }).sorted().map { relation in
                    FingerprintRecord(relation: relation, before: known[relation], after: known[relation])
                }, revision: work.context.revision)
        }
    }

    /// `--postpone-cut-over FILE`: everything is ready and kept so until somebody removes the file.
    /// - Returns: whether there was a wait.
    @discardableResult
    func waitForCutOver(_ work: OnlineWork) throws -> Bool {
        guard let file = work.context.options.postponeFile, Pace.exists(file) else { return false }
        work.context.reporter.report(.waiting("ready to cut over; waiting until the file \"\(file)\" is removed"))
        while Pace.exists(file) {
            try work.executor.checkInterruption()
            Pace.sleep(.milliseconds(200))
        }
        return true
    }
}

extension RenamePlan {
    /// Whether the source has all that the index needs.
    func canPrecede(_ index: CatalogIndex) -> Bool {
        let new = Set(added.map(\.name))
        return !index.body.isMentioning(anyOf: new)
    }
}

extension String {
    /// Whether one of the names stands in the text as a word; more often than not a name that is meant.
    fileprivate func isMentioning(anyOf names: Set<String>) -> Bool {
        var word = ""
        for character in self + " " {
            if character.isLetter || character.isNumber || character == "_" {
                word.append(character)
            } else {
                if names.contains(word) { return true }
                word = ""
            }
        }
        return names.contains { !$0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } && contains($0) }
    }
}
