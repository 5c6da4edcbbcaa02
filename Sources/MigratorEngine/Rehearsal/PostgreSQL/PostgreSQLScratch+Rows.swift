import MigratorDatabase
import MigratorScript

extension PostgreSQLScratch {
    private var session: any Session { keeper.session }

    func tables() throws -> [ScratchTable] {
        let backups = try keeper.ledger.exists() ? Set(keeper.ledger.backups().map { "\($0.schema).\($0.name)" }) : []
        var tables: [ScratchTable] = []
        try session.forEachRow(
            """
            SELECT n.nspname, c.relname, a.attname,
                   CASE WHEN a.atttypid = 'text'::regtype THEN 1000000
                        WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
                        THEN CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 1000000 END END AS length,
                   a.attidentity <> '' OR a.attgenerated <> ''
                       OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) AS is_automatic,
                   EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid
                           AND k.contype IN ('f', 'c') AND a.attnum = ANY (k.conkey)) AS is_bound,
                   coalesce(array_position(p.conkey, a.attnum), 0) AS key_position
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            LEFT JOIN pg_catalog.pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', $1, $2)
            AND n.nspname NOT LIKE 'pg\\_temp\\_%'
            ORDER BY n.nspname, c.relname, a.attnum
            """, [.text(Self.schema), .text(keeper.ledger.schema)]
        ) { row in
            let schema = row.text("nspname") ?? ""
            let name = row.text("relname") ?? ""
            let shown = "\(schema).\(name)"
            guard !backups.contains(shown) else { return }
            if tables.last?.shown != shown {
                tables.append(
                    ScratchTable(
                        shown: shown, quoted: "\(schema.quotedIdentifier).\(name.quotedIdentifier)", columns: []))
            }
            tables[tables.count - 1].columns.append(
                ScratchTable.Column(
                    name: row.text("attname") ?? "", textLength: row.int("length"),
                    isAutomatic: row.bool("is_automatic"), isBound: row.bool("is_bound"),
                    keyPosition: row.int("key_position") ?? 0))
        }
        return tables
    }

    /// Key and digest of every row of a table. The digest does not depend on the order of the columns.
    private func digests(of table: ScratchTable) -> String {
        let columns = table.columns.map(\.name).sorted()
        let digest = "md5(\(PostgreSQLBackend.rowText(columns, of: "t")))"
        let keys = table.keyColumns.map { "t.\($0.name.quotedIdentifier)::text" }
        let key = keys.isEmpty ? "'row ' || \(digest)" : keys.joined(separator: " || ', ' || ")
        return "SELECT \(key) AS key, \(digest) AS digest FROM \(table.quoted) t"
    }

    func keepRows(as name: String) throws {
        let tables = try tables()
        try keeper.withPinnedOutput {
            try session.run("DELETE FROM \(Self.schema).kept WHERE state = $1", [.text(name)])
            for table in tables {
                try session.run(
                    "INSERT INTO \(Self.schema).kept SELECT $1, $2, d.key, d.digest FROM (\(digests(of: table))) d",
                    [.text(name), .text(table.shown)])
            }
        }
        keptTables[name] = tables
    }

    func rowDifferences(from name: String) throws -> [Difference] {
        let before = keptTables[name] ?? []
        let now = try tables()
        return try keeper.withPinnedOutput {
            try ScratchComparison(before: before, now: now).differences { table in
                try session.query(
                    """
                    SELECT d.key AS key, max(d.was) > 0 AS was, max(d.now) > 0 AS "is", count(*) OVER () AS total
                    FROM (SELECT r.key, r.digest, sum(r.was) AS was, sum(r.now) AS now
                          FROM (SELECT key, digest, 1 AS was, 0 AS now FROM \(Self.schema).kept WHERE state = $1 AND relation = $2
                                UNION ALL SELECT x.key, x.digest, 0, 1 FROM (\(digests(of: table))) x) r
                          GROUP BY r.key, r.digest HAVING sum(r.was) <> sum(r.now)) d
                    GROUP BY d.key ORDER BY length(d.key), d.key LIMIT 10
                    """, [.text(name), .text(table.shown)])
            }
        }
    }

    func bytes() throws -> (all: Int, backups: Int?) {
        let all = try session.scalar("SELECT pg_database_size(current_database())").asInt ?? 0
        let own = try session.scalar("SELECT pg_total_relation_size('\(Self.schema).kept')").asInt ?? 0
        guard try keeper.ledger.exists() else { return (all - own, 0) }
        let backups =
            try session.scalar(
                """
                SELECT coalesce(sum(pg_total_relation_size(to_regclass(format('%I.%I', schema_name, name)))), 0)
                FROM \(keeper.ledger.table("backup")) WHERE removed_at IS NULL
                """
            ).asInt ?? 0
        return (all - own, backups)
    }

    func logPosition() throws -> Int? {
        try session.scalar("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").asInt
    }
}
