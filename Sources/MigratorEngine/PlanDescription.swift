import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Describes planned revisions one after the other, with what each step does to the tables that the next ones find.
final class PlanDescription {
    private let backend: any Backend
    private let options: RunOptions
    private let executor: Executor
    private var isFirst = true
    /// Tables that earlier steps will have made, by name, as large as what they are made of.
    private var coming: [String: PlanEstimate.Size] = [:]
    private lazy var keys = (try? backend.foreignKeys()) ?? []

    // Of the revision that is described.
    private var isOnline = false
    private var created: Set<String> = []

    init(backend: any Backend, options: RunOptions, executor: Executor) {
        self.backend = backend
        self.options = options
        self.executor = executor
    }

    func describe(_ planned: PlannedRevision, report: inout PlanReport) throws -> PlanReport.PlannedRevision {
        defer { isFirst = false }
        var revision = PlanReport.PlannedRevision(
            revision: planned.script.revision, direction: planned.direction, from: planned.from, to: planned.to,
            message: planned.script.message, file: planned.script.location.file,
            isForgetOnly: planned.isForgetOnly, steps: [])
        guard !planned.isForgetOnly else { return revision }
        var work = try RevisionWork(planned: planned, record: nil, run: RunIdentity(id: 0, epoch: 0))
        isOnline = try executor.isOnline(planned, isUndo: false)
        revision.isOnline = isOnline
        created = []
        let items = FlatItem.flatten(try work.section())
        work.prepareMoves(items, isUpgrade: planned.direction == .upgrade)
        // As they will be sent, which for indexes means concurrently.
        var sent: [Int: Statement] = [:]
        for case .outside(let item, let statement) in Segment.cut(items, script: planned.script, isOnline: isOnline) {
            sent[item.ordinal] = statement
        }
        if isFirst { try executor.refuseSubscribed(items) }
        for item in items {
            revision.steps.append(try describe(item, sent: sent[item.ordinal], of: work, report: &report))
        }
        revision.estimate = revision.steps.reduce(PlanEstimate()) { $0 + $1.estimate }
        if !isOnline, planned.script.isTransactional, revision.estimate.exclusive > .zero {
            // One transaction takes all its locks first and keeps them to its end.
            revision.estimate.exclusive = revision.estimate.duration
        }
        return revision
    }

    private func describe(
        _ item: FlatItem, sent: Statement?, of work: RevisionWork, report: inout PlanReport
    ) throws -> PlanReport.PlannedStep {
        var step = PlanReport.PlannedStep(title: item.item.action.title, details: [], locks: [])
        if let block = item.block { step.details.append("only when \(block.condition)") }
        switch item.item.action {
        case .statement(let statement):
            try describe(sent ?? statement, item, isOutside: sent != nil, of: work, &step)
        case .backup(let table):
            let size = try size(of: table, &step)
            lock(isOnline ? "ACCESS SHARE" : "SHARE", [table], &step)
            report.staysBehind.append("backup \(table)_backup")
            spend(size.times(PlanEstimate.backupRow), isExclusive: !isOnline, bytes: size.bytes, &step)
        case .switchTable(let move):
            try describe(move, item, of: work, &step, &report)
        case .copy(let move):
            let size = try size(of: move.source, &step)
            place(size, from: move.source, to: move.target, &step)
            step.phases += isOnline ? ["release"] : []
        case .sync(let sync):
            let size = try size(of: sync.source, &step)
            place(size, from: sync.source, to: sync.target, &step)
            if sync.back != nil { step.phases += isOnline ? ["back"] : [] }
            report.staysBehind.append("triggers that keep \(sync.target) equal to \(sync.source)")
        case .ensure(let ensure):
            let size = try size(of: ensure.source, &step)
            batches(size.times(PlanEstimate.ensureRow), of: ensure.source, bytes: size.bytes / 2, &step)
            step.phases += isOnline ? ["verify"] : []
            report.staysBehind.append("a trigger that ensures \(ensure.target) for \(ensure.source)")
        case .fill(let fill):
            let size = try size(of: fill.table, &step)
            batches(size.times(PlanEstimate.fillRow), of: fill.table, bytes: size.bytes, &step)
            report.staysBehind.append("a trigger that fills \(fill.table)")
        case .archive(let tables):
            for table in tables {
                let size = try size(of: table, &step)
                lock("ACCESS EXCLUSIVE", [table], &step)
                report.staysBehind.append("backup \(table)_backup")
                spend(size.times(PlanEstimate.backupRow), isExclusive: true, bytes: size.bytes, &step)
            }
        case .unsync(let source, _):
            lock("ACCESS EXCLUSIVE", [source], &step)
            spend(PlanEstimate.moment, isExclusive: true, &step)
        case .leftovers, .exceptions, .verify, .when, .transaction:
            break
        }
        if backend.session.dialect == .sqlite {
            // One writer at a time: the whole transaction is exclusive.
            step.locks = []
            step.estimate.exclusive = step.estimate.duration
        }
        return step
    }

