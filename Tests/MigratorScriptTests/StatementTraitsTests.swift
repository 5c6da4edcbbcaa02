import Testing

@testable import MigratorScript

private func traits(_ text: String, _ dialect: Dialect = .postgresql) -> StatementTraits {
    let place = ScriptLocation(file: "f.sql", line: 1)
    return StatementTraits(Statement(text: text, location: place, offset: 0), dialect: dialect)
}

@Suite struct StatementTraitsTests {
    @Test(arguments: [
        ("BEGIN", true), ("begin immediate", true), ("COMMIT WORK", true), ("END", true), ("ABORT", true),
        ("START TRANSACTION READ ONLY", true), ("ROLLBACK", true), ("ROLLBACK AND CHAIN", true),
        ("PREPARE TRANSACTION 'a'", true), ("COMMIT PREPARED 'a'", true), ("/* a */ COMMIT -- b", true),
        ("ROLLBACK TO a", false), ("ROLLBACK TRANSACTION TO SAVEPOINT a", false), ("SAVEPOINT a", false),
        ("RELEASE a", false), ("PREPARE a AS SELECT 1", false), ("SELECT 'BEGIN'", false),
        ("\"begin\"", false), ("SET TRANSACTION READ ONLY", false), ("COMMENT ON TABLE t IS 'a'", false),
    ])
    func `What begins or ends a transaction is known`(_ text: String, _ expected: Bool) {
        for dialect in Dialect.allCases { #expect(traits(text, dialect).isTransactionControl == expected) }
    }

    @Test(arguments: [
        ("VACUUM", true), ("VACUUM (FULL) t", true), ("ALTER SYSTEM SET a = 1", true),
        ("CREATE DATABASE a", true),
        ("DROP DATABASE a", true), ("CREATE TABLESPACE a LOCATION 'b'", true), ("REINDEX DATABASE a", true),
        ("REINDEX (VERBOSE) SYSTEM a", true), ("REINDEX SCHEMA a", true), ("REINDEX TABLE database", false),
        ("REINDEX INDEX CONCURRENTLY a", true), ("REINDEX (CONCURRENTLY) TABLE t", true), ("CLUSTER", true),
        ("CLUSTER VERBOSE", true), ("CLUSTER (VERBOSE)", true), ("CLUSTER t", false),
        ("CLUSTER (VERBOSE) t", false),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", true), ("DROP INDEX CONCURRENTLY i", true),
        ("CREATE INDEX i ON t (a)", false), ("CREATE INDEX \"concurrently\" ON t (a)", false),
        ("ALTER TABLE t DETACH PARTITION u CONCURRENTLY", true), ("ALTER TABLE t DETACH PARTITION u", false),
        ("ALTER DATABASE a SET TABLESPACE b", true), ("ALTER DATABASE a SET work_mem = '1MB'", false),
        ("ALTER SUBSCRIPTION a REFRESH PUBLICATION", true), ("ALTER SUBSCRIPTION a DISABLE", false),
        ("ALTER TYPE mood ADD VALUE 'calm'", false), ("ANALYZE", false), ("SELECT 'VACUUM'", false),
        ("-- VACUUM\nSELECT 1", false), ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", false),
    ])
    func `What PostgreSQL refuses inside a transaction is known`(_ text: String, _ expected: Bool) {
        #expect(traits(text).cannotRunInTransaction == expected)
    }

    @Test(arguments: [
        ("VACUUM", true), ("ATTACH 'a' AS b", true), ("DETACH b", true), ("PRAGMA foreign_keys = OFF", true),
        ("PRAGMA main.journal_mode = WAL", true), ("pragma JOURNAL_MODE", true),
        ("PRAGMA synchronous=1", true),
        ("PRAGMA user_version = 2", false), ("PRAGMA table_info(foreign_keys)", false),
        ("PRAGMA defer_foreign_keys = ON", false), ("REINDEX", false), ("CREATE INDEX i ON t (a)", false),
        ("PRAGMA wal_checkpoint(TRUNCATE)", true), ("PRAGMA \"foreign_keys\" = 1", true),
    ])
    func `What SQLite refuses inside a transaction is known`(_ text: String, _ expected: Bool) {
        #expect(traits(text, .sqlite).cannotRunInTransaction == expected)
    }

    @Test(
        arguments: [
            ("CREATE INDEX CONCURRENTLY i ON t (a)", .create(index: TableName("i"), table: TableName("t"))),
            (
                "create unique index concurrently if not exists \"I\" on only S.\"T\" using btree (a)",
                .create(index: TableName("I"), table: TableName(schema: "s", "T"))
            ),
            ("CREATE INDEX CONCURRENTLY ON t (a)", .create(index: nil, table: TableName("t"))),
            (
                "CREATE /* a */ INDEX CONCURRENTLY -- b\n i ON t (a)",
                .create(index: TableName("i"), table: TableName("t"))
            ),
            (
                "CREATE INDEX CONCURRENTLY U&\"i\" ON t (a)",
                .create(index: TableName("i"), table: TableName("t"))
            ),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS a, s.b CASCADE",
                .drop([TableName("a"), TableName(schema: "s", "b")])
            ),
            ("DROP INDEX CONCURRENTLY \"\u{301}a\"\"b\"", .drop([TableName("\u{301}a\"b")])),
            ("REINDEX TABLE CONCURRENTLY t", .reindex), ("REINDEX (VERBOSE, CONCURRENTLY) INDEX i", .reindex),
            ("CREATE INDEX i ON t (a)", nil), ("DROP INDEX i", nil),
            ("CREATE INDEX i ON concurrently (a)", nil),
        ] as [(String, StatementTraits.ConcurrentIndex?)])
    func `A concurrent index is told apart`(_ text: String, _ expected: StatementTraits.ConcurrentIndex?) {
        #expect(traits(text).concurrentIndex == expected)
        #expect(traits(text, .sqlite).concurrentIndex == nil)
    }

