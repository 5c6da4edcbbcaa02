import MigratorDatabase
import MigratorScript

/// What must be whole before a revision commits or cuts over, whoever has broken it.
extension Executor {
    /// What of the schema does not do what it says, before the revision; SQLite keeps nothing of the kind.
    func unsoundObjects() throws -> Set<String> {
        guard backend.session.dialect == .postgresql else { return [] }
        return Set(try backend.invalidObjects().map(Self.name))
    }

    /// Refuses indexes that are not valid, keys that are not validated and triggers that are off where they have come
    /// to be so during the revision: what a table passes on in a switch was so before. A script that says so itself
    /// (`NOT VALID`, to be validated by a later revision) is taken at its word.
    /// - Returns: all that is not in force, for the next revision to compare with.
    @discardableResult
    func refuseUnsound(work: RevisionWork, consequence: String) throws -> Set<String> {
        let all = try unsoundObjects()
        let passedOn = work.moves.flatMap { plan in
            let source = "\(plan.move.source.name): "
            return work.unsoundBefore.filter { $0.hasPrefix(source) }.map {
                "\(plan.move.target.name): \($0.dropFirst(source.count))"
            }
        }
        let found = all.subtracting(work.unsoundBefore).subtracting(passedOn).sorted()
        guard !found.isEmpty else { return all }
        let texts = try work.section().flatItems.compactMap { item in
            if case .statement(let statement) = item.action { statement.text.uppercased() } else { nil }
        }
        func isSaid(_ words: String) -> Bool { texts.contains { $0.firstRange(of: words) != nil } }
        let left = found.filter { object in
            !(object.hasSuffix("is not validated") && isSaid("NOT VALID"))
                && !(object.hasSuffix("disabled") && isSaid("DISABLE"))
                && !(object.hasSuffix("is not valid") && isSaid(" ON ONLY "))
        }
        guard !left.isEmpty else { return all }
        throw MigratorError(
            "left-unsound", .difference,
            "the revision \"\(work.planned.script.revision)\" leaves behind what is not in force; \(consequence)",
            hint: "mend the script, and run the same command again", location: work.planned.script.location,
            details: Array(left.prefix(10)))
    }

    /// Refuses a downgrade whose values no backup has any more, or whose old table has missed writes, before it does
    /// anything: from one that has begun online there is no way but to its end.
    func checkWaysBack(_ items: [FlatItem], work: RevisionWork) throws {
        for item in items where !work.done.contains(item.ordinal) {
            guard case .switchTable(let move) = item.item.action else { continue }
            let context = work.context(item: item.ordinal, self)
            try backend.requireFollowed(move, context: context)
            let backup = try look(for: [item.item]) { try backend.backupOfWayBack(move, context: context) }
            if let backup { try backend.requireUnchangedForWayBack(backup) }
        }
    }

    /// Refuses tables that a subscription of logical replication writes to.
    func refuseSubscribed(_ items: [FlatItem]) throws {
        let tables = items.compactMap(\.item.action.followed)
        if !tables.isEmpty { try backend.refuseSubscribed(tables) }
    }

    private static func name(_ difference: Difference) -> String {
        (difference.table.map { "\($0): " } ?? "") + difference.message
    }
}

extension OnlineWork {
    /// What is looked at last before a cut-over, while nothing is lost yet.
    func refuseBroken() throws {
        try executor.refuseUnsound(work: revision, consequence: "nothing was cut over")
        // Those of an upgrade before, which was taken back, are nothing that this one rests on.
        for backup in try executor.backend.ledger.backups()
        where backup.revision == context.revision && backup.runID >= revision.attempt {
            try executor.backend.requireUnchanged(
                backup, consequence: "nothing was cut over",
                hint:
                    "look for what has written to it, then undo this upgrade with `migrator downgrade -1` and begin again"
            )
        }
    }
}

extension Backend {
    /// The backup that holds what a switch has left behind of a table; nil where the revision made none.
    /// - Parameter values: what a way back takes from it, as a message begins.
    /// - Throws: `MigratorError`, status refused, where it has been pruned.
    func backup(behindSwitchOf source: String, revision: String, values: String) throws -> BackupRecord? {
        let found = try ledger.backups().last {
            $0.revision == revision && $0.kind == .table && $0.source.lowercased() == source.lowercased()
        }
        guard found == nil, try ledger.isLastBackupRemoved(of: source, revision: revision) else { return found }
        throw MigratorError(
            "backup-missing", .refused,
            "\(values), which the new table does not have, were in a backup of \"\(source)\" that has been pruned",
            hint: "stay with the new table, or bring the database back from a copy of its own")
    }

    /// Refuses a backup whose table is not there, or has not the content that was registered: somebody has changed it,
    /// or it is another table that has got its name.
    /// - Parameters:
    ///   - consequence: ends the sentence.
    ///   - hint: what to do where the content is another one.
    func requireUnchanged(
        _ backup: BackupRecord, status: ExitStatus = .difference, consequence: String? = nil, hint: String
    ) throws {
        func refused(_ code: String, _ status: ExitStatus, _ message: String, _ hint: String) -> MigratorError {
            MigratorError(
                code, status, ([message] + [consequence].compactMap(\.self)).joined(separator: "; "), hint: hint)
        }
        guard try tableExists(TableName(schema: backup.schema, backup.name)) else {
            throw refused(
                "backup-missing", .difference, "the table \"\(backup.name)\" of a registered backup is not there",
                "somebody has dropped or renamed it: rename it back, or prune the backup")
        }
        if NegativeControl.backupContent.isLeftOut { return }
        let result = try BackupCheck.result(of: backup, backend: self)
        guard result.verdict == .differences else { return }
        throw refused(
            "backup-differs", status,
            "the backup \"\(backup.name)\" is not what was registered: something has changed it", hint
        ).adding(detail: result.summary)
    }

    /// The same for a backup that a downgrade takes values from.
    func requireUnchangedForWayBack(_ backup: BackupRecord) throws {
        try requireUnchanged(
            backup, consequence: "the downgrade takes values from it", hint: "bring the backup back as it was")
    }

    /// Refuses a table one of whose keys points at nothing, or at one of whose rows a key points that is not there: a
    /// rename would carry that along unseen, since nothing is written again.
    func refuseOrphans(of table: TableName, consequence: String) throws {
        for key in try foreignKeys() where key.table.name == table.name || key.referenced.name == table.name {
            let result = try OrphanCheck().result(of: key, self)
            guard result.verdict != .exact else { continue }
            throw MigratorError(
                "orphans", .difference, "\(key.subject): \(result.summary); \(consequence)",
                hint: "mend or delete the rows named, and run the same command again",
                details: result.differences.map { "\($0.table ?? "") \($0.key ?? ""): \($0.message)" })
        }
    }
}
