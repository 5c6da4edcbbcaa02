import MigratorDatabase
import MigratorScript

/// The question that reads a server's signals: a row each with `value` (null: this role may not know), `detail` for
/// people, and for the replay lag the positions `written` and `replayed` in bytes.
/// Source: PostgreSQL manual, 28.2 "The Cumulative Statistics System" (what roles see), 9.27 "System Administration
/// Functions", 28.4 "Progress Reporting".
struct PostgreSQLSignalQuery {
    /// The user's own query, of one boolean column.
    let hook: String?
    /// Whether this role may list the archiver's folder; else its last file's name must do.
    let countsArchiveFiles: Bool
    let quoted: (TableName) -> String

    /// What the role lacks where a value is null.
    static func neededRole(_ signal: LoadSignal) -> String {
        switch signal {
        case .replayLag, .autovacuum, .connections, .oldestTransaction: "GRANT pg_monitor would do"
        case .archive: "nothing has been archived yet"
        default: "no value"
        }
    }

    func text(of signals: [LoadSignal], tables: [TableName]) -> String {
        signals.compactMap { signal in
            body(signal, tables: tables).map { "SELECT '\(signal.rawValue)' AS signal, s.* FROM (\($0)) AS s" }
        }.joined(separator: "\nUNION ALL\n")
    }

    /// Others' rows are shown to everybody, but with nulls in them.
    private static let mayKnow = "pg_has_role('pg_read_all_stats', 'USAGE')"

    private func columns(
        _ value: String, _ detail: String = "NULL", written: String = "NULL", replayed: String = "NULL"
    ) -> String {
        """
        SELECT (\(value))::float8 AS value, (\(detail))::text AS detail,
            (\(written))::bigint AS written, (\(replayed))::bigint AS replayed
        """
    }

    private func body(_ signal: LoadSignal, tables: [TableName]) -> String? {
        switch signal {
        case .replayLag:
            return columns(
                "CASE WHEN \(Self.mayKnow) THEN coalesce(max(extract(epoch FROM replay_lag)), 0) END",
                "coalesce('replica ' || (array_agg(quote_ident(application_name) ORDER BY replay_lsn))[1], 'a replica')",
                written: "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')",
                replayed: "pg_wal_lsn_diff(min(replay_lsn), '0/0')") + " FROM pg_catalog.pg_stat_replication"
        case .slots:
            return columns(
                "coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)",
                "'the replication slot ' || (array_agg(quote_ident(slot_name) ORDER BY restart_lsn))[1]")
                + " FROM pg_catalog.pg_replication_slots WHERE restart_lsn IS NOT NULL"
        case .archive:
            if countsArchiveFiles {
                return columns("count(*)") + " FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
            }
            let current = segment("pg_walfile_name(pg_current_wal_lsn())")
            return columns(
                """
                CASE WHEN last_archived_wal ~ '^[0-9A-F]{24}'
                    THEN greatest(\(current) - \(segment("last_archived_wal")) - 1, 0) END
                """) + " FROM pg_catalog.pg_stat_archiver"
        case .autovacuum:
            let names = tables.map { "to_regclass(\(quoted($0).quotedLiteral))" }.joined(separator: ", ")
            return columns(
                "CASE WHEN \(Self.mayKnow) THEN count(*) END", "string_agg(p.relid::regclass::text, ', ')") + """
                     FROM pg_catalog.pg_stat_progress_vacuum p JOIN pg_catalog.pg_stat_activity a USING (pid)
                    WHERE a.backend_type = 'autovacuum worker' AND p.relid = ANY (ARRAY[\(names)]::regclass[]::oid[])
                    """
        case .connections:
            return columns(
                """
                CASE WHEN \(Self.mayKnow)
                    THEN count(*)::float8 / current_setting('max_connections')::float8 END
                """) + """
                     FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'
                    AND state IN ('active', 'fastpath function call') AND pid <> pg_backend_pid()
                    """
        case .oldestTransaction:
            return columns(
                "CASE WHEN \(Self.mayKnow) THEN coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0) END",
                "(array_agg(who ORDER BY since))[1]") + """
                     FROM (
                        SELECT xact_start AS since, 'server process ' || pid || ', role ' || quote_ident(usename)
                            || coalesce(', ' || state, '')
                            || coalesce(': ' || nullif(regexp_replace(left(query, 80), '\\s+', ' ', 'g'), ''), '') AS who
                        FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
                        AND coalesce(backend_xmin, backend_xid) IS NOT NULL
                        UNION ALL
                        SELECT prepared, 'the prepared transaction ' || quote_literal(gid) FROM pg_catalog.pg_prepared_xacts
                    ) AS open
                    """
        case .query:
            guard let hook else { return nil }
            // The line break ends a comment at the query's end.
            return columns("CASE WHEN bool_or(hook.answer) THEN 1 ELSE 0 END")
                + " FROM (\n\(hook.withoutFinalSemicolon)\n) AS hook (answer)"
        case .disk, .pauseFile:
            return nil
        }
    }

    /// The number of a WAL file by its name of timeline, log and segment, 8 hexadecimal digits each.
    private func segment(_ name: String) -> String {
        let size = "pg_size_bytes(current_setting('wal_segment_size'))"
        let number = { (start: Int) in "('x' || substr(\(name), \(start), 8))::bit(32)::bigint" }
        return "(\(number(9)) * (4294967296 / \(size)) + \(number(17)))"
    }
}

extension String {
    fileprivate var withoutFinalSemicolon: String {
        var text = self[...]
        while let last = text.last, last == ";" || last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
