import Testing

@testable import MigratorScript

@Suite struct SplitterTests {
    @Test(arguments: commonCases, Dialect.allCases)
    func `Both dialects split`(_ example: SplitCase, _ dialect: Dialect) throws {
        #expect(try split(Array(example.text.utf8), dialect).map(\.text) == example.statements)
    }

    @Test(arguments: postgreSQLCases + postgreSQLBodyCases)
    func `PostgreSQL's statements are split`(_ example: SplitCase) throws {
        #expect(try split(Array(example.text.utf8), .postgresql).map(\.text) == example.statements)
    }

    @Test(arguments: sqliteCases)
    func `SQLite's statements are split`(_ example: SplitCase) throws {
        #expect(try split(Array(example.text.utf8), .sqlite).map(\.text) == example.statements)
    }

    /// Every case without its final semicolon, with CRLF, and with more behind it.
    @Test(arguments: Dialect.allCases)
    func `Neither line endings nor neighbours change a statement`(_ dialect: Dialect) throws {
        let cases =
            commonCases + (dialect == .postgresql ? postgreSQLCases + postgreSQLBodyCases : sqliteCases)
        for example in cases where !example.text.utf8.contains(UInt8(ascii: "\r")) {
            let crlf = example.text.replacing("\n", with: "\r\n")
            let expected = example.statements.map { $0.replacing("\n", with: "\r\n") }
            #expect(try split(Array(crlf.utf8), dialect).map(\.text) == expected)
            let twice = example.text + "\n;\n" + example.text
            #expect(
                try split(Array(twice.utf8), dialect).map(\.text) == example.statements + example.statements)
        }
    }

    @Test func `Each statement is found at its line and character`() throws {
        let text = "-- é\n  SELECT 'é' /* é */; SELECT 2\n;\n\n\tSELECT 3"
        for dialect in Dialect.allCases {
            #expect(try split(Array(text.utf8), dialect).map(\.place) == ["2:3", "2:23", "5:2"])
        }
    }

    /// Against a plain count from the line's start, across the blocks that the search skips by.
    @Test func `A place far along a line counts characters`() throws {
        let text = String(repeating: "é😀a;", count: 700) + "\n" + String(repeating: "ü", count: 3000)
        let bytes = Array(text.utf8)
        let source = try SourceText(bytes, file: "f.sql")
        var line = 1
        var column = 1
        for (offset, byte) in bytes.enumerated() {
            if byte & 0xC0 != 0x80 {
                #expect(source.location(offset) == ScriptLocation(file: "f.sql", line: line, column: column))
                column += 1
            }
            if byte == UInt8(ascii: "\n") { (line, column) = (line + 1, 1) }
        }
        #expect(source.location(bytes.count).column == column)
    }
    @Test func `A BOM is no part of the first statement, and counts for its offset`() throws {
        let body =
            "-- migrator:revision 1\n-- migrator:revises base\n-- migrator:upgrade\nSELECT 1;\n-- migrator:downgrade\n"
        let plain = try Script.parse(bytes: Array(body.utf8), file: "1_a.sql", dialect: .sqlite)
        let marked = try Script.parse(
            bytes: [0xEF, 0xBB, 0xBF] + Array(body.utf8), file: "1_a.sql", dialect: .sqlite)
        guard case .statement(let first) = try plain.upgrade.items[0].action,
            case .statement(let second) = try marked.upgrade.items[0].action
        else { throw Failure() }
        #expect(second.offset == first.offset + 3)
        #expect(second.location == first.location)
        #expect(marked.checksum == plain.checksum)
        struct Failure: Error {}
    }

    @Test func `Ten megabytes are one script`() throws {
        let line = "INSERT INTO t (id, body) VALUES (1, 'It''s a line; with a semicolon'); -- comment\n"
        let count = (10 << 20) / line.utf8.count + 1
        let bytes = Array(String(repeating: line, count: count).utf8)
        #expect(try split(bytes, .postgresql).count == count)
        let quoted = Array("SELECT $long$".utf8) + bytes + Array("$long$;".utf8)
        #expect(try split(quoted, .postgresql).count == 1)
    }
}

