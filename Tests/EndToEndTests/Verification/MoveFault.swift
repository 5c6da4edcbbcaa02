import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Something that goes wrong while rows move, and how the upgrade must find it before it commits or cuts over.
struct MoveFault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var dialect = Dialect.postgresql
    /// `strategy=` of the switch; empty on SQLite.
    var strategy = "copy"
    var mode: String
    /// Done to the database before the upgrade.
    var before = ""
    /// Stands in the script before its switch.
    var script = ""
    /// Replacements in the text of the script.
    var replacing: [(String, String)] = []
    /// Done while an online copy waits after its first batch.
    var meanwhile = ""
    /// Done instead when everything is ready to cut over.
    var isPostponed = false
    /// The key of the row, as the error names it.
    var key: String?
    /// In the error.
    var says: [String] = []

    static func == (left: MoveFault, right: MoveFault) -> Bool { left.testDescription == right.testDescription }
}

/// 400 messages at revision 0001, and scripts for one fault.
final class MoveBench {
    static let messages = 400
    let fault: MoveFault
    let store: any Store
    private let folder: TemporaryFolder
    private var migrations: String { folder.file("migrations") }

    /// - Parameter isHarmed: without it, everything is as in the fault but for the fault itself.
    init(_ fault: MoveFault, isHarmed: Bool) throws {
        self.fault = fault
        store = try fault.dialect.makeStore()
        folder = try TemporaryFolder()
        try store.run(RoundTripTests.fixture("shape1", fault.dialect))
        try store.run(RoundTripTests.fixture("shape1_messages", fault.dialect, count: Self.messages))
        let shipped = MigratorBinary.packageFolder + "/migrations/" + fault.dialect.rawValue
        for name in ["0001_chat_baseline.sql", "0002_direct_messages_to_messages.sql"] {
            var text = try String(contentsOfFile: shipped + "/" + name, encoding: .utf8)
            if name.hasPrefix("0002") { text = try changed(text, isHarmed: isHarmed) }
            try folder.write(text, to: "migrations/\(fault.dialect.rawValue)/\(name)")
        }
        try migrate(["stamp", "0001"], on: store, migrations: migrations).checked()
        if isHarmed, !fault.before.isEmpty { try store.run(fault.before) }
    }

    private func changed(_ text: String, isHarmed: Bool) throws -> String {
        let directive = "-- migrator:switch direct_messages -> messages key=id"
        var text = text
        if !fault.strategy.isEmpty {
            text = text.replacingOccurrences(of: directive, with: "\(directive) strategy=\(fault.strategy)")
        }
        guard isHarmed else { return text }
        text = text.replacingOccurrences(of: directive, with: "\(fault.script)\n\n\(directive)")
        for (old, new) in fault.replacing {
            guard text.contains(old) else { throw CommandError(message: "0002 has no \(old)") }
            text = text.replacingOccurrences(of: old, with: new)
        }
        return text
    }

    /// Upgrades; where something happens meanwhile, an online copy waits for it after its first batch, or before it
    /// cuts over.
    func upgrade(isHarmed: Bool) throws -> CommandResult {
        let arguments = ["upgrade", "0002", "--mode", fault.mode]
        guard !fault.meanwhile.isEmpty, isHarmed || fault.isPostponed else {
            return try migrate(arguments, on: store, migrations: migrations)
        }
        let file = try folder.write("", to: "wait")
        let running = try MigratorBinary.start(
            ["--database", store.url, "--migrations", migrations] + arguments
                + [fault.isPostponed ? "--postpone-cut-over" : "--pause-file", file])
        guard running.waitForStandardError(fault.isPostponed ? "ready to cut over" : "paused") else {
            throw CommandError(message: "it did not wait")
        }
        if isHarmed { try store.run(fault.meanwhile) }
        try FileManager.default.removeItem(atPath: file)
        return try running.wait()
    }

    /// What the application has stored.
    func rows() throws -> [String] {
        let session = try store.session()
        defer { session.close() }
        return try ["users", "direct_messages", "attachments"].flatMap { table in
            try session.query("SELECT * FROM \(table)").map { row in
                "\(table): " + row.values.map { $0.asText ?? "NULL" }.joined(separator: "|")
            }.sorted()
        }
    }

    /// Whether there is a table, not a view, of that name.
    func isBase(_ table: String) throws -> Bool {
        let session = try store.session()
        defer { session.close() }
        let sql =
            store.dialect == .postgresql
            ? "SELECT count(*) FROM pg_class WHERE relname = $1 AND relkind = 'r' AND relnamespace = 'public'::regnamespace"
            : "SELECT count(*) FROM sqlite_schema WHERE name = $1 AND type = 'table'"
        return try session.query(sql, [.text(table)]).first?[0].asInt == 1
    }

    func migrate(_ arguments: String...) throws -> CommandResult {
        try migrate(arguments, on: store, migrations: migrations)
    }

    private func migrate(_ arguments: [String], on store: any Store, migrations: String) throws -> CommandResult {
        try EndToEndTests.migrate(arguments, on: store, migrations: migrations)
    }
}
