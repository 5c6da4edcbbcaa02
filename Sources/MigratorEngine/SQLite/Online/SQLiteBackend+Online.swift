import MigratorDatabase
import MigratorScript

/// Steps while other processes write to the file (ONLINE.md 2): batches, each a short transaction of its own, with
/// triggers that follow the writes. SQLite has one writer at a time, so that no two of them ever meet half-way.
extension SQLiteBackend {
    public var defaultMode: MigrationMode { .window }
    public var isOnlineCapable: Bool { true }
    public func loadSignals(options: RunOptions, reporter: any Reporter) -> (any LoadSignals)? { nil }
    public func waitBriefly() {}
    public func migratorAtWork() -> String? { nil }
    public func blockers(of items: [Item]) throws -> [String] { [] }
    public func executeOutside(_ sql: String, options: RunOptions) throws { try session.execute(sql) }
    public func prepareContract(of script: Script, context: StepContext) throws {}

    public func performOnline(_ work: OnlineWork) throws -> StepOutcome {
        isOnline = true
        switch work.item.action {
        case .backup(let table):
            return try backupOnline(table, work)
        case .switchTable(let move):
            return try work.context.direction == .upgrade ? switchOnline(move, work) : revertOnline(move, work)
        case .copy(let move):
            return try copyOnline(move, work)
        case .sync(let sync):
            return try syncOnline(sync, work)
        case .ensure(let ensure):
            return try ensureOnline(ensure, work)
        case .fill(let fill):
            return try fillOnline(fill, work)
        case .exceptions(let exceptions):
            return try exceptionsOnline(exceptions, work)
        default:
            return StepOutcome()
        }
    }

    /// A short transaction: the write lock, the fence, the body, the checkpoint, COMMIT. Where another writer or reader
    /// is in the way it goes back and tries again until the lock timeout.
    /// - Parameters:
    ///   - keys: whose foreign keys are looked at before the COMMIT.
    ///   - phase: what is over with this transaction.
    func brief<Result>(
        _ work: OnlineWork, keys: SQLiteKeyScope = .none, finishing phase: String? = nil,
        changesSchema: Bool = false, _ body: (inout Checkpoint) throws -> Result
    ) throws -> Result {
        var attempt = 1
        while true {
            let schemaBefore = work.executor.knownSchema
            do {
                try beginWork(
                    keys: keys, run: work.executor.run, options: work.context.options, reporter: work.context.reporter)
                let start = ContinuousClock.now
                var next = work.checkpoint
                let result = try body(&next)
                if let phase { next.finish(phase) }
                try work.commit(next, changesSchema: changesSchema)
                lastHold = ContinuousClock.now - start
                return result
            } catch {
                rollbackWork()
                work.executor.knownSchema = schemaBefore
                guard let error = error as? DatabaseError, error.kind == .lockNotAvailable else { throw error }
                try work.executor.waitForLock(error, attempt: attempt, until: work.deadline, for: [work.item])
                attempt += 1
            }
        }
    }

    /// One snapshot of the file, which keeps no writer waiting in WAL mode; otherwise only those that commit now.
    func snapshot<Result>(_ body: () throws -> Result) throws -> Result {
        if session.isInTransaction { return try body() }
        try session.beginReading()
        defer { session.rollback() }
        return try body()
    }

    /// `--postpone-cut-over FILE`: everything is ready and kept so until somebody removes the file.
    /// - Returns: whether there was a wait.
    func waitForCutOver(_ work: OnlineWork) throws -> Bool {
        guard let file = work.context.options.postponeFile, Pace.exists(file) else { return false }
        work.context.reporter.report(.waiting("ready to cut over; waiting until the file \"\(file)\" is removed"))
        while Pace.exists(file) {
            try work.executor.checkInterruption()
            Pace.sleep(.milliseconds(200))
        }
        return true
    }

    // MARK: Exceptions

    /// The rows are looked for first, so that the write lock is held for as long as it takes to note them.
    private func exceptionsOnline(_ exceptions: Exceptions, _ work: OnlineWork) throws -> StepOutcome {
        try checkExceptions(exceptions)
        try session.execute(
            """
            DROP TABLE IF EXISTS temp.migrator_exceptions;
            CREATE TEMP TABLE migrator_exceptions AS SELECT * FROM (\(exceptions.mapping.text)
            ) AS x
            """)
        defer { try? session.execute("DROP TABLE temp.migrator_exceptions") }
        return try brief(work) { _ in
            try recordExceptions(exceptions, from: "SELECT * FROM temp.migrator_exceptions", context: work.context)
        }
    }
}
