import MigratorDatabase
import MigratorScript

/// The way back of a copied table while the application writes: its follower takes its place.
extension PostgreSQLBackend {
    /// 1. the children's keys to the follower; 2. a clean comparison; 3. the tables change places, in one moment under
    /// the locks. The target stays as a registered backup.
    func followBackOnline(
        _ move: Move, record: SwitchRecord, object: ObjectRecord, target: CatalogRelation, _ work: OnlineWork
    ) throws {
        guard let followerTable = record.follower?.tableName, let follower = try catalog.relation(followerTable) else {
            throw MigratorError(
                "follower-missing", .refused, "the follower of \"\(record.target.name)\" is gone",
                hint: "restore a backup (`migrator backups list`), or take the revision back with --mode window")
        }
        let mapping = try session.discardingChanges {
            try mappingBack(move.mapping, of: record, to: followerTable)
        }

        // 1. In every run, since the application may have got new ones.
        try prepareChildren(of: target, for: follower, work)

        // 2
        let reverse = Sync(
            source: record.target.tableName, target: followerTable, key: record.key, mapping: move.mapping)
        var (rows, storage) = (0, "")
        repeat {
            try keepFollowing("follower", reverse, mapping, on: target, item: object.item, work)
            storage = try self.storage(of: target)
            let comparison = try compareInStretches(
                mapping.select, columns: mapping.columns, with: followerTable, key: record.key, work)
            try refuse(
                comparison, what: "the follower of \"\(record.target.name)\" is not equal to it",
                following: (record.target.name, followerTable), nothing: "nothing was cut over")
            rows = comparison.expectedRows
        } while try waitForCutOver(work)

        // 3
        try brief(
            work, locking: { try cutOverLocks(back(record)) + lock(followerTable, .accessExclusive) },
            finishing: "cut back"
        ) { next in
            try requireTriggers(kind: "follower", on: target, storage: storage, context: work.context)
            try refuseTail(mapping, with: followerTable, key: record.key)
            let readers = try takeView(record)
            try removeTriggers(kind: "follower", item: object.item, context: work.context)
            _ = try takeChildren(from: target)
            try giveUpNames(record.carriedIndexes ?? [], of: target)
            let space = record.source.schema.quotedIdentifier
            try session.execute(
                """
                ALTER TABLE \(follower.quoted) SET SCHEMA \(space);
                ALTER TABLE \(space).\(follower.name.quotedIdentifier) RENAME TO \(record.source.name.quotedIdentifier)
                """)
            var left = StepOutcome()
            for statement in record.undo { try undo(statement, of: record, &left) }
            try advanceSequence(of: record.source.tableName, column: record.key)
            // Out of the way of the next upgrade's names.
            let backup = Self.truncated(target.name, suffix: "_backup")
            let details = try makeRoom(for: TableName(schema: target.schema, backup), context: work.context)
            try session.execute("ALTER TABLE \(target.quoted) RENAME TO \(backup.quotedIdentifier)")
            try create(readers)
            try ledger.add(
                ProofRecord(
                    runID: work.context.runID, revision: work.context.revision, item: work.context.item,
                    check: "switch", subject: "\(record.target.name) -> \(record.source.name)",
                    verdict: Verdict.exact.rawValue, detail: "{\"strategy\":\"copy\",\"rows\":\(rows)}"))
            try ledger.removeObject(object.id)
            next.notes["retired"] = [target.schema, backup, target.name]
            next.notes["details"] = ["\(rows.counted("row")) compared, 0 differences"] + details + left.details
            next.notes["left"] = left.leftNames.sorted()
        }
    }
}
