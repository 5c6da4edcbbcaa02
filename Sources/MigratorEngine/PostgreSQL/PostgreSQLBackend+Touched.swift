import MigratorDatabase

extension PostgreSQLBackend {
    /// By the locks that the transaction holds, and by catalog rows that it wrote where no lock says so
    /// (GRANT, comments on constraints). Over-inclusive, never the other way round, but for what was dropped or
    /// renamed: the caller knows those by their names of before.
    public func touchedSchema() throws -> TouchedSchema? {
        let snapshotQuery = SchemaSnapshotQuery(schema: schema, serverVersion: facts.version, isForNamed: true)
        try keep([touchedQuery, KeptQuery(name: SchemaSnapshotQuery.namedStatement, text: snapshotQuery.text)])
        // Parameterless, so that the statements can go together and keep their generic plans. The search path is the
        // schema alone meanwhile, so that texts do not depend on the session's own.
        let results = try session.queryAll(
            """
            SELECT set_config('migrator.path', current_setting('search_path'), false);
            SET search_path = \(schema.quotedIdentifier);
            EXECUTE \(touchedQuery.name);
            EXECUTE \(SchemaSnapshotQuery.namedStatement);
            SELECT set_config('search_path', current_setting('migrator.path'), false)
            \(facts.hasLedger ? "; \(backupsQuery)" : "")
            """)
        guard results.count >= 4 else { throw DatabaseError(kind: .statement, message: "the server gave no answer") }
        let backups = results.dropFirst(4).first ?? []
        return TouchedSchema(
            relations: Set(PostgreSQLCatalog.elements(results[1].first?[0].asText)),
            definitions: snapshot(of: results[2], backups: backups.compactMap { $0[0].asText }))
    }

    /// The relations as one array, which becomes what the snapshot's query asks for as well.
    ///
    /// Catalog rows are looked at only where the transaction has updated some: there is no index for xmin. CREATE
    /// TABLE updates rows of pg_class, and none of the far larger pg_attribute.
    /// The array keeps the few that are touched from being joined with the whole catalog: the planner takes it for short.
    /// `age(xmin) <= 0` means written by this transaction, its subtransactions, or one that began after it.
    private var touchedQuery: KeptQuery {
        func isWritten(_ catalog: String, _ kinds: [String]) -> String {
            (["current_setting('track_counts') = 'off'"]
                + kinds.map { "pg_stat_get_xact_tuples_\($0)('pg_catalog.\(catalog)'::regclass) > 0" })
                .joined(separator: " OR ")
        }
        let text = """
            WITH written AS MATERIALIZED (
                SELECT \(isWritten("pg_class", ["updated"])) AS is_class,
                       \(isWritten("pg_attribute", ["updated"])) AS is_attribute,
                       \(isWritten("pg_description", ["inserted", "updated"])) AS is_description),
            touched (oid) AS (
                SELECT l.relation FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
                AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                               'ExclusiveLock', 'AccessExclusiveLock')
                UNION SELECT c.oid FROM pg_catalog.pg_class c
                WHERE (SELECT is_class FROM written) AND age(c.xmin) <= 0
                UNION SELECT a.attrelid FROM pg_catalog.pg_attribute a
                WHERE (SELECT is_attribute FROM written) AND age(a.xmin) <= 0
                UNION SELECT coalesce(k.conrelid, t.tgrelid, p.polrelid, d.objoid)
                FROM pg_catalog.pg_description d
                LEFT JOIN pg_catalog.pg_constraint k
                    ON k.oid = d.objoid AND d.classoid = 'pg_catalog.pg_constraint'::regclass
                LEFT JOIN pg_catalog.pg_trigger t
                    ON t.oid = d.objoid AND d.classoid = 'pg_catalog.pg_trigger'::regclass
                LEFT JOIN pg_catalog.pg_policy p
                    ON p.oid = d.objoid AND d.classoid = 'pg_catalog.pg_policy'::regclass
                WHERE (SELECT is_description FROM written) AND age(d.xmin) <= 0),
            named (qualified, name) AS (
                SELECT DISTINCT n.nspname || '.' || c.relname, c.relname
                FROM unnest(ARRAY(SELECT t.oid FROM touched t)) AS touched (oid)
                LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = touched.oid
                JOIN pg_catalog.pg_class c ON c.oid = coalesce(i.indrelid, touched.oid)
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
                AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', \(ledger.schema.quotedLiteral))
                AND n.nspname NOT LIKE 'pg\\_temp\\_%')
            SELECT set_config('\(SchemaSnapshotQuery.relationsSetting)',
                       coalesce(array_agg(qualified)::text, '{}'), false),
                   set_config('\(SchemaSnapshotQuery.namesSetting)', coalesce(array_agg(name)::text, '{}'), false)
            FROM named
            """
        return KeptQuery(name: "migrator_touched", text: text)
    }
}
