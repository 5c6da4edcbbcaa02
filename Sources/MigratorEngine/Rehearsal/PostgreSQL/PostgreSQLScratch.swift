import MigratorDatabase
import MigratorScript

/// A database of its own on a PostgreSQL server, with a copy of the source's schema and rows.
///
/// The schema `migrator_rehearsal` inside holds the marker and the digests of rows; the session that keeps them holds
/// an advisory lock of this database for as long as the rehearsal lives.
final class PostgreSQLScratch: ScratchDatabase {
    static let schema = "migrator_rehearsal"
    /// Of the advisory lock within each scratch database.
    static let lockKey = 7_250_431_186_093

    let locator: PostgreSQLLocator
    let locks = LockLog()
    var report: RehearsalReport.Copy
    let name: String
    /// The tables as they were when rows were kept, by the state's name.
    var keptTables: [String: [ScratchTable]] = [:]
    private let admin: PostgreSQLSession
    /// Holds the lock, keeps the digests, looks at other sessions' locks.
    var keeper: PostgreSQLBackend
    private let schemaName: String
    private let ledgerSchema: String
    private var trace: PostgreSQLLockTrace?
    private let register: (any CancelHandle) -> Void

    private init(
        name: String, admin: PostgreSQLSession, keeper: PostgreSQLBackend, schema: String, ledgerSchema: String,
        report: RehearsalReport.Copy, register: @escaping (any CancelHandle) -> Void
    ) {
        self.name = name
        self.admin = admin
        self.keeper = keeper
        locator = admin.locator.database(named: name)
        schemaName = schema
        self.ledgerSchema = ledgerSchema
        self.report = report
        self.register = register
    }

    /// Copies what `source` is connected to. The source is only read, in one snapshot.
    static func make(from source: PostgreSQLBackend, options: RehearsalOptions) throws -> PostgreSQLScratch {
        guard let session = source.session as? PostgreSQLSession else {
            throw MigratorError("internal-error", .failed, "the session is not one of PostgreSQL")
        }
        let start = ContinuousClock.now
        var place = session.locator
        if let scratch = options.scratch {
            guard case .postgresql(let named) = scratch else {
                throw MigratorError(
                    "usage", .usage, "--scratch-url names a SQLite file, and the database is PostgreSQL",
                    hint: "name a database of the PostgreSQL server on which the copy shall be made")
            }
            place = named
        }
        let major = session.serverVersion / 10_000
        let dump = try PostgreSQLDump.find(named: options.pgDump, major: major)
        let isTemplate = dump == nil
        if isTemplate {
            guard options.scratch == nil, try isAlone(session) else { throw PostgreSQLDump.missing(major: major) }
            place = session.locator.database(named: "template1")
        }
        let admin: PostgreSQLSession
        do {
            admin = try PostgreSQLSession(place, applicationName: "migrator rehearse")
        } catch {
            throw ConnectionProblem.error(error, database: place)
        }
        let name = ScratchName()
        let facts = try ScratchDatabaseFacts(session)
        options.register(admin.cancelHandle)
        if isTemplate { session.close() }
        try create(name.text, facts, template: isTemplate ? facts.name : nil, admin: admin)
        do {
            let locator = admin.locator.database(named: name.text)
            let keeper = try mark(locator, source: session.locator.shown)
            let report = RehearsalReport.Copy(shown: locator.shown, method: dump?.version ?? "template")
            let scratch = PostgreSQLScratch(
                name: name.text, admin: admin,
                keeper: PostgreSQLBackend(
                    session: keeper, ledger: Ledger(session: keeper, schema: source.ledger.schema),
                    schema: source.schema),
                schema: source.schema, ledgerSchema: source.ledger.schema, report: report, register: options.register)
            if let dump {
                let loader = PostgreSQLCopyJob(source: source, session: session, target: locator, dump: dump)
                try loader.run(rowsPerTable: options.rowsPerTable, register: options.register, report: &scratch.report)
            } else {
                scratch.report.tables = try scratch.tables().count
                scratch.report.rows = try scratch.tables().reduce(0) {
                    $0 + (try keeper.scalar("SELECT count(*) FROM \($1.quoted)").asInt ?? 0)
                }
            }
            try scratch.keeper.adoptFacts()
            scratch.report.duration = ContinuousClock.now - start
            scratch.report.bytes = try scratch.bytes().all
            return scratch
        } catch {
            try? drop(name.text, admin: admin)
            throw error
        }
    }

