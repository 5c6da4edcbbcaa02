import MigratorDatabase
import MigratorScript

/// Brings schema and rows of one database into an empty one, in one snapshot of the source.
struct PostgreSQLCopyJob {
    var source: PostgreSQLBackend
    var session: PostgreSQLSession
    var target: PostgreSQLLocator
    var dump: PostgreSQLDump

    func run(
        rowsPerTable: Int?, register: (any CancelHandle) -> Void, report: inout RehearsalReport.Copy
    ) throws {
        let loader: PostgreSQLSession
        do {
            loader = try PostgreSQLSession(target, applicationName: "migrator rehearse")
        } catch {
            throw ConnectionProblem.error(error, database: target)
        }
        defer { loader.close() }
        try session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        defer { session.rollback() }
        // A policy must not hide rows: where the role cannot see all, the server says so.
        try session.execute("SET LOCAL row_security = off")
        // A replica cannot export one; pg_dump then reads the catalog as it is a moment later.
        let isReplica = try session.scalar("SELECT pg_is_in_recovery()").asBool
        let snapshot = try isReplica ? nil : session.scalar("SELECT pg_export_snapshot()").asText

        register(loader.cancelHandle)
        let withOwners = try load(.beforeRows, snapshot: snapshot, withOwners: true, into: loader)
        try loader.execute(
            "SET session_replication_role = DEFAULT; SET search_path = pg_catalog; SET TimeZone = 'UTC'; "
                + "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1")
        register(session.cancelHandle)
        let sample = PostgreSQLSample(source: source, session: session, loader: loader, rowsPerTable: rowsPerTable)
        try sample.copy(report: &report)
        try copySequences(to: loader)
        register(loader.cancelHandle)
        _ = try load(.afterRows, snapshot: snapshot, withOwners: withOwners, into: loader)
        try refreshViews(loader)
        // As a database is that has been in use: rows known to be visible, statistics of now.
        try loader.execute("VACUUM (ANALYZE)")
    }

    /// Without owners and privileges where the roles are not there, or may not be given anything.
    private func load(
        _ part: PostgreSQLDump.Part, snapshot: String?, withOwners: Bool, into loader: PostgreSQLSession
    ) throws -> Bool {
        let text = try dump.schema(part, of: session, snapshot: snapshot, withOwners: withOwners)
        do throws(DatabaseError) {
            // Statements sent together are one transaction.
            if !text.isEmpty { try loader.execute(text) }
            return withOwners
        } catch {
            if withOwners, error.kind == .insufficientPrivilege || error.sqlState == "42704" {
                _ = try load(part, snapshot: snapshot, withOwners: false, into: loader)
                return false
            }
            throw MigratorError(
                "scratch-schema-failed", .failed, "the schema of the copy cannot be made: \(error.message)",
                hint: "the server of the copy must have the extensions of the source",
                details: [error.detail, error.context].compactMap(\.self))
        }
    }

    private func copySequences(to loader: PostgreSQLSession) throws {
        let names = try session.query(
            """
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'S' AND n.nspname <> 'pg_catalog' AND c.relpersistence <> 't'
            """
        ).compactMap { $0[0].asText }
        for name in names {
            let state = try session.query("SELECT last_value, is_called FROM \(name)").first
            _ = try loader.query(
                "SELECT setval(to_regclass($1), $2, $3)",
                [.text(name), SQLValue(state?.int("last_value")), .text(state?.bool("is_called") == true ? "t" : "f")])
        }
    }

    private func refreshViews(_ loader: PostgreSQLSession) throws {
        for view in try loader.query(
            """
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'm' ORDER BY c.oid
            """)
        {
            try loader.execute("REFRESH MATERIALIZED VIEW \(view[0].asText ?? "")")
        }
    }
}
