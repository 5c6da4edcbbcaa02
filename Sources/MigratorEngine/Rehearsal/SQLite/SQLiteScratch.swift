import MigratorDatabase
import MigratorScript

/// A copy of a SQLite file by the backup API, and beside it a file with the digests of its rows.
final class SQLiteScratch: ScratchDatabase {
    let locks = LockLog()
    private(set) var report: RehearsalReport.Copy
    private let folder: SQLiteScratchFolder
    /// On the copy, with the file of digests attached as `kept`; reads while no command runs.
    private let keeper: SQLiteSession
    private let trace: SQLiteLockTrace
    private let register: (any CancelHandle) -> Void
    private var keptTables: [String: [ScratchTable]] = [:]

    private init(
        folder: SQLiteScratchFolder, keeper: SQLiteSession, register: @escaping (any CancelHandle) -> Void
    ) {
        self.folder = folder
        self.keeper = keeper
        self.register = register
        trace = SQLiteLockTrace(log: locks)
        report = RehearsalReport.Copy(shown: "sqlite:" + folder.copy, method: "backup API")
    }

    static func place(_ options: RehearsalOptions) throws -> String? {
        guard let scratch = options.scratch else { return nil }
        guard case .sqlite(let path) = scratch else {
            throw MigratorError(
                "usage", .usage, "--scratch-url names a PostgreSQL server, and the database is a SQLite file",
                hint: "name the folder for the copy: --scratch-url sqlite:FOLDER")
        }
        return path
    }

    static func make(from source: SQLiteBackend, options: RehearsalOptions) throws -> SQLiteScratch {
        guard let session = source.session as? SQLiteSession else {
            throw MigratorError("internal-error", .failed, "the session is not one of SQLite")
        }
        let start = ContinuousClock.now
        let parent = try place(options)
        let size =
            try session.scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").asInt ?? 0
        // The copy, the copies that a switch makes in it, and its journal.
        if let free = SQLiteScratchFolder.freeBytes(in: parent), free < size * 4 {
            throw MigratorError(
                "scratch-refused", .unavailable,
                "\"\(parent ?? SQLiteScratchFolder.temporary)\" has room for \(free.grouped) bytes; a rehearsal of "
                    + "this file needs about \((size * 4).grouped)",
                hint: "name a folder with more room: --scratch-url sqlite:FOLDER")
        }
        let folder = try SQLiteScratchFolder(in: parent)
        do {
            options.register(session.cancelHandle)
            try session.backup(to: folder.copy)
            // The other way round SQLite refuses triggers that name the schema main.
            let keeper = try SQLiteSession(path: folder.copy, access: .create)
            try keeper.execute(
                """
                ATTACH \(folder.rows.quotedLiteral) AS kept;
                PRAGMA kept.synchronous = OFF;
                CREATE TABLE kept.kept (state TEXT, relation TEXT, key TEXT, digest TEXT)
                """)
            let scratch = SQLiteScratch(folder: folder, keeper: keeper, register: options.register)
            let tables = try scratch.tables()
            scratch.report.tables = tables.count
            scratch.report.rows = try tables.reduce(0) {
                $0 + (try keeper.scalar("SELECT count(*) FROM \($1.quoted)").asInt ?? 0)
            }
            scratch.report.duration = ContinuousClock.now - start
            scratch.report.bytes = size
            return scratch
        } catch {
            folder.remove()
            throw error
        }
    }

    func open() throws -> any Backend {
        let backend = try SQLiteBackend.open(path: folder.copy, access: .writing)
        (backend.session as? SQLiteSession)?.trace = trace
        register(backend.session.cancelHandle)
        return backend
    }

