import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Two round trips; names of `relations` are qualified, as the result's keys are.
    /// The search path is the schema alone meanwhile, so that texts do not depend on the session's own.
    public func schemaSnapshot(of relations: Set<String>?) throws -> SchemaSnapshot {
        if let relations, relations.isEmpty { return [:] }
        let statement = relations == nil ? "migrator_snapshot_all" : "migrator_snapshot_named"
        let wanted = relations.map { Array($0).sorted() } ?? []
        // A name may hold a dot: every place where it could be cut.
        let names = wanted.flatMap { name in
            name.indices.filter { name[$0] == "." }.map { String(name[name.index(after: $0)...]) }
        }
        let path = schema.quotedIdentifier
        let state = try session.query(
            """
            SELECT current_setting('search_path') AS old_path, set_config('search_path', $1, false),
                   set_config('\(SchemaSnapshotQuery.relationsSetting)', $2, false),
                   set_config('\(SchemaSnapshotQuery.namesSetting)', $3, false),
                   EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = $4) AS is_prepared
            """,
            [
                .text(path), .text(Self.arrayLiteral(wanted)), .text(Self.arrayLiteral(names)),
                .text(statement),
            ]
        ).first
        let oldPath = state?.text("old_path") ?? ""
        defer {
            if oldPath != path {
                _ = try? session.query(
                    "SELECT set_config('search_path', $1, false)", [.text(oldPath)])
            }
        }
        if state?.bool("is_prepared") != true {
            let query = SchemaSnapshotQuery(
                schema: schema, serverVersion: facts.version, isForNamed: relations != nil)
            try session.execute("PREPARE \(statement) AS \(query.text)")
        }
        var snapshot: SchemaSnapshot = [:]
        for row in try session.query("EXECUTE \(statement)") {
            guard let name = row[0].asText, let line = row[1].asText else { continue }
            snapshot[name, default: []].append(line)
        }
        for name in try ownRelations(among: snapshot) { snapshot[name] = nil }
        return snapshot.mapValues { $0.sorted() }
    }

    /// The tool's own: the ledger's schema, registered backups.
    private func ownRelations(among snapshot: SchemaSnapshot) throws -> [String] {
        let prefix = ledger.schema + "."
        var names = snapshot.keys.filter { $0.hasPrefix(prefix) }
        if facts.hasLedger {
            names += try session.query(
                "SELECT schema_name || '.' || name FROM \(ledger.table("backup")) WHERE removed_at IS NULL"
            ).compactMap { $0[0].asText }
        }
        return names
    }

    /// By the locks that the transaction holds, and by catalog rows that it wrote where no lock says so
    /// (GRANT, comments on constraints). Over-inclusive, never the other way round, but for what was dropped or
    /// renamed: the caller knows those by their names of before.
    ///
    /// Catalog rows are looked at only where the transaction has updated some: there is no index for xmin.
    /// `age(xmin) <= 0` means written by this transaction, its subtransactions, or one that began after it.
    public func touchedRelations() throws -> Set<String>? {
        // Kept prepared, without parameters, for the same reason as the snapshot's query.
        let isPrepared = try session.scalar(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = 'migrator_touched')"
        ).asBool
        if !isPrepared { try session.execute("PREPARE migrator_touched AS " + touchedQuery) }
        return Set(try session.query("EXECUTE migrator_touched").compactMap { $0[0].asText })
    }

    private var touchedQuery: String {
        """
        WITH written AS MATERIALIZED (
            SELECT current_setting('track_counts') = 'off'
                   OR pg_stat_get_xact_tuples_updated('pg_catalog.pg_class'::regclass) > 0
                   OR pg_stat_get_xact_tuples_updated('pg_catalog.pg_attribute'::regclass) > 0 AS is_class,
                   current_setting('track_counts') = 'off'
                   OR pg_stat_get_xact_tuples_inserted('pg_catalog.pg_description'::regclass) > 0
                   OR pg_stat_get_xact_tuples_updated('pg_catalog.pg_description'::regclass) > 0
                   AS is_description),
        touched (oid) AS (
            SELECT l.relation FROM pg_catalog.pg_locks l
            WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
            AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                           'ExclusiveLock', 'AccessExclusiveLock')
            UNION SELECT c.oid FROM pg_catalog.pg_class c
            WHERE (SELECT is_class FROM written) AND age(c.xmin) <= 0
            UNION SELECT a.attrelid FROM pg_catalog.pg_attribute a
            WHERE (SELECT is_class FROM written) AND age(a.xmin) <= 0
            UNION SELECT coalesce(k.conrelid, t.tgrelid, p.polrelid, d.objoid)
            FROM pg_catalog.pg_description d
            LEFT JOIN pg_catalog.pg_constraint k
                ON k.oid = d.objoid AND d.classoid = 'pg_catalog.pg_constraint'::regclass
            LEFT JOIN pg_catalog.pg_trigger t
                ON t.oid = d.objoid AND d.classoid = 'pg_catalog.pg_trigger'::regclass
            LEFT JOIN pg_catalog.pg_policy p
                ON p.oid = d.objoid AND d.classoid = 'pg_catalog.pg_policy'::regclass
            WHERE (SELECT is_description FROM written) AND age(d.xmin) <= 0)
        SELECT DISTINCT n.nspname || '.' || c.relname
        FROM touched
        LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = touched.oid
        JOIN pg_catalog.pg_class c ON c.oid = coalesce(i.indrelid, touched.oid)
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', \(ledger.schema.quotedLiteral))
        AND n.nspname NOT LIKE 'pg\\_temp\\_%'
        """
    }

    /// Ordinary and partitioned tables by oid, columns by attnum.
    public func inventory() throws -> [String: InventoryTable] {
        let rows = try session.query(
            """
            SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_attribute a
                ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')
            """, [.text(schema)])
        var tables: [String: InventoryTable] = [:]
        for row in rows {
            guard let oid = row.text("oid") else { continue }
            tables[oid, default: InventoryTable(schema: schema, name: row.text("relname") ?? "", columns: [:])]
                .columns[row.text("attnum") ?? ""] = row.text("attname")
        }
        return tables
    }

    /// An array as PostgreSQL reads it.
    static func arrayLiteral(_ values: [String]) -> String {
        "{"
            + values.map { value in
                var text = "\""
                for scalar in value.unicodeScalars {
                    if scalar == "\"" || scalar == "\\" { text.unicodeScalars.append("\\") }
                    text.unicodeScalars.append(scalar)
                }
                return text + "\""
            }.joined(separator: ",") + "}"
    }
}
