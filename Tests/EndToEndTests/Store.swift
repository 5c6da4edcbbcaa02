import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport

/// A real database of either kind that a test can fill, copy and compare.
protocol Store: AnyObject, Sendable {
    var dialect: Dialect { get }
    var url: String { get }
    /// Runs SQL with the database's own shell or session, not with the code under test.
    func run(_ sql: String) throws
    func session() throws -> any Session
    /// Another database with the same content.
    func copy() throws -> any Store
    /// Schema and rows as text, the tool's own ledger aside.
    func state() throws -> String
}

final class PostgreSQLStore: Store {
    let dialect = Dialect.postgresql
    let database: TestDatabase
    var url: String { database.url }

    init(template: String? = nil) throws {
        database = try PostgreSQLServer.shared().createDatabase(template: template)
    }

    /// On a server that no other test uses.
    init(server: PostgreSQLServer) throws {
        database = try server.createDatabase()
    }

    func run(_ sql: String) throws { try database.psql(sql) }
    func session() throws -> any Session { try database.session() }
    func copy() throws -> any Store { try PostgreSQLStore(template: database.name) }

    /// The schema as pg_dump shows it, next ids, and the rows of all tables, sorted: what a rolled-back attempt leaves
    /// in a table's pages changes their physical order. A conversation goes by its people, not by its id: ids that
    /// such an attempt drew are not drawn again.
    func state() throws -> String {
        let session = try database.session()
        defer { session.close() }
        var lines = [try dump(["--schema-only"])]
        lines += try session.query(
            """
            SELECT sequencename, last_value FROM pg_sequences
            WHERE schemaname = 'public' AND sequencename <> 'conversations_id_seq' ORDER BY 1
            """
        ).map { "\($0.text("sequencename") ?? "") \($0.text("last_value") ?? "")" }
        let tables = try session.query(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
        ).compactMap { $0[0].asText }
        for table in tables {
            var row = "to_jsonb(t)"
            if table == "conversations" { row += " - 'id'" }
            if tables.contains("conversations") {
                row += """
                     || coalesce((SELECT jsonb_build_object('conversation_id', c.user_lo || '-' || c.user_hi)
                         FROM public.conversations c WHERE c.id::text = to_jsonb(t) ->> 'conversation_id'), '{}')
                    """
            }
            lines += try session.query("SELECT (\(row))::text AS r FROM public.\(table.quotedIdentifier) AS t")
                .map { "\(table): \($0[0].asText ?? "")" }.sorted()
        }
        return lines.joined(separator: "\n")
    }

    /// pg_dump without the ledger and without what differs from one dump to the next.
    func dump(_ options: [String]) throws -> String {
        let dump = try database.server.run(
            "pg_dump", ["--exclude-schema=migrator", "--exclude-schema=model"] + options + [url]
        ).checked().standardOutput
        return dump.split(separator: "\n", omittingEmptySubsequences: true).filter { line in
            !line.hasPrefix("--") && !line.hasPrefix("\\restrict") && !line.hasPrefix("\\unrestrict")
        }.joined(separator: "\n")
    }
}

