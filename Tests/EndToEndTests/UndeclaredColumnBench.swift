import Foundation
import MigratorDatabase
import MigratorTestSupport

extension UndeclaredColumnTests {
    /// A database with undeclared columns at revision 0001, and 0002 with strategy copy.
    final class Bench {
        let store: PostgreSQLStore
        private let folder: TemporaryFolder
        var server: PostgreSQLServer { store.database.server }

        static let columns =
            "id, sender_id, recipient_id, content, type, is_read, is_deleted_by_sender, is_deleted_by_recipient, reply_to_id, file_url, file_name, file_size, file_type, created_at, read_at"

        /// - Parameters:
        ///   - before: stands in the script before its switch.
        ///   - replacing: in the upgrade's SELECT.
        ///   - strategy: the switch's option; none leaves it to the planner, which renames.
        init(
            _ example: Case, messages: Int = 200, before: String = "", view: String = " view=direct_messages",
            backup: String = "-- migrator:backup direct_messages\n", replacing: (String, String) = ("", ""),
            strategy: String = " strategy=copy"
        ) throws {
            store = try PostgreSQLStore()
            folder = try TemporaryFolder()
            try store.run(RoundTripTests.fixture("shape1", .postgresql))
            try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: messages))
            try store.run(RoundTripTests.fixture("shape1_undeclared", .postgresql))
            let shipped = MigratorBinary.packageFolder + "/migrations/postgresql/"
            let up = "-- migrator:switch direct_messages -> messages key=id"
            let down = "-- migrator:switch messages -> direct_messages key=id"
            var (forth, back) = ("", "")
            if example.isSelect {
                let columns =
                    replacing.0.isEmpty
                    ? Self.columns : Self.columns.replacingOccurrences(of: replacing.0, with: replacing.1)
                forth = " mapping=select\nSELECT \(columns), NULL::timestamptz AS updated_at FROM direct_messages;"
                let returned = columns.contains("||") ? Self.columns : columns
                back = " mapping=select\nSELECT \(returned) FROM messages;"
            }
            for name in ["0001_chat_baseline.sql", "0002_direct_messages_to_messages.sql"] {
                var text = try String(contentsOfFile: shipped + name, encoding: .utf8)
                for (old, new) in [
                    ("-- migrator:backup direct_messages\n", backup),
                    ("\(up) view=direct_messages", "\(before)\(up)\(strategy)\(view)\(forth)"), (down, down + back),
                ] where name.hasPrefix("0002") {
                    guard text.contains(old) else { throw CommandError(message: "0002 has no \(old)") }
                    text = text.replacingOccurrences(of: old, with: new)
                }
                try folder.write(text, to: "migrations/postgresql/\(name)")
            }
            try migrate("stamp 0001").checked()
        }

        @discardableResult
        func migrate(
            _ line: String, on other: PostgreSQLStore? = nil, failPoint: String? = nil
        ) throws -> CommandResult {
            try EndToEndTests.migrate(
                line.split(separator: " ").map(String.init), on: other ?? store,
                environment: failPoint.map { ["MIGRATOR_FAIL_POINT": $0] } ?? [:],
                migrations: folder.file("migrations"))
        }

        /// Upgrades online, and does something while it waits.
        @discardableResult
        func whilePaused(at sign: String, _ option: String, _ body: () throws -> Void) throws -> CommandResult {
            let file = try folder.write("", to: "wait")
            let running = try MigratorBinary.start(
                ["--database", store.url, "--migrations", folder.file("migrations"), "upgrade", "0002", option, file])
            guard running.waitForStandardError(sign) else { throw CommandError(message: "it did not wait") }
            try body()
            try FileManager.default.removeItem(atPath: file)
            return try running.wait()
        }

        func rows(of table: String) throws -> [Row] { try RoundTripTests.rows(of: table, in: store) }

        /// What the next row gets by itself.
        func rows(inserting store: any Store) throws -> [Row] {
            try RoundTripTests.query(
                "INSERT INTO direct_messages (sender_id, recipient_id, content, created_at) VALUES (1, 2, 'next', '2025-01-03') RETURNING id, ticket, place, workspace_id",
                in: store)
        }

        /// Undeclared columns, and the constraints and indexes in which they take part, without the table's name.
        func definitions(of table: String, in other: (any Store)? = nil) throws -> [String] {
            let rows = try RoundTripTests.query(
                """
                WITH undeclared AS (
                    SELECT attnum, attname FROM pg_attribute WHERE attrelid = '\(table)'::regclass AND attname IN
                        ('workspace_id', 'mood', 'label', 'client_key', 'Root Id', 'ticket', 'place', 'extra', 'content_length'))
                SELECT 'column ' || u.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attnotnull || a.attidentity::text
                    || a.attgenerated::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || a.attcollation
                    || coalesce(col_description(a.attrelid, a.attnum), '') || coalesce(a.attacl::text, '')
                FROM undeclared u JOIN pg_attribute a ON a.attrelid = '\(table)'::regclass AND a.attnum = u.attnum
                LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                UNION ALL
                SELECT 'constraint ' || conname || pg_get_constraintdef(oid) || coalesce(obj_description(oid, 'pg_constraint'), '')
                FROM pg_constraint WHERE conrelid = '\(table)'::regclass AND contype <> 'n'
                    AND conkey && (SELECT array_agg(attnum) FROM undeclared)
                UNION ALL
                SELECT pg_get_indexdef(indexrelid) || coalesce(obj_description(indexrelid, 'pg_class'), '') FROM pg_index
                WHERE indrelid = '\(table)'::regclass AND pg_get_indexdef(indexrelid) ~ 'label|ticket|workspace|client'
                ORDER BY 1
                """, in: other ?? store)
            return rows.compactMap { row in
                row[0].asText?.replacingOccurrences(of: "public.\(table) ", with: "TABLE ")
                    .replacingOccurrences(of: "REFERENCES \(table)(", with: "REFERENCES TABLE(")
            }
        }
    }
}
