import MigratorScript
import MigratorTestSupport
import Testing

/// What `stamp` says of a database that is not as the scripts declare it.
@Suite struct StampTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var dialects = Dialect.allCases
        /// How the table is, beside `CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL, b integer)`.
        var actual: String
        var notes: [String]
    }

    static let declared =
        "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL, b integer);\n"
        + "CREATE INDEX i ON t (a);"

    @Test(
        arguments: [
            Case(
                testDescription: "the same",
                actual:
                    "create table \"t\" (id integer primary key, a text not null, b integer); create index i on t (a)",
                notes: []),
            Case(
                testDescription: "no table", actual: "SELECT 1", notes: ["\"t\" is not there"]),
            Case(
                testDescription: "a column of another type and one more",
                actual:
                    "CREATE TABLE t (id integer PRIMARY KEY, a text, b integer, c integer); CREATE INDEX i ON t (a)",
                notes: [
                    "column a of \"t\" differs: it is text, the scripts say text not null",
                    "\"t\" also has: column c integer",
                ]),
            Case(
                testDescription: "another order",
                actual: "CREATE TABLE t (id integer PRIMARY KEY, b integer, a text NOT NULL); CREATE INDEX i ON t (a)",
                notes: ["columns in order of \"t\" differs: it is"]),
            Case(
                testDescription: "an index on something else",
                actual: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL, b integer); CREATE INDEX i ON t (b)",
                notes: ["index i of \"t\" differs: it is"]),
            Case(
                testDescription: "a check and a key", dialects: [.sqlite],
                actual:
                    "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL UNIQUE, b integer REFERENCES t CHECK (b > 0)); "
                    + "CREATE INDEX i ON t (a)",
                notes: [
                    "\"t\" also has: unique (a)", "\"t\" also has: foreign key (b) references t",
                    "\"t\" also has: check ( b > 0 )",
                ]),
            Case(
                testDescription: "a collation, which has no fact of its own", dialects: [.sqlite],
                actual: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL COLLATE NOCASE, b integer); "
                    + "CREATE INDEX i ON t (a)",
                notes: ["definition of \"t\" differs"]),
            Case(
                testDescription: "statistics and an index's comment", dialects: [.postgresql],
                actual: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL, b integer); CREATE INDEX i ON t (a); "
                    + "ALTER TABLE t ALTER a SET STATISTICS 7; COMMENT ON INDEX i IS 'x'; COMMENT ON TABLE t IS 'y'",
                notes: ["column a of \"t\" differs: it is", "index i of \"t\" differs: it is"]),
        ], Dialect.allCases)
    func `Each difference is one note that names it`(_ example: Case, _ dialect: Dialect) throws {
        guard example.dialects.contains(dialect) else { return }
        let bench = try Bench(dialect, ["0001_t.sql": script("0001", up: Self.declared)])
        try bench.store.run(example.actual)
        let notes = try bench.run("stamp 0001 --json").checked().object()["notes"] as? [String] ?? []
        #expect(notes.count == example.notes.count, "\(notes)")
        for (note, expected) in zip(notes, example.notes) { #expect(note.hasPrefix(expected), "\(notes)") }
        #expect(!notes.contains { $0.lowercased().contains("create table") })
    }
}
