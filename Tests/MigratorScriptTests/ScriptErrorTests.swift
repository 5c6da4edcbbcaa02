import Testing

@testable import MigratorScript

/// A script and the code, line and column with which it is refused.
struct ErrorCase: CustomTestStringConvertible, Sendable {
    var text: String
    var code: String
    var place: String
    var testDescription: String { "\(code) at \(place): \(String(reflecting: text))" }

    init(_ text: String, _ code: String, _ place: String) {
        self.text = text
        self.code = code
        self.place = place
    }
}

func refusal(_ bytes: [UInt8], _ dialect: Dialect, file: String = "m/0002_b.sql") -> ScriptError? {
    do throws(ScriptError) {
        _ = try Script.parse(bytes: bytes, file: file, dialect: dialect)
        return nil
    } catch {
        return error
    }
}

/// Header and section in front of a text, which begins on line 4.
private func inUpgrade(_ text: String) -> String {
    "-- migrator:revision 0002\n-- migrator:revises 0001\n-- migrator:upgrade\n\(text)\n-- migrator:downgrade\n"
}

@Suite struct ScriptErrorTests {
    private func check(_ example: ErrorCase, _ text: String, _ dialect: Dialect) {
        let error = refusal(Array(text.utf8), dialect)
        #expect(error?.code == example.code)
        #expect(
            (error?.location.description).map { String($0.dropFirst("m/0002_b.sql:".count)) } == example.place
        )
        #expect(error?.message.isEmpty == false)
    }

    @Test(
        arguments: [
            ErrorCase("SELECT 'a;", "unterminated-quote", "4:8"),
            ErrorCase("SELECT 1;\n  SELECT 'a''", "unterminated-quote", "5:10"),
            ErrorCase("SELECT x'0", "unterminated-quote", "4:8"),
            ErrorCase("SELECT \"a", "unterminated-identifier", "4:8"),
            ErrorCase("SELECT 1 /* a", "unterminated-comment", "4:10"),
            ErrorCase("/* a", "unterminated-comment", "4:1"),
            ErrorCase("SELECT é, 'a", "unterminated-quote", "4:11"),
            ErrorCase("CREATE TABLE t (a int;\nSELECT 1;", "unclosed-parenthesis", "4:16"),
            ErrorCase("CREATE TABLE t (a int, b numeric(1, 2)", "unclosed-parenthesis", "4:16"),
            ErrorCase("SELECT 1\n-- migrator:verify x", "directive-inside-statement", "5:1"),
            ErrorCase("SELECT 1 -- migrator:verify x", "directive-inside-statement", "4:10"),
            ErrorCase("SELECT 1", "directive-inside-statement", "5:1"),
            ErrorCase("SELECT 1; -- migrator:verify x", "directive-not-alone", "4:11"),
            ErrorCase("/* a */ -- migrator:backup t", "directive-not-alone", "4:9"),
            ErrorCase("--migrator:backup t", "malformed-directive", "4:1"),
            ErrorCase("--  migrator:backup t", "malformed-directive", "4:1"),
            ErrorCase("--- migrator:backup t", "malformed-directive", "4:1"),
            ErrorCase("-- Migrator:backup t", "malformed-directive", "4:1"),
            ErrorCase("  -- MIGRATOR:backup t", "malformed-directive", "4:3"),
            ErrorCase("BEGIN;", "transaction-control", "4:1"),
            ErrorCase("SELECT 1;\n/* a */ commit;", "transaction-control", "5:9"),
            ErrorCase("ROLLBACK;", "transaction-control", "4:1"),
            ErrorCase("/**/ end /**/;", "transaction-control", "4:6"),
        ], Dialect.allCases)
    func `Both dialects refuse`(_ example: ErrorCase, _ dialect: Dialect) {
        check(example, inUpgrade(example.text), dialect)
    }

    @Test(arguments: [
        ErrorCase("SELECT E'\\'", "unterminated-quote", "4:8"),
        ErrorCase("SELECT E'a'\n'b\\'", "unterminated-quote", "4:8"),
        ErrorCase("SELECT U&'a", "unterminated-quote", "4:8"),
        ErrorCase("SELECT U&\"a", "unterminated-identifier", "4:8"),
        ErrorCase("SELECT $$a;", "unterminated-dollar-quote", "4:8"),
        ErrorCase("SELECT $a$ $A$ $$;", "unterminated-dollar-quote", "4:8"),
        ErrorCase("SELECT /* /* */", "unterminated-comment", "4:8"),
        ErrorCase("\\copy t from 'a'", "psql-command", "4:1"),
        ErrorCase("SELECT 1;\n \\copy t from program 'it''s'", "psql-command", "5:2"),
        ErrorCase("SELECT 1 \\gexec", "psql-command", "4:10"),
        ErrorCase("\\", "psql-command", "4:1"),
        ErrorCase("COPY t FROM STDIN;\n1\tit's\n\\.", "copy-data", "4:1"),
        ErrorCase("SELECT 1;\ncopy s.t (a, \"b\") from stdin with (format csv);", "copy-data", "5:1"),
        ErrorCase("COPY t FROM /* c */ StdIn;", "copy-data", "4:1"),
        ErrorCase("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", "unterminated-body", "4:1"),
        ErrorCase(
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 1 END;",
            "unterminated-body", "4:1"),
        ErrorCase("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2;", "unclosed-parenthesis", "4:36"),
        ErrorCase("START TRANSACTION;", "transaction-control", "4:1"),
        ErrorCase("PREPARE TRANSACTION 'a';", "transaction-control", "4:1"),
        ErrorCase("ABORT;", "transaction-control", "4:1"),
    ])
    func `PostgreSQL's scripts are refused`(_ example: ErrorCase) {
        check(example, inUpgrade(example.text), .postgresql)
    }

    @Test(arguments: [
        ErrorCase("SELECT [a", "unterminated-identifier", "4:8"),
        ErrorCase("SELECT `a", "unterminated-identifier", "4:8"),
        ErrorCase(".mode csv", "sqlite-dot-command", "4:1"),
        ErrorCase("SELECT 1;\n  .read it's.sql", "sqlite-dot-command", "5:3"),
        ErrorCase("CREATE TRIGGER r INSERT ON t BEGIN SELECT 1;", "unterminated-body", "4:1"),
        ErrorCase("CREATE TRIGGER r INSERT ON t BEGIN SELECT 1 END;", "unterminated-body", "4:1"),
        ErrorCase("CREATE TRIGGER r INSERT ON t BEGIN SELECT (1; END;", "unclosed-parenthesis", "4:43"),
        ErrorCase("END TRANSACTION;", "transaction-control", "4:1"),
    ])
    func `SQLite's scripts are refused`(_ example: ErrorCase) {
        check(example, inUpgrade(example.text), .sqlite)
    }

    @Test(
        arguments: [
            ([0x61, 0x0A, 0x62, 0x00], "nul-byte", "2:2"),
            ([0xFF, 0xFE, 0x2D, 0x00], "nul-byte", "1:4"),
            ([0xEF, 0xBB, 0xBF, 0x61, 0x00], "nul-byte", "1:2"),
            ([0x2D, 0x2D, 0x0A, 0x2D, 0x2D, 0xE9, 0x0A], "invalid-utf8", "2:3"),
            ([0xC3, 0xA9, 0xC3], "invalid-utf8", "1:2"),
            ([0xED, 0xA0, 0x80], "invalid-utf8", "1:1"),
            ([0xC0, 0x80], "invalid-utf8", "1:1"),
        ] as [([UInt8], String, String)])
    func `Bytes that are no text are refused`(_ bytes: [UInt8], _ code: String, _ place: String) {
        for dialect in Dialect.allCases {
            let error = refusal(bytes, dialect)
            #expect(error?.code == code)
            #expect(error?.location.description == "m/0002_b.sql:" + place)
        }
    }

    @Test func `What lies in quotes is not judged`() {
        for text in [
            "SELECT $$ \\copy t from 'a' $$;", "SELECT '\\.';", "SELECT $$BEGIN; COPY t FROM STDIN; $$;",
            "SELECT '\n-- migrator:nonsense\n';", "/* \\copy */ SELECT 1;",
            "SAVEPOINT a; ROLLBACK TO SAVEPOINT a;",
            "ROLLBACK WORK TO a; RELEASE a;", "PREPARE a AS SELECT 1;",
        ] {
            #expect(refusal(Array(inUpgrade(text).utf8), .postgresql) == nil, "\(text)")
        }
    }
}
