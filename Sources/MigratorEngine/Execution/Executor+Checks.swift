import MigratorDatabase
import MigratorScript

extension Executor {
    /// The script's own `verify` queries, before the commit. Rows returned are violations: nothing is committed.
    /// - Returns: what the ledger is to know of it.
    func runChecks(work: RevisionWork) throws -> [ProofRecord] {
        var proofs: [ProofRecord] = []
        for item in FlatItem.flatten(try work.section()) {
            guard case .verify(let check) = item.item.action else { continue }
            if let block = item.block, work.blocks[block.id] == false { continue }
            let clock = ContinuousClock()
            let start = clock.now
            let violations: Violations
            backend.ledger.journal?.beginStep(item: item.ordinal, kind: "verify", title: item.item.action.title)
            do {
                violations = try Violations(of: check.query, session: backend.session)
            } catch let error as DatabaseError where error.kind == .statement {
                throw MigratorError(error, statement: check.query)
            }
            // An upgrade that never moved anything leaves the rows as they were, whatever a query says of them.
            if violations.count > 0, work.isUndo, !work.hasSwitched {
                reporter.report(
                    .warning(
                        "\"\(check.title)\" does not hold: \(violations.shown.joined(separator: ", ")); nothing was moved"
                    ))
                continue
            }
            guard violations.count == 0 else {
                throw MigratorError(
                    "verification-failed", .difference,
                    "\"\(check.title)\" does not hold: \(violations.count.counted("violation")); nothing was committed",
                    hint: "look at the rows named, mend them or the script, and run the same command again",
                    location: check.query.location, details: violations.shown)
            }
            backend.ledger.journal?.endStep()
            (backend.session as? RecordingSession)?.expectNone(check.query.text, "\"\(check.title)\" does not hold")
            reporter.report(
                .stepFinished(
                    item.item.action.title, rows: nil, duration: clock.now - start, details: ["holds"]))
            proofs.append(
                ProofRecord(
                    runID: run.id, revision: work.planned.script.revision, item: item.ordinal, check: "query",
                    subject: check.title, verdict: Verdict.exact.rawValue, detail: "{}"))
        }
        return proofs
    }

    /// In one snapshot, before the last transaction, which then has nothing to do but to note it.
    func runChecksBeforehand(_ items: [FlatItem], work: RevisionWork) throws -> [ProofRecord] {
        try backend.session.beginReading()
        defer { backend.session.rollback() }
        var tried = work
        for item in items { _ = try holds(item, work: &tried) }
        return try runChecks(work: tried)
    }
}

extension OnlineWork {
    /// The script's `verify` queries before a cut-over, when nothing is lost yet. What they need of names that are
    /// only there afterwards makes them wait for the end of the revision.
    /// - Parameter shadow: a WITH clause that stands in for tables which are not there yet.
    func runChecks(shadow: String = "") throws {
        for item in FlatItem.flatten(try revision.section()) where item.block == nil {
            guard case .verify(let check) = item.item.action else { continue }
            var query = check.query
            query.text = "\(shadow) SELECT * FROM (\(query.text)\n) AS checked"
            let violations: Violations
            do {
                violations = try Violations(of: query, session: executor.backend.session)
            } catch let error as DatabaseError where error.kind == .statement {
                continue
            }
            guard violations.count == 0 else {
                throw MigratorError(
                    "verification-failed", .difference,
                    "\"\(check.title)\" would not hold: \(violations.count.counted("violation")); nothing was cut over",
                    hint: "look at the rows named, mend them or the script, and run the same command again",
                    location: check.query.location, details: violations.shown)
            }
        }
    }
}

/// What a query returned whose rows are violations: how many, and the first ten by their first column.
struct Violations {
    var count = 0
    /// `id 17`: the name and value of the first column, which scripts make the key.
    var shown: [String] = []
    var keys: [String] = []

    init(of query: Statement, session: any Session) throws {
        try session.forEachRow(query.text, []) { row in
            count += 1
            if shown.count < 10 {
                let key = row[0].asText ?? "NULL"
                shown.append("\(row.columns.first ?? "row") \(key)")
                keys.append(key)
            }
        }
        if count > shown.count { shown.append("... and \(count - shown.count) more") }
    }
}
