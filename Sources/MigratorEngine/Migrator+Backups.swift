import MigratorDatabase
import MigratorScript

extension Migrator {
    /// The registered backups, oldest first.
    public func backups() throws -> [BackupRecord] {
        try backend.checkServer(forWriting: false)
        return try readingLedger { try backend.ledger.exists() ? backend.ledger.backups() : [] }
    }

    /// Compares every registered backup with the hash that was recorded when it was made.
    public func verifyBackups() throws -> [CheckResult] {
        try backups().map { try BackupCheck.result(of: $0, backend: backend) }
    }

    /// - Parameters:
    ///   - name: the backup's own name.
    ///   - into: another table's name; on PostgreSQL also `SCHEMA.TABLE`.
    public func restoreBackup(_ name: String, into: String?, options: RunOptions) throws -> StepOutcome {
        guard into != "" else {
            throw MigratorError("usage", .usage, "the name after --into is empty", hint: "name a table")
        }
        var outcome = StepOutcome()
        try work(options) { executor in
            let backup = try self.backup(named: name)
            outcome = try self.inTransaction(executor) { context in
                try self.backend.restore(backup, into: into, context: context)
            }
        }
        return outcome
    }

    /// What `pruneBackups` did.
    public struct Pruning: Sendable {
        public var dropped: [BackupRecord] = []
        /// Their tables were not there any more: the ledger has forgotten them.
        public var forgotten: [BackupRecord] = []
        /// Old enough, but a downgrade takes values from them: they go when they are named. Or they are the unfinished
        /// revision's.
        public var kept: [BackupRecord] = []
        /// The revision that is half-way up or down: its backups stay until it is finished.
        public var unfinished: String?
    }

    /// Drops registered backups: those named, or all older than an age but those whose values a downgrade needs.
    /// - Throws: `MigratorError`, status refused, where a table is not the backup that was registered, or is named and
    ///   belongs to an unfinished revision.
    public func pruneBackups(
        olderThan age: Duration?, names: [String], options: RunOptions
    ) throws -> Pruning {
        var pruning = Pruning()
        try work(options) { executor in
            let all = try self.backend.ledger.backups()
            let last = try self.backend.ledger.revisions().last
            pruning.unfinished = last.flatMap { $0.isFinished ? nil : $0.revision }
            let chosen: [BackupRecord]
            if names.isEmpty {
                guard let age else {
                    throw MigratorError(
                        "nothing-to-prune", .usage, "which backups should go is not said",
                        hint: "name them, or say how old: --older-than 7d")
                }
                let old = try self.backend.ledger.backupIDs(olderThanSeconds: age.milliseconds / 1000)
                let unfinished = all.filter { $0.revision == pruning.unfinished }
                let needed = try self.backupsOfWaysBack(all).union(unfinished.map(\.id))
                pruning.kept = all.filter { old.contains($0.id) && needed.contains($0.id) }
                chosen = all.filter { old.contains($0.id) && !needed.contains($0.id) }
            } else {
                chosen = try names.map { try self.backup(named: $0) }
                if let held = chosen.first(where: { $0.revision == pruning.unfinished }) {
                    throw MigratorError(
                        "backup-in-use", .refused,
                        "the backup \"\(held.name)\" is of revision \"\(held.revision)\", which is unfinished",
                        hint: "finish it (`migrator status` says how), then prune the backup")
                }
            }
            for backup in chosen {
                let table = TableName(schema: backup.schema, backup.name)
                let isThere = try self.backend.tableExists(table)
                _ = try self.inTransaction(executor) { _ in
                    if isThere {
                        try self.backend.requireUnchanged(
                            backup, status: .refused,
                            hint: "rename it to keep it, or drop it yourself; then prune the backup again, to forget it"
                        )
                    }
                    try self.backend.prune(backup)
                    return StepOutcome()
                }
                if isThere { pruning.dropped.append(backup) } else { pruning.forgotten.append(backup) }
            }
        }
        return pruning
    }

    /// The newest whole backups of applied switches whose targets lack columns of the old table: a way back takes
    /// those values from the backup. Where a script cannot be read, all backups of its revision.
    private func backupsOfWaysBack(_ backups: [BackupRecord]) throws -> Set<Int> {
        let records = try backend.ledger.revisions()
        var needed: Set<Int> = []
        for record in records where record.state != .stamped {
            let own = backups.filter { $0.revision == record.revision && $0.kind == .table }
            if own.isEmpty { continue }
            guard let items = try? planning(records).script(of: record).upgrade.flatItems else {
                needed.formUnion(own.map(\.id))
                continue
            }
            for item in items {
                guard case .switchTable(let move) = item.action,
                    let backup = own.last(where: { $0.source == move.source.name }),
                    let columns = try backend.columnNames(of: move.target)
                else { continue }
                if !backup.columns.allSatisfy(columns.contains) { needed.insert(backup.id) }
            }
        }
        return needed
    }

    /// Writes SQL that restores the backups elsewhere; all of them where none is named.
    public func exportBackups(
        names: [String], write: (String) throws -> Void
    ) throws -> [BackupRecord] {
        let chosen = names.isEmpty ? try backups() : try names.map { try backup(named: $0) }
        guard !chosen.isEmpty else {
            throw MigratorError("no-backups", .usage, "there are no registered backups")
        }
        try backend.session.beginReading()
        defer { backend.session.rollback() }
        for backup in chosen {
            try backend.requireUnchanged(
                backup, hint: "look at it; what is in it now can be taken with pg_dump or .dump")
        }
        try backend.export(chosen, write: write)
        return chosen
    }

    private func backup(named name: String) throws -> BackupRecord {
        let all = try backups()
        if let backup = all.last(where: { $0.name == name }) { return backup }
        throw MigratorError(
            "unknown-backup", .usage, "no backup named \"\(name)\" is registered",
            hint: all.isEmpty ? nil : "choose one of: " + all.map(\.name).joined(separator: ", "))
    }

    /// A run that is neither an upgrade nor a downgrade.
    func work(_ options: RunOptions, body: (Executor) throws -> Void) throws {
        try backend.checkServer(forWriting: true)
        _ = try working(nil, target: nil, options: options) { executor, _ in try body(executor) }
    }

    func inTransaction(
        _ executor: Executor, revision: String = "", _ body: (StepContext) throws -> StepOutcome
    ) throws -> StepOutcome {
        try backend.beginWork(for: [], run: executor.run, options: executor.options, reporter: reporter)
        do {
            let outcome = try body(
                StepContext(
                    runID: executor.run.id, revision: revision, direction: .upgrade, item: -1,
                    options: executor.options, reporter: reporter))
            try backend.commitWork()
            return outcome
        } catch {
            backend.rollbackWork()
            throw error
        }
    }
}

extension Ledger {
    /// Registered backups made at least so long ago.
    func backupIDs(olderThanSeconds seconds: Int) throws(DatabaseError) -> Set<Int> {
        let limit: String
        switch session.dialect {
        case .postgresql: limit = "created_at <= clock_timestamp() - make_interval(secs => $1)"
        case .sqlite:
            limit = "created_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || $1 || ' seconds')"
        }
        return Set(
            try session.query(
                "SELECT id FROM \(table("backup")) WHERE removed_at IS NULL AND \(limit)",
                [SQLValue(seconds)]
            ).compactMap { $0.int("id") })
    }
}