final class SQLiteStore: Store {
    let dialect = Dialect.sqlite
    let folder: TemporaryFolder
    let path: String
    var url: String { "sqlite://\(path)" }

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("test.db")
    }

    func run(_ sql: String) throws {
        let session = try SQLiteSession(path: path, access: .create)
        defer { session.close() }
        try session.execute("PRAGMA foreign_keys = ON")
        try session.execute(sql)
    }

    func session() throws -> any Session {
        let session = try SQLiteSession(path: path, access: .create)
        try session.execute("PRAGMA foreign_keys = ON")
        return session
    }

    func copy() throws -> any Store {
        let other = try SQLiteStore()
        if FileManager.default.fileExists(atPath: path) {
            try FileManager.default.copyItem(atPath: path, toPath: other.path)
        }
        return other
    }

    func state() throws -> String {
        let session = try SQLiteSession(path: path, access: .create)
        defer { session.close() }
        var lines: [String] = []
        let objects = try session.query(
            """
            SELECT name, sql, type FROM sqlite_schema
            WHERE name NOT LIKE 'migrator\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'migrator\\_%' ESCAPE '\\'
            ORDER BY type, name
            """)
        for object in objects {
            // The ledger's own tables bring sqlite_sequence into being.
            if object.text("name") != "sqlite_sequence" {
                lines.append(object.text("sql") ?? object.text("name") ?? "")
            }
            guard object.text("type") == "table", let name = object.text("name") else { continue }
            let own = name == "sqlite_sequence" ? " WHERE name NOT LIKE 'migrator\\_%' ESCAPE '\\'" : ""
            lines += try session.query("SELECT * FROM \(name.quotedIdentifier)\(own) ORDER BY 1").map { row in
                // Conversations are made with the current time as SQLite's default.
                let values = zip(row.columns, row.values).filter { column, _ in
                    !(name.hasPrefix("conversation") && column.hasSuffix("_at"))
                }
                return "\(name): " + values.map { $0.1.asText ?? "NULL" }.joined(separator: "|")
            }
        }
        return lines.joined(separator: "\n")
    }
}

extension Dialect {
    func makeStore() throws -> any Store {
        switch self {
        case .postgresql: try PostgreSQLStore()
        case .sqlite: try SQLiteStore()
        }
    }
}

/// Runs the built program on a store with the shipped scripts.
@discardableResult
func migrate(
    _ arguments: [String], on store: any Store, environment: [String: String] = [:],
    migrations: String = MigratorBinary.packageFolder + "/migrations"
) throws -> CommandResult {
    try MigratorBinary.run(
        ["--database", store.url, "--migrations", migrations] + arguments, environment: environment)
}

/// A few messages with everything that matters: replies, attachments, gaps, a deleted highest id, a note to self.
let sampleMessages = """
    INSERT INTO users (email) VALUES ('ana@example.org'), ('bo@example.org'), ('cy@example.org');
    INSERT INTO direct_messages
        (id, sender_id, recipient_id, content, reply_to_id, created_at, read_at, is_deleted_by_sender)
    VALUES (1, 1, 2, 'hello', NULL, '2024-01-01 10:00:00', NULL, false),
           (4, 2, 1, 'ça va? 👋', 1, '2024-01-01 10:01:00', '2024-01-01 10:02:00', false),
           (5, 1, 3, 'it''s', NULL, '2024-01-02 10:00:00', NULL, true),
           (9, 3, 3, '', NULL, '2024-01-03 10:00:00', NULL, false),
           (20, 1, 2, 'gone', 4, '2024-01-04 10:00:00', NULL, false);
    INSERT INTO attachments (direct_message_id, owner_id, s3_key, created_at)
    VALUES (4, 2, 'key/1', '2024-01-01 10:01:00');
    DELETE FROM direct_messages WHERE id = 20;
    """

/// The shipped scripts, or a copy of them in which 0002 asks for a strategy.
final class ShippedScripts: Sendable {
    let path: String
    private let folder: TemporaryFolder?

    init(strategy: String) throws {
        let shipped = MigratorBinary.packageFolder + "/migrations"
        guard !strategy.isEmpty else {
            path = shipped
            folder = nil
            return
        }
        let folder = try TemporaryFolder()
        path = folder.file("migrations")
        try FileManager.default.copyItem(atPath: shipped, toPath: path)
        let file = path + "/postgresql/0002_direct_messages_to_messages.sql"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let changed = text.replacingOccurrences(
            of: "-> messages key=id view", with: "-> messages key=id strategy=\(strategy) view")
        guard changed != text else { throw CommandError(message: "0002 has no switch to change") }
        try changed.write(toFile: file, atomically: true, encoding: .utf8)
        self.folder = folder
    }
}
