import MigratorDatabase
import MigratorPlan
import MigratorScript

extension Migrator {
    /// Declares the database to be at a revision without running anything: revisions up to it that are not
    /// recorded become stamped, those above it are forgotten.
    /// - Parameter purge: forgets everything first, also revisions that no script has.
    public func stamp(_ target: String, purge: Bool, options: RunOptions = RunOptions()) throws -> StampReport {
        try backend.checkServer(forWriting: true)
        let seen = purge ? [] : try recordedRevisions()
        let chain = try planning(seen).chain(upTo: target)
        let notes = try chain.isEmpty ? [] : differences(from: chain)
        let report = try working(nil, target: target, options: options) { executor, report in
            let records = try self.backend.ledger.revisions()
            if !purge, let unfinished = records.last, !unfinished.isFinished {
                throw MigratorError(
                    "unfinished", .refused,
                    "revision \"\(unfinished.revision)\" is unfinished: its triggers and half-made tables would be forgotten",
                    hint: "finish it or take it back (`migrator status` says how), or forget them all with --purge")
            }
            let wanted = Set(chain.map(\.revision))
            _ = try self.inTransaction(executor) { _ in
                for record in records.reversed() where purge || !wanted.contains(record.revision) {
                    try self.backend.ledger.remove(revision: record.revision)
                }
                let kept = purge ? [] : Set(records.map(\.revision))
                for script in chain where !kept.contains(script.revision) {
                    try self.backend.ledger.set(
                        RevisionRecord(
                            revision: script.revision, revises: script.revises, message: script.message,
                            state: .stamped, checksum: script.checksum, file: script.location.file,
                            runID: executor.run.id),
                        script: script.text)
                }
                return StepOutcome()
            }
            report.to = chain.last?.revision
        }
        return StampReport(from: report.from, to: report.to, notes: notes)
    }

    /// What differs between the database and what the scripts declare up to a revision, a line each.
    /// The scripts are run on an empty scratch schema that is rolled back.
    private func differences(from chain: [Script]) throws -> [String] {
        let declared: SchemaSnapshot
        let filled: [Script]
        do throws(ScriptError) {
            filled = try chain.map { script throws(ScriptError) in try script.filled(with: variables) }
        } catch {
            guard error.code == "variable-without-value" else { throw error }
            return ["not compared with the scripts: \(error.message)"]
        }
        do {
            declared = try backend.withScratch { scratch in
                let executor = Executor(
                    backend: scratch, run: RunIdentity(id: 0, epoch: 0), options: RunOptions(),
                    reporter: SilentReporter())
                for script in filled { try executor.performUncommitted(script) }
                return try scratch.declaredFacts().unqualified(by: scratch.schema)
            }
        } catch let error as DatabaseError where error.kind == .insufficientPrivilege {
            return ["not compared with the scripts: \(error.message)"]
        } catch {
            // Names with their schema lead out of the scratch schema.
            guard let error = error as? MigratorError, chain.contains(where: { $0.origin != nil }) else { throw error }
            return ["not compared with the scripts: \(error.message)"]
        }
        let actual = try backend.declaredFacts().unqualified(by: backend.schema)
        return SchemaNotes(declared: declared, actual: actual).notes
    }
}

extension Executor {
    /// Runs the upgrade section of a script in the transaction that is open, without the ledger's revision row.
    func performUncommitted(_ script: Script) throws {
        let planned = PlannedRevision(
            script: script, direction: .upgrade, from: script.revises ?? "", to: script.revision,
            isForgetOnly: false)
        var work = try RevisionWork(planned: planned, record: nil, run: run)
        let items = FlatItem.flatten(try script.upgrade)
        work.prepareMoves(items, isUpgrade: true)
        for item in items {
            if case .statement(let statement) = item.item.action,
                StatementTraits(statement, dialect: script.dialect).cannotRunInTransaction
            {
                continue
            }
            try perform(item, work: &work)
        }
    }
}

extension SchemaSnapshot {
    /// Relations by their bare names, and the schema taken out of their definitions.
    func unqualified(by schema: String) -> SchemaSnapshot {
        SchemaSnapshot(
            map { relation, lines in
                let name = String(relation.drop { $0 != "." }.dropFirst()).nonEmpty ?? relation
                return (name, lines.map { $0.components(separatedBy: schema + ".").joined() })
            }, uniquingKeysWith: { first, _ in first })
    }
}
