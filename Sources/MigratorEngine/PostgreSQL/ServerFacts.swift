import MigratorDatabase

/// What a server says of itself and of the role: one round trip, judged without another.
struct ServerFacts: Equatable {
    /// 150018 for 15.18.
    var version = Self.oldestVersion
    var user = ""
    var database = ""
    var schema: String
    var isReplica = false
    /// `default_transaction_read_only`, or a role or database for which it is set.
    var isReadOnly = false
    /// The server process by libpq and by the server itself: a pooler makes them differ.
    var announcedPID = 0
    var actualPID = 0
    var schemaExists = true
    var canCreateInSchema = true
    var canUseSchema = true
    /// The other schemas of the session's own search path, quoted.
    var furtherPath: [String] = []
    /// As it was when the connection was opened.
    var hasLedger = false
    /// The schema whose tables the ledger is about; nil where it is about none that stands.
    var schemaOfLedger: String?

    /// Whether the server can notice that its client is gone while a statement runs.
    var canCheckConnection = false

    static let oldestVersion = 140_000

    init(schema: String) {
        self.schema = schema
    }

    /// The search path of everything that the tool runs: unqualified names of scripts land in `schema`.
    var searchPath: String {
        ([schema.quotedIdentifier] + furtherPath.filter { $0 != schema.quotedIdentifier })
            .joined(separator: ", ")
    }

    /// The settings of the session that depend on the server.
    var dependentSettings: [String] {
        ["SET search_path = \(searchPath)"]
            + (canCheckConnection ? ["SET client_connection_check_interval = '200ms'"] : [])
            + (version >= 170_000 ? ["SET transaction_timeout = '0'"] : [])
    }

    /// Refuses a server or a role that cannot be worked with.
    /// - Throws: `MigratorError`, status unavailable.
    func check(forWriting: Bool) throws {
        guard version >= Self.oldestVersion else {
            throw MigratorError(
                "server-too-old", .unavailable,
                "the server is PostgreSQL \(version / 10_000), and 14 is the oldest that works",
                hint: "upgrade the server")
        }
        guard schemaExists else {
            throw MigratorError(
                "schema-missing", .unavailable,
                "the schema \(schema.quotedIdentifier) does not exist in database \(database.quotedIdentifier)",
                hint: "create it with CREATE SCHEMA \(schema.quotedIdentifier), or name another one with --schema")
        }
        guard canUseSchema else {
            throw privilegeError("USAGE")
        }
        try checkSchemaOfLedger()
        guard forWriting else { return }
        guard !isReplica else {
            throw MigratorError(
                "read-only-replica", .unavailable,
                "the server is a read-only replica (it is in recovery)",
                hint: "connect to the primary, or add target_session_attrs=read-write to the database URL")
        }
        guard !isReadOnly else {
            throw MigratorError(
                "read-only-session", .unavailable,
                "transactions are read-only here (default_transaction_read_only is on)",
                hint: "connect to the primary, or as a role for which default_transaction_read_only is off")
        }
        guard announcedPID == actualPID else {
            throw MigratorError(
                "connection-pooler", .unavailable,
                "a connection pooler (such as PgBouncer in transaction mode) stands between migrator and the server",
                hint: "connect to the server itself, at its own host and port")
        }
        guard canCreateInSchema else {
            throw privilegeError("CREATE")
        }
    }

    /// Refuses another schema than the one that the ledger is about.
    /// - Throws: `MigratorError`, status configuration.
    func checkSchemaOfLedger() throws {
        guard let schemaOfLedger, schemaOfLedger != schema else { return }
        throw MigratorError(
            "schema-differs", .configuration,
            "the ledger is about the tables of schema \(schemaOfLedger.quotedIdentifier), not of \(schema.quotedIdentifier)",
            hint: "add --schema \(schemaOfLedger), or give \(schema.quotedIdentifier) a ledger of its own: "
                + "`ledger_schema` in migrator.toml")
    }

    private func privilegeError(_ privilege: String) -> MigratorError {
        MigratorError(
            "privilege-missing", .unavailable,
            "the role \(user.quotedIdentifier) lacks the privilege \(privilege) on schema \(schema.quotedIdentifier)",
            hint:
                "let its owner run GRANT \(privilege) ON SCHEMA \(schema.quotedIdentifier) TO \(user.quotedIdentifier)")
    }
}
