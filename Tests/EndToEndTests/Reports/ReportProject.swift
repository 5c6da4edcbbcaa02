import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// A store with notes, a chain that copies them to letters, and reports of its runs.
final class ReportProject {
    let store: any Store
    let project: Project
    private let session: any Session

    static func script(_ revision: String, revises: String, _ body: String) -> String {
        """
        -- migrator:revision \(revision)
        -- migrator:revises \(revises)
        -- migrator:message Turn <i>notes</i> & "letters"

        -- migrator:upgrade
        \(body)

        """
    }

    static let copy = script(
        "0001", revises: "base",
        """
        -- migrator:backup notes
        CREATE TABLE letters (id integer PRIMARY KEY, body text NOT NULL, pages integer DEFAULT 1);
        -- Like notes, and nothing to do with them.
        CREATE TABLE drafts (id integer PRIMARY KEY, body text);
        -- migrator:switch notes -> letters key=id strategy=copy

        -- migrator:verify every letter <has> a "body" & a place
        SELECT id FROM letters WHERE body IS NULL;

        -- migrator:downgrade
        -- migrator:switch letters -> notes key=id
        DROP TABLE drafts;
        """)

    init(_ dialect: Dialect, rows: Int = 2000, scripts: [String: String] = ["0001_copy": ReportProject.copy]) throws {
        store = dialect == .postgresql ? try PostgreSQLStore() : try SQLiteStore()
        try store.run(
            """
            CREATE TABLE notes (id integer PRIMARY KEY, body text);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
            INSERT INTO notes SELECT i, 'note ' || i FROM n;
            """ + (dialect == .postgresql ? "ANALYZE notes;" : ""))
        project = try Project(
            Dictionary(uniqueKeysWithValues: scripts.map { ("migrations/\(dialect.rawValue)/\($0.key).sql", $0.value) })
        )
        session = try store.session()
    }

    deinit { session.close() }

    @discardableResult
    func run(_ arguments: String..., status: Int32 = 0) throws -> CommandResult {
        let result = try project.run(["--database", store.url] + arguments)
        #expect(result.status == status, "\(result.standardOutput)\(result.standardError)")
        return result
    }

    func report(_ format: String, _ arguments: String...) throws -> String {
        let result = try project.run(["--database", store.url, "report", "--\(format)", "-"] + arguments)
        #expect(result.status == 0, "\(result.standardError)")
        return result.standardOutput
    }

    /// A ledger table's name.
    func table(_ name: String) -> String {
        store.dialect == .postgresql ? "migrator.\(name)" : "migrator_\(name)"
    }

    /// A column of whole numbers, sorted; nulls left out. `{name}` stands for a ledger table.
    func numbers(_ query: String) throws -> [Int] {
        var sql = query
        for name in ["activity", "sample", "critical_section", "size", "step", "proof", "backup", "run", "format"] {
            sql = sql.replacingOccurrences(of: "{\(name)}", with: table(name))
        }
        return try session.query(sql).compactMap { $0[0].asInt }.sorted()
    }
}

/// The figures of a page: what its `data` elements hold, by their class.
struct PageFigures {
    private(set) var values: [String: [Int]] = [:]

    init(_ page: String) {
        for piece in page.components(separatedBy: "<data class=\"").dropFirst() {
            let parts = piece.components(separatedBy: "\"")
            guard parts.count > 3, parts[1] == " value=", let value = Int(parts[2]) else { continue }
            values[parts[0], default: []].append(value)
        }
        for name in values.keys { values[name]?.sort() }
    }

    subscript(name: String) -> [Int] { values[name] ?? [] }

    /// What the ledger says that the page must hold, by class.
    static let queries: [String: String] = [
        "step_ms": """
        SELECT CASE WHEN coalesce(a.duration_ms, 0) > s.duration_ms THEN a.duration_ms ELSE s.duration_ms END
        FROM {step} s LEFT JOIN {activity} a ON a.run_id = s.run_id AND a.item = s.item AND a.phase IS NULL
            AND a.revision = s.revision AND a.direction = s.direction
        WHERE s.run_id = RUN AND s.state = 'done'
        """,
        "step_rows": "SELECT rows FROM {step} WHERE run_id = RUN AND state = 'done'",
        "phase_ms": "SELECT duration_ms FROM {activity} WHERE run_id = RUN AND phase IS NOT NULL",
        "section_at_ms": "SELECT started_ms FROM {critical_section} WHERE run_id = RUN",
        "section_waited_us": "SELECT waited_us FROM {critical_section} WHERE run_id = RUN",
        "section_held_us": "SELECT held_us FROM {critical_section} WHERE run_id = RUN",
        "longest_held_us": "SELECT max(held_us) FROM {critical_section} WHERE run_id = RUN",
        "waited_us": "SELECT sum(waited_us) FROM {critical_section} WHERE run_id = RUN",
        "sample_at_ms": "SELECT at_ms FROM {sample} WHERE run_id = RUN",
        "sample_rows": "SELECT rows FROM {sample} WHERE run_id = RUN",
        "sample_batch_ms": "SELECT batch_ms FROM {sample} WHERE run_id = RUN",
        "sample_batch_rows": "SELECT batch_rows FROM {sample} WHERE run_id = RUN",
        "size_before": "SELECT bytes FROM {size} WHERE run_id = RUN AND moment = 'before'",
        "size_after": """
        SELECT bytes FROM {size} WHERE run_id = RUN AND moment = 'after'
        UNION ALL SELECT bytes FROM {size} WHERE run_id = RUN AND moment = 'after' AND kind = 'database'
        """,
        "backup_rows": "SELECT rows FROM {backup} WHERE run_id = RUN",
        "exact": "SELECT count(*) FROM {proof} WHERE run_id = RUN AND verdict = 'exact'",
    ]

    /// The classes in which a page of a run differs from the ledger.
    func differences(from project: ReportProject, run: Int) throws -> [String] {
        try Self.queries.compactMap { name, query in
            let expected = try project.numbers(query.replacingOccurrences(of: "RUN", with: "\(run)"))
            return expected == self[name] ? nil : "\(name): the ledger has \(expected), the page \(self[name])"
        }
    }
}
