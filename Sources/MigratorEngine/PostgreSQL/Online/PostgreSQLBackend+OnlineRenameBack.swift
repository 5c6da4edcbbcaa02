import MigratorDatabase
import MigratorScript

/// The way back of a renamed table while the application writes.
extension PostgreSQLBackend {
    /// 1. the values of columns that only the new shape has are kept, and kept up; 2. the old indexes, concurrently;
    /// 3. the changes are undone, in one moment under the lock.
    func renameBackOnline(
        _ move: Move, record: SwitchRecord, object: ObjectRecord, target: CatalogRelation, _ work: OnlineWork
    ) throws {
        // 1
        let storage = try followAddedColumns(of: record, target, work)

        // 2
        try work.phase("indexes") {
            for statement in record.undo {
                guard let index = IndexCreation(statement, from: record.source, to: target) else { continue }
                try buildIndex(
                    index.statement, name: TableName(schema: record.source.schema, index.name),
                    on: record.target.tableName, work)
                for later in index.later { try session.execute(later) }
            }
            try brief(work, finishing: "indexes") { _ in }
        }

        // 3
        try brief(work, locking: { try ownLocks(back(record)) }, finishing: "cut back") { next in
            let readers = try takeView(record)
            if work.checkpoint.notes["archive"] != nil {
                if let storage {
                    try requireTriggers(kind: "archive", on: target, storage: storage, context: work.context)
                }
                try removeTriggers(kind: "archive", item: work.context.item, context: work.context)
            }
            var left = StepOutcome()
            for statement in record.undo {
                if let index = IndexCreation(statement, from: record.source, to: target),
                    try isIndexValid(TableName(schema: record.source.schema, index.name)) == true
                {
                    continue
                }
                try undo(statement, of: record, &left)
            }
            try create(readers)
            guard try catalog.relation(record.source.tableName)?.oid == target.oid else {
                throw MigratorError(
                    "switch-differs", .difference,
                    "\"\(record.source.name)\" is not the table that \"\(record.target.name)\" was; nothing was committed",
                    hint: "report this")
            }
            try ledger.add(
                ProofRecord(
                    runID: work.context.runID, revision: work.context.revision, item: work.context.item,
                    check: "switch", subject: "\(record.target.name) -> \(record.source.name)",
                    verdict: Verdict.exact.rawValue,
                    detail: "{\"strategy\":\"rename\",\"relation\":\(target.oid)}"))
            try ledger.removeObject(object.id)
            next.notes["details"] = ["rows stay where they are: the same relation under its old name"] + left.details
            next.notes["left"] = left.leftNames.sorted()
        }
    }

    /// The table of values that only the new shape has, as the target's rows have them: a trigger keeps it so.
    /// - Returns: where the target's rows were before they were compared with it; nil where there is no such table.
    private func followAddedColumns(
        of record: SwitchRecord, _ target: CatalogRelation, _ work: OnlineWork
    ) throws -> String? {
        let columns = try catalog.columns(of: target.oid)
        let added = record.added.filter { new in columns.contains { $0.name == new.name } }
        guard !added.isEmpty else { return nil }
        let kept = [record.key] + added.map(\.name)
        let condition = added.map { column in
            let type = columns.first { $0.name == column.name }?.type ?? "text"
            let initial = column.initial.map { "(\($0))::\(type)::text" } ?? "NULL"
            return "\(column.name.quotedIdentifier)::text IS DISTINCT FROM \(initial)"
        }.joined(separator: " OR ")
        let list = kept.map(\.quotedIdentifier).joined(separator: ", ")
        let mapping = PostgreSQLMapping(
            select: "SELECT \(list) FROM \(target.name.quotedIdentifier) WHERE \(condition)", columns: kept,
            unknownColumns: [], sourceColumns: kept, reasonNotRowLocal: nil, leavesRowsOut: true)
        let source = TableName(schema: target.schema, target.name)
        func sync(to copy: TableName) -> Sync { Sync(source: source, target: copy, key: record.key) }
        try work.phase("archive") {
            try brief(work, locking: { try lock(source, .shareRowExclusive) }, finishing: "archive") { next in
                let name = Self.truncated(target.name, suffix: "_columns_backup")
                let copy = TableName(schema: target.schema, name)
                _ = try makeRoom(for: copy, context: work.context)
                let comment =
                    "Values of \(added.map(\.name).joined(separator: ", ")) of \(target.schema).\(target.name), kept by migrator when revision \(work.context.revision) was taken back"
                try session.execute(
                    """
                    CREATE TABLE \(quoted(copy)) AS SELECT \(list) FROM \(target.quoted) WITH NO DATA;
                    ALTER TABLE \(quoted(copy)) ADD PRIMARY KEY (\(record.key.quotedIdentifier));
                    REVOKE ALL ON \(quoted(copy)) FROM PUBLIC;
                    COMMENT ON TABLE \(quoted(copy)) IS \(comment.quotedLiteral)
                    """)
                try createSyncTriggers("archive", sync(to: copy), mapping, isForEveryRole: true, context: work.context)
                next.notes["archive"] = [name]
                next.notes["archived"] = kept
            }
        }
        guard let name = work.checkpoint.notes["archive"]?.first else { return nil }
        let copy = TableName(schema: target.schema, name)
        try backfill("archive rows", of: source, key: record.key, work) { batch in
            try copyLocked(batch, of: mapping, sync(to: copy))
        }
        try keepFollowing("archive", sync(to: copy), mapping, on: target, work)
        let storage = try storage(of: target)
        let comparison = try compareInStretches(
            mapping.select, columns: kept, with: copy, key: record.key, work)
        try refuse(
            comparison, what: "\"\(name)\" is not equal to \"\(target.name)\"", following: (target.name, copy),
            nothing: "nothing was cut over")
        return storage
    }
}

/// A recorded `CREATE INDEX` of the old table, as it runs on the new one before the names change back.
private struct IndexCreation {
    var name: String
    var statement: String
    /// What belongs to it: comment, statistics targets.
    var later: [String]

    init?(_ recorded: String, from source: SwitchRecord.Table, to target: CatalogRelation) {
        let parts = recorded.components(separatedBy: "; ")
        guard let first = parts.first, first.hasPrefix("CREATE INDEX ") || first.hasPrefix("CREATE UNIQUE INDEX "),
            let on = first.firstRange(of: " ON "), let using = first.firstRange(of: " USING "),
            let place = first.firstRange(of: "INDEX ")
        else { return nil }
        let quotedName = String(first[place.upperBound..<on.lowerBound])
        name = PostgreSQLCatalog.identifiers(quotedName).first ?? quotedName
        statement = (first[..<on.upperBound] + target.quoted + first[using.lowerBound...]).description.concurrently
        later = Array(parts.dropFirst())
    }
}
