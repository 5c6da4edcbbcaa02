import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// One thing that is not as it must be, and how `verify` must say so.
struct VerificationFault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var stage: Stage = .shipped
    /// Statements for the database's own shell.
    var inject: String
    /// The check that finds it.
    var check: String
    /// Of a difference that this check names, where it is about one row.
    var key: String?
    /// Among the columns of that difference.
    var column: String?
    /// In the text of that difference, or in its table's name.
    var says: String = ""
    /// Whether `--counts` finds it too.
    var isCounted = false
    /// Whether only `--full` finds it.
    var needsFull = false
    /// Whether a copy of the database would not do: the evidence is bound to the database.
    var isBound = false

    init(
        _ name: String, in stage: Stage = .shipped, _ inject: String, check: String, key: String? = nil,
        column: String? = nil, says: String = "", isCounted: Bool = false, needsFull: Bool = false,
        isBound: Bool = false
    ) {
        testDescription = "\(stage.rawValue): \(name)"
        self.stage = stage
        self.inject = inject
        self.check = check
        self.key = key
        self.column = column
        self.says = says
        self.isCounted = isCounted
        self.needsFull = needsFull
        self.isBound = isBound
    }
}

/// A database in the state in which a fault strikes.
enum Stage: String, Sendable {
    /// PostgreSQL, the shipped chain up to its head.
    case shipped
    /// PostgreSQL, 0002 by rename: the backup judges the rows.
    case renamed
    /// PostgreSQL, 0002 by copy: the old table follows every write.
    case follower
    /// PostgreSQL, one table kept equal to another, of every type whose equality is not identity.
    case values
    /// The same on SQLite.
    case valuesSQLite = "SQLite values"
    /// SQLite, the shipped chain up to its head.
    case shippedSQLite = "SQLite shipped"

    var dialect: Dialect {
        switch self {
        case .shipped, .renamed, .follower, .values: .postgresql
        case .shippedSQLite, .valuesSQLite: .sqlite
        }
    }

    static let messages = 300

    /// A database of its own.
    func make() throws -> (store: any Store, scripts: StageScripts) {
        let store = try dialect.makeStore()
        let scripts = try StageScripts(self)
        switch self {
        case .shipped, .renamed, .follower, .shippedSQLite:
            try store.run(RoundTripTests.fixture("shape1", dialect))
            try store.run(RoundTripTests.fixture("shape1_messages", dialect, count: Self.messages))
            try migrate(["stamp", "0001"], on: store, migrations: scripts.path).checked()
            try migrate(
                ["upgrade", self == .follower || self == .renamed ? "0002" : "head"], on: store,
                migrations: scripts.path
            ).checked()
        case .values, .valuesSQLite:
            try migrate(["upgrade", "head"], on: store, migrations: scripts.path).checked()
        }
        return (store, scripts)
    }

    private static let prepared = StageTemplates()

    /// A copy of a database that has been made once for all faults.
    func copy() throws -> (store: any Store, scripts: StageScripts) {
        let (store, scripts) = try Self.prepared.template(of: self)
        return (try store.copy(), scripts)
    }
}

/// One template for each stage, made when it is first asked for.
private final class StageTemplates: @unchecked Sendable {
    private let lock = NSLock()
    private var templates: [Stage: (store: any Store, scripts: StageScripts)] = [:]

    func template(of stage: Stage) throws -> (store: any Store, scripts: StageScripts) {
        lock.lock()
        defer { lock.unlock() }
        if let template = templates[stage] { return template }
        let template = try stage.make()
        templates[stage] = template
        return template
    }
}

/// The scripts by which a stage was reached.
final class StageScripts: Sendable {
    let path: String
    private let shipped: ShippedScripts?
    private let folder: TemporaryFolder?

