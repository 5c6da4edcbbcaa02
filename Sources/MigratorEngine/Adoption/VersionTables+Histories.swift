import MigratorDatabase
import MigratorScript

/// `flyway_schema_history`: a row for each thing that was done, in the order of `installed_rank`.
enum FlywayTable: VersionTable {
    static let tool = ScriptFormat.flyway.rawValue
    static let defaultTable = TableName("flyway_schema_history")
    static let columns = ["installed_rank", "version", "type", "success"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        var entries: [RecordedVersions.Entry] = []
        let rows = try session.query(
            "SELECT version, description, type, script, checksum, success FROM \(table) ORDER BY installed_rank")
        for row in rows {
            let type = row.text("type") ?? ""
            let script = row.text("script") ?? ""
            guard row.bool("success") else {
                throw MigratorError.unsettled(
                    tool, "\(script) failed", hint: "mend the database, then run `flyway repair`")
            }
            if let version = row.text("version") {
                if type == "BASELINE" {
                    entries = [.init(version: version, includesEarlier: true)]
                    continue
                }
                entries.removeAll { $0.version == version && $0.role != .repeatable }
                if type.hasPrefix("UNDO") || type == "DELETE" { continue }
                entries.append(
                    .init(
                        version: version, checksum: row.text("checksum"),
                        role: type == "SQL_BASELINE" ? .baseline : .versioned))
            } else if let name = repeatableName(script) {
                entries.removeAll { $0.role == .repeatable && $0.version == name }
                entries.append(.init(version: name, checksum: row.text("checksum"), role: .repeatable))
            }
        }
        return RecordedVersions(entries: entries)
    }

    /// `views/R__all_views.sql` is `all_views`; rows that name no script, such as that of a made schema, are none.
    private static func repeatableName(_ script: String) -> String? {
        let file = script.split(separator: "/").last.map(String.init) ?? script
        guard file.hasPrefix("R__"), file.hasSuffix(".sql") else { return nil }
        return String(file.dropFirst(3).dropLast(4))
    }
}

/// `_prisma_migrations`: a row for each attempt.
enum PrismaTable: VersionTable {
    static let tool = ScriptFormat.prisma.rawValue
    static let defaultTable = TableName("_prisma_migrations")
    static let columns = ["migration_name", "finished_at", "rolled_back_at", "checksum"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        var entries: [RecordedVersions.Entry] = []
        let rows = try session.query(
            "SELECT migration_name, checksum, finished_at, rolled_back_at FROM \(table) ORDER BY migration_name")
        for row in rows where row["rolled_back_at"].isNull {
            let name = row.text("migration_name") ?? ""
            guard !row["finished_at"].isNull else {
                throw MigratorError.unsettled(
                    tool, "\(name) failed, or is still running", hint: "run `prisma migrate resolve` first")
            }
            entries.append(.init(version: name, checksum: row.text("checksum")))
        }
        return RecordedVersions(entries: entries)
    }
}

/// `sqitch.changes`: a row for each change that is deployed; on SQLite in a file `sqitch.db` beside the database.
enum SqitchTable: VersionTable {
    static let tool = ScriptFormat.sqitch.rawValue
    static let defaultTable = TableName(schema: "sqitch", "changes")
    static let columns = ["change_id", "change", "committed_at", "planned_at"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        let projects = try session.query("SELECT DISTINCT project FROM \(table) ORDER BY 1").compactMap { $0[0].asText }
        guard projects.count < 2 else {
            throw MigratorError.unsettled(
                tool, "several projects live in the database: \(projects.joined(separator: ", "))",
                hint: "this command takes one; use `migrator stamp REVISION`")
        }
        let rows = try session.query("SELECT change FROM \(table) ORDER BY committed_at, planned_at")
        return RecordedVersions(entries: rows.compactMap { $0[0].asText.map { .init(version: $0) } })
    }
}
