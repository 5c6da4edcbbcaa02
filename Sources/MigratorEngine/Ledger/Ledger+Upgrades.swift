import MigratorDatabase

/// The ledger's format, version by version. A new ledger goes through all of them, so that there is one way only.
extension Ledger {
    /// Brings the tables from a version to this tool's, in the caller's transaction.
    public func upgrade(from version: Int) throws(DatabaseError) {
        guard version < Ledger.formatVersion else { return }
        if version < 2 {
            try session.execute(measurementStatements)
            try passOnPrivileges(to: Self.measurementTables)
        }
        try session.execute("ALTER TABLE \(table("format")) ADD COLUMN schema_name text")
        try belongToSchema("(SELECT schema_name FROM \(table("backup")) ORDER BY id DESC LIMIT 1)")
        try session.run("UPDATE \(table("format")) SET version = $1", [SQLValue(Ledger.formatVersion)])
    }

    /// Version 3, on PostgreSQL: the ledger names the schema of the scripts' tables, the first of the search path.
    /// - Parameter known: SQL for one that is known already, or NULL.
    func belongToSchema(_ known: String = "NULL") throws(DatabaseError) {
        guard session.dialect == .postgresql else { return }
        try session.execute("UPDATE \(table("format")) SET schema_name = coalesce(\(known), current_schema())")
    }

    /// Asks for the schema whose tables the ledger is about; no row where it records no revision, or none that stands:
    /// then it takes another one. Reads ledgers of every version.
    static func schemaQuery(of schema: String) -> String {
        """
        SELECT name FROM (SELECT to_jsonb(f) ->> 'schema_name' AS name FROM \(schema.quotedIdentifier).format AS f) AS kept
        WHERE to_regnamespace(quote_ident(name)) IS NOT NULL AND EXISTS (SELECT FROM \(schema.quotedIdentifier).revision)
        """
    }

    /// Those of version 2: what a run took, for its report. Nothing is decided by them.
    static let measurementTables = ["activity", "sample", "critical_section", "size", "schema_change"]

    /// Times are counted from the run's beginning, by the clock of the tool's own machine.
    private var measurementStatements: String {
        let count = session.dialect == .postgresql ? "bigint" : "INTEGER"
        let indexes = ["activity", "sample", "critical_section", "size"].map { name in
            let index = session.dialect == .postgresql ? "\(name)_run" : "migrator_\(name)_run"
            return "CREATE INDEX \(index) ON \(table(name)) (run_id); \(identity(of: name))"
        }
        return """
            CREATE TABLE \(table("activity")) (
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                direction text NOT NULL,
                item \(count) NOT NULL,
                phase text,
                kind text NOT NULL,
                title text NOT NULL,
                started_ms \(count) NOT NULL,
                duration_ms \(count) NOT NULL,
                outcome text NOT NULL,
                mode text,
                to_revision text);
            CREATE TABLE \(table("sample")) (
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                direction text NOT NULL,
                item \(count) NOT NULL,
                phase text NOT NULL,
                batch \(count) NOT NULL,
                at_ms \(count) NOT NULL,
                rows \(count) NOT NULL,
                total \(count),
                batch_rows \(count),
                batch_ms \(count),
                paused_ms \(count) NOT NULL);
            CREATE TABLE \(table("critical_section")) (
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                direction text NOT NULL,
                title text NOT NULL,
                locks text NOT NULL,
                attempts \(count) NOT NULL,
                started_ms \(count) NOT NULL,
                waited_us \(count) NOT NULL,
                held_us \(count) NOT NULL,
                outcome text NOT NULL);
            CREATE TABLE \(table("size")) (
                run_id \(count) NOT NULL,
                moment text NOT NULL,
                kind text NOT NULL,
                name text NOT NULL,
                bytes \(count) NOT NULL);
            CREATE TABLE \(table("schema_change")) (
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                relation text NOT NULL,
                before_definition text,
                after_definition text,
                PRIMARY KEY (run_id, revision, relation));
            \(indexes.joined(separator: "\n"))
            """
    }

    /// Whoever may use the ledger's tables may use new ones, whichever role makes them.
    private func passOnPrivileges(to names: [String]) throws(DatabaseError) {
        guard session.dialect == .postgresql else { return }
        let tables = names.map(table).joined(separator: ", ")
        for row in try session.query(
            """
            SELECT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee,
                   string_agg(DISTINCT g.privilege_type, ', ') AS privileges
            FROM pg_catalog.pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
            WHERE c.oid = to_regclass($1) AND pg_get_userbyid(g.grantee) <> current_user
            GROUP BY g.grantee
            """, [.text(table("run"))])
        {
            try session.execute(
                "GRANT \(row.text("privileges") ?? "") ON \(tables) TO \(row.text("grantee") ?? "")")
        }
    }
}
