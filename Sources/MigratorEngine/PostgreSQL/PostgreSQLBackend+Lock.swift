import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// The key of the advisory lock: FNV-1a over a constant and the ledger's schema. Such locks are a database's
    /// own, so that the database is no part of it.
    static func lockKey(_ ledgerSchema: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "migrator:\(ledgerSchema)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return Int64(bitPattern: hash)
    }

    /// Polls a session-level lock. It is tried, not waited for: a waiter holds a snapshot, and
    /// CREATE INDEX CONCURRENTLY of the one that works would wait for it (ONLINE.md H5).
    public func acquireMigrationLock(options: RunOptions, reporter: any Reporter) throws {
        let clock = ContinuousClock()
        let deadline = clock.now + (options.wait ?? .zero)
        var pause = 0.1
        var reported: String?
        while true {
            let isHad = try session.scalar(
                "SELECT pg_try_advisory_lock($1::bigint)", [SQLValue(Int(Self.lockKey(ledger.schema)))]
            ).asBool
            if isHad { return }
            let owner = try migrationLockOwner()
            guard clock.now < deadline else {
                throw MigratorError(
                    "migrator-running", .locked, "another migrator is at work on this database: \(owner)",
                    hint: options.wait == nil
                        ? "wait for it with --wait" : "look at that process, or wait longer with --wait")
            }
            if reported != owner {
                reporter.report(.waiting("waiting for another migrator: \(owner)"))
                reported = owner
            }
            try sleep(min(pause * .random(in: 0.8...1.2), clock.now.duration(to: deadline).seconds))
            pause = min(pause * 1.5, 1)
        }
    }

    public func releaseMigrationLock() {
        _ = try? session.query(
            "SELECT pg_advisory_unlock($1::bigint)", [SQLValue(Int(Self.lockKey(ledger.schema)))])
    }

    public func migratorAtWork() throws -> String? {
        try session.query(
            """
            SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND ((classid::bigint << 32) | objid::bigint) = $1::bigint
            """, [SQLValue(Int(Self.lockKey(ledger.schema)))]
        ).isEmpty ? nil : migrationLockOwner()
    }

    /// Who holds the lock, from pg_locks and the ledger's newest run: the process on its own host first, where there
    /// is a ledger already.
    private func migrationLockOwner() throws -> String {
        let row = try session.query(
            """
            SELECT l.pid, a.usename, a.application_name, a.client_addr,
                   to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
            FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND ((l.classid::bigint << 32) | l.objid::bigint) = $1::bigint
            """, [SQLValue(Int(Self.lockKey(ledger.schema)))]
        ).first
        var parts: [String] = []
        if let row {
            parts.append("server process \(row.text("pid") ?? "?")")
            if let user = row.text("usename") { parts.append("role \(user.quotedIdentifier)") }
            if let name = row.text("application_name"), !name.isEmpty {
                parts.append("application \(name.quotedIdentifier)")
            }
            parts.append(row.text("client_addr").map { "from \($0)" } ?? "on a local connection")
            if let since = row.text("since") { parts.append("connected since \(since)") }
        }
        // A run that was killed says that it is running too, but from another server process.
        if let run = try? ledger.lastRun(), run.outcome == "running", run.backendPID == row?.int("pid") {
            parts.insert("pid \(run.pid) of \(run.user) on host \(run.host)", at: 0)
            parts.append("run \(run.id) (\(run.command)) since \(run.startedAt)")
        }
        return parts.isEmpty ? "it has just ended" : parts.joined(separator: ", ")
    }

    // MARK: Transactions

    public func beginWork(
        for items: [Item], run: RunIdentity, options: RunOptions, reporter: any Reporter
    ) throws {
        try beginWork(locking: tableLocks(for: items), run: run, options: options, reporter: reporter)
    }

    func beginWork(
        locking locks: [TableLock], isolation: String = "READ COMMITTED", run: RunIdentity, options: RunOptions,
        reporter: any Reporter
    ) throws {
        let clock = ContinuousClock()
        let deadline = clock.now + options.lockTimeout
        let lockStatements = locks.map { "LOCK TABLE \($0.name) IN \($0.mode.rawValue) MODE" }
        var pause = 0.05
        var reported: [String] = []
        var attempts = 0
        while true {
            ledger.journal?.transactionTried(locks: locks.map { "\($0.mode.rawValue) on \($0.shown)" })
            attempts += 1
            // Now and again it is tried all the same: whoever has held the lock for long may end this very moment.
            if try !options.isBrief || attempts.isMultiple(of: 10) || !isHeldForLong(locks) {
                do {
                    try attempt(lockStatements, isolation: isolation, run: run, options: options)
                    takenLocks = locks
                    ledger.journal?.transactionBegan()
                    return
                } catch let error as DatabaseError where error.kind == .lockNotAvailable {
                    session.rollback()
                } catch {
                    session.rollback()
                    throw error
                }
            }
            let blockers = try self.blockers(of: locks)
            guard clock.now < deadline else {
                let names = locks.map(\.shown).joined(separator: ", ")
                throw MigratorError(
                    "table-locked", .locked,
                    locks.isEmpty
                        ? "the ledger is locked by another transaction"
                        : "the tables could not be locked in \(options.lockTimeout.seconds.shown) s: \(names)",
                    hint: "end the transactions that hold them, or give more time with --lock-timeout",
                    details: blockers)
            }
            if blockers != reported {
                reporter.report(
                    .waiting(
                        "waiting for locks"
                            + (blockers.isEmpty ? "" : ": " + blockers.joined(separator: "; "))))
                reported = blockers
            }
            try sleep(min(pause * .random(in: 0.5...1.5), max(0.01, clock.now.duration(to: deadline).seconds)))
            pause = min(pause * 2, 2)
        }
    }

    /// Milliseconds.
    static let patience = 150

    public func waitBriefly() throws {
        try session.execute("SET LOCAL lock_timeout = \(Self.patience)")
    }

    /// One short attempt. `lock_timeout` lies below deadlock_timeout (1 s), so that the migrator loses,
    /// not the application (ONLINE.md H5).
    private func attempt(
        _ locks: [String], isolation: String, run: RunIdentity, options: RunOptions
    ) throws {
        keptQueries = nil
        let patience = min(Self.patience, options.lockTimeout.settingMilliseconds)
        // Statements of scripts wait for other tables' locks as long as the command allows, not for ever; while the
        // application writes they too give up at once, for everybody behind them waits as well.
        let wait =
            options.isBrief
            ? [] : ["SET LOCAL lock_timeout = \(max(1, options.lockTimeout.settingMilliseconds))"]
        // A run that was taken over must not write any more; a taker waits for this row (ONLINE.md 4).
        let opening = [
            "BEGIN ISOLATION LEVEL \(isolation)", pinningStatements, "SET LOCAL synchronous_commit = on",
            "SET LOCAL lock_timeout = \(max(1, patience))",
            "SELECT 1 FROM \(ledger.table("fence")) WHERE epoch = \(run.epoch) AND run_id = \(run.id) FOR UPDATE",
        ]
        let fence = try session.queryAll((opening + (locks.isEmpty ? wait : [])).joined(separator: "; "))
        guard fence.last?.isEmpty == false else {
            throw MigratorError(
                "fenced", .locked, "another migrator has taken over: run \(run.id) may not go on",
                hint: "wait until it has ended, then run the command again")
        }
        if !locks.isEmpty { try session.execute((locks + wait).joined(separator: "; ")) }
    }

    /// The settings go back to the pinned ones with the commit: what a script has SET ends with it.
    public func commitWork() throws {
        if let journal = ledger.journal {
            if journal.isWatchingLocks { journal.hold(try heldLocks(taken: takenLocks)) }
            try journal.write(to: ledger)
        }
        try ledger.writeDeferred()
        try session.commit(after: pinningStatements)
        ledger.journal?.transactionEnded(isCommitted: true)
    }

    public func rollbackWork() {
        ledger.forgetDeferred()
        session.rollback()
        ledger.journal?.transactionEnded(isCommitted: false)
    }

    /// Sleeps on the server, so that a cancel ends it as it ends any statement.
    private func sleep(_ seconds: Double) throws(DatabaseError) {
        _ = try session.query("SELECT pg_sleep($1::float8)", [.text(String(max(0, seconds)))])
    }
}

extension Duration {
    /// Seconds with fractions.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
    /// Whole milliseconds, at most what the server's settings take.
    var settingMilliseconds: Int { Int(min(seconds * 1000, Double(Int32.max))) }
}

extension Double {
    /// Without a fraction where there is none.
    var shown: String { self == rounded() ? String(Int(self)) : String(self) }
}
