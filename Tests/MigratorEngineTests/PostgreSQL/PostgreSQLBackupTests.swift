import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

@testable import MigratorEngine

/// What a step is told, with a run of its own number.
func makeContext(run: Int = 1, setsAside: Bool = false) -> StepContext {
    var options = RunOptions()
    options.setsAside = setsAside
    return StepContext(
        runID: run, revision: "0002", direction: .upgrade, item: 0, options: options,
        reporter: SilentReporter())
}

/// The error that `body` ends with.
func migratorError(_ body: () throws -> Void) -> MigratorError? {
    do {
        try body()
        return nil
    } catch {
        return error as? MigratorError
    }
}

@Suite struct PostgreSQLBackupTests {
    private func prepared(_ sql: String) throws -> (TestDatabase, PostgreSQLBackend) {
        let database = try PostgreSQLServer.shared().createDatabase()
        let backend = try makeBackend(database)
        try backend.prepareLedger()
        try backend.session.execute(sql)
        return (database, backend)
    }

    /// The first is the control. Without a key it is the sums that tell.
    @Test(
        arguments: [
            ("", nil), ("INSERT INTO copy SELECT * FROM copy WHERE id = 3", ""),
            ("INSERT INTO copy SELECT 9, 'i', 9", "id 9 differs"), ("DELETE FROM copy WHERE id = 3", "id 3 differs"),
            ("UPDATE copy SET a = 'C ' WHERE id = 3", "id 3 differs"),
            ("UPDATE copy SET b = 3.0 WHERE id = 3", "id 3 differs"),
            ("UPDATE copy SET a = NULL WHERE id = 3", "id 3 differs"),
            ("UPDATE copy SET id = 9 WHERE id = 3", "id 3 differs"),
        ] as [(String, String?)])
    func aBackupThatIsNotTheTableIsRefused(_ damage: String, _ told: String?) throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE letters (id bigint PRIMARY KEY, a text, b numeric);
            INSERT INTO letters SELECT n, chr(64 + n), n FROM generate_series(1, 5) n;
            CREATE TABLE copy AS SELECT * FROM letters; \(damage)
            """)
        defer { withExtendedLifetime(database) {} }
        let source = try #require(try backend.catalog.relation(TableName("letters")))
        for key in ["id", nil] {
            let error = migratorError {
                _ = try backend.compare(source, with: TableName("copy"), columns: ["id", "a", "b"], key: key)
            }
            #expect(error?.code == told.map { _ in "backup-differs" }, "\(damage)")
            if key != nil, let told { #expect(told.isEmpty || error?.details.contains(told) == true, "\(damage)") }
        }
    }

    @Test func twoBackupsOfOneTableAreBothKept() throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE letters (id integer PRIMARY KEY, a json, b point, c numeric, d tsvector, e bytea, f xml);
            INSERT INTO letters SELECT n, '{"a":1}', '(1,2)', 1.00, 'a b', '\\x00ff', '<a/>' FROM generate_series(1, 500) n;
            ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
            """)
        defer { withExtendedLifetime(database) {} }
        try backend.session.begin()
        let first = try backend.backup(TableName("letters"), context: makeContext(run: 1))
        #expect(first.rows == 500)
        _ = try backend.backup(TableName("letters"), context: makeContext(run: 7))
        try backend.session.commit()
        let backups = try backend.ledger.backups()
        #expect(backups.map(\.name) == ["letters_backup_7", "letters_backup"])
        #expect(backups.map(\.rows) == [500, 500])
        #expect(backups[0].hash == backups[1].hash)
        #expect(backups[0].key == "id" && backups[0].columns == ["id", "a", "b", "c", "d", "e", "f"])
        #expect(backups[0].snapshot != nil && backups[0].systemIdentifier?.contains("/") == true)
        #expect(try backend.ledger.proofs(revision: "0002").map(\.check) == ["backup", "backup"])
        #expect(
            try backend.session.scalar(
                "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) g WHERE relname = 'letters_backup' AND grantee = 0"
            ) == "0")
        #expect(try backend.schemaSnapshot(of: nil).keys.sorted() == ["public.letters"])
        try backend.prune(backups[0])
        #expect(try backend.ledger.backups().map(\.name) == ["letters_backup"])
        #expect(try backend.catalog.relation(TableName("letters_backup_7")) == nil)
    }

    @Test func unregisteredBackupIsRefusedOrSetAside() throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE letters (id integer PRIMARY KEY); INSERT INTO letters VALUES (1);
            CREATE TABLE letters_backup (id integer PRIMARY KEY); INSERT INTO letters_backup VALUES (9);
            """)
        defer { withExtendedLifetime(database) {} }
        let refusal = migratorError {
            try backend.session.transaction {
                _ = try backend.backup(TableName("letters"), context: makeContext())
            }
        }
        #expect(refusal?.code == "backup-exists" && refusal?.status == .refused)
        try backend.session.transaction {
            _ = try backend.backup(TableName("letters"), context: makeContext(run: 3, setsAside: true))
        }
        #expect(
            try backend.ledger.backups().map(\.name) == ["letters_backup_set_aside_3", "letters_backup"])
        let missing = migratorError { _ = try backend.backup(TableName("none"), context: makeContext()) }
        #expect(missing?.code == "table-missing" && missing?.hint?.contains("stamp 0002") == true)
    }

    @Test func differenceIsFoundWithItsKey() throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE a (id integer PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x'), (2, ''), (3, NULL);
            CREATE TABLE b AS SELECT * FROM a; UPDATE b SET t = NULL WHERE id = 2;
            """)
        defer { withExtendedLifetime(database) {} }
        let a = try #require(try backend.catalog.relation(TableName("a")))
        let error = migratorError {
            _ = try backend.compare(a, with: TableName("b"), columns: ["id", "t"], key: "id")
        }
        #expect(error?.status == .difference && error?.details.contains("id 2 differs") == true)
    }

    /// Statement, whether the hash changes.
    @Test(arguments: [
        ("UPDATE t SET a = '' WHERE a IS NULL", true), ("UPDATE t SET n = 1.00 WHERE id = 1", true),
        ("UPDATE t SET a = upper(a)", true), ("DELETE FROM t WHERE id = 3", true),
        ("INSERT INTO t SELECT * FROM t", true), ("INSERT INTO t VALUES (9)", true),
        ("UPDATE t SET a = b, b = a WHERE id = 2", true),
        ("UPDATE t SET at = at + interval '4 hours' WHERE id = 1", true),
        ("UPDATE t SET id = CASE id WHEN 1 THEN 2 ELSE 1 END WHERE id < 3", true),
        ("UPDATE t SET a = a", false), ("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'", false),
        ("SET extra_float_digits = 0; SET bytea_output = escape; SET search_path = ''", false),
        ("CREATE TABLE u AS SELECT * FROM t ORDER BY id DESC; DROP TABLE t; ALTER TABLE u RENAME TO t", false),
    ])
    func hashChangesWithTheContentAlone(_ statement: String, _ changes: Bool) throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE t (id integer, a text, b text, n numeric, at timestamptz, f float8, y bytea);
            INSERT INTO t VALUES (1, 'a', 'bc', 1.0, '2024-01-01 00:00+00', 0.1, '\\x01'),
                (2, 'ab', 'c', 2, '2024-06-01 00:00+00', 1e300, ''), (3, NULL, '', NULL, NULL, NULL, NULL);
            """)
        defer { withExtendedLifetime(database) {} }
        let columns = ["id", "a", "b", "n", "at", "f", "y"]
        let before = try backend.contentHash(of: TableName("t"), columns: columns)
        try backend.session.execute(statement)
        let after = try backend.contentHash(of: TableName(schema: "public", "t"), columns: columns)
        #expect((before.hash != after.hash) == changes)
        #expect(before.rows == 3)
    }

    @Test func leftoversAreDroppedSetAsideOrRefused() throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE users (id serial PRIMARY KEY); INSERT INTO users DEFAULT VALUES;
            CREATE TABLE conversations (id serial PRIMARY KEY);
            CREATE TABLE parts (id integer PRIMARY KEY, c integer REFERENCES conversations);
            ALTER TABLE conversations ADD COLUMN part integer REFERENCES parts;
            CREATE TABLE messages (id serial PRIMARY KEY, u integer REFERENCES users ON DELETE CASCADE);
            CREATE INDEX messages_u ON messages (u); INSERT INTO messages (u) VALUES (1);
            """)
        defer { withExtendedLifetime(database) {} }
        let names = ["conversations", "parts", "messages", "absent"].map { TableName($0) }
        let before = try backend.schemaSnapshot(of: ["public.messages"])
        let refusal = migratorError {
            try backend.session.transaction {
                _ = try backend.clearLeftovers(names, context: makeContext())
            }
        }
        #expect(refusal?.code == "leftover-table" && refusal?.details == ["messages: 1 row"])
        #expect(try backend.tableExists(TableName("parts")))
        try backend.session.transaction {
            _ = try backend.clearLeftovers(names, context: makeContext(run: 4, setsAside: true))
        }
        for name in names { #expect(try backend.tableExists(name) == false) }
        #expect(try backend.catalog.relation(TableName("messages_pkey")) == nil)
        #expect(try backend.catalog.relation(TableName("messages_id_seq")) == nil)
        let backup = try #require(try backend.ledger.backups().first)
        #expect(backup.kind == .setAside && backup.rows == 1)
        try backend.session.execute("DELETE FROM users")
        #expect(try backend.session.scalar("SELECT count(*) FROM messages_set_aside_4") == "1")
        try backend.session.execute("INSERT INTO users (id) VALUES (1)")
        let outcome = try backend.restore(backup, into: nil, context: makeContext())
        #expect(outcome.details == ["messages_set_aside_4 renamed messages"])
        #expect(try backend.schemaSnapshot(of: ["public.messages"]) == before)
        #expect(try backend.ledger.backups().isEmpty)
    }

    @Test func leftoverThatSomethingNeedsIsRefused() throws {
        let (database, backend) = try prepared(
            "CREATE TABLE old (id integer); CREATE VIEW v AS SELECT * FROM old; CREATE TABLE made (id integer)")
        defer { withExtendedLifetime(database) {} }
        let refusal = migratorError {
            try backend.session.transaction {
                _ = try backend.clearLeftovers([TableName("old")], context: makeContext())
            }
        }
        #expect(refusal?.status == .refused && refusal?.details.contains { $0.contains("view v") } == true)
        let view = migratorError {
            try backend.session.transaction {
                _ = try backend.clearLeftovers([TableName("v")], context: makeContext())
            }
        }
        #expect(view?.code == "leftover-table" && view?.message.contains("view \"v\"") == true)
        try backend.ledger.add(
            ObjectRecord(
                runID: 1, revision: "0001", item: 0, kind: "created-table", name: "public.made", detail: ""))
        _ = try backend.clearLeftovers([TableName("made")], context: makeContext())
        #expect(try backend.tableExists(TableName("made")))
    }

    @Test func backupIsRestoredAndExported() throws {
        let (database, backend) = try prepared(
            """
            CREATE TABLE "odd ""table" (id integer PRIMARY KEY, t text COLLATE "C", j json);
            INSERT INTO "odd ""table" VALUES (1, E'tab\\tline\\nback\\\\slash \\U0001F600', '{}'), (2, NULL, NULL), (3, '\\N', '[]');
            """)
        let other = try PostgreSQLServer.shared().createDatabase()
        try backend.session.transaction {
            _ = try backend.backup(TableName("odd \"table"), context: makeContext())
        }
        let backup = try #require(try backend.ledger.backups().first)
        let taken = migratorError { _ = try backend.restore(backup, into: nil, context: makeContext()) }
        #expect(taken?.code == "table-exists")
        let outcome = try backend.restore(backup, into: "again", context: makeContext())
        #expect(outcome.rows == 3)
        let hash = try backend.contentHash(of: TableName("again"), columns: backup.columns).hash
        #expect(hash == backup.hash)

        var text = ""
        try backend.export([backup]) { text += $0 }
        _ = try other.psql(text)
        let copy = try makeBackend(other)
        #expect(try copy.contentHash(of: TableName(backup.name), columns: backup.columns).hash == hash)
        try backend.session.execute("UPDATE \(backend.quoted(TableName(backup.name))) SET t = 'x'")
        let changed = migratorError { _ = try backend.restore(backup, into: "third", context: makeContext()) }
        #expect(changed?.status == .difference)
        withExtendedLifetime(database) {}
    }
}
