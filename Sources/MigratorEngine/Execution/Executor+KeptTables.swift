import MigratorDatabase
import MigratorScript

/// A database that can keep a table as an archive instead of dropping it, whatever its size, in a moment.
protocol TableKeeper: Backend {
    /// Whether the table can be kept as it is.
    func canKeep(_ table: TableName) throws -> Bool
    /// The table goes out of the way under the name of its archive, without anything that could change it or that
    /// other tables feel. Nobody else writes to it then; `register` follows when there is time.
    func keep(_ table: TableName, context: StepContext) throws
    /// The tables of a revision that are kept and not registered yet.
    func keptTables(revision: String) throws -> [ObjectRecord]
    /// Their names as archives.
    func keptNames(revision: String) throws -> [TableName]
    /// Counts and hashes a table that is kept, and registers it as an archive.
    func register(_ kept: ObjectRecord, context: StepContext) throws -> StepOutcome
    /// Whether the values of columns are for sure those that a `fill` computes, told by hashes, which takes a fraction
    /// of the time of a comparison; false where they may be others.
    func holdsComputedOnly(_ columns: [String], of fill: Fill) throws -> Bool
}

/// While the application writes, a downgrade's `archive` copies nothing where a plain DROP TABLE follows: the table
/// itself becomes its archive when it is to be dropped, so that the way back takes no longer with more rows.
extension Executor {
    func isKeptWhenDropped(_ table: TableName, work: RevisionWork) throws -> Bool {
        guard work.isOnline, work.planned.direction == .downgrade, let keeper = backend as? any TableKeeper else {
            return false
        }
        let name = backend.quoted(table)
        let items = FlatItem.flatten(try work.section())
        guard let archive = items.firstIndex(where: { $0.archives(name, backend) }) else { return false }
        let later = items[(archive + 1)...]
        guard let drop = later.firstIndex(where: { $0.drops(name, backend) }) else { return false }
        // Between the two, nothing may take rows out of the table.
        return try later[..<drop].allSatisfy { $0.leavesRows(of: table) } && keeper.canKeep(table)
    }

    /// Whether the item is an archive of tables that are all kept when they are dropped: nothing has to be held still.
    func copiesNothing(_ item: Item, work: RevisionWork) throws -> Bool {
        guard case .archive(let tables) = item.action else { return false }
        return try tables.allSatisfy { try !backend.tableExists($0) || isKeptWhenDropped($0, work: work) }
    }

    /// Whether a table that these items drop becomes its own archive.
    func keepsTable(_ items: [FlatItem], work: RevisionWork) throws -> Bool {
        try items.contains { item in
            guard case .statement(let statement) = item.item.action, let table = statement.droppedTable else {
                return false
            }
            return try backend.tableExists(table) && isKeptWhenDropped(table, work: work)
        }
    }

    /// In the place of DROP TABLE, which has been tried and undone: nothing but the table would have gone.
    /// - Returns: false where the table is to be dropped, since it is empty, or archived by a copy, or by nothing.
    func keepDropped(_ table: TableName, work: RevisionWork, context: StepContext) throws -> Bool {
        guard try isKeptWhenDropped(table, work: work), let keeper = backend as? any TableKeeper else { return false }
        let isCopied = try backend.ledger.backups().contains {
            $0.runID >= work.attempt && $0.kind == .archive && $0.source == table.name
                && $0.schema == table.schema ?? backend.schema
        }
        if isCopied { return false }
        try backend.holdStill(table)
        guard try backend.session.scalar("SELECT EXISTS (SELECT 1 FROM \(backend.quoted(table)))").asBool else {
            return false
        }
        try keeper.keep(table, context: context)
        return true
    }

    /// What was kept becomes registered archives, now that everything else is as it was: this reads all their rows.
    func registerKept(work: inout RevisionWork) throws {
        guard work.planned.direction == .downgrade, work.isOnline, let keeper = backend as? any TableKeeper else {
            return
        }
        let kept = try keeper.keptTables(revision: work.planned.script.revision)
        if !kept.isEmpty {
            reporter.report(
                .note("the old tables are as they were; \(kept.count.counted("archive")) to be counted and hashed"))
        }
        for object in kept {
            try checkInterruption()
            let title = "archive \(object.name)"
            let start = ContinuousClock.now
            reporter.report(.stepStarted(title))
            try backend.beginWork(for: [], run: run, options: options, reporter: reporter)
            let outcome: StepOutcome
            do {
                outcome = try keeper.register(object, context: work.context(item: object.item, self))
                try backend.commitWork()
            } catch {
                backend.rollbackWork()
                throw error
            }
            let duration = start.duration(to: .now)
            reporter.report(.stepFinished(title, rows: outcome.rows, duration: duration, details: outcome.details))
            work.reports.append(
                RunReport.StepReport(title: title, rows: outcome.rows, duration: duration, details: outcome.details))
        }
    }
}

extension FlatItem {
    /// - Parameter name: the table's, as the backend writes it.
    fileprivate func archives(_ name: String, _ backend: any Backend) -> Bool {
        guard block == nil, case .archive(let tables) = item.action else { return false }
        return tables.contains { backend.quoted($0) == name }
    }

    fileprivate func drops(_ name: String, _ backend: any Backend) -> Bool {
        guard block == nil, case .statement(let statement) = item.action else { return false }
        return statement.droppedTable.map(backend.quoted) == name
    }

    /// Whether the table's rows are for sure the same before and after it.
    fileprivate func leavesRows(of table: TableName) -> Bool {
        switch item.action {
        case .unsync, .verify: return true
        case .statement(let statement):
            if statement.droppedTable != nil { return true }
            let words = StatementTraits(statement, dialect: .postgresql).identifiers
            let verb = statement.text.prefix { $0.isLetter }.lowercased()
            return ["drop", "alter", "comment"].contains(verb) && !words.contains("cascade")
                && !words.contains(table.name)
        default: return false
        }
    }
}
