import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

@Suite struct SQLiteSessionTests {
    let folder: TemporaryFolder
    let session: SQLiteSession

    init() throws {
        folder = try TemporaryFolder()
        session = try SQLiteSession(path: folder.file("app.db"), access: .create)
    }

    @Test(arguments: [
        SQLValue.null, .integer(.min), .integer(0), .real(0.1), .real(1), "", "0", "a\0b", "é\u{1F600}",
        .blob([]), .blob([0, 1, 255]),
    ])
    func valuesKeepTheirClass(value: SQLValue) throws {
        #expect(try session.scalar("SELECT $1", [value]) == value)
        try session.execute("CREATE TABLE t (a)")
        try session.run("INSERT INTO t VALUES ($1)", [value])
        #expect(try session.scalar("SELECT a FROM t") == value)
    }

    @Test func parametersAreBoundByNumber() throws {
        #expect(try session.query("SELECT $2, $1, $2", ["a", "b"])[0].values == ["b", "a", "b"])
        #expect(try databaseError { _ = try session.query("SELECT $1", ["a", "b"]) }.kind == .statement)
        #expect(try databaseError { _ = try session.query("SELECT $1, $2", ["a"]) }.kind == .statement)
    }

    @Test func rowsAffectedAreCounted() throws {
        try session.execute("CREATE TABLE t (a); INSERT INTO t VALUES (7); -- end")
        #expect(try session.run("INSERT INTO t VALUES (1), (2), ($1)", [3]) == 3)
        #expect(try session.run("UPDATE t SET a = 0 WHERE a < $1", [3]) == 2)
        #expect(try session.run("UPDATE t SET a = 0 WHERE a < 0") == 0)
        #expect(try session.run("ALTER TABLE t RENAME TO u") == 0)
        #expect(try session.run("DELETE FROM u") == 4)
        #expect(try session.run("CREATE TABLE w (a)") == 0)
    }

    @Test func aPreparedStatementSeesAChangedTable() throws {
        try session.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        for _ in 0..<5 { #expect(try session.query("SELECT * FROM t").first?.columns == ["a"]) }
        try session.execute("ALTER TABLE t ADD COLUMN b DEFAULT 2")
        let row = try #require(try session.query("SELECT * FROM t").first)
        #expect(row.columns == ["a", "b"])
        #expect(row.values == [1, 2])
        try session.execute("DROP TABLE t")
        _ = try databaseError { _ = try session.query("SELECT * FROM t") }
    }

    @Test(arguments: [
        ("SELEC 1", 1), ("SELECT 'é', nothing", 13), ("SELECT 1; SELECT 'é';\n SELECT nothing", 31),
    ])
    func errorsAreLocatedInCharacters(sql: String, position: Int) throws {
        #expect(try databaseError { try session.execute(sql) }.position == position)
    }

    @Test func moreThanOneStatementIsRefusedWhereOneIsMeant() throws {
        try session.execute("CREATE TABLE t (a)")
        _ = try databaseError { try session.run("INSERT INTO t VALUES (1); DELETE FROM t") }
        #expect(try session.scalar("SELECT count(*) FROM t ; -- one") == 0)
    }

    @Test func aViolatedConstraintIsNamed() throws {
        try session.execute(
            "CREATE TABLE t (a UNIQUE, b CONSTRAINT positive CHECK (b > 0)); INSERT INTO t VALUES (1, 1)")
        let unique = try databaseError { try session.run("INSERT INTO t VALUES (1, 1)") }
        #expect(unique.table == "t")
        #expect(unique.column == "a")
        let check = try databaseError { try session.run("INSERT INTO t VALUES (2, 0)") }
        #expect(check.constraint == "positive")
        #expect(check.sqliteCode == 275)
    }

    @Test func aTransactionIsCommittedOrRolledBack() throws {
        try session.execute("CREATE TABLE t (a)")
        try session.transaction {
            #expect(session.isInTransaction)
            try session.run("INSERT INTO t VALUES (1)")
            try session.savepoint(keeping: false) { try session.execute("INSERT INTO t VALUES (2)") }
        }
        #expect(throws: Stop.self) {
            try session.transaction {
                try session.run("INSERT INTO t VALUES (4)")
                throw Stop()
            }
        }
        #expect(!session.isInTransaction)
        session.rollback()
        #expect(try session.scalar("SELECT sum(a) FROM t") == 1)
    }

