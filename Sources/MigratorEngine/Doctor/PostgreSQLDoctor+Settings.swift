import Glibc
import MigratorDatabase

extension PostgreSQLDoctor {
    /// A setting that will hurt, and what to do about it.
    private struct Rule: Sendable {
        var name: String
        var level = Finding.Level.warning
        var message: String
        var hint: String
        /// On the value as `current_setting` has it; durations in milliseconds, sizes in bytes.
        var isBad: @Sendable (Double, String) -> Bool
    }

    private static let rules: [Rule] = [
        Rule(
            name: "transaction_timeout", level: .problem, message: "transactions are ended after",
            hint: "set it to 0 for the role: a backup of a large table is one transaction"
        ) { value, _ in value > 0 },
        Rule(
            name: "temp_file_limit", message: "temporary files are limited to",
            hint: "set it to -1 for the role: index builds and comparisons sort"
        ) { value, _ in value >= 0 },
        Rule(
            name: "maintenance_work_mem", message: "index builds may use",
            hint: "set 256MB or more for the role: indexes are built faster"
        ) { value, _ in value < 128 * 1_048_576 },
        Rule(
            name: "max_wal_size", message: "checkpoints come after WAL of",
            hint: "raise it to 4GB or more while rows are copied"
        ) { value, _ in value < 2 * 1_073_741_824 },
        Rule(
            name: "min_wal_size", message: "WAL files are kept to be used again up to",
            hint: "raise it to 4GB some checkpoints before rows are copied: while a new file is made, commits wait"
        ) { value, _ in value < 1_073_741_824 },
        Rule(name: "fsync", message: "the server does not write safely: fsync is", hint: "switch it on") {
            $1 == "off"
        },
        Rule(
            name: "full_page_writes", message: "the server does not write safely: full_page_writes is",
            hint: "switch it on"
        ) { $1 == "off" },
        Rule(name: "autovacuum", message: "dead rows are not cleaned up: autovacuum is", hint: "switch it on") {
            $1 == "off"
        },
        Rule(
            name: "session_replication_role", level: .problem, message: "triggers do not fire: it is",
            hint: "RESET session_replication_role for the role"
        ) { $1 != "origin" },
        Rule(
            name: "synchronous_standby_names", message: "every commit waits for",
            hint: "watch the batches: each one waits for a standby"
        ) { !$1.isEmpty },
    ]

    func settings() throws -> [Finding] {
        let names = Self.rules.map(\.name.quotedLiteral).joined(separator: ", ")
        let rows = try backend.session.query(
            """
            SELECT name, setting, unit, current_setting(name) AS shown FROM pg_catalog.pg_settings
            WHERE name IN (\(names))
            """)
        let units: [String: Double] = ["kB": 1024, "8kB": 8192, "MB": 1_048_576, "B": 1, "ms": 1, "s": 1000]
        var found: [Finding] = []
        for rule in Self.rules {
            guard let row = rows.first(where: { $0.text("name") == rule.name }), let setting = row.text("setting")
            else { continue }
            let number = Double(setting) ?? 0
            let value = number < 0 ? number : number * (row.text("unit").flatMap { units[$0] } ?? 1)
            guard rule.isBad(value, setting) else { continue }
            found.append(
                Finding(
                    "settings", rule.level, "\(rule.message) \(row.text("shown") ?? setting) (\(rule.name))",
                    hint: rule.hint))
        }
        return found.isEmpty ? [Finding("settings", .ok, "nothing that hurts")] : found
    }

    /// A copy needs the largest table again: as a backup, and where it is not renamed as the target.
    func space() throws -> Finding {
        let row = try backend.session.query(
            """
            SELECT pg_catalog.pg_database_size(current_database()) AS database,
                   c.oid::regclass::text AS name, pg_catalog.pg_total_relation_size(c.oid) AS size,
                   CASE WHEN inet_server_addr() IS NULL AND pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
                       THEN current_setting('data_directory') END AS folder
            FROM (SELECT 1) AS one LEFT JOIN LATERAL (
                SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY pg_catalog.pg_total_relation_size(c.oid) DESC
                LIMIT 1) AS c ON true
            """, [.text(backend.facts.schema)]
        ).first
        let size = row?.int("size") ?? 0
        var text = "the database takes \((row?.int("database") ?? 0).bytes)"
        if let name = row?.text("name") { text += ", its largest table \(name) \(size.bytes)" }
        var figures = statvfs()
        guard let folder = row?.text("folder"), statvfs(folder, &figures) == 0 else {
            return Finding(
                "space", .ok,
                text + "; the server's free space cannot be seen from here, a switch may need "
                    + "\((2 * size).bytes)")
        }
        let free = Int(figures.f_bavail) * Int(figures.f_frsize)
        text += "; \(free.bytes) are free"
        guard free < 2 * size + 1_073_741_824 else { return Finding("space", .ok, text) }
        return Finding(
            "space", .warning, text,
            hint: "make room: a backup and a copy of that table need \((2 * size).bytes), "
                + "beside the WAL")
    }
}
