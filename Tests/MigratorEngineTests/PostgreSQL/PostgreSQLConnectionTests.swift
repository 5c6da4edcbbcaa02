import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

@Suite struct PostgreSQLConnectionTests {
    /// URL pieces, code.
    @Test(arguments: [
        ("postgresql:///missing_one?host=SOCKET&port=PORT&user=postgres", "database-missing"),
        ("postgresql:///postgres?host=SOCKET&port=PORT&user=nobody_here", "role-missing"),
        ("postgresql://postgres@127.0.0.1:1/postgres", "connection-refused"),
        ("postgresql:///postgres?host=/nowhere&user=postgres", "connection-refused"),
        ("postgresql://postgres@no-such-host.invalid/postgres", "host-unknown"),
        ("postgresql:///postgres?service=absent_one", "service-missing"),
    ])
    func failedConnectionIsWorded(_ url: String, _ code: String) throws {
        let server = try PostgreSQLServer.shared()
        let text = url.replacing("SOCKET", with: server.socketFolder).replacing("PORT", with: "\(server.port)")
        let error = migratorError {
            _ = try PostgreSQLBackend.open(
                PostgreSQLLocator(text), schema: nil, ledgerSchema: "migrator", forWriting: true)
        }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.status == .unavailable && error?.hint != nil)
    }

    /// What a server says, the code and a part of hint or message.
    @Test(
        arguments: [
            (\ServerFacts.version, 130_012, "server-too-old", "PostgreSQL 13"),
            (\ServerFacts.actualPID, 4711, "connection-pooler", "PgBouncer in transaction mode"),
        ] as [(WritableKeyPath<ServerFacts, Int> & Sendable, Int, String, String)])
    func figureOfTheServerIsJudged(
        _ fact: WritableKeyPath<ServerFacts, Int> & Sendable, _ value: Int, _ code: String, _ words: String
    ) throws {
        var facts = ServerFacts(schema: "app")
        try facts.check(forWriting: true)
        facts[keyPath: fact] = value
        let error = migratorError { try facts.check(forWriting: true) }
        #expect(error?.code == code && error?.status == .unavailable)
        #expect(error?.message.contains(words) == true)
    }

    @Test(
        arguments: [
            (\ServerFacts.isReplica, true, "read-only-replica", "read-only replica", false),
            (\ServerFacts.isReadOnly, true, "read-only-session", "read-only", false),
            (\ServerFacts.schemaExists, false, "schema-missing", "CREATE SCHEMA \"app\"", true),
            (\ServerFacts.canUseSchema, false, "privilege-missing", "GRANT USAGE ON SCHEMA \"app\" TO \"me\"", true),
            (
                \ServerFacts.canCreateInSchema, false, "privilege-missing", "GRANT CREATE ON SCHEMA \"app\" TO \"me\"",
                false
            ),
        ] as [(WritableKeyPath<ServerFacts, Bool> & Sendable, Bool, String, String, Bool)])
    func stateOfTheServerIsJudged(
        _ fact: WritableKeyPath<ServerFacts, Bool> & Sendable, _ value: Bool, _ code: String, _ words: String,
        _ readingToo: Bool
    ) throws {
        var facts = ServerFacts(schema: "app")
        facts.user = "me"
        facts[keyPath: fact] = value
        let error = migratorError { try facts.check(forWriting: true) }
        #expect(error?.code == code && error?.status == .unavailable)
        let text = [error?.message, error?.hint].compactMap { $0 }.joined(separator: " ")
        #expect(text.contains(words))
        #expect((migratorError { try facts.check(forWriting: false) } != nil) == readingToo)
    }

    @Test func roleWithoutPrivilegesIsToldWhatToGrant() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let owner = try database.session()
        try owner.execute(
            """
            CREATE ROLE weak_connection LOGIN; CREATE SCHEMA app; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
            CREATE SCHEMA "Odd" AUTHORIZATION weak_connection;
            """)
        let weak = try makeBackend(database, user: "weak_connection")
        let create = migratorError { try weak.checkServer(forWriting: true) }
        #expect(create?.hint?.contains(#"GRANT CREATE ON SCHEMA "public" TO "weak_connection""#) == true)
        let ledger = migratorError { try weak.prepareLedger() }
        #expect(ledger?.status == .unavailable)
        #expect(ledger?.hint?.contains(#"CREATE SCHEMA "migrator" AUTHORIZATION "weak_connection""#) == true)
        let odd = try makeBackend(database, schema: "Odd", user: "weak_connection")
        try odd.checkServer(forWriting: true)
        try odd.session.execute("CREATE TABLE here (id integer)")
        #expect(try odd.tableExists(TableName(schema: "Odd", "here")))
        try owner.execute("CREATE SCHEMA migrator AUTHORIZATION weak_connection")
        try odd.prepareLedger()
        let absent = try makeBackend(database, schema: "absent")
        #expect(migratorError { try absent.checkServer(forWriting: false) }?.code == "schema-missing")
    }

    @Test func ledgerIsMadeOnceAndANewerOneIsRefused() throws {
        let database = try PostgreSQLServer.shared().createDatabase()
        let first = try makeBackend(database)
        let second = try makeBackend(database)
        try first.prepareLedger()
        try second.prepareLedger()
        try first.session.execute("UPDATE migrator.format SET version = 99")
        let error = migratorError { try makeBackend(database).prepareLedger() }
        #expect(error?.code == "ledger-newer" && error?.status == .unavailable)
        #expect(try first.session.scalar("SELECT has_schema_privilege('public', 'migrator', 'USAGE')") == "f")
    }
}
