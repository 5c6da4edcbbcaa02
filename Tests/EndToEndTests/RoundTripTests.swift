import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Up with the shipped scripts, writes through the new names and the old, down again: every row is what a second
/// database says that lived through the same writes without any migration, and the schema is as it was.
///
/// MIGRATOR_TEST_MESSAGES sets the number of messages; 100,000 by default.
@Suite struct RoundTripTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var dialect: Dialect
        var strategy: String
        /// `--mode` of everything that moves rows; empty means the database's own.
        var mode = ""
        var testDescription: String { "\(dialect.rawValue) \(strategy) \(mode)" }
    }

    static let messages = ProcessInfo.processInfo.environment["MIGRATOR_TEST_MESSAGES"].flatMap(Int.init) ?? 100_000

    /// Statements for both databases: NEW stands for `messages` where there is one. On SQLite the old name is no
    /// more, so only the new one is written through.
    static let writes = [
        "INSERT INTO NEW (sender_id, recipient_id, content, reply_to_id, created_at) VALUES (1, 2, 'new 👋', 12, '2025-01-01 00:00:00')",
        "INSERT INTO OLD (sender_id, recipient_id, content, created_at) VALUES (3, 3, 'to myself', '2025-01-01 00:00:01')",
        "UPDATE NEW SET content = content || ' (edited)' WHERE id BETWEEN 100 AND 140",
        "UPDATE OLD SET read_at = '2025-02-01 00:00:00' WHERE id BETWEEN 200 AND 240 AND read_at IS NULL",
        "UPDATE NEW SET is_read = true WHERE id BETWEEN 250 AND 260",
        "UPDATE OLD SET is_deleted_by_recipient = true WHERE id = 301",
        "DELETE FROM NEW WHERE id BETWEEN 400 AND 420",
        "DELETE FROM OLD WHERE id IN (500, 501, 502)",
        "DELETE FROM attachments WHERE owner_id = 50",
        "DELETE FROM users WHERE id = 50",
        "INSERT INTO attachments (direct_message_id, owner_id, s3_key, created_at) VALUES (600, 2, 'late', '2025-01-01 00:00:00')",
        "DELETE FROM NEW WHERE id = 600",
        "INSERT INTO NEW (sender_id, recipient_id, content, created_at) VALUES (4, 5, 'last, then gone', '2025-01-02 00:00:00')",
        "DELETE FROM NEW WHERE content = 'last, then gone'",
    ]

    /// Values that only the new shape has: kept in a backup on the way down.
    static let newOnly = [
        "UPDATE messages SET is_deleted = true, deleted_at = '2025-03-01 00:00:00' WHERE id = 700",
        "UPDATE messages SET updated_at = '2025-03-01 00:00:00' WHERE id = 701",
    ]

    @Test(arguments: [
        Case(dialect: .postgresql, strategy: "rename"), Case(dialect: .postgresql, strategy: "copy"),
        Case(dialect: .sqlite, strategy: "copy"), Case(dialect: .sqlite, strategy: "copy", mode: "online"),
    ])
    func `every write survives up, down and up again`(_ example: Case) throws {
        let scripts = try ShippedScripts(strategy: example.dialect == .sqlite ? "" : example.strategy)
        func migrate(_ arguments: String...) throws -> CommandResult {
            let mode = example.mode.isEmpty || !arguments[0].hasSuffix("grade") ? [] : ["--mode", example.mode]
            return try EndToEndTests.migrate(arguments + mode, on: store, migrations: scripts.path)
        }
        let store = try example.dialect.makeStore()
        try store.run(Self.fixture("shape1", example.dialect))
        try store.run(Self.fixture("shape1_messages", example.dialect))
        let model = try store.copy()
        let schemaBefore = try Self.schema(of: store)

        try migrate("stamp", "0001").checked()
        let upgrade = try migrate("upgrade", "head").checked()
        #expect(upgrade.standardError.contains("strategy \(example.strategy)"))
        try migrate("verify", "--unchanged").checked()

        let old = example.dialect == .postgresql ? "direct_messages" : "messages"
        for write in Self.writes {
            try store.run(Self.named(write, new: "messages", old: old))
            try model.run(Self.named(write, new: "direct_messages", old: "direct_messages"))
        }
        for write in Self.newOnly { try store.run(write) }
        let verified = try migrate("verify")
        #expect(verified.status == 0, "\(verified.standardOutput)")
        #expect(try migrate("verify", "--unchanged").status == 2)

        try migrate("downgrade", "-1").checked()
        try migrate("downgrade", "-1").checked()
        for table in ["users", "direct_messages", "attachments"] {
            #expect(try Self.rows(of: table, in: store) == Self.rows(of: table, in: model), "\(table)")
        }
        #expect(try Self.schema(of: store) == schemaBefore)
        // What only the new shape held: its values, or, where the table was followed, the whole of it.
        let isFollowed = example.dialect == .postgresql && example.strategy == "copy"
        let kept = try Self.query(
            isFollowed
                ? "SELECT id FROM messages_backup WHERE updated_at IS NOT NULL OR is_deleted ORDER BY id"
                : "SELECT id FROM messages_columns_backup WHERE id IN (700, 701, 702) ORDER BY id",
            in: store)
        #expect(Set([700, 701]).isSubset(of: kept.compactMap { $0[0].asInt }))

        // The next id is the same as if nothing had happened: no id comes back.
        let insert = "INSERT INTO direct_messages (sender_id, recipient_id, content) VALUES (1, 2, 'next') RETURNING id"
        #expect(try Self.query(insert, in: store) == Self.query(insert, in: model))

        try migrate("upgrade", "head").checked()
        try migrate("verify", "--unchanged").checked()
    }

    @Test func `a downgrade after contract leads back as well`() throws {
        let store = try PostgreSQLStore()
        try store.run(Self.fixture("shape1", .postgresql))
        try store.run(sampleMessages)
        let schemaBefore = try Self.schema(of: store)
        let rowsBefore = try Self.rows(of: "direct_messages", in: store)
        for command in ["stamp 0001", "upgrade head", "contract 0002", "verify", "contract 0002"] {
            try migrate(command.split(separator: " ").map(String.init), on: store).checked()
        }
        #expect(try store.database.psql("SELECT to_regclass('direct_messages') IS NULL") == "t\n")
        for command in ["downgrade 0002", "verify", "downgrade 0001"] {
            try migrate(command.split(separator: " ").map(String.init), on: store).checked()
        }
        #expect(try Self.schema(of: store) == schemaBefore)
        #expect(try Self.rows(of: "direct_messages", in: store) == rowsBefore)
    }

    // MARK: Helpers

    static func fixture(_ name: String, _ dialect: Dialect, count: Int = messages) throws -> String {
        let path = "\(MigratorBinary.packageFolder)/Tests/Fixtures/\(dialect.rawValue)/\(name).sql"
        return try String(contentsOfFile: path, encoding: .utf8)
            .replacingOccurrences(of: "{count}", with: String(count))
    }

    static func named(_ write: String, new: String, old: String) -> String {
        write.replacingOccurrences(of: " NEW ", with: " \(new) ").replacingOccurrences(of: " OLD ", with: " \(old) ")
    }

    static func query(_ sql: String, in store: any Store) throws -> [Row] {
        let session = try store.session()
        defer { session.close() }
        return try session.query(sql)
    }

    static func rows(of table: String, in store: any Store) throws -> [Row] {
        try query("SELECT * FROM \(table) ORDER BY id", in: store)
    }

    /// pg_dump's schema, or SQLite's definitions without the differences of quoting that a rename makes.
    static func schema(of store: any Store) throws -> String {
        if let store = store as? PostgreSQLStore {
            return try store.dump(["--schema-only", "--exclude-table=*_backup*"])
        }
        let objects = try query(
            """
            SELECT type, name, tbl_name, sql FROM sqlite_schema
            WHERE name NOT LIKE 'migrator\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'migrator\\_%' ESCAPE '\\'
              AND tbl_name NOT LIKE '%\\_backup%' ESCAPE '\\' ORDER BY type, name
            """, in: store)
        return try objects.map { object in
            var lines = [object.text("type") ?? "", object.text("name") ?? ""]
            let words = (object.text("sql") ?? "").replacingOccurrences(of: "\"", with: "")
            lines.append(words.split(whereSeparator: \.isWhitespace).joined(separator: " "))
            if object.text("type") == "table", let name = object.text("name") {
                for pragma in ["table_xinfo", "foreign_key_list", "index_list"] {
                    lines += try query("SELECT * FROM pragma_\(pragma)('\(name)')", in: store).map {
                        $0.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
                    }
                }
            }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
