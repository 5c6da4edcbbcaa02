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

    /// - Parameter name: the backup's own name.
    public func restoreBackup(_ name: String, into: String?, options: RunOptions) throws -> StepOutcome {
        var outcome = StepOutcome()
        try work(options) { executor in
            let backup = try self.backup(named: name)
            outcome = try self.inTransaction(executor) { context in
                try self.backend.restore(backup, into: into, context: context)
            }
        }
        return outcome
    }

    /// Drops registered backups: those named, or all older than an age. The newest backup of an applied
    /// revision's switch is what a downgrade may need: it goes only when it is named.
    public func pruneBackups(
        olderThan age: Duration?, names: [String], options: RunOptions
    ) throws -> [BackupRecord] {
        var pruned: [BackupRecord] = []
        try work(options) { executor in
            let all = try self.backend.ledger.backups()
            let chosen: [BackupRecord]
            if names.isEmpty {
                guard let age else {
                    throw MigratorError(
                        "nothing-to-prune", .usage, "which backups should go is not said",
                        hint: "name them, or say how old: --older-than 7d")
                }
                let old = try self.backend.ledger.backupIDs(olderThanSeconds: age.milliseconds / 1000)
                chosen = all.filter { old.contains($0.id) }
            } else {
                chosen = try names.map { try self.backup(named: $0) }
            }
            for backup in chosen {
                _ = try self.inTransaction(executor) { _ in
                    try self.backend.prune(backup)
                    return StepOutcome()
                }
                pruned.append(backup)
            }
        }
        return pruned
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
