import MigratorDatabase
import MigratorScript

/// A backup while other processes write: batches and triggers, until one moment at which the copy stands still.
extension SQLiteBackend {
    /// 1. the copy's table and the triggers; 2. the batches; 3. a clean comparison, then the triggers go: what the copy
    /// holds is the table as it was at that moment; 4. its hash, while nobody writes to it.
    func backupOnline(_ table: TableName, _ work: OnlineWork) throws -> StepOutcome {
        let context = work.context
        guard let source = try self.table(table) else { throw sourceMissing(table, context: context) }
        guard source.rowid != nil || source.singleKey != nil else {
            return try brief(work) { _ in try backup(table, context: context) }
        }
        let key = source.rowid ?? source.primaryKey[0]
        let name = "\(source.name)_backup"
        let columns = (source.rowid.map { [$0] } ?? []) + source.columns.map(\.name)
        let list = columnList(columns)
        let select =
            "SELECT \(columns.map { "\($0.quotedIdentifier) AS \($0.quotedIdentifier)" }.joined(separator: ", ")) FROM \(source.qualified)"

        // 1
        try work.phase("expand") {
            try brief(work, finishing: "expand", changesSchema: true) { next in
                try makeRoom(for: name, context: context)
                try createLike(source, named: name)
                try follow(
                    SQLiteTriggerStep(
                        kind: "backup", source: source.name, target: name, key: key, on: [], owner: nil,
                        raiseColumn: nil, raiseOrder: [], mapping: nil, columns: source.columns.map(\.name),
                        isBeforeRow: false), context: context, &next)
            }
        }

        // 2
        let copy = try requireTable(TableName(name))
        try walk("backfill", through: source, by: key, work) { stretch in
            try session.run(
                """
                INSERT INTO \(copy.qualified) (\(list)) SELECT \(list) FROM \(source.qualified) AS s
                WHERE \(stretch.condition("s.\(key.quotedIdentifier)"))
                    AND NOT EXISTS (SELECT 1 FROM \(copy.qualified) AS b WHERE \(source.sameRow("s", "b")))
                """)
        }

        // 3
        try work.phase("release") {
            let comparison = try compareInStretches(select, columns: columns, with: copy, key: key, work)
            try require(comparison, what: "backup of \(source.name)")
            try brief(work, finishing: "release", changesSchema: true) { _ in
                try requireTriggers(of: source, work)
                let newest = try compareInStretches(
                    select, columns: columns, with: copy, key: key, above: try tail(of: copy, key: key))
                try require(newest, what: "backup of \(source.name)")
                try removeStep(kind: "backup", context: context)
                try ledger.add(
                    ObjectRecord(
                        runID: context.runID, revision: context.revision, item: context.item, kind: Self.madeBackup,
                        name: source.name, detail: name))
            }
        }

        // 4
        try work.phase("register") {
            let hash = try contentHash(of: TableName(name), columns: source.columns.map(\.name))
            try brief(work, finishing: "register", changesSchema: true) { next in
                let outcome = try register(
                    copy, of: source, kind: .table, rows: hash.rows, hash: hash.hash, context: context)
                for object in try ledger.objects(revision: context.revision, kind: Self.madeBackup) {
                    try ledger.removeObject(object.id)
                }
                next.notes["details"] = outcome.details
                next.notes["compared"] = [String(hash.rows)]
            }
        }
        return StepOutcome(
            rows: work.checkpoint.notes["compared"]?.first.flatMap { Int($0) },
            details: work.checkpoint.notes["details"] ?? [])
    }

    public func checkBackup(of table: TableName, context: StepContext) throws {
        guard let source = try self.table(table) else { return }
        try requireIdentity(of: source)
        try session.savepoint(keeping: false) { try makeRoom(for: "\(source.name)_backup", context: context) }
    }
}
