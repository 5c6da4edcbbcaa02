import MigratorDatabase

extension Ledger {
    /// Creates the ledger's tables where they are missing. The schema itself is the backend's business,
    /// since a missing privilege is worded there.
    public func createTables() throws(DatabaseError) {
        try session.execute(creationStatements)
        try upgrade(from: 1)
    }

    /// The version that the tables have; nil where there are none.
    public func storedFormatVersion() throws(DatabaseError) -> Int? {
        guard try exists() else { return nil }
        return try session.scalar("SELECT version FROM \(table("format"))").asInt
    }

    /// A publication of all tables refuses to change rows of a table without a key, unless it says that all of a row is one.
    func identity(of name: String) -> String {
        session.dialect == .postgresql ? "ALTER TABLE \(table(name)) REPLICA IDENTITY FULL;" : ""
    }

    /// Version 1.
    private var creationStatements: String {
        let isPostgreSQL = session.dialect == .postgresql
        let id =
            isPostgreSQL
            ? "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY" : "INTEGER PRIMARY KEY AUTOINCREMENT"
        let time = isPostgreSQL ? "timestamptz" : "TEXT"
        let count = isPostgreSQL ? "bigint" : "INTEGER"
        return """
            CREATE TABLE \(table("format")) (version \(count) NOT NULL);
            \(identity(of: "format"))
            INSERT INTO \(table("format")) (version) VALUES (1);
            CREATE TABLE \(table("revision")) (
                revision text PRIMARY KEY,
                revises text,
                message text NOT NULL,
                state text NOT NULL CHECK (state IN ('applied', 'stamped', 'upgrading', 'downgrading')),
                checksum text NOT NULL,
                script text NOT NULL,
                file text NOT NULL,
                run_id \(count) NOT NULL,
                position \(count) NOT NULL,
                applied_at \(time) NOT NULL,
                contracted_at \(time));
            CREATE TABLE \(table("run")) (
                id \(id),
                command text NOT NULL,
                direction text,
                from_revision text,
                to_revision text,
                outcome text NOT NULL DEFAULT 'running',
                error text,
                epoch \(count) NOT NULL,
                tool_version text NOT NULL,
                user_name text,
                host text,
                pid \(count),
                backend_pid \(count),
                started_at \(time) NOT NULL,
                finished_at \(time));
            CREATE TABLE \(table("fence")) (
                only_row \(count) PRIMARY KEY CHECK (only_row = 1),
                epoch \(count) NOT NULL,
                run_id \(count) NOT NULL);
            INSERT INTO \(table("fence")) (only_row, epoch, run_id) VALUES (1, 0, 0);
            CREATE TABLE \(table("step")) (
                id \(id),
                run_id \(count) NOT NULL,
                attempt \(count) NOT NULL,
                revision text NOT NULL,
                direction text NOT NULL,
                item \(count) NOT NULL,
                kind text NOT NULL,
                title text NOT NULL,
                state text NOT NULL CHECK (state IN ('intent', 'done')),
                intent text,
                rows \(count),
                duration_ms \(count),
                wal_bytes \(count),
                lock_wait_ms \(count),
                detail text,
                recorded_at \(time) NOT NULL);
            CREATE INDEX \(isPostgreSQL ? "step_revision" : "migrator_step_revision")
                ON \(table("step")) (attempt, revision, direction);
            CREATE TABLE \(table("checkpoint")) (
                revision text NOT NULL,
                item \(count) NOT NULL,
                state text NOT NULL,
                rows \(count) NOT NULL,
                updated_at \(time) NOT NULL,
                PRIMARY KEY (revision, item));
            CREATE TABLE \(table("backup")) (
                id \(id),
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                kind text NOT NULL,
                schema_name text NOT NULL,
                source text NOT NULL,
                name text NOT NULL,
                key_column text,
                columns text NOT NULL,
                rows \(count) NOT NULL,
                hash text NOT NULL,
                algorithm text NOT NULL,
                snapshot text,
                transaction_id text,
                system_identifier text,
                definition text,
                created_at \(time) NOT NULL,
                removed_at \(time));
            CREATE TABLE \(table("object")) (
                id \(id),
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                item \(count) NOT NULL,
                kind text NOT NULL,
                name text NOT NULL,
                detail text NOT NULL);
            CREATE TABLE \(table("proof")) (
                id \(id),
                run_id \(count) NOT NULL,
                revision text NOT NULL,
                item \(count) NOT NULL,
                check_name text NOT NULL,
                subject text NOT NULL,
                verdict text NOT NULL,
                detail text NOT NULL,
                made_at \(time) NOT NULL);
            CREATE TABLE \(table("exception")) (
                revision text NOT NULL,
                item \(count) NOT NULL,
                table_name text NOT NULL,
                row_key text NOT NULL,
                reason text NOT NULL,
                row_data text NOT NULL,
                PRIMARY KEY (revision, item, table_name, row_key));
            CREATE TABLE \(table("fingerprint")) (
                revision text NOT NULL,
                relation text NOT NULL,
                before_definition text,
                after_definition text,
                PRIMARY KEY (revision, relation));
            """
    }
}