    /// Nobody else is connected, and the copy takes seconds: for that long the server lets nobody connect.
    /// Who has just closed his connection may be seen for a moment longer.
    private static func isAlone(_ session: PostgreSQLSession) throws -> Bool {
        for attempt in 0..<10 {
            if attempt > 0 { _ = try session.query("SELECT pg_sleep(0.2)") }
            let isAlone = try session.scalar(
                """
                SELECT pg_database_size(current_database()) < 1073741824 AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')
                """
            ).asBool
            if isAlone { return true }
        }
        return false
    }

    private static func create(
        _ name: String, _ facts: ScratchDatabaseFacts, template: String?, admin: PostgreSQLSession
    ) throws {
        do throws(DatabaseError) {
            try admin.execute(
                "CREATE DATABASE \(name.quotedIdentifier) "
                    + (template.map { "TEMPLATE \($0.quotedIdentifier)" } ?? facts.options))
        } catch {
            guard error.kind == .insufficientPrivilege || error.kind == .readOnly else { throw error }
            throw MigratorError(
                "scratch-refused", .unavailable, "no scratch database can be made on this server: \(error.message)",
                hint: "let an administrator run ALTER ROLE … CREATEDB, or name a database of another server with "
                    + "--scratch-url")
        }
    }

    /// The lock first, then the marker: a marked database whose lock is free is nobody's any more.
    private static func mark(_ locator: PostgreSQLLocator, source: String) throws -> PostgreSQLSession {
        let session = try PostgreSQLSession(locator, applicationName: "migrator rehearse")
        _ = try session.query("SELECT pg_advisory_lock($1)", [SQLValue(lockKey)])
        try session.execute(
            """
            CREATE SCHEMA \(schema);
            CREATE TABLE \(schema).marker (source text NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
            INSERT INTO \(schema).marker (source) VALUES (\(source.quotedLiteral));
            CREATE UNLOGGED TABLE \(schema).kept (state text, relation text, key text, digest text)
            """)
        // What a crash of the server would lose is a copy.
        try session.execute(
            "ALTER DATABASE \((locator.database ?? "").quotedIdentifier) SET synchronous_commit = off")
        return session
    }

    func open() throws -> any Backend {
        let backend = try PostgreSQLBackend.open(
            locator, schema: schemaName, ledgerSchema: ledgerSchema, forWriting: true)
        if let session = backend.session as? PostgreSQLSession, let observer = keeper.session as? PostgreSQLSession {
            let trace = PostgreSQLLockTrace(
                log: locks, observer: observer, processID: session.backendPID, ledgerSchema: ledgerSchema)
            self.trace = trace
            session.trace = trace
        }
        register(backend.session.cancelHandle)
        return backend
    }

    func remove() throws {
        keeper.session.close()
        try Self.drop(name, admin: admin)
        admin.close()
    }

    static func drop(_ name: String, admin: PostgreSQLSession) throws {
        try admin.execute("DROP DATABASE IF EXISTS \(name.quotedIdentifier) WITH (FORCE)")
    }
}

/// What a database must have in common with its copy.
struct ScratchDatabaseFacts {
    var name: String
    /// Of CREATE DATABASE.
    var options: String

    init(_ session: PostgreSQLSession) throws {
        let row = try session.query(
            """
            SELECT d.datname, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate, d.datctype,
                   to_jsonb(d) ->> 'datlocprovider' AS provider,
                   coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
            FROM pg_catalog.pg_database d WHERE d.datname = current_database()
            """
        ).first
        name = row?.text("datname") ?? ""
        var parts = ["TEMPLATE template0", "ENCODING \((row?.text("encoding") ?? "UTF8").quotedLiteral)"]
        if let collation = row?.text("datcollate") { parts.append("LC_COLLATE \(collation.quotedLiteral)") }
        if let type = row?.text("datctype") { parts.append("LC_CTYPE \(type.quotedLiteral)") }
        let locale = row?.text("locale")?.quotedLiteral
        switch (row?.text("provider"), locale) {
        case ("i", let locale?): parts.append("LOCALE_PROVIDER icu ICU_LOCALE \(locale)")
        case ("b", let locale?): parts.append("LOCALE_PROVIDER builtin BUILTIN_LOCALE \(locale)")
        default: break
        }
        options = parts.joined(separator: " ")
    }
}

extension PostgreSQLBackend {
    /// For a session that was opened before the schema was there.
    func adoptFacts() throws {
        facts.hasLedger = try ledger.exists()
        facts.version = (session as? PostgreSQLSession)?.serverVersion ?? facts.version
    }
}
