import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Goes through an upgrade and its downgrades on a copy, and looks at what each of them leaves.
///
/// 1. The copy is made; what it holds is verified as it is.
/// 2. First lap: each revision up and verified, its rows kept as digests before; then each down: the schema (the
///    downgrade's own comparison), the next ids and every row must be as they were before it.
/// 3. Second lap: rows are written, all revisions go up, rows are changed, deleted and written in the new shape; then
///    down again: what was written since is there, what was deleted is not.
/// 4. Up once more, and verified.
/// The copy is removed on every way out.
public final class Rehearsal {
    let source: Migrator
    let options: RehearsalOptions
    let scratch: any ScratchDatabase
    var report: RehearsalReport
    var lap = 1
    var canaries = Canaries()
    /// By the revision at which they were kept; the empty one is the base.
    var states: [String: State] = [:]
    /// Differences that the copy had from the first, and that no stage is to blame for.
    var knownDifferences: [CheckResult] = []
    var hasStopped = false
    /// Registered when the copy was made, by id.
    private var initialBackups: [BackupRecord] = []

    struct State {
        var schema: SchemaSnapshot
        var tables: Set<String>
        var nextIDs: [NextID]
    }

    private init(source: Migrator, options: RehearsalOptions, scratch: any ScratchDatabase) {
        self.source = source
        self.options = options
        self.scratch = scratch
        report = RehearsalReport(copy: scratch.report)
    }

    /// - Parameter source: on the database that is copied; it is only read.
    /// - Throws: where no copy can be made, or on an interruption. What the rehearsal finds is in the report.
    public static func run(_ source: Migrator, options: RehearsalOptions) throws -> RehearsalReport {
        let start = ContinuousClock.now
        try source.backend.checkServer(forWriting: false)
        // A target that is not there is told before anything is copied.
        let records = try source.recordedRevisions()
        let planning = try source.planning(records.filter(\.isFinished))
        try planning.checkDrift()
        let plan = try planning.upgrade(to: options.target)
        source.reporter.report(.stepStarted("copy the database"))
        let (scratch, removed, notes) = try makeScratch(source.backend, options)
        for name in removed {
            source.reporter.report(.note("the scratch copy \(name) of a killed rehearsal is removed"))
        }
        let rehearsal = Rehearsal(source: source, options: options, scratch: scratch)
        rehearsal.report.removedLeftovers = removed
        rehearsal.report.notes = notes
        defer {
            do {
                try scratch.remove()
            } catch {
                source.reporter.report(
                    .warning(
                        "the scratch copy \(scratch.report.shown) could not be removed; the next rehearsal does it"))
            }
        }
        source.reporter.report(
            .stepFinished(
                "copy the database", rows: scratch.report.rows, duration: scratch.report.duration, details: []))
        rehearsal.report.from = records.last(where: \.isFinished)?.revision
        rehearsal.report.to = plan.steps.last?.to ?? rehearsal.report.from
        try rehearsal.rehearse(plan.steps.map(\.script))
        rehearsal.report.locks = scratch.locks.entries
        rehearsal.report.duration = ContinuousClock.now - start
        return rehearsal.report
    }

    private static func makeScratch(
        _ backend: any Backend, _ options: RehearsalOptions
    ) throws -> (any ScratchDatabase, removed: [String], notes: [String]) {
        switch backend {
        case let backend as PostgreSQLBackend:
            var place = (backend.session as? PostgreSQLSession)?.locator
            if case .postgresql(let named) = options.scratch { place = named }
            let found = try place.map(PostgreSQLScratch.removeLeftovers) ?? (removed: [], notes: [])
            return (try PostgreSQLScratch.make(from: backend, options: options), found.removed, found.notes)
        case let backend as SQLiteBackend:
            let found = SQLiteScratchFolder.removeLeftovers(in: try SQLiteScratch.place(options))
            return (try SQLiteScratch.make(from: backend, options: options), found.removed, found.notes)
        default:
            throw MigratorError("internal-error", .failed, "the database is of no kind that can be rehearsed on")
        }
    }

    // MARK: The laps

