import MigratorScript
import MigratorTestSupport
import Testing

/// Databases that are not as the shipped scripts expect them: refused, and nothing is changed.
@Suite struct BadDataTests {
    private static let texts = script(
        "0001",
        up: "CREATE TABLE a (id integer PRIMARY KEY, t text);\nCREATE TABLE c (id integer PRIMARY KEY, t text);",
        down: "DROP TABLE c;\nDROP TABLE a;")

    private static func switchTo(_ type: String) -> String {
        script(
            "0002", revises: "0001",
            up: "CREATE TABLE b (id integer PRIMARY KEY, t \(type));\n"
                + "-- migrator:switch a -> b key=id strategy=copy",
            down: "-- migrator:switch b -> a key=id")
    }

    static let mappings: [BadInput] = [
        BadInput(
            testDescription: "a sync whose mapping aggregates",
            scripts: [
                "0001_a.sql": texts,
                "0002_b.sql": script(
                    "0002", revises: "0001",
                    up: "-- migrator:sync a -> c key=id mapping=select\n"
                        + "SELECT max(id) AS id, max(t) AS t FROM a;",
                    down: "-- migrator:unsync a -> c"),
            ], before: ["upgrade 0001", " INSERT INTO a VALUES (1, 'x')"], command: "upgrade head --mode window",
            status: 4,
            code: "mapping-not-row-local", place: "0002_b.sql:6:1"),
        BadInput(
            testDescription: "a text that is too long", dialects: [.postgresql],
            scripts: ["0001_a.sql": texts, "0002_b.sql": switchTo("varchar(3)")],
            before: ["upgrade 0001", " INSERT INTO a VALUES (1, 'abc'), (8, 'abcdef')"],
            command: "upgrade head --mode window", status: 2,
            code: "value-does-not-fit", says: ["a id 8", "\"t\"", "character varying(3)"]),
        BadInput(
            testDescription: "a text that becomes a number", dialects: [.sqlite],
            scripts: ["0001_a.sql": texts, "0002_b.sql": switchTo("integer")],
            before: ["upgrade 0001", " INSERT INTO a VALUES (1, 'abc'), (8, '007')"],
            command: "upgrade head --mode window", status: 2, says: ["8", "t"]),
    ]

    @Test(arguments: shapes + mappings, Dialect.allCases)
    func `A database that does not fit is refused`(_ example: BadInput, _ dialect: Dialect) throws {
        guard example.dialects.contains(dialect) else { return }
        try expectRefusal(example, on: dialect)
    }

    static let shapes: [BadInput] = [
        BadInput(
            testDescription: "direct_messages that holds no messages",
            before: [
                "upgrade 0001", " DROP TABLE attachments; DROP TABLE direct_messages",
                " CREATE TABLE direct_messages "
                    + "(channel_id integer PRIMARY KEY, user_one_id integer, user_two_id integer)",
            ], status: 4, says: ["direct_messages"]),
        BadInput(
            testDescription: "no direct_messages",
            before: [
                " CREATE TABLE users (id integer PRIMARY KEY)", "stamp 0001",
            ], command: "upgrade 0002", status: 4, says: ["stamp 0002"]),
        BadInput(
            testDescription: "a backup table that nobody registered",
            before: [
                "upgrade 0001", " " + sampleMessages,
                " CREATE TABLE direct_messages_backup AS SELECT * FROM direct_messages",
            ], status: 4, says: ["direct_messages_backup", "--set-aside"],
            after: ["upgrade head --set-aside", "verify"]),
        BadInput(
            testDescription: "messages beside direct_messages",
            before: [
                "upgrade 0001", " " + sampleMessages,
                " CREATE TABLE messages (id integer PRIMARY KEY); INSERT INTO messages VALUES (77)",
            ], status: 4, says: ["messages", "--set-aside"], after: ["upgrade head --set-aside", "verify"]),
    ]

    @Test(arguments: Dialect.allCases)
    func `A second upgrade does nothing`(_ dialect: Dialect) throws {
        let bench = try Bench(dialect)
        try bench.perform(["upgrade head"])
        let before = try bench.store.state()
        let again = try bench.run("upgrade head").checked()
        #expect(try bench.run("upgrade head").checked().standardOutput == again.standardOutput)
        #expect(try bench.store.state() == before)
    }

    @Test(arguments: Dialect.allCases)
    func `A downgrade forgets what was stamped and drops nothing`(_ dialect: Dialect) throws {
        let bench = try Bench(dialect)
        try bench.perform(["upgrade 0001", " " + sampleMessages])
        let stamped = try Bench(dialect)
        try stamped.store.run("CREATE TABLE direct_messages (id integer PRIMARY KEY)")
        let before = try stamped.store.state()
        try stamped.perform(["stamp 0001", "downgrade base"])
        #expect(try stamped.store.state() == before)
        #expect(!(try stamped.run("current").checked().standardOutput.contains("0001")))
    }
}
