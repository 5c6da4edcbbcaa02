/// Texts that are hard to split: expressions, each of which is put into each of the frames.
enum SplitterCorpus {
    /// Values and operators in which a semicolon, a quote or a comment's beginning is something else.
    static let expressions = [
        "1", "';'", "''';'", "'it''s; fine'", "';' -- ; '\n", "';' /* ' ; */", "/* ; */ 1", "/* /* ; */ ; */ 2",
        "-- ; $$ '\n 3", "E';'", "E'\\';'", "E'\\\\'", "e'a\\n;\\''", "'a\\'", "'\\;'", "'a'\n 'b;'",
        "B'1010'", "X'1F'", "U&'\\0041;'", "U&'d!0061;' UESCAPE '!'", "N';'", "$$;$$", "$$ ' \" ; -- $$",
        "$a$ $$ ; $$ $a$", "$body$;$body$", "$_1$ ; $ $_1$", "$é$;$é$", "$a$ $b$ $a$", "1 - -1", "1 --\n - 2", "1 /2",
        "6 / 2 / 3",
        "5 % 2", "2 ^ 3", "'a' || ';'", "'a' ~ ';'", "'a' !~~ '%;'", "@ -5", "|/ 25", "a.b -> 'c;' ->> 'd'",
        "a #>> '{b,;}'",
        "a @> '{\"b\": \";\"}'", "a ?| ARRAY[';']", "a && b", "a <@ b", "ARRAY[1, 2][1]", "ARRAY[';', '''']",
        "(1, ';')",
        "ROW(';', $$;$$)", "CASE WHEN a THEN ';' ELSE 'end;' END", "CASE a WHEN 1 THEN CASE WHEN b THEN 2 END END",
        "\";\"", "\"a\"\";\"\"b\"", "\"begin\"", "\"end;\"", "U&\"d\\0061;\"", "a.\"b;c\".d", "\"$$\"", "a$b$c", "a$$",
        "_a$1$",
        "begin_date", "end_of_atomic", "case_id", "t.atomic", "\"case\" + \"end\"", "$1", "$1 + $2", "$1::text",
        "a::varchar(5)",
        "CAST(';' AS text)", "interval '1 day;'", "timestamp ';'", "1e5", "1.5e-3", ".5", "5.", "0x1F", "0b101",
        "1_000",
        "(SELECT ';' FROM t)", "EXISTS (SELECT 1)", "f(';', b => $$;$$)", "f(VARIADIC ARRAY[';'])",
        "count(*) FILTER (WHERE a)",
        "rank() OVER (PARTITION BY a ORDER BY b)", "a IS NOT DISTINCT FROM ';'", "a BETWEEN 1 AND 2",
        "a LIKE '%;' ESCAPE '\\'",
        "a COLLATE \"C\"", "a AT TIME ZONE 'x;'", "extract(epoch FROM a)", "position(';' IN a)",
        "overlay(a PLACING ';' FROM 1)",
        "trim(BOTH ';' FROM a)", "a OPERATOR(pg_catalog.+) b", "a <-> b", "a *<> b", "a !~ '--'", "a || '/*' || '*/'",
        "'é;' || 'ß'", "'\n;\n'", "'--' || ';'", "a /*c*/ + /*d*/ b", "xmlelement(name a, ';')", "(ARRAY[1,2,3])[1:2]",
        "a[1:]",
        "GROUPING(a)", "current_date", "NOT a", "a ISNULL", "a = ANY ('{;}')", "a <> ALL (SELECT 1)", "(a).b",
        "(f()).*",
    ]

    /// `?` is the expression.
    static let frames = [
        "SELECT ?;", "SELECT ? FROM t WHERE a = ';'", ";; SELECT 1; SELECT ?; ;",
        "INSERT INTO t VALUES (?), (';') ON CONFLICT DO NOTHING; -- end ;\n",
        "CREATE VIEW v AS SELECT ? AS x; /* ; */ COMMENT ON VIEW v IS 'a;b';",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT ?; SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (?); DELETE FROM t; END",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (?); DELETE FROM w; NOTIFY x); SELECT 3",
        "DO $do$ BEGIN PERFORM 1; END $do$; UPDATE t SET a = ?",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF a THEN b := 1; END IF; RETURN NEW; END; $$; SELECT ?;",
        "WITH x AS (SELECT ?) SELECT * FROM x; BEGIN; COMMIT; END",
    ]

    /// Statements whose own grammar holds what ends others.
    static let statements = [
        "CREATE RULE r AS ON UPDATE TO t DO INSTEAD (UPDATE u SET a = 1; SELECT 2;); SELECT 1",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING; SELECT 1",
        "CREATE FUNCTION f() RETURNS int RETURN 1; SELECT 2",
        "CREATE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql BEGIN ATOMIC END; SELECT 2",
        "CREATE FUNCTION \"begin\"() RETURNS int LANGUAGE sql AS 'SELECT 1;'; SELECT 2",
        "CREATE TABLE t (begin int, \"end\" text DEFAULT ';', atomic int); SELECT 1",
        "CREATE TABLE begin (a int); CREATE INDEX ON begin (a); SELECT atomic FROM begin",
        "CREATE OPERATOR === (LEFTARG = a, RIGHTARG = b, PROCEDURE = f); SELECT 1",
        "CREATE TYPE e AS ENUM (';', 'b'); ALTER TYPE e ADD VALUE 'c;'",
        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.a <> ';') EXECUTE FUNCTION f(';'); SELECT 1",
        "CREATE POLICY p ON t USING (a = ';'); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "PREPARE s AS SELECT ';'; EXECUTE s; DEALLOCATE s", "DECLARE c CURSOR FOR SELECT ';'; FETCH c; CLOSE c",
        "COPY t TO STDOUT WITH (DELIMITER ';'); SELECT 1", "SET search_path = 'a;b'; RESET ALL; SHOW ALL",
        "LISTEN a; NOTIFY a, ';'; UNLISTEN a", "GRANT SELECT ON t TO \"a;b\"; REVOKE ALL ON t FROM PUBLIC",
        "EXPLAIN (ANALYZE) SELECT ';'; VACUUM; ANALYZE t", "CALL p(';'); DO 'BEGIN END;'",
        "ALTER TABLE t ADD CHECK (a <> ';'), ALTER b SET DEFAULT $$;$$; SELECT 1",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = ';' WHEN NOT MATCHED THEN DO NOTHING; SELECT 1",
        "SECURITY LABEL FOR x ON TABLE t IS ';'; SELECT 1", "VALUES (1), (2); TABLE t; SELECT",
        "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1; SELECT 2", "/* only */ -- comments\n", "",
        ";;;",
        "START TRANSACTION; SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT AND CHAIN",
    ]

    static var texts: [String] {
        statements + frames.flatMap { frame in expressions.map { frame.replacing("?", with: $0) } }
    }
}