    func tables() throws -> [ScratchTable] {
        let hasLedger = try keeper.scalar(
            "SELECT count(*) FROM main.sqlite_schema WHERE name = 'migrator_backup'"
        ).asBool
        let backups =
            try hasLedger
            ? Set(
                keeper.query("SELECT lower(name) FROM main.migrator_backup WHERE removed_at IS NULL")
                    .compactMap { $0[0].asText }) : []
        let names = try keeper.query(
            """
            SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
            AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'migrator\\_%' ESCAPE '\\' ORDER BY name
            """
        ).compactMap { $0[0].asText }.filter { !backups.contains($0.lowercased()) }
        return try names.map { name in
            let bound = Set(
                try keeper.query(#"SELECT lower("from") FROM pragma_foreign_key_list($1, 'main')"#, [.text(name)])
                    .compactMap { $0[0].asText })
            let rows = try keeper.query(
                "SELECT name, upper(type) AS type, pk, hidden FROM pragma_table_xinfo($1, 'main') WHERE hidden <> 1 ORDER BY cid",
                [.text(name)])
            let keys = rows.filter { ($0.int("pk") ?? 0) > 0 }
            return ScratchTable(
                shown: name, quoted: "main.\(name.quotedIdentifier)",
                columns: rows.map { row in
                    let column = row.text("name") ?? ""
                    let type = row.text("type") ?? ""
                    let isText = ["CHAR", "CLOB", "TEXT"].contains { type.contains($0) }
                    let isRowid = keys.count == 1 && type == "INTEGER" && (row.int("pk") ?? 0) > 0
                    return ScratchTable.Column(
                        name: column, textLength: isText ? 1_000_000 : nil,
                        isAutomatic: isRowid || (row.int("hidden") ?? 0) > 1,
                        isBound: bound.contains(column.lowercased()), keyPosition: row.int("pk") ?? 0)
                })
        }
    }

    // MARK: Rows

    private func digests(of table: ScratchTable) throws -> String {
        let columns = table.columns.map(\.name).sorted().map { "t.\($0.quotedIdentifier)" }.joined(separator: ", ")
        let keys = table.keyColumns.map { "t.\($0.name.quotedIdentifier)" }
        let isWithoutRowid = try keeper.scalar(
            "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = $1", [.text(table.shown)]
        ).asBool
        let row = isWithoutRowid ? keys.joined(separator: ", ") : "t.rowid"
        let digest = "\(SQLiteContentHash.function)(\(columns))"
        let key =
            keys.isEmpty
            ? "'row ' || \(digest)" : keys.map { "CAST(\($0) AS TEXT)" }.joined(separator: " || ', ' || ")
        return "SELECT \(key) AS key, \(digest) AS digest FROM \(table.quoted) t GROUP BY \(row)"
    }

    func keepRows(as name: String) throws {
        let tables = try tables()
        try keeper.run("DELETE FROM kept.kept WHERE state = $1", [.text(name)])
        for table in tables {
            try keeper.run(
                "INSERT INTO kept.kept SELECT $1, $2, d.key, d.digest FROM (\(try digests(of: table))) d",
                [.text(name), .text(table.shown)])
        }
        keptTables[name] = tables
    }

    func rowDifferences(from name: String) throws -> [Difference] {
        try ScratchComparison(before: keptTables[name] ?? [], now: tables()).differences { table in
            try keeper.query(
                """
                SELECT d.key AS key, max(d.was) > 0 AS was, max(d.now) > 0 AS "is", count(*) OVER () AS total
                FROM (SELECT r.key, r.digest, sum(r.was) AS was, sum(r.now) AS now
                      FROM (SELECT key, digest, 1 AS was, 0 AS now FROM kept.kept WHERE state = $1 AND relation = $2
                            UNION ALL SELECT x.key, x.digest, 0, 1 FROM (\(try digests(of: table))) x) r
                      GROUP BY r.key, r.digest HAVING sum(r.was) <> sum(r.now)) d
                GROUP BY d.key ORDER BY length(d.key), d.key LIMIT 10
                """, [.text(name), .text(table.shown)])
        }
    }

    // MARK: Figures

    func bytes() throws -> (all: Int, backups: Int?) {
        let pages = try keeper.scalar("PRAGMA main.page_count").asInt ?? 0
        let size = try keeper.scalar("PRAGMA main.page_size").asInt ?? 0
        // Only where SQLite was built with it.
        let backups = try? keeper.scalar(
            """
            SELECT coalesce(sum(s.pgsize), 0) FROM dbstat('main') s
            WHERE s.name IN (SELECT b.name FROM main.migrator_backup b WHERE b.removed_at IS NULL)
            """
        ).asInt
        return (pages * size, backups ?? nil)
    }

    func logPosition() throws -> Int? { nil }

    func remove() throws {
        keeper.close()
        folder.remove()
    }
}