let commonCases: [SplitCase] = [
    SplitCase(""),
    SplitCase(" \t\n\u{0C}"),
    SplitCase(";"),
    SplitCase(" ; ;; \n;"),
    SplitCase("-- only a comment"),
    SplitCase("/* only a comment; */ -- and; another"),
    SplitCase("/**/;/***/"),
    SplitCase("SELECT 1", "SELECT 1"),
    SplitCase("SELECT 1;", "SELECT 1"),
    SplitCase("  SELECT 1  ;  ", "SELECT 1"),
    SplitCase("SELECT 1;SELECT 2", "SELECT 1", "SELECT 2"),
    SplitCase("SELECT 1;\n\nSELECT 2;\n", "SELECT 1", "SELECT 2"),
    SplitCase("SELECT 1;;SELECT 2;;", "SELECT 1", "SELECT 2"),
    SplitCase("SELECT\n  1\n;", "SELECT\n  1"),
    SplitCase("SELECT 1 -- one;\n;SELECT 2", "SELECT 1", "SELECT 2"),
    SplitCase("SELECT 1 -- one;\n, 2;", "SELECT 1 -- one;\n, 2"),
    SplitCase("-- before;\nSELECT 1;-- after;", "SELECT 1"),
    SplitCase("/* a; */ SELECT 1 /* b; */;", "SELECT 1"),
    SplitCase("SELECT /* a; */ 1;", "SELECT /* a; */ 1"),
    SplitCase("SELECT 1/* a *//* b */+2;", "SELECT 1/* a *//* b */+2"),
    SplitCase("SELECT /*/ ; */ 1;", "SELECT /*/ ; */ 1"),
    SplitCase("SELECT /* '; */ 1;", "SELECT /* '; */ 1"),
    SplitCase("SELECT '/*'; SELECT '*/';", "SELECT '/*'", "SELECT '*/'"),
    SplitCase("SELECT '--'; SELECT 2;", "SELECT '--'", "SELECT 2"),
    SplitCase("SELECT 'a;b';", "SELECT 'a;b'"),
    SplitCase("SELECT 'it''s; so';", "SELECT 'it''s; so'"),
    SplitCase("SELECT '''';SELECT '';", "SELECT ''''", "SELECT ''"),
    SplitCase("SELECT '''a;''';", "SELECT '''a;'''"),
    SplitCase("SELECT 'a\nb;c';", "SELECT 'a\nb;c'"),
    SplitCase("SELECT 'a'\n'b;';", "SELECT 'a'\n'b;'"),
    SplitCase("SELECT 'back\\'; SELECT 2;", "SELECT 'back\\'", "SELECT 2"),
    SplitCase("SELECT \"a;b\" FROM \"t;\";", "SELECT \"a;b\" FROM \"t;\""),
    SplitCase("SELECT \"a\"\"b;\";", "SELECT \"a\"\"b;\""),
    SplitCase("SELECT \"it's\"; SELECT 2;", "SELECT \"it's\"", "SELECT 2"),
    SplitCase("SELECT x'00', X'3b';", "SELECT x'00', X'3b'"),
    SplitCase("SELECT 1-1; SELECT 1 - -1;", "SELECT 1-1", "SELECT 1 - -1"),
    SplitCase("SELECT 4/2; SELECT 4 / 2 * 2;", "SELECT 4/2", "SELECT 4 / 2 * 2"),
    SplitCase("SELECT 2*/* ; */3;", "SELECT 2*/* ; */3"),
    SplitCase("SELECT 1--;\n+1;", "SELECT 1--;\n+1"),
    SplitCase("SELECT 1---;\n;", "SELECT 1"),
    SplitCase("SELECT a->'b;', a->>'c;' FROM t;", "SELECT a->'b;', a->>'c;' FROM t"),
    SplitCase("SELECT 1.5e-3, .5, 1., 0x1F;", "SELECT 1.5e-3, .5, 1., 0x1F"),
    SplitCase("SELECT 1e5;SELECT 2;", "SELECT 1e5", "SELECT 2"),
    SplitCase("SELECT (1), ((2));SELECT 3;", "SELECT (1), ((2))", "SELECT 3"),
    SplitCase("SELECT ')';SELECT '(';", "SELECT ')'", "SELECT '('"),
    SplitCase("SELECT (')');SELECT 2;", "SELECT (')')", "SELECT 2"),
    SplitCase("SELECT 1);SELECT 2;", "SELECT 1)", "SELECT 2"),
    SplitCase("SELECT ( -- )\n1);SELECT 2;", "SELECT ( -- )\n1)", "SELECT 2"),
    SplitCase("SELECT 'é;ü'; SELECT \"ß;\";", "SELECT 'é;ü'", "SELECT \"ß;\""),
    SplitCase("SELECT größe FROM naïve;SELECT 2", "SELECT größe FROM naïve", "SELECT 2"),
    SplitCase("SELECT '😀;';SELECT 2", "SELECT '😀;'", "SELECT 2"),
    SplitCase("CREATE TABLE t (id integer, body text);", "CREATE TABLE t (id integer, body text)"),
    SplitCase(
        "CREATE TABLE t (\n  id integer, -- the key;\n  body text /* ; */\n);\nSELECT 2",
        "CREATE TABLE t (\n  id integer, -- the key;\n  body text /* ; */\n)", "SELECT 2"),
    SplitCase("BEGIN; SELECT 1; END;", "BEGIN", "SELECT 1", "END"),
    SplitCase(
        "SELECT CASE WHEN a THEN 1 ELSE 2 END FROM t; SELECT 2;",
        "SELECT CASE WHEN a THEN 1 ELSE 2 END FROM t",
        "SELECT 2"),
    SplitCase("CREATE TABLE begin_end (a int); SELECT 2", "CREATE TABLE begin_end (a int)", "SELECT 2"),
    SplitCase(
        "CREATE INDEX i ON t (a); CREATE INDEX j ON t (b)", "CREATE INDEX i ON t (a)",
        "CREATE INDEX j ON t (b)"),
    SplitCase("CREATE VIEW v AS SELECT 1; DROP VIEW v;", "CREATE VIEW v AS SELECT 1", "DROP VIEW v"),
    SplitCase("UPDATE t SET a = 'x' WHERE b <> 'y;';", "UPDATE t SET a = 'x' WHERE b <> 'y;'"),
    SplitCase(
        "WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b; SELECT 3",
        "WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b", "SELECT 3"),
    SplitCase(
        "INSERT INTO t VALUES ('a;', ('b')), (';', '');", "INSERT INTO t VALUES ('a;', ('b')), (';', '')"),
    SplitCase("SELECT 'a' -- it's\n, 'b;';SELECT 2", "SELECT 'a' -- it's\n, 'b;'", "SELECT 2"),
    SplitCase("SELECT 1 /* it's; */, 'b;';SELECT 2", "SELECT 1 /* it's; */, 'b;'", "SELECT 2"),
    SplitCase("SELECT '\\''';SELECT 2", "SELECT '\\'''", "SELECT 2"),
    SplitCase("SELECT 1\u{0B};SELECT\u{0C}2", "SELECT 1", "SELECT\u{0C}2"),
    SplitCase("SELECT 1 -- migrator is a word here\n;", "SELECT 1"),
    SplitCase("/* -- migrator:backup t */ SELECT 1;", "SELECT 1"),
    SplitCase("SELECT '\n-- migrator:backup t\n';", "SELECT '\n-- migrator:backup t\n'"),
]