    private func describe(
        _ statement: Statement, _ item: FlatItem, isOutside: Bool, of work: RevisionWork,
        _ step: inout PlanReport.PlannedStep
    ) throws {
        let traits = StatementTraits(statement, dialect: backend.session.dialect)
        if isOutside || traits.cannotRunInTransaction { step.details.append("outside of any transaction") }
        if let definition = traits.definition, definition.kind == .createTable { created.insert(definition.table.name) }
        if work.moves.contains(where: { $0.definition.contains { $0.ordinal == item.ordinal } }) {
            step.details.append("declares the target of the switch")
        } else if traits.mayDestroy {
            step.details.append("what it would take away is counted before it runs")
        }
        guard backend.session.dialect == .postgresql else { return }
        for lock in statement.locks where !created.contains(lock.table.name) {
            let isShort = isOnline && lock.mode.stopsWriters
            step.locks.append("\(lock.mode.rawValue) on \(lock.table)" + (isShort ? ", for a moment" : ""))
            guard lock.mode.stopsWriters else { continue }
            let isIndex = traits.definition?.kind == .createIndex && traits.concurrentIndex == nil
            let time = isIndex ? try known(lock.table).times(PlanEstimate.indexRow) : .zero
            spend(max(time, PlanEstimate.moment), isExclusive: true, &step)
        }
        if case .create(_, let table) = traits.concurrentIndex {
            spend(try known(table).times(PlanEstimate.indexRow) * 2, isExclusive: false, &step)
        }
    }

    private func describe(
        _ move: Move, _ item: FlatItem, of work: RevisionWork, _ step: inout PlanReport.PlannedStep,
        _ report: inout PlanReport
    ) throws {
        let size = try size(of: move.source, &step)
        coming[move.target.name] = size
        let isUp = work.planned.direction == .upgrade
        var strategy: Strategy?
        if isUp {
            if let decision = try decision(for: item, of: work) {
                step.details.insert("strategy \(decision.strategy.rawValue): \(decision.reason)", at: 0)
                step.details += decision.notes
                strategy = decision.strategy
            }
            if let view = move.view {
                report.staysBehind.append("view \(view), until `migrator contract \(work.planned.script.revision)`")
            }
        } else {
            step.details.append("values that only \(move.source) has go to a registered backup")
            strategy = try strategyThatWasUsed(move, revision: work.planned.script.revision)
        }
        let children = keys.filter {
            $0.referenced.name == move.source.name && $0.table.name != move.source.name
        }.map(\.table.name)
        let tables = ([move.view?.name, move.source.name].compactMap(\.self) + children).reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        switch (strategy, isOnline) {
        case (.rename, true):
            step.phases = isUp ? ["indexes", "verify", "cut over", "prove"] : ["indexes", "cut back"]
            spend(PlanEstimate.cutOver, isExclusive: true, &step)
        case (.rename, false):
            spend(PlanEstimate.cutOver, isExclusive: true, &step)
        case (_, true) where !isUp && strategy == .copy:
            // The follower has every write already.
            step.phases = ["compare", "cut back", "register"]
            lock("SHARE ROW EXCLUSIVE", [move.source], &step)
            spend(size.times(PlanEstimate.onlineRow) / 8, isExclusive: false, bytes: 0, &step)
            spend(PlanEstimate.cutOver, isExclusive: true, &step)
        case (_, true):
            place(size, from: move.source, to: move.target, &step)
            step.phases = ["detach", "expand", "backfill", "indexes", "keys", "children", "compare", "cut over"]
            spend(PlanEstimate.cutOver, isExclusive: true, &step)
        case (_, false):
            spend(size.times(PlanEstimate.copyRow), isExclusive: true, bytes: size.bytes, &step)
        }
        lock("ACCESS EXCLUSIVE", tables.map { TableName($0) }, &step)
        if strategy == nil, isUp {
            step.details.append("the strategy is decided when it runs; the estimate is that of a copy")
        }
    }