    @Test func aLockedFileIsWaitedForAndThenReported() throws {
        let other = try SQLiteSession(path: session.path, access: .readWrite)
        try session.begin()
        try session.execute("CREATE TABLE t (a)")
        other.busyTimeout = .milliseconds(50)
        #expect(try databaseError { try other.begin() }.kind == .lockNotAvailable)
        other.busyTimeout = .seconds(30)
        cancel(other.cancelHandle, after: .milliseconds(100))
        let start = ContinuousClock.now
        #expect(try databaseError { try other.begin() }.kind == .cancelled)
        #expect(ContinuousClock.now - start < .seconds(10))
        try session.commit()
        try other.transaction { try other.run("INSERT INTO t VALUES (1)") }
    }

    @Test func aStatementIsCancelledFromAnotherThread() throws {
        session.cancelHandle.cancel()
        cancel(session.cancelHandle, after: .milliseconds(100))
        let error = try databaseError {
            _ = try session.query(
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c")
        }
        #expect(error.kind == .cancelled)
        #expect(try session.scalar("SELECT 1") == 1)
    }

    @Test func aStatementMayRunInsideItsOwnRows() throws {
        var seen: [SQLValue] = []
        try session.forEachRow("SELECT value FROM json_each('[1,2]')", []) { outer in
            try session.forEachRow("SELECT value FROM json_each('[1,2]')", []) { inner in
                seen += [outer[0], inner[0]]
            }
        }
        #expect(seen == [1, 1, 1, 2, 2, 1, 2, 2])
        #expect(throws: Stop.self) {
            try session.forEachRow("SELECT value FROM json_each('[1,2]')", []) { _ in throw Stop() }
        }
    }

    @Test func whatCannotBeOpenedSaysWhy() throws {
        typealias Case = (path: String, access: SQLiteSession.Access, kind: DatabaseError.Kind)
        try folder.write("this is no database, but long enough to look at\n", to: "text.db")
        let locked = try folder.write("", to: "read-only.db")
        chmod(locked, 0o444)
        let sealed = try folder.write("", to: "sealed/app.db")
        chmod(folder.file("sealed"), 0o555)
        defer { chmod(folder.file("sealed"), 0o755) }
        let cases: [Case] = [
            (folder.file("missing.db"), .readWrite, .connectionFailed),
            (folder.file("missing.db"), .readOnly, .connectionFailed),
            (folder.file("no/folder.db"), .create, .connectionFailed),
            (folder.path, .readWrite, .notADatabase), (folder.path, .readOnly, .notADatabase),
            (folder.file("text.db"), .readOnly, .notADatabase),
            (folder.file("text.db"), .create, .notADatabase),
            (locked, .readWrite, .readOnly), (locked, .create, .readOnly), (sealed, .readWrite, .readOnly),
        ]
        for one in cases {
            let error = try databaseError { _ = try SQLiteSession(path: one.path, access: one.access) }
            #expect(error.kind == one.kind, "\(one)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("missing.db")))
        _ = try SQLiteSession(path: locked, access: .readOnly).query("SELECT * FROM sqlite_schema")
    }

    /// What a killed writer has left in the file is undone by whoever reads next, as every reader of SQLite does.
    @Test func aWriteThatWasKilledDoesNotKeepReadersOut() throws {
        try session.execute(
            "CREATE TABLE t (a); INSERT INTO t SELECT hex(zeroblob(2000)) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
        let left = folder.file("left/app.db")
        try folder.write("", to: "left/app.db")
        try session.execute("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE t SET a = a || 'x'")
        // The file and its journal as they are in the middle of the write.
        for end in ["", "-journal"] {
            try Data(contentsOf: URL(fileURLWithPath: session.path + end)).write(to: URL(fileURLWithPath: left + end))
        }
        try session.execute("ROLLBACK")
        chmod(folder.file("left"), 0o555)
        let error = try databaseError { _ = try SQLiteSession(path: left, access: .readOnly) }
        #expect(error.kind == .readOnly && error.message.contains("ended in the middle of a write"), "\(error)")
        chmod(folder.file("left"), 0o755)
        let reader = try SQLiteSession(path: left, access: .readOnly)
        #expect(try reader.scalar("SELECT count(*) FROM t WHERE a LIKE '%x'") == 0)
        #expect(try reader.scalar("SELECT count(*) FROM t") == 9)
    }

    @Test func aReadOnlySessionCannotWrite() throws {
        try session.execute("CREATE TABLE t (a)")
        let reader = try SQLiteSession(path: session.path, access: .readOnly)
        #expect(try databaseError { try reader.run("INSERT INTO t VALUES (1)") }.kind == .readOnly)
    }

    @Test func readsAreReportedWithTheirContext() throws {
        try session.execute(
            "CREATE TABLE t (id, a, b); CREATE TABLE u (id); CREATE VIEW v AS SELECT a FROM t")
        let shadowed = try session.analysis(
            of: "WITH t AS (SELECT * FROM main.t WHERE id > $1) SELECT id, upper(a) AS c FROM t")
        #expect(shadowed.reads.contains(SQLiteRead(table: "t", column: "a", context: "t")))
        #expect(!shadowed.reads.contains(SQLiteRead(table: "t", column: "a", context: nil)))
        #expect(shadowed.functions == ["upper"])
        #expect(shadowed.columns == ["id", "c"])
        #expect(!shadowed.isRecursive)
        #expect(
            try session.readsOf("SELECT id FROM u") == [SQLiteRead(table: "u", column: "id", context: nil)])
        #expect(
            try session.readsOf("SELECT a FROM v").contains(
                SQLiteRead(table: "t", column: "a", context: "v")))
        #expect(try session.analysis(of: "DELETE FROM t WHERE a IN (SELECT id FROM u)").writes == ["t"])
        let recursive = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
        #expect(try session.analysis(of: recursive).isRecursive)
        #expect(try session.scalar("SELECT count(*) FROM t") == 0)
        #expect(try session.describe("SELECT a AS x, b FROM t WHERE id = $1") == ["x", "b"])
    }

