import MigratorScript
import Testing

@Suite struct StatementLocksTests {
    @Test(arguments: [
        ("CREATE TABLE t (id int)", ""),
        (
            "CREATE TABLE t (a int REFERENCES users, b int REFERENCES \"S\".other (id), c int REFERENCES users)",
            "SHARE ROW EXCLUSIVE users; SHARE ROW EXCLUSIVE S.other"
        ),
        ("create index i on only t (a)", "SHARE t"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "SHARE UPDATE EXCLUSIVE t"),
        ("ALTER TABLE IF EXISTS ONLY s.t ADD COLUMN c int", "ACCESS EXCLUSIVE s.t"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", "SHARE UPDATE EXCLUSIVE t"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c, DROP COLUMN d", "ACCESS EXCLUSIVE t"),
        (
            "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a, b) REFERENCES u (a, b) NOT VALID",
            "SHARE ROW EXCLUSIVE t; SHARE ROW EXCLUSIVE u"
        ),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t", "SHARE ROW EXCLUSIVE t"),
        ("ALTER TABLE t ADD COLUMN a int REFERENCES u", "ACCESS EXCLUSIVE t; SHARE ROW EXCLUSIVE u"),
        ("DROP TABLE IF EXISTS a, s.b CASCADE", "ACCESS EXCLUSIVE a; ACCESS EXCLUSIVE s.b"),
        ("TRUNCATE TABLE a, b", "ACCESS EXCLUSIVE a; ACCESS EXCLUSIVE b"),
        ("CREATE OR REPLACE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "SHARE ROW EXCLUSIVE t"),
        ("DROP TRIGGER x ON t", "ACCESS EXCLUSIVE t"),
        ("INSERT INTO t SELECT * FROM u", "ROW EXCLUSIVE t"),
        ("WITH x AS (SELECT 1) UPDATE ONLY t SET a = 1", "ROW EXCLUSIVE t"),
        ("DELETE FROM t WHERE true", "ROW EXCLUSIVE t"),
        ("COMMENT ON COLUMN t.a IS 'x'", "SHARE UPDATE EXCLUSIVE t"),
        ("SELECT 'DROP TABLE t'", ""), ("-- DROP TABLE t\nSELECT 1", ""), ("DROP VIEW v", ""), ("ALTER", ""),
    ])
    func locksFollowFromTheWords(_ sql: String, _ expected: String) {
        let statement = Statement(text: sql, location: ScriptLocation(file: "x.sql", line: 1), offset: 0)
        #expect(statement.locks.map { "\($0.mode.rawValue) \($0.table)" }.joined(separator: "; ") == expected)
    }
}
