import MigratorDatabase
import MigratorScript

extension Executor {
    /// Does one item inside the open transaction.
    func perform(_ item: FlatItem, work: inout RevisionWork) throws {
        guard try holds(item, work: &work) else { return }
        if try decideMove(definedBy: item, work: &work) == .rename, !isSwitch(item) {
            // The statement is a declaration: the switch reaches it by catalog changes.
            work.add(item, outcome: StepOutcome(details: ["declaration"]), duration: .zero)
            return
        }
        let title = item.item.action.title
        let clock = ContinuousClock()
        let start = clock.now
        if item.item.action.isDirective { reporter.report(.stepStarted(title)) }
        // The queries run at the end of the revision.
        let journal = isVerify(item) ? nil : backend.ledger.journal
        journal?.beginStep(item: item.ordinal, kind: item.item.action.kind, title: title)
        let outcome = try step(item, work: &work)
        let duration = clock.now - start
        journal?.endStep()
        if item.item.action.isDirective, !isVerify(item) {
            reporter.report(
                .stepFinished(title, rows: outcome.rows, duration: duration, details: outcome.details))
        }
        work.add(item, outcome: outcome, duration: duration)
    }

    private func isSwitch(_ item: FlatItem) -> Bool {
        if case .switchTable = item.item.action { true } else { false }
    }

    private func isVerify(_ item: FlatItem) -> Bool {
        if case .verify = item.item.action { true } else { false }
    }

    private func step(_ item: FlatItem, work: inout RevisionWork) throws -> StepOutcome {
        let context = work.context(item: item.ordinal, self)
        switch item.item.action {
        case .statement(let statement):
            return try runStatement(statement, work: &work, context: context)
        case .leftovers(let tables):
            return try backend.clearLeftovers(tables, context: context)
        case .backup(let table):
            return try backend.backup(table, context: context)
        case .switchTable(let move):
            // A renamed table's sequence changes with it, and no lock says so.
            work.comparesEverything = true
            return try performSwitch(move, item: item, work: &work, context: context)
        case .copy(let move):
            return try backend.performCopy(move, context: context)
        case .sync(let sync):
            return try backend.performSync(sync, context: context)
        case .unsync(let source, let target):
            return try backend.performUnsync(source: source, target: target, context: context)
        case .ensure(let ensure):
            return try backend.performEnsure(
                ensure, beforeRow: work.isFilledLater(ensure.source, after: item.ordinal), context: context)
        case .fill(let fill):
            return try backend.performFill(fill, context: context)
        case .exceptions(let exceptions):
            return try backend.recordExceptions(exceptions, context: context)
        case .archive(let tables):
            return try archive(tables, work: work, context: context)
        case .verify, .when, .transaction:
            // Verify queries run at the end of the revision; blocks have been flattened; the segments are cut.
            return StepOutcome()
        }
    }

    /// Evaluates the condition of a block once, when its first item is reached, and keeps the answer for a restart.
    func holds(_ item: FlatItem, work: inout RevisionWork) throws -> Bool {
        guard let block = item.block else { return true }
        if let known = work.blocks[block.id] { return known }
        let holds = try evaluate(block.condition, work: work)
        work.blocks[block.id] = holds
        work.steps.append(
            StepRecord(
                runID: run.id, attempt: work.attempt, revision: work.planned.script.revision,
                direction: work.planned.direction, item: block.id, kind: "when",
                title: "when \(block.condition)", state: .intent, intent: holds ? "true" : "false"))
        return holds
    }

    private func evaluate(_ condition: Condition, work: RevisionWork) throws -> Bool {
        switch condition {
        case .table(let table, let exists):
            return try backend.tableExists(table) == exists
        case .column(let table, let column, let exists):
            return (try backend.columnNames(of: table)?.contains(column) ?? false) == exists
        case .created(let table, let column):
            let name = RevisionWork.createdName(table, column)
            return try backend.ledger.objects(
                revision: work.planned.script.revision,
                kind: column == nil ? "created-table" : "created-column"
            ).contains { $0.name == name }
        }
    }

    // MARK: Switches