    @Test func aBackupHoldsTheSameRows() throws {
        try session.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), ('x')")
        try session.backup(to: folder.file("copy.db"))
        let copy = try SQLiteSession(path: folder.file("copy.db"), access: .readOnly)
        let hash = "SELECT migrator_hash(a) FROM t"
        #expect(try copy.scalar(hash) == session.scalar(hash))
        _ = try databaseError { try session.backup(to: folder.file("copy.db")) }
    }
}

@Suite struct SQLiteContentHashTests {
    let folder: TemporaryFolder
    let session: SQLiteSession

    init() throws {
        folder = try TemporaryFolder()
        session = try SQLiteSession(path: folder.file("app.db"), access: .create)
    }

    func hash(_ rows: String) throws -> String {
        try #require(try session.scalar("SELECT migrator_hash(column1) FROM (VALUES \(rows))").asText)
    }

    @Test func theOrderOfRowsDoesNotCountButTheirNumberDoes() throws {
        #expect(try hash("(1), ('a'), (NULL)") == hash("(NULL), (1), ('a')"))
        #expect(try hash("(1), (1)") != hash("(1)"))
        #expect(try hash("(1), (1), (2), (2)") != hash("(1), (2)"))
        #expect(
            try session.scalar("SELECT migrator_hash(1) WHERE 0") == .text(String(repeating: "0", count: 32)))
    }

    @Test func differentValuesHaveDifferentHashes() throws {
        let values = [
            "NULL", "''", "x''", "0", "0.0", "'0'", "x'30'", "1", "-1", "'a'", "'A'", "char(97, 0, 98)",
            "char(97, 0, 99)", "char(97, 0)", "'a '",
        ]
        let hashes = try values.map { try hash("(\($0))") }
        #expect(Set(hashes).count == values.count)
        for (row, left) in values.enumerated() {
            for (column, right) in values.enumerated() {
                let same = try session.scalar("SELECT migrator_same(\(left), \(right))")
                #expect(same == (row == column ? 1 : 0), "\(left) \(right)")
            }
        }
    }

    @Test func theBordersOfValuesCount() throws {
        #expect(
            try session.scalar("SELECT migrator_hash('ab', 'c')")
                != session.scalar("SELECT migrator_hash('a', 'bc')"))
        #expect(
            try session.scalar("SELECT migrator_hash(NULL, 'c')")
                != session.scalar("SELECT migrator_hash('c', NULL)"))
    }

    /// Made by Python's hashlib from the documented encoding of these rows.
    @Test func theAlgorithmIsTheDocumentedOne() throws {
        let sum = try session.scalar(
            "SELECT migrator_hash(column1, column2) FROM (VALUES (1, 'a'), (NULL, x'00ff'), (0.5, -1))")
        #expect(sum == "ac28ea8df1c4707a4665d5eb92185ffc")
    }
}
