import MigratorDatabase
import MigratorScript

/// Steps while the application writes (ONLINE.md 2): what they have in common.
extension PostgreSQLBackend {
    public var defaultMode: MigrationMode { .online }

    public var isOnlineCapable: Bool { true }
    public func loadSignals(options: RunOptions, reporter: any Reporter) throws -> (any LoadSignals)? {
        try PostgreSQLLoadSignals(session: session, options: options, reporter: reporter, quoted: quoted)
    }

    public func performOnline(_ work: OnlineWork) throws -> StepOutcome {
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
            return try brief(work) { _ in try recordExceptions(exceptions, context: work.context) }
        default:
            return StepOutcome()
        }
    }

    // MARK: Transactions

    /// A short transaction: fence, locks in the application's order for a moment each, the body, the checkpoint, COMMIT.
    /// Whoever loses a lock, a deadlock or a serialization goes back and tries again until the lock timeout.
    /// - Parameters:
    ///   - phase: what is over with this transaction.
    ///   - changesSchema: whether definitions of tables outside of the ledger's schema change.
    func brief<Result>(
        _ work: OnlineWork, locking locks: () throws -> [TableLock] = { [] }, isolation: String = "READ COMMITTED",
        finishing phase: String? = nil, changesSchema: Bool = false, comparesEverything: Bool = false,
        _ body: (inout Checkpoint) throws -> Result
    ) throws -> Result {
        var options = work.context.options
        options.isBrief = true
        var attempt = 1
        while true {
            let schemaBefore = work.executor.knownSchema
            do {
                try beginWork(
                    locking: locks(), isolation: isolation, run: work.executor.run, options: options,
                    reporter: work.context.reporter)
                var next = work.checkpoint
                let result = try body(&next)
                if let phase { next.finish(phase) }
                try work.commit(next, changesSchema: changesSchema, comparesEverything: comparesEverything)
                return result
            } catch {
                rollbackWork()
                work.executor.knownSchema = schemaBefore
                guard let error = error as? DatabaseError, error.canBeTriedAgain else { throw error }
                try work.executor.waitForLock(error, attempt: attempt, until: work.deadline, for: [work.item])
                attempt += 1
            }
        }
    }

    /// A lock on a table as it stands; nothing where there is none.
    func lock(_ table: TableName, _ mode: TableLock.Mode) throws -> [TableLock] {
        guard let relation = try catalog.relation(table) else { return [] }
        return [TableLock(oid: relation.oid, name: relation.quoted, shown: relation.name, mode: mode)]
    }

    // MARK: Indexes

    /// Builds an index that blocks nobody, judged from the catalog before and after (ONLINE.md H18, 4.3).
    /// - Parameter statement: CREATE INDEX CONCURRENTLY of that name.
    func buildIndex(
        _ statement: String, name: TableName, on table: TableName, comment: String? = nil, _ work: OnlineWork
    ) throws {
        if try isIndexValid(name) != true {
            // The ledger learns what the table looked like before.
            if work.context.direction == .upgrade {
                try brief(work) { _ in
                    try work.executor.pinFingerprint(of: table, revision: work.context.revision)
                }
            }
            try dropInvalidIndex(name, options: work.context.options)
            do {
                try executeOutside(statement, options: work.context.options)
            } catch {
                // The next run drops what cannot be dropped now.
                try? dropInvalidIndex(name, options: .impatient)
                guard let error = error as? DatabaseError, error.isAboutRows else { throw error }
                throw MigratorError(
                    "index-impossible", .difference,
                    "the index \"\(name.name)\" cannot be built: \(error.message); nothing was cut over",
                    hint: "mend the rows and run the same command again, or take it back with `migrator downgrade -1`",
                    details: [error.detail].compactMap(\.self))
            }
            guard try isIndexValid(name) == true else {
                throw MigratorError(
                    "index-invalid", .failed, "index \"\(name.name)\" was built but is not valid",
                    hint: "look into the server's log, then run the same command again")
            }
        }
        if let comment {
            try session.execute("COMMENT ON INDEX \(quoted(name)) IS \(comment.quotedLiteral)")
        }
    }

    /// Nil where there is no such index.
    func isIndexValid(_ name: TableName) throws -> Bool? {
        try session.query(
            "SELECT indisvalid AND indisready FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)",
            [.text(quoted(name))]
        ).first?[0].asBool
    }

    private func dropInvalidIndex(_ name: TableName, options: RunOptions) throws {
        let isInvalid = try session.query(
            "SELECT 1 FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1) AND NOT (indisvalid AND indisready)",
            [.text(quoted(name))])
        if !isInvalid.isEmpty { try executeOutside("DROP INDEX CONCURRENTLY \(quoted(name))", options: options) }
    }

    /// Drops an index without a lock that writers wait behind; one that is gone already is none.
    func dropIndexOnline(_ name: TableName, options: RunOptions) throws {
        guard try isIndexValid(name) != nil else { return }
        try executeOutside("DROP INDEX CONCURRENTLY IF EXISTS \(quoted(name))", options: options)
    }

    // MARK: Backup

    /// From one snapshot, under no lock that anybody waits for (ONLINE.md H22).
    private func backupOnline(_ table: TableName, _ work: OnlineWork) throws -> StepOutcome {
        try work.phase("backup") {
            try brief(work, isolation: "REPEATABLE READ", finishing: "backup") { next in
                let outcome = try makeBackup(of: table, kind: .table, context: work.context)
                next.rows = outcome.rows ?? 0
                next.notes["details"] = outcome.details
            }
        }
        return StepOutcome(rows: work.checkpoint.rows, details: work.checkpoint.notes["details"] ?? [])
    }

    // MARK: Statements outside of transactions

    /// Runs a statement that cannot run in a transaction, and gives up on a lock after the lock timeout.
    public func executeOutside(_ sql: String, options: RunOptions) throws {
        try session.execute("SET lock_timeout = \(max(1, options.lockTimeout.settingMilliseconds))")
        defer { try? session.execute("SET lock_timeout = 0") }
        do {
            try session.execute(sql)
        } catch {
            guard error.kind == .lockNotAvailable else { throw error }
            throw MigratorError(
                "table-locked", .locked,
                "a lock could not be had in \(options.lockTimeout.seconds.shown) s: \(error.message)",
                hint: "end the transactions that hold it, or give more time with --lock-timeout",
                details: try oldestTransactions())
        }
    }

    /// Who has been in a transaction for longest: what an index that is built concurrently waits for.
    private func oldestTransactions() throws -> [String] {
        try session.query(
            """
            SELECT pid, usename, application_name, state, round(extract(epoch FROM clock_timestamp() - xact_start)) AS age,
                   regexp_replace(left(query, 80), '\\s+', ' ', 'g') AS query
            FROM pg_catalog.pg_stat_activity
            WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
            ORDER BY xact_start LIMIT 5
            """
        ).map(Self.serverProcess)
    }
}

extension DatabaseError {
    /// A lock that was not to be had, a deadlock, a serialization failure: everything was rolled back.
    var canBeTriedAgain: Bool {
        kind == .lockNotAvailable || sqlState.map { ["40001", "40P01"].contains($0) } ?? false
    }
}

extension String {
    /// `CREATE INDEX CONCURRENTLY` for the catalog's `CREATE INDEX`.
    var concurrently: String {
        for start in ["CREATE UNIQUE INDEX ", "CREATE INDEX "] where hasPrefix(start) {
            return start + "CONCURRENTLY " + dropFirst(start.count)
        }
        return self
    }
}
