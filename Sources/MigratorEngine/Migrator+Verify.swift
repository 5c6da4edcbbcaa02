import MigratorScript

extension Migrator {
    /// Makes again every proof that can be made again, in one snapshot; writes nothing.
    /// - Parameter unchanged: whatever was written since counts as a difference, and so does missing evidence.
    public func verify(level: VerificationLevel, unchanged: Bool) throws -> VerificationReport {
        try backend.checkServer(forWriting: false)
        guard try readingLedger(backend.ledger.exists) else {
            throw MigratorError(
                "no-ledger", .difference, "this database has no ledger: nothing has been migrated here",
                hint: "run `migrator upgrade head`, or `migrator stamp REVISION` for a database that is there")
        }
        let session = backend.session
        // What the checks compare must come from one snapshot.
        try session.beginReading()
        defer { session.rollback() }
        // A policy must not hide rows from the proof: where the role cannot see all, the server says so.
        if session.dialect == .postgresql { try session.execute("SET LOCAL row_security = off") }
        let records = try backend.ledger.revisions()
        let planning = try self.planning(records)
        let context = VerificationContext(
            backend: backend, level: level,
            applied: try records.map { AppliedScript(record: $0, script: try planning.recordedScript(of: $0)) },
            drift: planning.drift)
        var results: [CheckResult] = []
        for check in backend.checks where check.levels.contains(level) {
            try checkInterruption()
            reporter.report(.stepStarted("verify \(check.name)"))
            results += try check.results(context)
        }
        return VerificationReport(
            revision: records.last(where: \.isFinished)?.revision, level: level, results: results,
            unchanged: unchanged)
    }
}

extension VerificationReport {
    /// Figures that say the application has written since the switch.
    static let changeFigures = ["added", "changed", "removed", "unattributed"]

    init(revision: String?, level: VerificationLevel, results: [CheckResult], unchanged: Bool) {
        let verdicts = Set(results.map(\.verdict))
        let hasChanged = results.contains { result in
            VerificationReport.changeFigures.contains { (result.figures[$0] ?? 0) > 0 }
        }
        let verdict: Verdict
        if verdicts.contains(.differences) || (unchanged && hasChanged) {
            verdict = .differences
        } else if verdicts.contains(.incomplete) {
            verdict = .incomplete
        } else {
            verdict = .exact
        }
        self.init(
            revision: revision, level: level, results: results, verdict: verdict,
            isDifference: verdict == .differences || (unchanged && verdict == .incomplete))
    }
}
