let postgreSQLCases: [SplitCase] = [
    // Dollar quotes.
    SplitCase("SELECT $$a;b$$;SELECT 2", "SELECT $$a;b$$", "SELECT 2"),
    SplitCase("SELECT $a$a;b$a$;SELECT 2", "SELECT $a$a;b$a$", "SELECT 2"),
    SplitCase("SELECT $$it's; \"x$$;SELECT 2", "SELECT $$it's; \"x$$", "SELECT 2"),
    SplitCase("SELECT $a$ $b$;$b$ $a$;SELECT 2", "SELECT $a$ $b$;$b$ $a$", "SELECT 2"),
    SplitCase("SELECT $a$ $$;$$ $a$;SELECT 2", "SELECT $a$ $$;$$ $a$", "SELECT 2"),
    SplitCase("SELECT $a$ $A$;$a$;SELECT 2", "SELECT $a$ $A$;$a$", "SELECT 2"),
    SplitCase("SELECT $a$ $ab$a$;SELECT 2", "SELECT $a$ $ab$a$", "SELECT 2"),
    SplitCase("SELECT $a$ $$a$;SELECT 2", "SELECT $a$ $$a$", "SELECT 2"),
    SplitCase("SELECT $_1$;$_1$;SELECT 2", "SELECT $_1$;$_1$", "SELECT 2"),
    SplitCase("SELECT $é$;$é$;SELECT 2", "SELECT $é$;$é$", "SELECT 2"),
    SplitCase("SELECT $$$$;SELECT 2", "SELECT $$$$", "SELECT 2"),
    SplitCase("SELECT $$;$$||$$;$$;SELECT 2", "SELECT $$;$$||$$;$$", "SELECT 2"),
    SplitCase("SELECT $$ -- ;\n /* ; $$;SELECT 2", "SELECT $$ -- ;\n /* ; $$", "SELECT 2"),
    SplitCase("SELECT $$\\$$;SELECT 2", "SELECT $$\\$$", "SELECT 2"),
    SplitCase("SELECT a$b$c;SELECT d$b$e;", "SELECT a$b$c", "SELECT d$b$e"),
    SplitCase("SELECT a$$;SELECT b$$;", "SELECT a$$", "SELECT b$$"),
    SplitCase("SELECT é$a$;SELECT $1", "SELECT é$a$", "SELECT $1"),
    SplitCase("SELECT 1$$;$$;SELECT 2", "SELECT 1$$;$$", "SELECT 2"),
    SplitCase("SELECT 1$a$;$a$;SELECT 2", "SELECT 1$a$;$a$", "SELECT 2"),
    SplitCase("SELECT '$$'; SELECT '$$';", "SELECT '$$'", "SELECT '$$'"),
    SplitCase("SELECT \"$$\"; SELECT \"$$\";", "SELECT \"$$\"", "SELECT \"$$\""),
    SplitCase("-- $$\nSELECT 1; -- $$\nSELECT 2", "SELECT 1", "SELECT 2"),
    SplitCase("SELECT ($$)$$);SELECT 2", "SELECT ($$)$$)", "SELECT 2"),
    // Parameters.
    SplitCase("SELECT $1;SELECT $2", "SELECT $1", "SELECT $2"),
    SplitCase("SELECT $1$2;SELECT 2", "SELECT $1$2", "SELECT 2"),
    SplitCase("SELECT $1+$2;$3", "SELECT $1+$2", "$3"),
    SplitCase("SELECT $1$$;$$;SELECT 2", "SELECT $1$$;$$", "SELECT 2"),
    SplitCase("SELECT $a;SELECT 2", "SELECT $a", "SELECT 2"),
    SplitCase("SELECT $;SELECT 2", "SELECT $", "SELECT 2"),
    SplitCase("SELECT $-$;$-$", "SELECT $-$", "$-$"),
    // Escape strings.
    SplitCase("SELECT E'\\';';SELECT 2", "SELECT E'\\';'", "SELECT 2"),
    SplitCase("SELECT e'\\\\';SELECT 2", "SELECT e'\\\\'", "SELECT 2"),
    SplitCase("SELECT E'a''b\\';';SELECT 2", "SELECT E'a''b\\';'", "SELECT 2"),
    SplitCase("SELECT E'\\\\\\';';SELECT 2", "SELECT E'\\\\\\';'", "SELECT 2"),
    SplitCase("SELECT E'a'\n'b\\';';SELECT 2", "SELECT E'a'\n'b\\';'", "SELECT 2"),
    SplitCase("SELECT E'a' -- c\n -- d\n 'b\\';';SELECT 2", "SELECT E'a' -- c\n -- d\n 'b\\';'", "SELECT 2"),
    SplitCase("SELECT E'a' 'b\\';SELECT 2", "SELECT E'a' 'b\\'", "SELECT 2"),
    SplitCase("SELECT E'a'\n;SELECT '\\';", "SELECT E'a'", "SELECT '\\'"),
    SplitCase("SELECT E'a'\n/* c */'b\\';SELECT 2", "SELECT E'a'\n/* c */'b\\'", "SELECT 2"),
    SplitCase("SELECT E'a' -- 'c\n;SELECT 2", "SELECT E'a'", "SELECT 2"),
    SplitCase("SELECT me'\\';SELECT 2", "SELECT me'\\'", "SELECT 2"),
    SplitCase("SELECT E '\\';SELECT 2", "SELECT E '\\'", "SELECT 2"),
    SplitCase("SELECT e;SELECT E", "SELECT e", "SELECT E"),
    SplitCase("SELECT B'01', b'1';SELECT 2", "SELECT B'01', b'1'", "SELECT 2"),
    SplitCase("SELECT N'a\\';SELECT 2", "SELECT N'a\\'", "SELECT 2"),
    SplitCase("SELECT U&'\\0041;';SELECT 2", "SELECT U&'\\0041;'", "SELECT 2"),
    SplitCase("SELECT u&'d!0061;' UESCAPE '!';SELECT 2", "SELECT u&'d!0061;' UESCAPE '!'", "SELECT 2"),
    SplitCase("SELECT U&'\\';SELECT 2", "SELECT U&'\\'", "SELECT 2"),
    SplitCase("SELECT U&\"d\\0061;\" FROM t;SELECT 2", "SELECT U&\"d\\0061;\" FROM t", "SELECT 2"),
    SplitCase("SELECT u&1;SELECT u & 'a;'", "SELECT u&1", "SELECT u & 'a;'"),
    // Comments nest, and end with a carriage return.
    SplitCase("SELECT /* a /* ; */ ; */ 1;SELECT 2", "SELECT /* a /* ; */ ; */ 1", "SELECT 2"),
    SplitCase("/* /* /* ; */ */ */SELECT 1", "SELECT 1"),
    SplitCase("/*/**/;*/SELECT 1", "SELECT 1"),
    SplitCase("/* -- */ SELECT 1; -- /*\nSELECT 2", "SELECT 1", "SELECT 2"),
    SplitCase("-- a\rSELECT 1;\rSELECT 2", "SELECT 1", "SELECT 2"),
    // Operators.
    SplitCase(
        "SELECT a #- b, a @> b, a ?| b, a <-> b;SELECT 2", "SELECT a #- b, a @> b, a ?| b, a <-> b",
        "SELECT 2"),
    SplitCase("SELECT @-1;SELECT !!2", "SELECT @-1", "SELECT !!2"),
    SplitCase("SELECT a <--;\nb;SELECT 2", "SELECT a <--;\nb", "SELECT 2"),
    SplitCase("SELECT a +/* ; */ b;SELECT 2", "SELECT a +/* ; */ b", "SELECT 2"),
    SplitCase("SELECT a->>0, a#>>'{b;}' ;SELECT 2", "SELECT a->>0, a#>>'{b;}'", "SELECT 2"),
    SplitCase(
        "CREATE OPERATOR -/ (leftarg = a, procedure = f);SELECT 2",
        "CREATE OPERATOR -/ (leftarg = a, procedure = f)", "SELECT 2"),
    SplitCase("SELECT ARRAY[1,2][1];SELECT a[1:2]", "SELECT ARRAY[1,2][1]", "SELECT a[1:2]"),
    SplitCase("SELECT ARRAY['a;]'];SELECT 2", "SELECT ARRAY['a;]']", "SELECT 2"),
    SplitCase("SELECT `a;SELECT 2", "SELECT `a", "SELECT 2"),
    SplitCase("SELECT 'a'::text, 1::int;SELECT 2", "SELECT 'a'::text, 1::int", "SELECT 2"),
    // COPY that needs no data from the client.
    SplitCase("COPY t FROM '/tmp/a';SELECT 2", "COPY t FROM '/tmp/a'", "SELECT 2"),
    SplitCase("COPY t FROM PROGRAM 'cat stdin';SELECT 2", "COPY t FROM PROGRAM 'cat stdin'", "SELECT 2"),
    SplitCase(
        "COPY (SELECT a FROM stdin) TO '/tmp/a';SELECT 2", "COPY (SELECT a FROM stdin) TO '/tmp/a'",
        "SELECT 2"),
    SplitCase("COPY t TO STDOUT;SELECT 2", "COPY t TO STDOUT", "SELECT 2"),
    SplitCase("SELECT a FROM stdin;SELECT 2", "SELECT a FROM stdin", "SELECT 2"),
    SplitCase("SELECT $$COPY t FROM STDIN;$$;SELECT 2", "SELECT $$COPY t FROM STDIN;$$", "SELECT 2"),
    SplitCase(
        "CREATE FUNCTION f() RETURNS void AS $$ BEGIN EXECUTE 'x'; COPY t FROM STDIN; END $$ LANGUAGE plpgsql;SELECT 2",
        "CREATE FUNCTION f() RETURNS void AS $$ BEGIN EXECUTE 'x'; COPY t FROM STDIN; END $$ LANGUAGE plpgsql",
        "SELECT 2"),
    SplitCase(
        "SELECT 'COPY t FROM stdin'; -- COPY t FROM stdin;\nSELECT 2", "SELECT 'COPY t FROM stdin'",
        "SELECT 2"),
    SplitCase("DO $$ BEGIN NULL; END $$;SELECT 2", "DO $$ BEGIN NULL; END $$", "SELECT 2"),
    SplitCase(
        "DO LANGUAGE plpgsql $body$ BEGIN RAISE '\\x'; END; $body$;",
        "DO LANGUAGE plpgsql $body$ BEGIN RAISE '\\x'; END; $body$"),
]

