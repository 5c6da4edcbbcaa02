import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Connects, pins the session's settings and learns what `checkServer` judges: two round trips in all.
    /// - Parameter schema: nil means the first of the session's search path that exists, else `public`.
    /// - Throws: `MigratorError`, status unavailable.
    public static func open(
        _ locator: PostgreSQLLocator, schema: String?, ledgerSchema: String, forWriting: Bool
    ) throws -> PostgreSQLBackend {
        let session: PostgreSQLSession
        do {
            session = try PostgreSQLSession(locator)
        } catch {
            throw ConnectionProblem.error(error, database: locator)
        }
        guard session.serverVersion >= ServerFacts.oldestVersion else {
            var facts = ServerFacts(schema: schema ?? "public")
            facts.version = session.serverVersion
            session.close()
            try facts.check(forWriting: forWriting)
            throw MigratorError("server-too-old", .unavailable, "the server is too old")
        }
        let facts: ServerFacts
        do {
            facts = try learn(session, schema: schema, ledgerSchema: ledgerSchema)
        } catch {
            session.close()
            throw MigratorError(
                "connection-failed", .unavailable,
                "the session with \(locator.shown) cannot be prepared: \(error.message)",
                hint: error.hint ?? "check the role's settings and the server's log")
        }
        let backend = PostgreSQLBackend(
            session: session, ledger: Ledger(session: session, schema: ledgerSchema), schema: facts.schema)
        backend.facts = facts
        backend.ledger.isFound = facts.hasLedger
        return backend
    }

    public func checkServer(forWriting: Bool) throws {
        try facts.check(forWriting: forWriting)
    }

    /// Settings that make texts the same for everybody, and that end no long statement.
    /// Those of the output (H17) are what content hashes and comparisons rest on.
    static let pinnedSettings: [(name: String, value: String)] = [
        ("standard_conforming_strings", "on"), ("TimeZone", "UTC"), ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"), ("extra_float_digits", "1"), ("bytea_output", "hex"),
        ("quote_all_identifiers", "off"),
        ("client_min_messages", "notice"), ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"), ("idle_session_timeout", "0"),
        // A policy would hide rows from what counts, compares, copies and archives: an error is better.
        ("row_security", NegativeControl.rowSecurity.isLeftOut ? "on" : "off"),
    ]

    /// The statements that bring the session back to the pinned settings, whatever a script has set.
    /// Inside a transaction that is rolled back they are undone with the rest.
    var pinningStatements: String {
        var statements = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"]
        statements += Self.pinnedSettings.map { "SET \($0.name) = \($0.value.quotedLiteral)" }
        return (statements + facts.dependentSettings).joined(separator: "; ")
    }

    /// Statements that set, then one SELECT that asks, then what depends on the answer: two round trips.
    /// The SELECT joins nothing and sets nothing: a fresh server process has each catalog and function yet to load,
    /// and that was most of the time of a command that has nothing to do.
    private static func learn(
        _ session: PostgreSQLSession, schema: String?, ledgerSchema: String
    ) throws(DatabaseError) -> ServerFacts {
        let settings = pinnedSettings.map { "SET \($0.name) = \($0.value.quotedLiteral); " }.joined()
        let name = schema?.quotedLiteral ?? "coalesce(current_schema(), 'public')"
        let place = "to_regnamespace(quote_ident(\(name)))"
        let ledger = "to_regnamespace(\(ledgerSchema.quotedIdentifier.quotedLiteral))"
        let format = "\(ledgerSchema.quotedIdentifier).format".quotedLiteral
        // to_regclass would fail on a schema that the role may not use; the ledger says so when it is read.
        let row = try session.queryAll(
            settings + """
                SELECT \(name) AS name, current_schemas(false) AS path, current_user AS user_name,
                       current_database() AS database_name, pg_is_in_recovery() AS replica,
                       current_setting('default_transaction_read_only') = 'on' AS read_only,
                       pg_backend_pid() AS pid, version() AS version, \(place) IS NOT NULL AS schema_exists,
                       has_schema_privilege(\(place), 'CREATE') AS can_create,
                       has_schema_privilege(\(place), 'USAGE') AS can_use,
                       CASE WHEN has_schema_privilege(\(ledger), 'USAGE')
                           THEN to_regclass(\(format)) IS NOT NULL ELSE \(ledger) IS NOT NULL END AS has_ledger
                """
        ).last?.first
        guard let row else { throw DatabaseError(kind: .statement, message: "the server gave no answer") }
        var facts = ServerFacts(schema: row.text("name") ?? "public")
        facts.version = session.serverVersion
        facts.user = row.text("user_name") ?? ""
        facts.database = row.text("database_name") ?? ""
        facts.isReplica = row.bool("replica")
        facts.isReadOnly = row.bool("read_only")
        facts.announcedPID = session.backendPID
        facts.actualPID = row.int("pid") ?? 0
        facts.schemaExists = row.bool("schema_exists")
        facts.canCreateInSchema = row.bool("can_create")
        facts.canUseSchema = row.bool("can_use")
        facts.hasLedger = row.bool("has_ledger")
        // A server on another system refuses client_connection_check_interval.
        facts.canCheckConnection = row.text("version")?.contains("linux") == true
        facts.furtherPath = PostgreSQLCatalog.elements(row.text("path"))
            .filter { $0 != facts.schema }.map(\.quotedIdentifier)
        let dependent = facts.dependentSettings.joined(separator: "; ")
        guard facts.hasLedger else {
            try session.execute(dependent)
            return facts
        }
        do {
            facts.schemaOfLedger = try session.queryAll("\(dependent); \(Ledger.schemaQuery(of: ledgerSchema))")
                .last?.first?.text("name")
        } catch {
            // Whoever reads the ledger then is told what to grant.
            guard error.kind == .insufficientPrivilege || error.kind == .statement else { throw error }
            try session.execute(dependent)
        }
        return facts
    }

    // MARK: The ledger

    public func prepareLedger() throws {
        try makeLedger()
        guard facts.schemaOfLedger == nil else { return }
        // Whoever had the lock meanwhile may have begun it for another schema.
        facts.schemaOfLedger = try session.query(Ledger.schemaQuery(of: ledger.schema)).first?.text("name")
        try facts.checkSchemaOfLedger()
        if facts.schemaOfLedger == nil { try ledger.belongToSchema() }
    }

    private func makeLedger() throws {
        if facts.hasLedger, let version = try readableFormatVersion() {
            guard version <= Ledger.formatVersion else { throw newerLedgerError(version) }
            if version == Ledger.formatVersion { return }
        }
        do {
            try session.transaction {
                // Two migrators that both find none: the second waits here, then finds it made.
                _ = try session.query(
                    "SELECT pg_advisory_xact_lock($1::bigint)",
                    [SQLValue(Int(Self.lockKey("create " + ledger.schema)))])
                if let version = try ledger.storedFormatVersion() {
                    guard version <= Ledger.formatVersion else { throw newerLedgerError(version) }
                    try ledger.upgrade(from: version)
                    return
                }
                let name = ledger.schema.quotedIdentifier
                // Not with IF NOT EXISTS alone, which wants CREATE on the database even where it is there.
                if try session.query(
                    "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", [.text(ledger.schema)]
                ).isEmpty {
                    try session.execute(
                        "CREATE SCHEMA \(name); REVOKE ALL ON SCHEMA \(name) FROM PUBLIC")
                }
                try ledger.createTables()
            }
        } catch let error as DatabaseError where error.kind == .insufficientPrivilege {
            if facts.hasLedger { throw unreadableLedger(error) }
            throw ledgerPrivilegeError(
                "CREATE SCHEMA \(ledger.schema.quotedIdentifier) AUTHORIZATION \(facts.user.quotedIdentifier) "
                    + "(or GRANT CREATE ON DATABASE \(facts.database.quotedIdentifier) TO "
                    + "\(facts.user.quotedIdentifier))")
        }
        facts.hasLedger = true
    }

    private func readableFormatVersion() throws -> Int? {
        do {
            return try session.scalar("SELECT version FROM \(ledger.table("format"))").asInt
        } catch {
            guard error.kind == .insufficientPrivilege else { throw error }
            throw unreadableLedger(error)
        }
    }

    public func unreadableLedger(_ error: DatabaseError) -> any Error {
        let schema = ledger.schema.quotedIdentifier
        let user = facts.user.quotedIdentifier
        return ledgerPrivilegeError(
            "GRANT ALL ON SCHEMA \(schema) TO \(user); GRANT ALL ON ALL TABLES IN SCHEMA \(schema) TO \(user)")
    }

    private func newerLedgerError(_ version: Int) -> MigratorError {
        MigratorError(
            "ledger-newer", .unavailable,
            "the ledger in schema \(ledger.schema.quotedIdentifier) was made by a newer version of migrator "
                + "(format \(version), this one knows \(Ledger.formatVersion))",
            hint: "use the newer version of migrator")
    }

    private func ledgerPrivilegeError(_ statement: String) -> MigratorError {
        MigratorError(
            "privilege-missing", .unavailable,
            "the role \(facts.user.quotedIdentifier) may not make or use the ledger's schema "
                + ledger.schema.quotedIdentifier,
            hint: "let an owner of the database run \(statement)")
    }
}
