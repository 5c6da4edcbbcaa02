import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// `migrator doctor`: what would hurt is found, on databases that are made so; a healthy one has no problem.
@Suite struct DoctorTests {
    struct Ailment: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var sql: String
        var level = "warning"
        /// Part of the finding's message.
        var message: String
    }

    private func findings(_ url: String, status: Int32 = 0) throws -> [(level: String, message: String)] {
        let result = try MigratorBinary.run(["doctor", "--json", "--database", url])
        #expect(result.status == status, "\(result.standardOutput)\(result.standardError)")
        let found = try result.object()["findings"] as? [[String: Any]] ?? []
        return found.map { ($0["level"] as? String ?? "", $0["message"] as? String ?? "") }
    }

    @Test(arguments: [
        Ailment(
            testDescription: "small memory", sql: "ALTER DATABASE DATABASE SET maintenance_work_mem = '1MB'",
            message: "index builds may use 1MB"),
        Ailment(
            testDescription: "no triggers", sql: "ALTER DATABASE DATABASE SET session_replication_role = 'replica'",
            level: "problem", message: "triggers do not fire: it is replica"),
        Ailment(
            testDescription: "read-only", sql: "ALTER DATABASE DATABASE SET default_transaction_read_only = on",
            level: "problem", message: "transactions are read-only here"),
        Ailment(
            testDescription: "an invalid index",
            sql: """
                CREATE TABLE t (a int); CREATE INDEX broken ON t (a);
                UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass
                """,
            message: "indexes that are not valid: broken"),
        Ailment(
            testDescription: "an event trigger",
            sql: """
                CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
                CREATE EVENT TRIGGER watcher ON ddl_command_start EXECUTE FUNCTION watch()
                """,
            message: "event triggers run at every change of the schema: watcher"),
    ])
    func `What would hurt on PostgreSQL is found`(_ ailment: Ailment) throws {
        let store = try PostgreSQLStore()
        #expect(try !findings(store.url).contains { $0.message.contains(ailment.message) })
        try store.run(
            ailment.sql.replacingOccurrences(of: "DATABASE DATABASE", with: "DATABASE \(store.database.name)"))
        let found = try findings(store.url, status: ailment.level == "problem" ? 69 : 0)
        #expect(found.contains { $0.level == ailment.level && $0.message.contains(ailment.message) }, "\(found)")
    }

    @Test func `A transaction of a moment is no finding`() throws {
        let store = try PostgreSQLStore()
        let other = try PostgreSQLSession(PostgreSQLLocator(store.url), applicationName: "sleeper")
        defer { other.close() }
        try other.begin()
        _ = try other.query("SELECT 1")
        #expect(try !findings(store.url).contains { $0.message.contains("sleeper") })
    }

    @Test func `A role that may too little is told so`() throws {
        let store = try PostgreSQLStore()
        let role = "doctor_\(store.database.name)"
        try store.run(
            """
            CREATE ROLE \(role) LOGIN; CREATE TABLE mine (a int); ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
            REVOKE CREATE ON SCHEMA public FROM PUBLIC
            """)
        defer { try? store.run("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let found = try findings(store.database.url(user: role), status: 69)
        for message in ["lacks the privilege CREATE", "may not create the ledger's schema", "belong to others"] {
            #expect(found.contains { $0.message.contains(message) }, "\(message): \(found)")
        }
        #expect(
            found.contains { $0.level == "problem" && $0.message.contains("row-level security hides rows of mine") })
    }

    @Test func `A server that is not there is a problem with a hint, and no password`() throws {
        let result = try MigratorBinary.run(["doctor", "--database", "postgresql://me:canary-word@127.0.0.1:1/none"])
        #expect(result.status == 69)
        #expect(result.standardOutput.contains("PROBLEM  connection"))
        #expect(result.standardOutput.contains("hint: start the server"))
        #expect(!(result.standardOutput + result.standardError).contains("canary-word"))
    }

    @Test func `What would hurt in a SQLite file is found`() throws {
        let store = try SQLiteStore()
        try store.run(
            """
            PRAGMA journal_mode = WAL; CREATE TABLE a (id INTEGER PRIMARY KEY);
            CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id)); INSERT INTO b VALUES (1, NULL)
            """)
        #expect(try findings(store.url).allSatisfy { $0.level == "ok" })
        let session = try store.session()
        defer { session.close() }
        try session.execute("PRAGMA foreign_keys = OFF; UPDATE b SET a = 7")
        #expect(try findings(store.url).contains { $0.message.contains("1 row without parent in b") })
        try session.begin()
        #expect(try findings(store.url).contains { $0.message.contains("another program is writing") })
        session.rollback()
    }

    @Test func `A damaged SQLite file is a problem`() throws {
        let store = try SQLiteStore()
        try store.run(
            """
            CREATE TABLE a (id INTEGER PRIMARY KEY, t TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            INSERT INTO a SELECT i, hex(randomblob(50)) FROM n
            """)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: store.path))
        try file.seek(toOffset: 4096 * 5)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4096 * 3))
        try file.close()
        let found = try findings(store.url, status: 69)
        #expect(found.contains { $0.level == "problem" && $0.message.contains("the file is damaged") }, "\(found)")
    }
}