private let add = "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql"

/// Bodies with semicolons in them.
let postgreSQLBodyCases: [SplitCase] = [
    SplitCase("\(add) RETURN a + 1;SELECT 2", "\(add) RETURN a + 1", "SELECT 2"),
    SplitCase("\(add) BEGIN ATOMIC SELECT a; END;SELECT 2", "\(add) BEGIN ATOMIC SELECT a; END", "SELECT 2"),
    SplitCase("\(add) BEGIN ATOMIC SELECT 1; SELECT a; END", "\(add) BEGIN ATOMIC SELECT 1; SELECT a; END"),
    SplitCase("\(add) begin atomic select a; end;select 2", "\(add) begin atomic select a; end", "select 2"),
    SplitCase(
        "\(add) BEGIN\n ATOMIC\n SELECT a;\nEND\n;SELECT 2", "\(add) BEGIN\n ATOMIC\n SELECT a;\nEND",
        "SELECT 2"),
    SplitCase("\(add) BEGIN /* ; */ ATOMIC SELECT a; END;", "\(add) BEGIN /* ; */ ATOMIC SELECT a; END"),
    SplitCase("\(add) BEGIN ATOMIC END;SELECT 2", "\(add) BEGIN ATOMIC END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END; END;SELECT 2",
        "\(add) BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END; END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT CASE CASE a WHEN 1 THEN 2 END WHEN 2 THEN CASE WHEN true THEN 3 END END; END;SELECT 2",
        "\(add) BEGIN ATOMIC SELECT CASE CASE a WHEN 1 THEN 2 END WHEN 2 THEN CASE WHEN true THEN 3 END END; END",
        "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT (CASE WHEN true THEN 1 END); END;SELECT 2",
        "\(add) BEGIN ATOMIC SELECT (CASE WHEN true THEN 1 END); END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT a AS end; END;SELECT 2", "\(add) BEGIN ATOMIC SELECT a AS end; END",
        "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT t.end, t.case FROM t; END;SELECT 2",
        "\(add) BEGIN ATOMIC SELECT t.end, t.case FROM t; END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT 1 end; END;SELECT 2", "\(add) BEGIN ATOMIC SELECT 1 end; END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT '; END;', \"end\"; END;SELECT 2",
        "\(add) BEGIN ATOMIC SELECT '; END;', \"end\"; END", "SELECT 2"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT 1; -- END;\nSELECT 2; END;SELECT 3",
        "\(add) BEGIN ATOMIC SELECT 1; -- END;\nSELECT 2; END", "SELECT 3"),
    SplitCase(
        "\(add) BEGIN ATOMIC SELECT $$;$$; /* /* */ ; */ END;SELECT 3",
        "\(add) BEGIN ATOMIC SELECT $$;$$; /* /* */ ; */ END", "SELECT 3"),
    SplitCase(
        "CREATE OR REPLACE FUNCTION f(begin int, atomic int DEFAULT (1)) RETURNS int BEGIN ATOMIC SELECT 1; END;SELECT 2",
        "CREATE OR REPLACE FUNCTION f(begin int, atomic int DEFAULT (1)) RETURNS int BEGIN ATOMIC SELECT 1; END",
        "SELECT 2"),
    SplitCase(
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); DELETE FROM u; END;SELECT 2",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); DELETE FROM u; END", "SELECT 2"),
    SplitCase(
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END;SELECT 2",
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END", "SELECT 2"),
    SplitCase(
        "CREATE TABLE t (begin int, atomic int);SELECT 2", "CREATE TABLE t (begin int, atomic int)",
        "SELECT 2"),
    SplitCase("SELECT 1 AS begin, 2 AS atomic;SELECT 2", "SELECT 1 AS begin, 2 AS atomic", "SELECT 2"),
    SplitCase(
        "CREATE VIEW v AS SELECT begin atomic FROM t;SELECT 2", "CREATE VIEW v AS SELECT begin atomic FROM t",
        "SELECT 2"),
    SplitCase(
        "CREATE FUNCTION f() RETURNS void AS $f$ BEGIN ATOMIC; END $f$ LANGUAGE plpgsql;SELECT 2",
        "CREATE FUNCTION f() RETURNS void AS $f$ BEGIN ATOMIC; END $f$ LANGUAGE plpgsql", "SELECT 2"),
    SplitCase(
        "CREATE FUNCTION f() RETURNS void AS 'BEGIN NULL; END' LANGUAGE plpgsql;SELECT 2",
        "CREATE FUNCTION f() RETURNS void AS 'BEGIN NULL; END' LANGUAGE plpgsql", "SELECT 2"),
    SplitCase(
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);SELECT 3",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"),
    SplitCase(
        "CREATE OR REPLACE RULE r AS ON UPDATE TO t DO INSTEAD (UPDATE u SET a = (SELECT 1);; DELETE FROM w;);SELECT 3",
        "CREATE OR REPLACE RULE r AS ON UPDATE TO t DO INSTEAD (UPDATE u SET a = (SELECT 1);; DELETE FROM w;)",
        "SELECT 3"),
    SplitCase(
        "CREATE RULE r AS ON DELETE TO t DO NOTHING;SELECT 3", "CREATE RULE r AS ON DELETE TO t DO NOTHING",
        "SELECT 3"),
    SplitCase(
        "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();SELECT 2",
        "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "SELECT 2"),
    SplitCase(
        "CREATE SCHEMA s CREATE TABLE a (b int) CREATE VIEW v AS SELECT 1;SELECT 2",
        "CREATE SCHEMA s CREATE TABLE a (b int) CREATE VIEW v AS SELECT 1", "SELECT 2"),
]
