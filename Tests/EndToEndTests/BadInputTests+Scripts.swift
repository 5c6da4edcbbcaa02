import MigratorScript
import MigratorTestSupport
import Testing

private let first = script("0001", up: "CREATE TABLE a (id integer PRIMARY KEY);", down: "DROP TABLE a;")
private let second = script(
    "0002", revises: "0001", up: "CREATE TABLE b (id integer PRIMARY KEY);", down: "DROP TABLE b;")
private let two = ["0001_a.sql": first, "0002_b.sql": second]

/// Scripts that cannot be read, chains that are none, and targets that do not exist.
@Suite struct BadScriptTests {
    @Test(arguments: chains + texts, Dialect.allCases)
    func `A bad script is refused with its place`(_ example: BadInput, _ dialect: Dialect) throws {
        guard example.dialects.contains(dialect) else { return }
        try expectRefusal(example, on: dialect)
    }

    static let chains: [BadInput] = [
        BadInput(
            testDescription: "an unknown target", scripts: two, command: "upgrade 0009", status: 64,
            says: ["0009"]),
        BadInput(
            testDescription: "an ambiguous target", scripts: two, command: "upgrade 000", status: 64,
            code: "ambiguous-revision", says: ["0001", "0002"]),
        BadInput(
            testDescription: "more steps up than there are", scripts: two, before: ["upgrade head"],
            command: "upgrade +1", status: 64, says: ["Relative revision +1 didn't produce 1 migrations"]),
        BadInput(
            testDescription: "more steps down than there are", scripts: two, before: ["upgrade head"],
            command: "downgrade -3", status: 64, says: ["Relative revision -3 didn't produce 3 migrations"]),
        BadInput(
            testDescription: "a step down at base", scripts: two, command: "downgrade -1", status: 64,
            says: ["Relative revision -1 didn't produce 1 migrations"]),
        BadInput(
            testDescription: "two heads",
            scripts: [
                "0001_a.sql": first, "0002_b.sql": second,
                "0003_c.sql": script("0003", revises: "0001", up: "SELECT 1;"),
            ], status: 65, code: "multiple-heads", says: ["0002", "0003"]),
        BadInput(
            testDescription: "a cycle",
            scripts: [
                "0001_a.sql": script("0001", revises: "0002", up: "SELECT 1;"),
                "0002_b.sql": script("0002", revises: "0001", up: "SELECT 1;"),
            ], status: 65, says: ["0001", "0002"]),
        BadInput(
            testDescription: "a revision twice",
            scripts: ["0001_a.sql": first, "0001_b.sql": first], status: 65, says: ["0001_a.sql", "0001_b.sql"]),
        BadInput(
            testDescription: "a parent that is not there",
            scripts: ["0001_a.sql": first, "0002_b.sql": script("0002", revises: "0009", up: "SELECT 1;")],
            status: 65, says: ["0009"], place: "0002_b.sql:2:1"),
        BadInput(
            testDescription: "the file of an applied revision is gone", scripts: two, before: ["upgrade 0001"],
            changed: ["0001_a.sql": nil, "0002_b.sql": script("0002", up: "SELECT 1;")], status: 2,
            says: ["0001"]),
        BadInput(
            testDescription: "an edited file", scripts: two, before: ["upgrade 0001"],
            changed: ["0001_a.sql": first + "-- more\n"], status: 2, says: ["0001"]),
        BadInput(
            testDescription: "a database ahead of the scripts", scripts: two, before: ["upgrade head"],
            changed: ["0002_b.sql": nil], status: 2, says: ["0002"], after: ["downgrade -1"]),
        BadInput(
            testDescription: "a header that does not fit the file's name",
            scripts: ["0001_a.sql": script("0002", up: "SELECT 1;")], status: 65, place: "0001_a.sql:1:"),
    ]

    static let texts: [BadInput] = [
        BadInput(
            testDescription: "an unknown directive",
            scripts: ["0001_a.sql": script("0001", up: "-- migrator:explode now")], status: 65,
            says: ["explode"], place: "0001_a.sql:5:"),
        BadInput(
            testDescription: "an unknown option",
            scripts: ["0001_a.sql": script("0001", up: "-- migrator:switch a -> b key=id colour=red")],
            status: 65, says: ["colour"], place: "0001_a.sql:5:"),
        BadInput(
            testDescription: "a switch without an arrow",
            scripts: ["0001_a.sql": script("0001", up: "-- migrator:switch a b key=id")], status: 65,
            place: "0001_a.sql:5:"),
        BadInput(
            testDescription: "an open quote",
            scripts: ["0001_a.sql": script("0001", up: "SELECT 1;\nSELECT 'open;")], status: 65,
            place: "0001_a.sql:6:8"),
        BadInput(
            testDescription: "an open dollar quote", dialects: [.postgresql],
            scripts: ["0001_a.sql": script("0001", up: "SELECT 1;\nSELECT $a$open;")], status: 65,
            place: "0001_a.sql:6:8"),
        BadInput(
            testDescription: "an open comment", dialects: [.postgresql],
            scripts: ["0001_a.sql": script("0001", up: "SELECT 1;\n /* open")], status: 65,
            place: "0001_a.sql:6:2"),
        BadInput(
            testDescription: "a command of psql", dialects: [.postgresql],
            scripts: ["0001_a.sql": script("0001", up: "SELECT 1;\n\\copy a from 'b'")], status: 65,
            says: ["\\copy"], place: "0001_a.sql:6:1"),
        BadInput(
            testDescription: "a NUL", scripts: ["0001_a.sql": script("0001", up: "SELECT '\u{0}';")],
            status: 65, says: ["NUL"], place: "0001_a.sql:5:9"),
        BadInput(
            testDescription: "an error in the middle",
            scripts: [
                "0001_a.sql": script(
                    "0001", up: "CREATE TABLE a (id integer);\nINSERT INTO a\n  VALUES (nowhere);\nSELECT 1;")
            ], status: 1, code: "sql-error", says: ["nowhere"], place: "0001_a.sql:"),
        BadInput(
            testDescription: "an error in the middle, placed by the server", dialects: [.postgresql],
            scripts: [
                "0001_a.sql": script(
                    "0001", up: "CREATE TABLE a (id integer);\nINSERT INTO a\n  VALUES (nowhere);\nSELECT 1;")
            ], status: 1, code: "sql-error", says: ["column \"nowhere\" does not exist"],
            place: "0001_a.sql:7:11"),
        BadInput(
            testDescription: "a table that is dropped with its rows",
            scripts: ["0001_a.sql": first, "0002_b.sql": script("0002", revises: "0001", up: "DROP TABLE a;")],
            before: ["upgrade 0001", " INSERT INTO a VALUES (1)"], status: 4, code: "would-lose-rows",
            says: ["1 row of \"a\""]),
        BadInput(
            testDescription: "a downgrade that drops rows", scripts: two,
            before: ["upgrade 0001", " INSERT INTO a VALUES (1), (2)"], command: "downgrade base", status: 4,
            code: "would-lose-rows", says: ["--accept-loss 2"]),
        BadInput(
            testDescription: "a downgrade that drops rows, and another number", scripts: two,
            before: ["upgrade 0001", " INSERT INTO a VALUES (1), (2)"], command: "downgrade base --accept-loss 1",
            status: 4, code: "would-lose-rows", after: ["downgrade base --accept-loss 2"]),
    ]
}
