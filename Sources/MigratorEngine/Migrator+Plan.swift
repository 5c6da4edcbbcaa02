import MigratorDatabase
import MigratorPlan
import MigratorScript

extension Migrator {
    /// What an upgrade or downgrade would do; looks only, in transactions that are rolled back.
    /// - Parameter direction: nil takes it from the target: up, unless it lies below the current revision.
    public func plan(_ target: String, direction: Direction?, options: RunOptions) throws -> PlanReport {
        try backend.checkServer(forWriting: false)
        let records = try recordedRevisions().filter(\.isFinished)
        let planning = try self.planning(records)
        let direction = try direction ?? planning.direction(of: target)
        let plan = try direction == .upgrade ? planning.upgrade(to: target) : planning.downgrade(to: target)
        var report = PlanReport(
            direction: direction, from: records.last?.revision, to: plan.steps.last?.to ?? records.last?.revision,
            revisions: [], staysBehind: [], losses: [], warnings: [])
        for (index, planned) in plan.steps.enumerated() {
            report.revisions.append(
                try describe(planned, isFirst: index == 0, options: options, report: &report))
        }
        return report
    }

    private func describe(
        _ planned: PlannedRevision, isFirst: Bool, options: RunOptions, report: inout PlanReport
    ) throws -> PlanReport.PlannedRevision {
        let work = RevisionWork(planned: planned, record: nil, run: RunIdentity(id: 0, epoch: 0))
        var steps: [PlanReport.PlannedStep] = []
        if !planned.isForgetOnly {
            var described = work
            let items = FlatItem.flatten(try work.section())
            described.prepareMoves(items, isUpgrade: planned.direction == .upgrade)
            for item in items {
                steps.append(
                    try describe(item, of: described, isFirst: isFirst, options: options, report: &report))
            }
        }
        return PlanReport.PlannedRevision(
            revision: planned.script.revision, direction: planned.direction, from: planned.from, to: planned.to,
            message: planned.script.message, file: planned.script.location.file,
            isForgetOnly: planned.isForgetOnly, steps: steps)
    }

    private func describe(
        _ item: FlatItem, of work: RevisionWork, isFirst: Bool, options: RunOptions, report: inout PlanReport
    ) throws -> PlanReport.PlannedStep {
        var step = PlanReport.PlannedStep(title: item.item.action.title, details: [], locks: [])
        if let block = item.block { step.details.append("only when \(block.condition)") }
        switch item.item.action {
        case .statement(let statement):
            let traits = StatementTraits(statement, dialect: backend.session.dialect)
            if traits.cannotRunInTransaction { step.details.append("outside of any transaction") }
            if work.moves.contains(where: { $0.definition.contains { $0.ordinal == item.ordinal } }) {
                step.details.append("declares the target of the switch")
            } else if traits.mayDestroy {
                step.details.append("what it would take away is counted before it runs")
            }
        case .backup(let table):
            step.details += try size(of: table)
            step.locks.append("SHARE on \(table)")
            report.staysBehind.append("backup \(table)_backup")
        case .switchTable(let move):
            step.details += try size(of: move.source)
            step.locks.append("ACCESS EXCLUSIVE on \(move.source)")
            if work.planned.direction == .upgrade {
                if let decision = try decision(for: item, of: work, isFirst: isFirst, options: options) {
                    step.details.insert("strategy \(decision.strategy.rawValue): \(decision.reason)", at: 0)
                }
                if let view = move.view {
                    report.staysBehind.append("view \(view), until `migrator contract \(work.planned.script.revision)`")
                }
            } else {
                step.details.append("values that only \(move.source) has go to a registered backup")
            }
        case .copy(let move):
            step.details += try size(of: move.source)
            step.locks.append("SHARE on \(move.source)")
        case .sync(let sync):
            step.details += try size(of: sync.source)
            step.locks.append("SHARE ROW EXCLUSIVE on \(sync.source)")
            report.staysBehind.append("triggers that keep \(sync.target) equal to \(sync.source)")
        case .ensure(let ensure):
            step.details += try size(of: ensure.source)
            step.locks.append("SHARE ROW EXCLUSIVE on \(ensure.source)")
            report.staysBehind.append("a trigger that ensures \(ensure.target) for \(ensure.source)")
        case .fill(let fill):
            step.details += try size(of: fill.table)
            step.locks.append("SHARE ROW EXCLUSIVE on \(fill.table)")
            report.staysBehind.append("a trigger that fills \(fill.table)")
        case .archive(let tables):
            for table in tables {
                step.details += try size(of: table)
                report.staysBehind.append("backup \(table)_backup")
            }
        case .leftovers, .unsync, .exceptions, .verify, .when:
            break
        }
        if backend.session.dialect == .sqlite { step.locks = [] }
        return step
    }

    /// Only the first pending revision finds its tables as they will be; later ones are decided when they run.
    private func decision(
        for item: FlatItem, of work: RevisionWork, isFirst: Bool, options: RunOptions
    ) throws -> StrategyDecision? {
        guard let plan = work.moves.first(where: { $0.ordinal == item.ordinal }) else { return nil }
        guard isFirst, try backend.tableExists(plan.move.source) else {
            return plan.move.strategy.map { StrategyDecision(strategy: $0, reason: "the script says so") }
        }
        return try backend.session.discardingChanges {
            try backend.decideStrategy(
                plan.move, definition: plan.definition.map(\.statement),
                context: StepContext(
                    runID: 0, revision: work.planned.script.revision, direction: .upgrade,
                    item: item.ordinal, options: options, reporter: SilentReporter()))
        }
    }

    private func size(of table: TableName) throws -> [String] {
        guard try backend.tableExists(table) else { return [] }
        let size = try backend.estimatedSize(of: table)
        let bytes = size.bytes.map { ", \(($0 + (1 << 20) - 1) >> 20) MiB with its indexes" } ?? ""
        let rows = size.rows.map { $0 == 0 ? "no rows" : "about \($0.counted("row"))" }
        return [(rows ?? "rows not known yet (never analysed)") + bytes]
    }
}