let sqliteCases: [SplitCase] = [
    SplitCase("SELECT [a;b] FROM [t];SELECT 2", "SELECT [a;b] FROM [t]", "SELECT 2"),
    SplitCase("SELECT [a\"b], ['];SELECT 2", "SELECT [a\"b], [']", "SELECT 2"),
    SplitCase("SELECT [--], [/*];SELECT 2", "SELECT [--], [/*]", "SELECT 2"),
    SplitCase("SELECT `a;b` FROM `t`;SELECT 2", "SELECT `a;b` FROM `t`", "SELECT 2"),
    SplitCase("SELECT `a``;b`;SELECT 2", "SELECT `a``;b`", "SELECT 2"),
    SplitCase("SELECT `it's`;SELECT 2", "SELECT `it's`", "SELECT 2"),
    SplitCase("SELECT $$;SELECT 2;$$;", "SELECT $$", "SELECT 2", "$$"),
    SplitCase("SELECT E'\\';SELECT 2", "SELECT E'\\'", "SELECT 2"),
    SplitCase("SELECT /* /* ; */ 1;SELECT 2", "SELECT /* /* ; */ 1", "SELECT 2"),
    SplitCase("SELECT ?1, :a, @b, $c;SELECT 2", "SELECT ?1, :a, @b, $c", "SELECT 2"),
    SplitCase("SELECT 1 \\;SELECT 2", "SELECT 1 \\", "SELECT 2"),
    SplitCase("-- a\rb;\nSELECT 1;", "SELECT 1"),
    SplitCase("BEGIN IMMEDIATE; COMMIT", "BEGIN IMMEDIATE", "COMMIT"),
    SplitCase(
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 2",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END"),
    SplitCase(
        "create temp trigger if not exists r after insert on t begin select 1; select 2; end; select 3",
        "create temp trigger if not exists r after insert on t begin select 1; select 2; end", "select 3"),
    SplitCase(
        "EXPLAIN CREATE TRIGGER r INSERT ON t BEGIN SELECT 1; END; SELECT 2",
        "EXPLAIN CREATE TRIGGER r INSERT ON t BEGIN SELECT 1; END", "SELECT 2"),
    SplitCase(
        "explain query plan create temp trigger r insert on t begin select 1; end; select 2",
        "explain query plan create temp trigger r insert on t begin select 1; end", "select 2"),
    SplitCase("EXPLAIN QUERY PLAN SELECT 1; SELECT 2", "EXPLAIN QUERY PLAN SELECT 1", "SELECT 2"),
    SplitCase(
        "CREATE TEMPORARY TRIGGER r DELETE ON t BEGIN SELECT 1; END; SELECT 2",
        "CREATE TEMPORARY TRIGGER r DELETE ON t BEGIN SELECT 1; END", "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r UPDATE ON t BEGIN\n  UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END;\nEND;\nSELECT 2",
        "CREATE TRIGGER r UPDATE ON t BEGIN\n  UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END;\nEND",
        "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r UPDATE ON t WHEN CASE WHEN 1 THEN 1 END BEGIN SELECT CASE 1 WHEN CASE 2 WHEN 2 THEN 1 END THEN 3 END; END;SELECT 2",
        "CREATE TRIGGER r UPDATE ON t WHEN CASE WHEN 1 THEN 1 END BEGIN SELECT CASE 1 WHEN CASE 2 WHEN 2 THEN 1 END THEN 3 END; END",
        "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r INSERT ON t BEGIN INSERT INTO log (start, end) VALUES (NEW.start, NEW.end); SELECT end FROM t; END; SELECT 2",
        "CREATE TRIGGER r INSERT ON t BEGIN INSERT INTO log (start, end) VALUES (NEW.start, NEW.end); SELECT end FROM t; END",
        "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r INSERT ON t BEGIN SELECT 1; -- ; END;\n/* END; */ END; SELECT 2",
        "CREATE TRIGGER r INSERT ON t BEGIN SELECT 1; -- ; END;\n/* END; */ END", "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER r INSERT ON t BEGIN SELECT '; END;'; END; SELECT 2",
        "CREATE TRIGGER r INSERT ON t BEGIN SELECT '; END;'; END", "SELECT 2"),
    SplitCase(
        "CREATE TRIGGER [begin] INSERT ON t BEGIN SELECT [end]; END; SELECT 2",
        "CREATE TRIGGER [begin] INSERT ON t BEGIN SELECT [end]; END", "SELECT 2"),
    SplitCase(
        "CREATE /* c */ TRIGGER r INSERT ON t BEGIN SELECT 1; END /* c */; SELECT 2",
        "CREATE /* c */ TRIGGER r INSERT ON t BEGIN SELECT 1; END", "SELECT 2"),
    SplitCase("CREATE TRIGGER r; SELECT 2", "CREATE TRIGGER r", "SELECT 2"),
    SplitCase(
        "CREATE TABLE trigger_t (begin int); SELECT 2", "CREATE TABLE trigger_t (begin int)", "SELECT 2"),
    SplitCase(
        "CREATE TABLE t (a, b AS (a + 1), begin, end); SELECT 2",
        "CREATE TABLE t (a, b AS (a + 1), begin, end)", "SELECT 2"),
    SplitCase("DROP TRIGGER r; SELECT 2", "DROP TRIGGER r", "SELECT 2"),
    SplitCase("PRAGMA foreign_keys = ON; SELECT 2", "PRAGMA foreign_keys = ON", "SELECT 2"),
    SplitCase(
        "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = \"porter\"); SELECT 2",
        "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = \"porter\")", "SELECT 2"),
    SplitCase("SELECT 'copy'; COPY t FROM stdin", "SELECT 'copy'", "COPY t FROM stdin"),
]