    init(_ stage: Stage) throws {
        switch stage {
        case .shipped, .shippedSQLite, .renamed, .follower:
            let shipped = try ShippedScripts(strategy: stage == .follower ? "copy" : "")
            (self.shipped, folder, path) = (shipped, nil, shipped.path)
        case .values, .valuesSQLite:
            let folder = try TemporaryFolder()
            let text = stage == .values ? Self.postgresqlValues : Self.sqliteValues
            try folder.write(text, to: "migrations/\(stage.dialect.rawValue)/0001_test.sql")
            (shipped, self.folder, path) = (nil, folder, folder.file("migrations"))
        }
    }

    private static let postgresqlValues = script(
        "0001",
        up: """
            CREATE TABLE a (id uuid PRIMARY KEY, t text, n numeric, f float8, at timestamptz, j json, c char(5), b bytea);
            INSERT INTO a SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'Text ' || i, 1.0, 0.0,
                '2024-03-01 12:00:00+00', '{"a":1}', 'abc', '\\x00ff' FROM generate_series(1, 40) i;
            CREATE TABLE b (id uuid PRIMARY KEY, t text, n numeric, f float8, at timestamptz, j json, c char(5), b bytea);
            -- migrator:sync a -> b key=id
            """, down: "-- migrator:unsync a -> b\nDROP TABLE b;\nDROP TABLE a;")

    private static let sqliteValues = script(
        "0001",
        up: """
            CREATE TABLE a (id TEXT PRIMARY KEY, t TEXT, n, f REAL, at DATETIME, b BLOB);
            INSERT INTO a WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 40)
                SELECT printf('k%03d', i), 'Text ' || i, 1, 0.0, '2024-03-01 12:00:00', x'00ff' FROM s;
            CREATE TABLE b (id TEXT PRIMARY KEY, t TEXT, n, f REAL, at DATETIME, b BLOB);
            -- migrator:sync a -> b key=id
            """, down: "-- migrator:unsync a -> b\nDROP TABLE b;\nDROP TABLE a;")
}

/// Fails the test unless the database is exact before the fault, and is found wrong after it as the fault says.
func expectFound(_ fault: VerificationFault) throws {
    let (store, scripts) = fault.isBound ? try fault.stage.make() : try fault.stage.copy()
    func verify(_ options: String...) throws -> CommandResult {
        try migrate(["verify", "--json"] + options, on: store, migrations: scripts.path)
    }
    let options = fault.needsFull ? ["--full"] : []
    let control = try migrate(["verify", "--full"], on: store, migrations: scripts.path)
    #expect(control.status == 0, "the control: \(control.standardOutput)\(control.standardError)")

    try store.run(fault.inject)
    let result = try migrate(["verify", "--json"] + options, on: store, migrations: scripts.path)
    let output = result.standardOutput + result.standardError
    #expect(result.status == 2, "\(output)")
    let found = try result.object().differences(of: fault.check)
    #expect(!found.isEmpty, "the check \(fault.check) finds it: \(output)")
    let named = found.filter { difference in
        (fault.key == nil || difference["key"] as? String == fault.key)
            && (fault.column.map { (difference["columns"] as? [String] ?? []).contains($0) } ?? true)
            && (fault.says.isEmpty
                || "\(difference["table"] ?? "") \(difference["message"] ?? "")".contains(fault.says))
    }
    #expect(!named.isEmpty, "key \(fault.key ?? "any"), column \(fault.column ?? "any"), \"\(fault.says)\": \(output)")
    if fault.isCounted {
        let counted = try verify("--counts")
        #expect(counted.status == 2, "--counts: \(counted.standardOutput)")
    }
}

extension [String: Any] {
    /// The differences that one check of a verification names.
    func differences(of check: String) -> [[String: Any]] {
        let checks = self["checks"] as? [[String: Any]] ?? []
        return checks.filter { $0["check"] as? String == check && $0["verdict"] as? String == "differences" }
            .flatMap { $0["differences"] as? [[String: Any]] ?? [] }
    }
}
