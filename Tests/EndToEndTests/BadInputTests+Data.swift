import MigratorScript
import MigratorTestSupport
import Testing

/// Databases that are not as the shipped scripts expect them: refused, and nothing is changed.
@Suite struct BadDataTests {
    @Test(arguments: shapes, Dialect.allCases)
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
