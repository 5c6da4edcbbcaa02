import MigratorDatabase
import MigratorScript

extension Rehearsal {
    func add(_ stage: RehearsalReport.Stage) {
        report.stages.append(stage)
        if stage.result == .failed || stage.result == .differences && stage.kind != "verify" { hasStopped = true }
    }

    /// What was kept of rows and schema before a revision went up.
    func keep(at revision: String) throws {
        guard !hasStopped else { return }
        try scratch.keepRows(as: revision)
        let backend = try scratch.open()
        defer { backend.session.close() }
        let tables = try scratch.tables()
        if sourceColumns.isEmpty {
            for table in tables { sourceColumns[table.shown] = table.columns.map(\.name) }
        }
        states[revision] = State(
            schema: try backend.schemaSnapshot(of: nil), tables: Set(tables.map(\.shown)),
            nextIDs: try backend.nextIDs())
    }

    /// Runs a command on the copy as one stage. Errors of the command become the stage's; an interruption goes on.
    func stage(
        _ kind: String, at revision: String,
        _ body: (Migrator, inout RehearsalReport.Stage) throws -> Void
    ) throws {
        var stage = RehearsalReport.Stage(kind: kind, lap: lap, revision: revision)
        guard !hasStopped else {
            stage.result = .notRun
            return add(stage)
        }
        if source.isInterrupted() { throw MigratorError.interrupted }
        scratch.locks.stage = kind.hasSuffix("grade") ? "\(kind) \(revision.isEmpty ? "base" : revision)" : ""
        scratch.locks.step = ""
        defer { scratch.locks.stage = "" }
        let start = ContinuousClock.now
        let backend = try scratch.open()
        defer { backend.session.close() }
        let migrator = Migrator(
            backend: backend, scripts: source.scripts, toolVersion: source.toolVersion, command: "migrator rehearse",
            reporter: RehearsalReporter(source.reporter, locks: scratch.locks))
        migrator.checkFiles = source.checkFiles
        migrator.variables = source.variables
        migrator.isInterrupted = source.isInterrupted
        migrator.watchSession = options.register
        let position = try scratch.logPosition()
        do {
            try body(migrator, &stage)
        } catch {
            let error = MigratorError.from(error)
            if error.status == .interrupted || source.isInterrupted() { throw error }
            stage.result = error.status == .difference ? .differences : .failed
            stage.differences.append(
                Difference(
                    key: error.location.map(\.description), message: "\(error.code): \(error.message)"))
            stage.details += error.details + [error.hint.map { "hint: \($0)" }].compactMap(\.self)
        }
        stage.duration = ContinuousClock.now - start
        if kind != "verify", kind != "writes" {
            let size = try scratch.bytes()
            stage.bytes = size.all - (size.backups ?? 0)
            stage.backupBytes = size.backups
            if let position, let now = try scratch.logPosition() { stage.walBytes = max(now - position, 0) }
        }
        add(stage)
    }

    func upgrade(to revision: String) throws {
        try stage("upgrade", at: revision) { migrator, stage in
            let run = try migrator.upgrade(to: revision, options: options.run)
            stage.steps = run.revisions.flatMap(\.steps)
            if run.exceptions > 0 {
                stage.details.append("\(run.exceptions.counted("row")) could not be placed by any mapping")
            }
        }
    }

