import MigratorDatabase

/// What a PostgreSQL server, its settings and the role say about how a migration would go.
struct PostgreSQLDoctor {
    let backend: PostgreSQLBackend
    private var session: any Session { backend.session }

    init(backend: PostgreSQLBackend) { self.backend = backend }

    func findings() throws -> [Finding] {
        try server() + role() + transactions() + replication() + settings() + objects() + [space()]
    }

    // MARK: The server

    private func server() throws -> [Finding] {
        let row = try session.query(
            """
            SELECT current_setting('server_version') AS version, current_database() AS name,
                   current_setting('server_encoding') AS encoding,
                   (SELECT CASE WHEN ssl THEN coalesce(version, 'TLS') END FROM pg_catalog.pg_stat_ssl
                    WHERE pid = pg_backend_pid()) AS tls,
                   inet_server_addr() IS NULL AS is_local,
                   current_setting('max_connections')::int
                       - current_setting('superuser_reserved_connections')::int
                       - (SELECT count(*) FROM pg_catalog.pg_stat_activity
                          WHERE backend_type = 'client backend')::int AS free
            """
        ).first
        guard let row else { return [] }
        let way = row.text("tls") ?? (row.bool("is_local") ? "a local socket" : "an unencrypted connection")
        var found = [
            Finding(
                "server", .ok,
                "PostgreSQL \(row.text("version") ?? ""), database \"\(row.text("name") ?? "")\", over \(way)")
        ]
        do {
            try backend.checkServer(forWriting: true)
        } catch let error as MigratorError {
            found.append(Finding("server", error))
        }
        if row.text("tls") == nil, !row.bool("is_local") {
            found.append(
                Finding(
                    "server", .warning, "the connection is not encrypted",
                    hint: "add sslmode=verify-full to the database URL"))
        }
        if let encoding = row.text("encoding"), encoding != "UTF8" {
            found.append(
                Finding(
                    "server", .warning,
                    "the database's encoding is \(encoding): texts of scripts that it cannot hold fail"))
        }
        let free = row.int("free") ?? 0
        // The migration, its second connection and the workers of `verify`.
        if free < 5 {
            found.append(
                Finding(
                    "server", .warning, "\(free.counted("connection")) left: a migration needs up to five",
                    hint: "raise max_connections, or end idle connections"))
        }
        return found
    }

    // MARK: The role

    private func role() throws -> [Finding] {
        let schema = backend.facts.schema
        let user = backend.facts.user
        let rows = try session.query(
            """
            SELECT r.rolsuper AS is_super, r.rolbypassrls AS bypasses,
                   pg_catalog.has_database_privilege(current_database(), 'CREATE') AS may_create,
                   pg_catalog.pg_has_role(current_user, 'pg_monitor', 'USAGE') AS may_monitor,
                   (SELECT string_agg(format('%I', c.relname), ', ' ORDER BY c.relname)
                    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
                      AND NOT pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE')) AS others,
                   (SELECT string_agg(format('%I', c.relname), ', ' ORDER BY c.relname)
                    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relrowsecurity
                      AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE'))
                   ) AS filtered
            FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
            """, [.text(schema)])
        guard let row = rows.first else { return [] }
        let isSuper = row.bool("is_super")
        var found = [Finding("role", .ok, "\"\(user)\"\(isSuper ? ", a superuser" : "")")]
        let quoted = user.quotedIdentifier
        if !backend.facts.hasLedger, !row.bool("may_create") {
            found.append(
                Finding(
                    "role", .problem,
                    "the role may not create the ledger's schema \(backend.ledger.schema.quotedIdentifier)",
                    hint: "let an owner of the database run CREATE SCHEMA \(backend.ledger.schema.quotedIdentifier) "
                        + "AUTHORIZATION \(quoted)"))
        }
        if backend.facts.hasLedger, !row.bool("may_create") {
            found.append(
                Finding(
                    "role", .problem,
                    "the role may not create schemas in the database: a switch is planned in one, which is rolled back",
                    hint: "let an owner of the database run GRANT CREATE ON DATABASE "
                        + "\(backend.facts.database.quotedIdentifier) TO \(quoted)"))
        }
        if let others = row.text("others") {
            found.append(
                Finding(
                    "role", .warning, "these of schema \"\(schema)\" belong to others and cannot be changed: \(others)",
                    hint: "connect as their owner, or let an administrator run GRANT owner TO \(quoted)"))
        }
        if let filtered = row.text("filtered"), !isSuper, !row.bool("bypasses") {
            found.append(
                Finding(
                    "role", .problem, "row-level security hides rows of \(filtered) from the role",
                    hint: "connect as a role with BYPASSRLS: rows that are not seen cannot be moved"))
        }
        if !isSuper, !row.bool("may_monitor") {
            found.append(
                Finding(
                    "role", .warning, "what other sessions do cannot be seen, so that load and blockers stay unnamed",
                    hint: "let an administrator run GRANT pg_monitor TO \(quoted)"))
        }
        return found
    }

