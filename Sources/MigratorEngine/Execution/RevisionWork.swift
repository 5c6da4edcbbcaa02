import MigratorDatabase
import MigratorPlan
import MigratorScript

/// What the executor knows of the revision that it works on; copied before a transaction that may be tried again.
struct RevisionWork {
    let planned: PlannedRevision
    let recorded: RevisionRecord?
    let run: RunIdentity
    /// The run that began this upgrade or downgrade.
    let attempt: Int
    /// Undoing an upgrade that has not been finished: what is not there need not be taken away. From its first commit
    /// on the ledger has the revision as one that is being downgraded, and a step of its own says so.
    private(set) var isUndo: Bool
    private static let undoStep = "undo"

    /// Items that earlier segments have done and committed.
    var done: Set<Int> = []
    /// Items whose intent was committed by a run that then ended.
    var intents: [Int: String] = [:]
    /// Whether a `when` block holds, by the block's id.
    var blocks: [Int: Bool] = [:]
    /// Steps of the open transaction, for the ledger.
    var steps: [StepRecord] = []
    /// Steps for the report.
    var reports: [RunReport.StepReport] = []
    /// Relations that statements outside of a transaction may have changed: everything must be compared.
    var comparesEverything = false
    /// `when created` conditions of the downgrade.
    var creatable: [Condition] = []
    var missingBefore: [Condition] = []
    /// Rows that the open transaction takes away for good, by what they are.
    /// The subject is what follows the number of rows: `of "messages"`.
    var losses: [(subject: String, rows: Int)] = []
    var moves: [MovePlan] = []
    /// Whether the steps run while the application writes, each in transactions of its own.
    var isOnline = false
    /// Whether the ledger says already that the revision is under way.
    var isRegistered = false
    /// Whether a table's role has passed on to another, in this run or before it.
    var hasSwitched = false
    /// What was not in force before the revision began.
    var unsoundBefore: Set<String> = []
    /// Of indexes and constraints that do not come back, since somebody has changed them by hand.
    var leftNames: Set<String> = []
    /// Strategies that an earlier run decided on, by the switch's ordinal.
    var decisions: [Int: Strategy] = [:]

    /// A switch of this section with the statements that define its target.
    struct MovePlan {
        var ordinal: Int
        var move: Move
        var definition: [(ordinal: Int, statement: Statement)]
        var decision: StrategyDecision?
    }

    init(planned: PlannedRevision, record: RevisionRecord?, run: RunIdentity) throws(ScriptError) {
        self.planned = planned
        self.recorded = record
        self.run = run
        let isResumed =
            record?.state == .upgrading && planned.direction == .upgrade
            || record?.state == .downgrading && planned.direction == .downgrade
        attempt = isResumed ? record?.runID ?? run.id : run.id
        isUndo = record?.state == .upgrading && planned.direction == .downgrade
        if isUndo {
            steps.append(
                StepRecord(
                    runID: run.id, attempt: attempt, revision: planned.script.revision, direction: .downgrade, item: -1,
                    kind: Self.undoStep, title: "undo the unfinished upgrade", state: .intent))
        }
        if case .section(let section) = try planned.script.downgrade {
            creatable = section.conditions.filter { if case .created = $0 { true } else { false } }
        }
    }

    func section() throws -> Section {
        switch (planned.direction, try planned.script.downgrade) {
        case (.upgrade, _): return try planned.script.upgrade
        case (.downgrade, .section(let section)): return section
        case (.downgrade, .irreversible(let reason, let location)):
            throw MigratorError(
                "irreversible", .refused,
                "revision \"\(planned.script.revision)\" cannot be undone: \(reason)",
                hint: "restore from a backup (`migrator backups list`), or add a revision that mends forward",
                location: location)
        }
    }

    mutating func loadProgress(from ledger: Ledger) throws {
        guard attempt != run.id else { return }
        for step in try ledger.steps(
            attempt: attempt, revision: planned.script.revision, direction: planned.direction)
        {
            switch (step.kind, step.state) {
            case (Self.undoStep, _): isUndo = true
            case ("strategy", _): decisions[step.item] = step.intent.flatMap(Strategy.init)
            case ("when", _): blocks[step.item] = step.intent == "true"
            case (_, .done):
                done.insert(step.item)
                intents[step.item] = nil
            case (_, .intent): intents[step.item] = step.intent ?? ""
            }
        }
    }

    /// Under which number the ledger keeps an item's checkpoint: those of a downgrade count from -1 downwards.
    func checkpointItem(_ ordinal: Int) -> Int {
        planned.direction == .upgrade ? ordinal : -1 - ordinal
    }

    /// Whether a later `fill` of the same section reads what an `ensure` over the same table provides.
    func isFilledLater(_ table: TableName, after ordinal: Int) -> Bool {
        let items = (try? section()).map(FlatItem.flatten) ?? []
        return items.contains { later in
            if later.ordinal > ordinal, case .fill(let fill) = later.item.action {
                fill.table.name == table.name
            } else {
                false
            }
        }
    }

    /// Finds each switch of an upgrade and the statements before it that define its target.
    mutating func prepareMoves(_ items: [FlatItem], isUpgrade: Bool) {
        guard isUpgrade else { return }
        for item in items {
            guard case .switchTable(let move) = item.item.action else { continue }
            let definition = items.prefix { $0.ordinal < item.ordinal }.compactMap {
                earlier -> (ordinal: Int, statement: Statement)? in
                guard earlier.block == nil, case .statement(let statement) = earlier.item.action,
                    let definition = StatementTraits(statement, dialect: planned.script.dialect).definition,
                    definition.table.name == move.target.name
                else { return nil }
                return (earlier.ordinal, statement)
            }
            moves.append(MovePlan(ordinal: item.ordinal, move: move, definition: definition))
        }
    }

    func context(item: Int, _ executor: Executor) -> StepContext {
        var context = StepContext(
            runID: run.id, revision: planned.script.revision, direction: planned.direction, item: item,
            options: executor.options, reporter: executor.reporter)
        context.script = planned.script
        return context
    }

    func record(state: RevisionRecord.State) -> RevisionRecord {
        RevisionRecord(
            revision: planned.script.revision, revises: planned.script.revises,
            message: planned.script.message, state: state, checksum: planned.script.checksum,
            file: planned.script.location.file, runID: state == .applied ? run.id : attempt)
    }

    mutating func add(
        _ item: FlatItem, state: StepRecord.State = .done, intent: String? = nil, outcome: StepOutcome,
        duration: Duration
    ) {
        leftNames.formUnion(outcome.leftNames)
        let action = item.item.action
        steps.append(
            StepRecord(
                runID: run.id, attempt: attempt, revision: planned.script.revision,
                direction: planned.direction, item: item.ordinal, kind: action.kind, title: action.title,
                state: state, intent: intent, rows: outcome.rows, duration: duration,
                details: outcome.details))
        if state == .done {
            reports.append(
                RunReport.StepReport(
                    title: action.title, rows: outcome.rows, duration: duration, details: outcome.details))
        }
    }

    /// How a created table or column is named in the ledger.
    static func createdName(_ table: TableName, _ column: String?) -> String {
        table.description + (column.map { ".\($0)" } ?? "")
    }
}
