import MigratorDatabase

/// What a run's report shows of the server.
extension PostgreSQLBackend {
    /// The locks that the open transaction holds and that writers wait for, by pg_locks: of tables that were there
    /// before it. A table that it has created has system columns of its own making; nobody else knows it yet.
    /// - Parameter taken: those that it took at once, by the names that the tables had then; some may be gone.
    func heldLocks(taken: [TableLock]) throws -> [String] {
        try keep([heldLocksQuery])
        let held = try session.query("EXECUTE \(heldLocksQuery.name)")
        var locks: [String] = []
        func add(_ mode: String, _ name: String) {
            let lock = "\(mode) on \(name)"
            if !locks.contains(lock) { locks.append(lock) }
        }
        for lock in taken { add(lock.mode.rawValue, lock.shown) }
        for row in held {
            let mode = Self.lockModes[row.text("mode") ?? ""] ?? "SHARE"
            if let lock = taken.first(where: { $0.oid == row.int("relation") }) {
                add(mode, lock.shown)
            } else if let name = row.text("relname") {
                add(mode, name.quotedIdentifier)
            }
        }
        // Indexes go with their tables, so that a relation which is gone is told of only where nothing else is.
        if locks.isEmpty, !held.isEmpty { locks.append("ACCESS EXCLUSIVE on what it dropped") }
        return locks
    }

    private var heldLocksQuery: KeptQuery {
        KeptQuery(
            name: "migrator_held_locks",
            text: """
                SELECT l.relation, l.mode, c.relname
                FROM pg_catalog.pg_locks l
                LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
                LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
                AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'f')
                    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', \(ledger.schema.quotedLiteral))
                    AND n.nspname NOT LIKE 'pg\\_temp\\_%'
                    AND CASE WHEN c.relkind = 'v' THEN age(c.xmin) > 0 ELSE EXISTS (
                        SELECT FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum = -6 AND age(a.xmin) > 0) END)
                ORDER BY l.mode, c.relname
                """)
    }

    private static let lockModes = [
        "AccessExclusiveLock": "ACCESS EXCLUSIVE", "ExclusiveLock": "EXCLUSIVE",
        "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    ]

    /// Tables that somebody has locked against everybody are left out: their size would have to be waited for.
    public func sizes(_ moment: SizeRecord.Moment) throws -> [SizeRecord] {
        try session.query(
            """
            SELECT 'database' AS kind, current_database()::text AS name, pg_database_size(current_database()) AS bytes
            UNION ALL
            SELECT CASE WHEN n.nspname = $2 THEN 'ledger' WHEN b.name IS NOT NULL THEN 'backup' ELSE 'table' END,
                   CASE WHEN n.nspname = $2 THEN n.nspname::text ELSE c.relname::text END,
                   sum(pg_total_relation_size(c.oid))
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN (SELECT DISTINCT schema_name, name FROM \(ledger.table("backup")) WHERE removed_at IS NULL) b
                ON b.schema_name = n.nspname AND b.name = c.relname
            WHERE n.nspname IN ($1, $2) AND c.relkind IN ('r', 'm')
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.relation = c.oid
                AND l.mode = 'AccessExclusiveLock')
            GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 200
            """, [.text(schema), .text(ledger.schema)]
        ).map { row in
            SizeRecord(
                moment: moment, kind: SizeRecord.Kind(rawValue: row.text("kind") ?? "") ?? .table,
                name: row.text("name") ?? "", bytes: row.int("bytes") ?? 0)
        }
    }
}
