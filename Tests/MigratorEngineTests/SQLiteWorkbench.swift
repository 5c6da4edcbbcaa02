import Foundation
import MigratorDatabase
import MigratorScript

@testable import MigratorEngine

/// A database file with a ledger and one run, and the steps of scripts driven directly.
final class SQLiteWorkbench {
    let folder: URL
    let backend: SQLiteBackend
    let run: RunIdentity
    var options = RunOptions()

    var path: String { folder.appendingPathComponent("chat.db").path }

    init(_ sql: String) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sqlite-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        backend = try SQLiteBackend.open(path: folder.appendingPathComponent("chat.db").path, access: .creating)
        try backend.session.execute(sql)
        try backend.prepareLedger()
        run = try backend.ledger.beginRun(
            Ledger.RunOrigin(
                command: "test", toolVersion: "0", user: "test", host: "test", pid: 1, backendPID: nil),
            direction: .upgrade, from: nil, to: "0002")
    }

    deinit {
        backend.session.close()
        try? FileManager.default.removeItem(at: folder)
    }

    func context(_ direction: Direction = .upgrade, item: Int = 0) -> StepContext {
        StepContext(
            runID: run.id, revision: "0002", direction: direction, item: item, options: options,
            reporter: SilentReporter())
    }

    /// One transaction of the executor.
    func work(_ body: () throws -> Void) throws {
        try backend.beginWork(for: [], run: run, options: options, reporter: SilentReporter())
        do {
            try body()
            try backend.commitWork()
        } catch {
            backend.rollbackWork()
            throw error
        }
    }

    func statement(_ text: String) -> Statement {
        Statement(text: text, location: ScriptLocation(file: "test.sql", line: 1), offset: 0)
    }

    func rows(_ sql: String) throws -> [[SQLValue]] { try backend.session.query(sql).map(\.values) }
    func text(_ sql: String) throws -> String? { try backend.session.scalar(sql).asText }

    /// The code of the error that the work ends with; nil where it ends well.
    func failure(_ body: () throws -> Void) -> (code: String, status: ExitStatus, message: String)? {
        do {
            try work(body)
            return nil
        } catch let error as MigratorError {
            return (error.code, error.status, ([error.message] + error.details).joined(separator: "\n"))
        } catch {
            return ("other", .failed, "\(error)")
        }
    }

    static let chat = """
        PRAGMA foreign_keys = ON;
        CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL);
        CREATE TABLE direct_messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sender_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            recipient_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            content TEXT NOT NULL, is_read BOOLEAN NOT NULL DEFAULT 0,
            reply_to_id INTEGER REFERENCES direct_messages(id) ON DELETE SET NULL,
            legacy TEXT, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);
        CREATE INDEX idx_direct_messages_sender ON direct_messages (sender_id);
        CREATE TABLE audit (message_id INTEGER);
        CREATE TRIGGER direct_messages_audit AFTER INSERT ON direct_messages
            BEGIN INSERT INTO audit VALUES (NEW.id); END;
        CREATE TABLE attachments (id INTEGER PRIMARY KEY,
            direct_message_id INTEGER REFERENCES direct_messages(id) ON DELETE CASCADE);
        CREATE VIEW unread AS SELECT id, content FROM direct_messages WHERE NOT is_read;
        CREATE TRIGGER attachments_check AFTER INSERT ON attachments
            BEGIN SELECT count(*) FROM direct_messages; END;
        INSERT INTO users (email) VALUES ('a@x'), ('b@x');
        INSERT INTO direct_messages (sender_id, recipient_id, content, reply_to_id, legacy) VALUES
            (1, 2, 'hello', NULL, 'old'), (2, 1, 'it''s', 1, NULL), (1, 2, 'gone', NULL, 'x');
        DELETE FROM direct_messages WHERE id = 3;
        INSERT INTO attachments VALUES (1, 1), (2, 2);
        """
    static let messages = """
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sender_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            recipient_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            content TEXT NOT NULL, is_read BOOLEAN NOT NULL DEFAULT 0,
            reply_to_id INTEGER REFERENCES messages(id) ON DELETE SET NULL,
            created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
            updated_at DATETIME DEFAULT CURRENT_TIMESTAMP, deleted_at DATETIME);
        CREATE INDEX idx_messages_pair ON messages (sender_id, recipient_id)
        """
    let move = Move(source: TableName("direct_messages"), target: TableName("messages"), key: "id")
    let back = Move(source: TableName("messages"), target: TableName("direct_messages"), key: "id")

    func upgrade(_ definition: String = messages, mapping: String? = nil) throws {
        var move = move
        move.mapping = mapping.map(statement)
        _ = try backend.decideStrategy(move, definition: [statement(definition)], context: context())
        try backend.session.execute(definition)
        _ = try backend.performSwitch(move, strategy: .copy, definition: [statement(definition)], context: context())
    }

    func downgrade() throws {
        guard let record = try backend.ledger.objects(revision: "0002", kind: "switch").last else { return }
        _ = try backend.revertSwitch(back, record: record, context: context(.downgrade))
    }
}
