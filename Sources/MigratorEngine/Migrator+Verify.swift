import MigratorDatabase
import MigratorScript

/// What `verify` is asked for.
public struct VerificationOptions: Sendable, Equatable {
    public var level = VerificationLevel.standard
    /// Whatever was written since counts as a difference, and so does missing evidence.
    public var unchanged = false
    /// Differences tell what the columns hold.
    public var showsValues = false
    /// How many connections work at once, where the database can show them one snapshot.
    public var connections = 2
    /// Also the scenarios beside the revisions, which write what is rolled back.
    public var isFunctional = false
    /// Also the named queries beside the revisions.
    public var comparesPerformance = false

    public init() {}
}

extension Migrator {
    /// Makes again every proof that can be made again, in one snapshot; what scenarios write is rolled back.
    public func verify(_ options: VerificationOptions) throws -> VerificationReport {
        var (revision, results) = try proofs(options)
        if options.isFunctional { results += try verifyFunctionally() }
        if options.comparesPerformance { results += try verifyPerformance() }
        return VerificationReport(
            revision: revision, level: options.level, results: results, unchanged: options.unchanged)
    }

    private func proofs(_ options: VerificationOptions) throws -> (revision: String?, results: [CheckResult]) {
        try backend.checkServer(forWriting: false)
        guard try readingLedger(backend.ledger.exists) else {
            throw MigratorError(
                "no-ledger", .difference, "this database has no ledger: nothing has been migrated here",
                hint: "run `migrator upgrade head`, or `migrator stamp REVISION` for a database that is there")
        }
        // What the checks compare must come from one snapshot.
        try backend.session.beginReading()
        defer { backend.session.rollback() }
        let readers = try backend.readers(options.connections - 1, cancelledBy: watchSession)
        defer { for reader in readers { reader.session.close() } }
        for backend in [backend] + readers {
            try Self.prepareForReading(backend.session, besideOthers: !readers.isEmpty)
        }

        let records = try backend.ledger.revisions()
        let planning = try self.planning(records)
        let applied = try records.map {
            AppliedScript(record: $0, script: try planning.recordedScript(of: $0).filledForChecks(with: variables))
        }
        let contexts = ([backend] + readers).map {
            VerificationContext(
                backend: $0, level: options.level, applied: applied, drift: planning.drift,
                showsValues: options.showsValues, isInterrupted: isInterrupted)
        }
        try checkInterruption()
        let told = Told(reporter)
        let checks = backend.checks.filter { $0.levels.contains(options.level) }
        let results = try VerificationPool(checks) { told.reporter.report(.stepStarted("verify \($0)")) }
            .run(contexts[0], beside: Array(contexts.dropFirst()))
        return (records.last(where: \.isFinished)?.revision, results)
    }

    private static func prepareForReading(_ session: any Session, besideOthers: Bool) throws {
        guard session.dialect == .postgresql else { return }
        // A policy must not hide rows from the proof: where the role cannot see all, the server says so. The other
        // settings make for plans that go through two large tables side by side in the order of their keys: half the
        // work of hashing one of them, and in less memory. Where several connections work already, no such walk is
        // shared with a parallel worker: each of the two would go through the whole second table. What reads millions
        // of rows is compiled, which takes a quarter off it.
        let undivided = besideOthers ? "SET LOCAL min_parallel_index_scan_size = '500GB';" : ""
        let compiling = PostgreSQLBackend.compilingSettings.map { "SET LOCAL \($0.0) = \($0.1); " }.joined()
        try session.execute(
            """
            SET LOCAL row_security = off; SET LOCAL work_mem = '4MB'; SET LOCAL enable_parallel_hash = off;
            \(compiling)\(undivided)
            SELECT set_config('random_page_cost', '1.1', true)
            WHERE current_setting('random_page_cost')::float8 > 1.1 AND current_setting('seq_page_cost')::float8 <= 1.1;
            SELECT set_config('cpu_index_tuple_cost', '0.001', true)
            WHERE current_setting('cpu_index_tuple_cost')::float8 = 0.005;
            SELECT set_config('max_parallel_workers_per_gather', '1', true)
            WHERE current_setting('max_parallel_workers_per_gather')::integer > 1
            """)
    }
}

/// The reporter, for threads that take turns in telling it: the pool holds its lock meanwhile.
private final class Told: @unchecked Sendable {
    let reporter: any Reporter

    init(_ reporter: any Reporter) { self.reporter = reporter }
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
            reasons: results.filter { $0.verdict == .incomplete }.map { "\($0.subject): \($0.summary)" },
            isDifference: verdict == .differences || (unchanged && verdict == .incomplete))
    }
}