    func downgrade(_ script: Script, to target: String) throws {
        try stage("downgrade", at: target) { migrator, stage in
            let run = try migrator.downgrade(to: target.isEmpty ? "base" : target, options: options.run)
            stage.steps = run.revisions.flatMap(\.steps)
            guard let state = states[target] else { return }
            var differences = Self.schemaDifferences(
                from: state.schema, to: try migrator.backend.schemaSnapshot(of: nil))
            differences += Self.idDifferences(from: state.nextIDs, to: try migrator.backend.nextIDs())
            if lap == 1 {
                differences += try scratch.rowDifferences(from: target)
                if differences.isEmpty { stage.details.append("schema and rows are as they were before the upgrade") }
            } else {
                let judged = try judgeCanaries(state, migrator.backend)
                differences += judged.differences
                if differences.isEmpty {
                    stage.details.append(
                        "the schema is as before; of what was written since, \(judged.kept.counted("row")) "
                            + "\(judged.kept == 1 ? "is" : "are") there"
                            + (judged.archived > 0 ? ", \(judged.archived.counted("row")) in an archive" : ""))
                }
            }
            stage.differences = differences
            if !differences.isEmpty { stage.result = .differences }
        }
        if !hasStopped, !target.isEmpty || lap > 1 { _ = try verifyStage(at: target) }
    }

    func write(
        at revision: String, _ body: (any Session, [ScratchTable]) throws -> Void
    ) throws {
        try stage("writes", at: revision) { migrator, stage in
            let session = migrator.backend.session
            if session.dialect == .sqlite { try session.execute("PRAGMA foreign_keys = ON") }
            let before = canaries.all
            try body(session, try scratch.tables())
            let new = canaries.all.dropFirst(before.count)
            let changed = zip(before, canaries.all).filter { $0.isExpected != $1.isExpected }.map(\.1)
            let figures = [
                (new.filter { $0.deed == "inserted" }.count, "inserted"),
                (changed.filter { $0.deed == "replaced" }.count, "updated"),
                (changed.filter { $0.deed == "deleted" }.count, "deleted"),
            ].filter { $0.0 > 0 }
            stage.details.append(
                figures.isEmpty
                    ? "no table has a row to go by: nothing was written"
                    : figures.map { "\($0.0.counted("row")) \($0.1)" }.joined(separator: ", "))
        }
    }

    func verifyStage(at revision: String, isBaseline: Bool = false) throws -> [CheckResult] {
        var found: [CheckResult] = []
        try stage("verify", at: revision) { migrator, stage in
            guard try migrator.backend.ledger.exists() else {
                stage.details.append("nothing has been migrated here yet")
                return
            }
            let verified = try migrator.verify(VerificationOptions())
            var results = verified.results
            if !isBaseline {
                results += try migrator.verifyFunctionally()
                // Later laps have written more than was there when it was measured.
                if lap == 1, report.stages.last?.kind == "upgrade" {
                    // What autovacuum does soon after an upgrade; without it plans are those of a table just written.
                    if migrator.backend.session.dialect == .postgresql {
                        try migrator.backend.session.execute("VACUUM (ANALYZE)")
                    }
                    results += try migrator.verifyPerformance(of: revision)
                }
            }
            let wrong = results.filter { $0.verdict == .differences }
            found = wrong
            let new = wrong.filter { result in
                isBaseline || !knownDifferences.contains { $0.check == result.check && $0.subject == result.subject }
            }
            stage.details.append(
                "\(results.count.counted("check")), \((wrong.isEmpty ? verified.verdict : .differences).rawValue)")
            stage.differences = new.flatMap { result in
                result.differences.isEmpty
                    ? [Difference(message: "\(result.check), \(result.subject): \(result.summary)")]
                    : result.differences.map {
                        Difference(
                            table: $0.table, key: $0.key, columns: $0.columns,
                            message: "\(result.check), \(result.subject): \($0.message)")
                    }
            }
            if !new.isEmpty { stage.result = .differences }
        }
        return found
    }
}

/// Passes on what people watch, and tells the lock log which step runs.
private final class RehearsalReporter: Reporter {
    private let next: any Reporter
    private let locks: LockLog

    init(_ next: any Reporter, locks: LockLog) {
        self.next = next
        self.locks = locks
    }

    func report(_ event: Event) {
        switch event {
        case .stepStarted(let title): locks.step = title
        case .statement(let text): locks.step = text.firstLine
        case .running: locks.step = ""
        // What the report says is not told thrice.
        case .stepFinished, .note: return
        case .stepProgress, .warning, .waiting: break
        }
        next.report(event)
    }
}