    @Test(arguments: [
        ("DROP TABLE t", true), ("ALTER TABLE t DROP COLUMN a", true), ("TRUNCATE t", true),
        ("DO $$ BEGIN NULL; END $$", true), ("CALL p()", true), ("SELECT f($$drop table t$$)", true),
        ("EXECUTE 'TrunCATE t'", true), ("CREATE TABLE t (a int)", false), ("SELECT dropped FROM t", false),
        ("SELECT \"drop\" FROM t", false), ("SELECT 1 -- DROP TABLE t", false),
        ("INSERT INTO t VALUES (1)", false),
    ])
    func `What may destroy is known`(_ text: String, _ expected: Bool) {
        #expect(traits(text).mayDestroy == expected)
    }

    @Test(
        arguments: [
            ("CREATE TABLE t (a int)", .createTable, "t", false),
            ("create unlogged table if not exists S.\"T\" (a int)", .createTable, "s.T", true),
            ("CREATE TEMP TABLE t AS SELECT 1", .createTable, "t", false),
            ("CREATE TABLE if (a int)", .createTable, "if", false),
            ("CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY s.t (a)", .createIndex, "s.t", true),
            ("CREATE INDEX ON t (a)", .createIndex, "t", false),
            ("CREATE INDEX CONCURRENTLY i ON t (a)", .createIndex, "t", false),
            ("ALTER TABLE IF EXISTS ONLY s.t ADD a int", .alterTable, "s.t", false),
            ("COMMENT ON TABLE t IS 'a'", .comment, "t", false),
            ("COMMENT ON COLUMN s.t.c IS 'a'", .comment, "s.t", false),
            ("COMMENT ON COLUMN t.c IS 'a'", .comment, "t", false),
            ("COMMENT ON CONSTRAINT c ON s.t IS 'a'", .comment, "s.t", false),
            ("COMMENT ON CONSTRAINT c ON DOMAIN d IS 'a'", nil, "", false),
            ("COMMENT ON FUNCTION f() IS 'a'", nil, "", false), ("ALTER INDEX i RENAME TO j", nil, "", false),
            ("ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", nil, "", false),
            ("CREATE VIEW v AS SELECT 1", nil, "", false), ("DROP TABLE t", nil, "", false),
            ("INSERT INTO t VALUES ('CREATE TABLE u (a int)')", nil, "", false),
        ] as [(String, StatementTraits.DefinitionKind?, String, Bool)])
    func `A definition names its table`(
        _ text: String, _ kind: StatementTraits.DefinitionKind?, _ table: String, _ ifNotExists: Bool
    ) {
        let definition = traits(text).definition
        #expect(definition?.kind == kind)
        #expect(definition?.table.description == (kind == nil ? nil : table))
        #expect(definition?.ifNotExists == (kind == nil ? nil : ifNotExists))
    }