    // MARK: Who else is there

    private func transactions() throws -> [Finding] {
        let rows = try session.query(
            """
            SELECT 'process ' || pid || coalesce(' (' || nullif(application_name, '') || ')', '') AS who,
                   (extract(epoch FROM clock_timestamp() - xact_start) / 60)::int AS age, state
            FROM pg_catalog.pg_stat_activity
            WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
              AND clock_timestamp() - xact_start > interval '1 minute' ORDER BY xact_start LIMIT 3
            """)
        var found = rows.map { row in
            Finding(
                "transactions", .warning,
                "\(row.text("who") ?? "") has a transaction open for \((row.int("age") ?? 0).counted("minute"))"
                    + (row.text("state").map { ", \($0)" } ?? ""),
                hint: "end it: locks wait for it, and an online switch waits for its snapshot")
        }
        let prepared =
            try session.scalar(
                "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()"
            ).asInt ?? 0
        if prepared > 0 {
            found.append(
                Finding(
                    "transactions", .warning, "\(prepared.counted("prepared transaction")) hold locks and a snapshot",
                    hint: "commit or roll them back: see pg_prepared_xacts"))
        }
        return found.isEmpty ? [Finding("transactions", .ok, "none is open for more than a minute")] : found
    }

    private func replication() throws -> [Finding] {
        let rows = try session.query(
            """
            SELECT 'the replication slot "' || slot_name || '" is not used and keeps '
                       || pg_catalog.pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS what
            FROM pg_catalog.pg_replication_slots
            WHERE NOT active AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery()
            """)
        return rows.map {
            Finding(
                "replication", .warning, ($0.text("what") ?? "") + " of WAL",
                hint: "drop it, or start its consumer: a migration writes more")
        }
    }

    // MARK: Objects that stand in the way

    private func objects() throws -> [Finding] {
        var found: [Finding] = []
        let extensions = try session.query("SELECT extname FROM pg_catalog.pg_extension").compactMap { $0[0].asText }
        if extensions.contains("citus") {
            found.append(
                Finding(
                    "extensions", .problem, "Citus is installed: distributed tables cannot be switched",
                    hint: "migrate a table that is not distributed, or undistribute it first"))
        }
        if extensions.contains("timescaledb") {
            found.append(
                Finding("extensions", .warning, "TimescaleDB is installed: hypertables cannot be switched"))
        }
        let invalid = try session.query(
            """
            SELECT x.indexrelid::regclass::text AS name FROM pg_catalog.pg_index x WHERE NOT x.indisvalid
            ORDER BY 1 LIMIT 5
            """
        ).compactMap { $0[0].asText }
        if !invalid.isEmpty {
            found.append(
                Finding(
                    "objects", .warning, "indexes that are not valid: \(invalid.joined(separator: ", "))",
                    hint: "drop them, or run REINDEX INDEX CONCURRENTLY"))
        }
        let triggers = try session.query(
            "SELECT evtname FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1"
        ).compactMap { $0[0].asText }
        if !triggers.isEmpty {
            found.append(
                Finding(
                    "objects", .warning,
                    "event triggers run at every change of the schema: \(triggers.joined(separator: ", "))",
                    hint: "make sure that they let the migration's statements pass"))
        }
        return found
    }
}
