import Glibc
import MigratorDatabase
import MigratorPlan
import MigratorScript

extension Migrator {
    /// Upgrades to a target such as `head`, `+1`, `0002`. Nothing to do is no error and writes nothing.
    public func upgrade(to target: String, options: RunOptions) throws -> RunReport {
        try backend.checkServer(forWriting: true)
        let seen = try recordedRevisions(isBrief: true)
        let planning = try planning(seen)
        if seen.allSatisfy({ $0.isFinished }), try planning.upgrade(to: target).steps.isEmpty {
            return RunReport(from: seen.last?.revision, to: seen.last?.revision)
        }
        return try working(.upgrade, target: target, options: options) { executor, report in
            var records = try self.backend.ledger.revisions()
            if let unfinished = records.last, unfinished.state == .downgrading {
                self.reporter.report(
                    .note(
                        "the downgrade of revision \"\(unfinished.revision)\" had not been finished: it is finished first"
                    ))
                try self.undo(unfinished, executor: executor, report: &report)
                records.removeLast()
            }
            // A revision that is half-way up is pending still; its script must be the one that was begun.
            try self.planning(records).checkDrift()
            let plan = try self.planning(records.filter(\.isFinished)).upgrade(to: target)
            try self.execute(plan, records: records, executor: executor, report: &report)
        }
    }

    /// Downgrades to a target such as `-1`, `base`, `0001`. An unfinished upgrade is undone first;
    /// `-1` stops there.
    public func downgrade(to target: String, options: RunOptions) throws -> RunReport {
        try backend.checkServer(forWriting: true)
        let seen = try recordedRevisions(isBrief: true)
        let planning = try planning(seen)
        if seen.allSatisfy({ $0.isFinished }), try planning.downgrade(to: target).steps.isEmpty {
            return RunReport(from: seen.last?.revision, to: seen.last?.revision)
        }
        return try working(.downgrade, target: target, options: options) { executor, report in
            var records = try self.backend.ledger.revisions()
            var target = target
            if let unfinished = records.last, !unfinished.isFinished {
                if unfinished.state == .upgrading {
                    self.reporter.report(
                        .note("the upgrade to revision \"\(unfinished.revision)\" had not been finished: it is undone"))
                }
                let steps = target.first == "-" ? Int(target.dropFirst()) : nil
                try self.undo(unfinished, executor: executor, report: &report)
                records.removeLast()
                if let steps {
                    if steps <= 1 { return }
                    target = "-\(steps - 1)"
                }
            }
            let plan = try self.planning(records).downgrade(to: target)
            try self.execute(plan, records: records, executor: executor, report: &report)
        }
    }

    /// Takes back a revision that is half-way up or half-way down.
    private func undo(_ record: RevisionRecord, executor: Executor, report: inout RunReport) throws {
        let script = try planning([record]).script(of: record)
        let planned = PlannedRevision(
            script: script, direction: .downgrade, from: record.revision, to: record.revises ?? "",
            isForgetOnly: false)
        report.revisions.append(try executor.execute(planned, record: record))
        report.to = record.revises
    }

    private func execute(
        _ plan: Plan, records: [RevisionRecord], executor: Executor, report: inout RunReport
    ) throws {
        for planned in plan.steps {
            try checkInterruption()
            let record = records.first { $0.revision == planned.script.revision }
            do {
                try checkVariables(of: planned)
                if planned.direction == .upgrade, record == nil {
                    try recordPerformance(before: planned.script.revision)
                }
                report.revisions.append(try executor.execute(planned, record: record))
            } catch {
                let error = MigratorError.from(error)
                let left = plan.steps.count - report.revisions.count - 1
                throw error.adding(
                    detail: report.revisions.isEmpty && left <= 0
                        ? nil
                        : "done: \(report.revisions.map(\.revision).joined(separator: ", ").nonEmpty ?? "none"); failed: \(planned.script.revision); not run: \(left)"
                )
            }
            report.to = planned.to.nonEmpty
        }
    }