    @Test func `SQLite's quotes name tables too`() {
        for text in ["CREATE TABLE [My T] (a)", "CREATE TABLE `My T` (a)", "CREATE TABLE \"My T\" (a)"] {
            #expect(traits(text, .sqlite).definition?.table == TableName("My T"))
        }
        #expect(traits("CREATE TABLE `a``b` (a)", .sqlite).definition?.table == TableName("a`b"))
        #expect(traits("CREATE TABLE 'My ''T' (a)", .sqlite).definition?.table == TableName("My 'T"))
        #expect(
            traits("ALTER TABLE main.'T' ADD a", .sqlite).definition?.table == TableName(schema: "main", "T"))
    }

    @Test(arguments: [
        (#"CREATE TABLE U&"d\0061t\+000061" (a int)"#, "data"), (#"CREATE TABLE u&"a\\b""c" (a int)"#, #"a\b"c"#),
        (#"CREATE TABLE U&"d!0061ta" UESCAPE '!' (a int)"#, "data"), (#"CREATE TABLE U&"\D83D\DE00" (a int)"#, "😀"),
        (#"CREATE TABLE U&"d!0061ta" /* a */ uescape -- b"# + "\n'!' (a int)", "data"),
        (#"CREATE TABLE "u&\0061" (a int)"#, #"u&\0061"#), (#"CREATE TABLE U&"\00" (a int)"#, #"\00"#),
    ])
    func `Unicode escapes of PostgreSQL's identifiers are read`(_ text: String, _ name: String) {
        #expect(traits(text).definition?.table == TableName(name))
    }

    @Test(arguments: [
        ("SELECT 1", true), ("(SELECT 1) UNION SELECT 2", true), ("VALUES (1)", true), ("TABLE t", true),
        ("WITH a AS (SELECT 1) SELECT * FROM a", true),
        ("WITH RECURSIVE a (n) AS (VALUES (1)) TABLE a", true),
        ("WITH a AS NOT MATERIALIZED (DELETE FROM t RETURNING 1) SELECT * FROM a", true),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", false),
        ("WITH a AS (SELECT 1) UPDATE t SET a = 1", false),
        ("WITH a AS (SELECT 1) DELETE FROM t", false),
        ("WITH a AS (SELECT 1) MERGE INTO t USING a ON true", false),
        ("WITH a AS (SELECT 1) (SELECT * FROM a)", true), ("INSERT INTO t SELECT 1", false),
        ("DELETE FROM t", false),
        ("EXPLAIN SELECT 1", false), ("\"select\"", false), ("-- SELECT\nUPDATE t SET a = 1", false),
        ("", false),
    ])
    func `A query is known`(_ text: String, _ expected: Bool) {
        #expect(traits(text).isQuery == expected)
    }

    @Test func `Identifiers are folded as SQL folds them`() {
        let found = traits("SELECT a.B, \"C\"\"d\", 'e', $$f$$, g$1, É /* h */ FROM \"J\".k -- l").identifiers
        #expect(found == ["select", "a", "b", "C\"d", "g$1", "É", "from", "J", "k"])
    }
}