    private func rehearse(_ pending: [Script]) throws {
        let base = report.from ?? ""
        initialBackups = try backups()
        knownDifferences = try verifyStage(at: base, isBaseline: true)
        guard !pending.isEmpty else {
            report.notes.append("nothing is pending: there is no upgrade to rehearse")
            return
        }
        let revisions = pending.map(\.revision)
        for (index, script) in pending.enumerated() {
            try keep(at: index == 0 ? base : revisions[index - 1])
            try upgrade(to: script.revision)
            if !hasStopped { _ = try verifyStage(at: script.revision) }
        }
        try goDown(pending, base: base)

        lap = 2
        try forgetBackups()
        let bottom = try lowest(pending, base: base)
        try write(at: bottom.revision) { session, tables in
            try self.canaries.insert(into: tables, session)
            try self.canaries.insert(into: tables, session)
        }
        for script in pending.dropFirst(bottom.index) { try upgrade(to: script.revision) }
        if let last = revisions.last {
            let followers = try followers(of: pending)
            try write(at: last) { session, tables in
                let free = tables.filter { !followers.synced.contains($0.name) }
                try self.canaries.changeAndDelete(in: free.filter { !followers.ensured.contains($0.name) }, session)
                try self.canaries.insert(into: free + self.standIns(of: pending, tables: tables), session)
            }
            if !hasStopped { _ = try verifyStage(at: last) }
        }
        try goDown(pending, base: base)

        lap = 3
        try forgetBackups()
        for script in pending.dropFirst(bottom.index) { try upgrade(to: script.revision) }
        if let last = revisions.last, !hasStopped { _ = try verifyStage(at: last) }
        report.notes += Set(canaries.refusals).sorted().map { "no row was written to " + $0 }
    }

    private func backups() throws -> [BackupRecord] {
        let backend = try scratch.open()
        defer { backend.session.close() }
        return try backend.ledger.exists() ? backend.ledger.backups() : []
    }

    /// What a lap left would only be verified again and again.
    private func forgetBackups() throws {
        let known = Set(initialBackups.map(\.id))
        let names = try hasStopped ? [] : backups().filter { !known.contains($0.id) }.map(\.name)
        guard !names.isEmpty else { return }
        let backend = try scratch.open()
        defer { backend.session.close() }
        _ = try Migrator(
            backend: backend, scripts: source.scripts, toolVersion: source.toolVersion, command: "migrator rehearse",
            reporter: SilentReporter()
        ).pruneBackups(olderThan: nil, names: names, options: options.run)
    }

    /// Down as far as revisions can be undone.
    private func goDown(_ pending: [Script], base: String) throws {
        for (index, script) in pending.enumerated().reversed() {
            if case .irreversible(let reason, _) = try script.downgrade {
                add(
                    RehearsalReport.Stage(
                        kind: "downgrade", lap: lap, revision: script.revision, result: .irreversible,
                        details: ["irreversible: \(reason)"]))
                return
            }
            let target = index == 0 ? base : pending[index - 1].revision
            try downgrade(script, to: target)
        }
    }

    /// The revision below which nothing can be undone, and the first script above it.
    private func lowest(_ pending: [Script], base: String) throws -> (revision: String, index: Int) {
        guard let last = try pending.lastIndex(where: { try !$0.downgrade.isReversible }) else { return (base, 0) }
        return (pending[last].revision, last + 1)
    }

    /// Tables whose rows follow those of another one way: nobody else may write them, or change what is ensured.
    private func followers(of pending: [Script]) throws -> (synced: Set<String>, ensured: Set<String>) {
        var synced: Set<String> = []
        var ensured: Set<String> = []
        for item in try (source.scripts + pending).flatMap({ try $0.upgrade.flatItems }) {
            switch item.action {
            case .sync(let sync) where sync.back == nil: synced.insert(sync.target.name)
            case .ensure(let ensure) where ensure.back == nil: ensured.insert(ensure.target.name)
            default: break
            }
        }
        return (synced, ensured)
    }

    /// Views that the pending revisions leave under the name of a switched table: old code writes through them.
    private func standIns(of pending: [Script], tables: [ScratchTable]) throws -> [ScratchTable] {
        try pending.flatMap { script in
            try script.upgrade.flatItems.compactMap { item -> ScratchTable? in
                guard case .switchTable(let move) = item.action, let view = move.view,
                    source.backend.session.dialect == .postgresql,
                    let target = tables.first(where: { $0.shown.hasSuffix(".\(move.target.name)") }),
                    let state = states[report.from ?? ""],
                    let name = state.tables.first(where: { $0.hasSuffix(".\(view.name)") })
                else { return nil }
                var table = target
                let schema = view.schema ?? source.backend.schema
                table.shown = name
                table.quoted = "\(schema.quotedIdentifier).\(view.name.quotedIdentifier)"
                let columns = Set(sourceColumns[name] ?? [])
                table.columns = target.columns.filter { columns.contains($0.name) }
                return table
            }
        }
    }

    /// Columns of the tables as the rehearsal found them.
    var sourceColumns: [String: [String]] = [:]
}