    /// A trigger on the source, batches, indexes, keys, a comparison; in a window one statement.
    private func place(
        _ size: PlanEstimate.Size, from source: TableName, to target: TableName, _ step: inout PlanReport.PlannedStep
    ) {
        coming[target.name] = size
        lock("SHARE ROW EXCLUSIVE", [source], &step)
        if isOnline {
            step.locks.append("rows of \(source) FOR KEY SHARE, a batch at a time")
            step.phases = ["detach", "expand", "backfill", "indexes", "keys", "verify"]
            spend(PlanEstimate.moment, isExclusive: true, &step)
            spend(size.times(PlanEstimate.onlineRow), isExclusive: false, bytes: size.bytes, &step)
        } else {
            spend(size.times(PlanEstimate.copyRow), isExclusive: true, bytes: size.bytes, &step)
        }
    }

    /// A trigger, and changes of rows that writers may wait for.
    private func batches(
        _ time: Duration, of table: TableName, bytes: Int, _ step: inout PlanReport.PlannedStep
    ) {
        lock("SHARE ROW EXCLUSIVE", [table], &step)
        if isOnline {
            step.locks.append("rows of \(table), a batch at a time")
            step.phases = ["expand", "backfill"]
            spend(PlanEstimate.moment, isExclusive: true, &step)
        }
        spend(time, isExclusive: !isOnline, bytes: bytes, &step)
    }

    // MARK: What it takes

    private func lock(_ mode: String, _ tables: [TableName], _ step: inout PlanReport.PlannedStep) {
        let names = tables.map(\.description).joined(separator: ", ")
        step.locks.append("\(mode) on \(names)" + (isOnline && mode != "ACCESS SHARE" ? ", for a moment" : ""))
    }

    private func spend(
        _ time: Duration, isExclusive: Bool, bytes: Int = 0, _ step: inout PlanReport.PlannedStep
    ) {
        step.estimate =
            step.estimate + PlanEstimate(duration: time, exclusive: isExclusive ? time : .zero, bytes: bytes)
    }

    private func size(
        of table: TableName, _ step: inout PlanReport.PlannedStep
    ) throws -> PlanEstimate.Size {
        let isThere = try backend.tableExists(table)
        let size = try known(table)
        if isThere {
            let bytes = size.bytes > 0 ? ", \((size.bytes + (1 << 20) - 1) >> 20) MiB with its indexes" : ""
            step.details.append((size.rows == 0 ? "no rows" : "about \(size.rows.counted("row"))") + bytes)
        } else if coming[table.name] != nil {
            step.details.append("about \(size.rows.counted("row")), from earlier steps")
        }
        return size
    }

    private func known(_ table: TableName) throws -> PlanEstimate.Size {
        if let size = coming[table.name] { return size }
        guard try backend.tableExists(table) else { return PlanEstimate.Size(rows: 0, bytes: 0) }
        let size = try backend.estimatedSize(of: table)
        let bytes = size.bytes ?? 0
        // A table that has never been analysed has no number of rows.
        return PlanEstimate.Size(rows: size.rows ?? bytes / 256, bytes: bytes)
    }

    // MARK: Strategy

    /// Only the first pending revision finds its tables as they will be; later ones are decided when they run.
    private func decision(for item: FlatItem, of work: RevisionWork) throws -> StrategyDecision? {
        guard let plan = work.moves.first(where: { $0.ordinal == item.ordinal }) else { return nil }
        guard isFirst, try backend.tableExists(plan.move.source) else {
            return plan.move.strategy.map { StrategyDecision(strategy: $0, reason: "the script says so") }
        }
        let definition = plan.definition.map(\.statement)
        return try executor.look(
            for: [item.item] + definition.map { Item(location: $0.location, action: .statement($0)) }
        ) {
            var context = StepContext(
                runID: 0, revision: work.planned.script.revision, direction: .upgrade,
                item: item.ordinal, options: options, reporter: SilentReporter())
            context.script = work.planned.script
            let decision = try backend.decideStrategy(plan.move, definition: definition, context: context)
            if isOnline, decision.strategy == .copy { try backend.requireFollowable(plan.move) }
            return decision
        }
    }

    private func strategyThatWasUsed(_ move: Move, revision: String) throws -> Strategy? {
        guard try backend.ledger.exists() else { return nil }
        let switches = try backend.ledger.objects(revision: revision, kind: "switch")
        let record = switches.lazy.compactMap { try? SwitchRecord($0) }.first { $0.target.name == move.source.name }
        // Without a follower every row is copied back.
        return record?.strategy == .copy && record?.follower == nil ? nil : record?.strategy
    }
}