    /// The strategy of the switch that this item belongs to, decided when the first of its statements is reached;
    /// nil for an item that belongs to none.
    func decideMove(
        definedBy item: FlatItem, work: inout RevisionWork, isSilent: Bool = false
    ) throws -> Strategy? {
        for index in work.moves.indices {
            let plan = work.moves[index]
            guard plan.ordinal == item.ordinal || plan.definition.contains(where: { $0.ordinal == item.ordinal })
            else { continue }
            if let decision = plan.decision { return decision.strategy }
            let decision: StrategyDecision
            if let known = work.decisions[plan.ordinal] {
                decision = StrategyDecision(strategy: known, reason: "as the run before decided")
            } else if plan.definition.contains(where: { work.done.contains($0.ordinal) }) {
                decision = StrategyDecision(
                    strategy: .copy, reason: "the target has been created by an earlier segment")
            } else {
                decision = try backend.decideStrategy(
                    plan.move, definition: plan.definition.map(\.statement),
                    context: work.context(item: plan.ordinal, self))
            }
            work.moves[index].decision = decision
            if work.isOnline, work.decisions[plan.ordinal] == nil {
                work.decisions[plan.ordinal] = decision.strategy
                work.steps.append(
                    StepRecord(
                        runID: run.id, attempt: work.attempt, revision: work.planned.script.revision,
                        direction: .upgrade, item: plan.ordinal, kind: "strategy",
                        title: "strategy of \(plan.move.source) to \(plan.move.target)", state: .intent,
                        intent: decision.strategy.rawValue))
            }
            if isSilent { return decision.strategy }
            reporter.report(
                .note(
                    "\(plan.move.source) to \(plan.move.target): strategy \(decision.strategy.rawValue), \(decision.reason)"
                ))
            for note in decision.notes { reporter.report(.note("\(plan.move.source) to \(plan.move.target): \(note)")) }
            return decision.strategy
        }
        return nil
    }

    private func performSwitch(
        _ move: Move, item: FlatItem, work: inout RevisionWork, context: StepContext
    ) throws -> StepOutcome {
        switch work.planned.direction {
        case .upgrade:
            guard let plan = work.moves.first(where: { $0.ordinal == item.ordinal }),
                let decision = plan.decision
            else { return StepOutcome() }
            return try backend.performSwitch(
                move, strategy: decision.strategy, definition: plan.definition.map(\.statement),
                context: context)
        case .downgrade:
            guard
                let record = try backend.ledger.switchRecord(
                    ledBackBy: move, revision: work.planned.script.revision)
            else {
                if work.isUndo { return StepOutcome(details: ["not reached by the upgrade"]) }
                throw MigratorError(
                    "switch-not-recorded", .failed,
                    "the ledger has no switch of \"\(move.target)\" to \"\(move.source)\" by revision \"\(work.planned.script.revision)\"",
                    hint: "name the tables of the upgrade's switch the other way round",
                    location: item.item.location)
            }
            return try backend.revertSwitch(move, record: record, context: context)
        }
    }

    // MARK: Statements

    private func runStatement(
        _ statement: Statement, work: inout RevisionWork, context: StepContext
    ) throws -> StepOutcome {
        let traits = StatementTraits(statement, dialect: backend.session.dialect)
        reporter.report(.statement(statement.shown))
        if traits.definition?.kind == .alterTable, traits.identifiers.contains("rename") {
            work.comparesEverything = true
        }
        do {
            if work.isUndo { return try runTolerantly(statement, traits: traits, work: &work, context: context) }
            try runCounted(statement, traits: traits, work: &work, context: context)
            return StepOutcome()
        } catch let error as DatabaseError
            where error.kind != .cancelled && error.kind != .connectionLost
            && !(work.isOnline && error.kind == .lockNotAvailable)
            && !["40P01", "40001"].contains(error.sqlState)
        {
            throw MigratorError(error, statement: statement)
        }
    }

    private func runCounted(
        _ statement: Statement, traits: StatementTraits, work: inout RevisionWork, context: StepContext
    ) throws {
        if traits.mayDestroy {
            try runGuarded(statement, work: &work, context: context)
        } else {
            try backend.session.execute(statement.text)
        }
    }

    /// While an unfinished upgrade is undone, what it had not made yet need not be taken away.
    private func runTolerantly(
        _ statement: Statement, traits: StatementTraits, work: inout RevisionWork, context: StepContext
    ) throws -> StepOutcome {
        do {
            try backend.session.savepoint {
                try runCounted(statement, traits: traits, work: &work, context: context)
            }
            return StepOutcome()
        } catch let error as DatabaseError where error.saysMissing {
            return StepOutcome(details: ["not there: the upgrade had not come so far"])
        }
    }
}

extension DatabaseError {
    /// The statement names a table, column, function or other object that does not exist.
    var saysMissing: Bool {
        if let sqlState { return ["42P01", "42703", "42704", "42883", "3F000"].contains(sqlState) }
        return message.hasPrefix("no such ")
    }
}
