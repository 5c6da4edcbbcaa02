import MigratorDatabase
import MigratorScript

/// `schema_migrations(version, dirty)`: one row.
enum GolangMigrateTable: VersionTable {
    static let tool = ScriptFormat.golangMigrate.rawValue
    static let defaultTable = TableName("schema_migrations")
    static let columns = ["version", "dirty"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        let rows = try session.query("SELECT version, dirty FROM \(table)")
        guard let row = rows.first, let version = row.text("version") else { return RecordedVersions(entries: []) }
        guard !row.bool("dirty") else {
            throw MigratorError.unsettled(
                tool, "version \(version) is dirty: it was begun and did not end",
                hint: "look what of it is there, finish or undo it by hand, and `migrate force` what is true")
        }
        return RecordedVersions(entries: [.init(version: version, includesEarlier: true)])
    }
}

/// `goose_db_version(id, version_id, is_applied)`: a row for each step up or down, the last one counts.
enum GooseTable: VersionTable {
    static let tool = ScriptFormat.goose.rawValue
    static let defaultTable = TableName("goose_db_version")
    static let columns = ["version_id", "is_applied"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        var versions: [String] = []
        for row in try session.query("SELECT version_id, is_applied FROM \(table) ORDER BY id") {
            guard let version = row.text("version_id"), version != "0" else { continue }
            versions.removeAll { $0 == version }
            if row.bool("is_applied") { versions.append(version) }
        }
        return RecordedVersions(entries: versions.map { .init(version: $0) })
    }
}

/// `schema_migrations(version)`: a row for each applied one; Rails has the same.
enum DbmateTable: VersionTable {
    static let tool = ScriptFormat.dbmate.rawValue
    static let defaultTable = TableName("schema_migrations")
    static let columns = ["version"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        let rows = try session.query("SELECT version FROM \(table) ORDER BY version")
        return RecordedVersions(entries: rows.compactMap { $0.text("version").map { .init(version: $0) } })
    }
}

/// `__diesel_schema_migrations(version, run_on)`: a row for each applied one.
enum DieselTable: VersionTable {
    static let tool = ScriptFormat.diesel.rawValue
    static let defaultTable = TableName("__diesel_schema_migrations")
    static let columns = ["version", "run_on"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        let rows = try session.query("SELECT version FROM \(table) ORDER BY version")
        return RecordedVersions(entries: rows.compactMap { $0.text("version").map { .init(version: $0) } })
    }
}

/// `_sqlx_migrations(version, success, checksum)`: a row for each begun one.
enum SQLxTable: VersionTable {
    static let tool = ScriptFormat.sqlx.rawValue
    static let defaultTable = TableName("_sqlx_migrations")
    static let columns = ["version", "success", "checksum"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        var entries: [RecordedVersions.Entry] = []
        for row in try session.query("SELECT version, success, checksum FROM \(table) ORDER BY version") {
            let version = row.text("version") ?? ""
            guard row.bool("success") else {
                throw MigratorError.unsettled(
                    tool, "version \(version) was begun and did not succeed",
                    hint: "finish or undo it by hand, and set its row right")
            }
            entries.append(.init(version: version, checksum: row.text("checksum")))
        }
        return RecordedVersions(entries: entries)
    }
}

/// `alembic_version(version_num)`: a row for each head.
enum AlembicTable: VersionTable {
    static let tool = "alembic"
    static let defaultTable = TableName("alembic_version")
    static let columns = ["version_num"]

    static func read(_ table: String, _ session: any Session) throws -> RecordedVersions {
        let heads = try session.query("SELECT version_num FROM \(table) ORDER BY 1").compactMap { $0[0].asText }
        guard heads.count < 2 else {
            throw MigratorError.unsettled(
                tool, "the database is at several heads: \(heads.joined(separator: ", "))",
                hint: "merge them with `alembic merge` and upgrade to the merge first")
        }
        return RecordedVersions(entries: heads.map { .init(version: $0, includesEarlier: true) })
    }
}
