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
        let description = PlanDescription(
            backend: backend, options: options,
            executor: Executor(
                backend: backend, run: RunIdentity(id: 0, epoch: 0), options: options, reporter: SilentReporter()))
        for planned in plan.steps {
            report.revisions.append(try description.describe(planned, report: &report))
        }
        return report
    }
}
