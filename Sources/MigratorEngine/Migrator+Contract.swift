import MigratorDatabase
import MigratorScript

extension Migrator {
    /// Ends the soak of a revision: its compatibility view goes. The backup stays until it is pruned.
    public func contract(_ name: String, options: RunOptions) throws -> RunReport {
        try backend.checkServer(forWriting: true)
        return try working(nil, target: name, options: options) { executor, report in
            let records = try self.backend.ledger.revisions()
            let record = try Migrator.match(name, in: records)
            guard record.state == .applied else {
                throw MigratorError(
                    "not-applied", .usage,
                    record.state == .stamped
                        ? "revision \"\(record.revision)\" was stamped, not run: there is nothing to contract"
                        : "revision \"\(record.revision)\" has not been finished",
                    hint: "run `migrator status` to see where the database is")
            }
            let clock = ContinuousClock()
            let start = clock.now
            let script = try self.planning(records).script(of: record)
            let outcome = try self.contract(record, script: script, executor: executor)
            let title = "contract \(record.revision)"
            self.reporter.report(
                .stepFinished(title, rows: nil, duration: clock.now - start, details: outcome.details))
            report.revisions.append(
                RunReport.RevisionReport(
                    revision: record.revision, direction: .upgrade, from: record.revision, to: record.revision,
                    message: record.message,
                    steps: [
                        RunReport.StepReport(
                            title: title, rows: nil, duration: clock.now - start, details: outcome.details)
                    ],
                    duration: clock.now - start))
        }
    }

    /// The proof first, then one short transaction, tried again where a lock could not be had in a moment: the
    /// backend's work, the fingerprint of what it left, the ledger.
    private func contract(
        _ record: RevisionRecord, script: Script, executor: Executor
    ) throws -> StepOutcome {
        let items = try script.upgrade.flatItems.filter {
            if case .switchTable = $0.action { true } else { false }
        }
        let context = StepContext(
            runID: executor.run.id, revision: record.revision, direction: .upgrade, item: -1,
            options: executor.options, reporter: reporter)
        try backend.prepareContract(of: script, context: context)
        var options = executor.options
        options.isBrief = true
        let deadline = ContinuousClock.now + options.lockTimeout
        var attempt = 1
        while true {
            try backend.beginWork(for: items, run: executor.run, options: options, reporter: reporter)
            do {
                let before = try backend.schemaSnapshot(of: nil)
                let outcome = try backend.contract(revision: record.revision, context: context)
                let after = try backend.schemaSnapshot(of: nil)
                try amendFingerprints(since: record.revision, from: before, to: after)
                try backend.ledger.setContracted(record.revision)
                try backend.commitWork()
                return outcome
            } catch {
                backend.rollbackWork()
                guard let error = error as? DatabaseError, error.canBeTriedAgain else { throw error }
                try executor.waitForLock(error, attempt: attempt, until: deadline, for: items)
                attempt += 1
            }
        }
    }

    /// What the contraction changed is now how the revision leaves a relation, and how later revisions found and
    /// left it; how it was before this revision stays as it was.
    private func amendFingerprints(
        since revision: String, from before: SchemaSnapshot, to after: SchemaSnapshot
    ) throws {
        let applied = try backend.ledger.revisions().map(\.revision).drop { $0 != revision }
        for later in applied {
            for record in try backend.ledger.fingerprints(revision: later) {
                let relation = record.relation
                guard before[relation] != after[relation] else { continue }
                let change = SchemaDifference(from: before[relation] ?? [], to: after[relation] ?? [])
                var amended = record
                amended.after = change.applied(to: record.after)
                if later != revision { amended.before = change.applied(to: record.before) }
                try backend.ledger.replace(amended, revision: later)
            }
        }
    }

    /// A revision of the ledger by its id or an unambiguous beginning of it.
    static func match(_ name: String, in records: [RevisionRecord]) throws -> RevisionRecord {
        if let exact = records.first(where: { $0.revision == name }) { return exact }
        if name == "head", let last = records.last { return last }
        let matches = records.filter { !name.isEmpty && $0.revision.hasPrefix(name) }
        if matches.count == 1 { return matches[0] }
        throw MigratorError(
            matches.isEmpty ? "unknown-revision" : "ambiguous-revision", .usage,
            matches.isEmpty
                ? "no applied revision \"\(name)\""
                : "\"\(name)\" fits several revisions: " + matches.map(\.revision).joined(separator: ", "),
            hint: "run `migrator current` to see what is applied")
    }
}