    // MARK: Around the work

    /// Takes the lock, prepares the ledger, opens a run, and closes it with its outcome whatever happens.
    func working(
        _ direction: Direction?, target: String?, options: RunOptions,
        body: (Executor, inout RunReport) throws -> Void
    ) throws -> RunReport {
        try backend.acquireMigrationLock(options: options, reporter: reporter)
        defer { backend.releaseMigrationLock() }
        try backend.prepareLedger()
        let from = try backend.ledger.revisions(isBrief: true).last?.revision
        let run = try backend.ledger.beginRun(origin(), direction: direction, from: from, to: target)
        let journal = RunJournal(runID: run.id)
        journal.isRecorded = backend.session is RecordingSession
        backend.ledger.journal = journal
        defer { backend.ledger.journal = nil }
        if direction != nil { measure(.before) }
        let executor = Executor(backend: backend, run: run, options: options, reporter: reporter)
        executor.isInterrupted = isInterrupted
        executor.variables = variables
        var report = RunReport(from: from, to: from, runID: run.id)
        do {
            try body(executor, &report)
            report.exceptions = try backend.ledger.exceptionCount()
            if direction != nil { measure(.after) }
            closeJournal()
            try backend.ledger.finishRun(run, outcome: "done", error: nil)
            return report
        } catch {
            let failure = MigratorError.from(error)
            journal.fail()
            if direction != nil { measure(.after) }
            closeJournal()
            try? backend.ledger.finishRun(
                run, outcome: failure.status.outcome, error: "\(failure.code): \(failure.message)")
            throw failure
        }
    }

    /// For the report; a run does not fail for it.
    private func measure(_ moment: SizeRecord.Moment) {
        guard !backend.session.isInTransaction, !(backend.session is RecordingSession) else { return }
        do {
            try backend.session.beginReading()
            try backend.waitBriefly()
            backend.ledger.journal?.add(try backend.sizes(moment))
        } catch {
            // The report says that they were not measured.
        }
        backend.session.rollback()
    }

    /// Writes what no transaction of the work has written any more.
    private func closeJournal() {
        guard let journal = backend.ledger.journal, !backend.session.isInTransaction else { return }
        try? backend.session.transaction {
            try journal.write(to: backend.ledger, isLast: true)
            try backend.ledger.writeDeferred()
        }
    }

    func checkInterruption() throws {
        if isInterrupted() { throw MigratorError.interrupted }
    }

    private func origin() -> Ledger.RunOrigin {
        var name = [UInt8](repeating: 0, count: 256)
        let isNamed = name.withUnsafeMutableBytes { buffer in
            buffer.baseAddress.map {
                gethostname($0.assumingMemoryBound(to: CChar.self), buffer.count - 1) == 0
            } ?? false
        }
        let host = isNamed ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : "unknown"
        let user = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(getuid())"
        return Ledger.RunOrigin(
            command: command, toolVersion: toolVersion, user: user, host: host,
            pid: backend.session is RecordingSession ? 0 : Int(getpid()),
            backendPID: (backend.session as? PostgreSQLSession)?.backendPID)
    }

    /// What the ledger holds; nothing where there is none.
    func recordedRevisions(isBrief: Bool = false) throws -> [RevisionRecord] {
        try readingLedger { try backend.ledger.exists() ? backend.ledger.revisions(isBrief: isBrief) : [] }
    }

    /// A role that may not read the ledger is told what an owner must run.
    func readingLedger<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            guard let error = error as? DatabaseError, error.kind == .insufficientPrivilege else { throw error }
            throw backend.unreadableLedger(error)
        }
    }
}

extension RevisionRecord {
    /// False while an upgrade or a downgrade has committed only some of its steps.
    public var isFinished: Bool { state == .applied || state == .stamped }
}

extension String {
    var nonEmpty: String? { isEmpty ? nil : self }
}
