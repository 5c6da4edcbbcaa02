import MigratorDatabase
import MigratorScript

/// A lock that a transaction takes on a table before it does anything.
struct TableLock: Equatable {
    /// Weaker before stronger.
    enum Mode: String, Comparable, CaseIterable {
        /// Rows stay as they are: what is only read for a backup.
        case share = "SHARE"
        /// Also no second transaction of this kind: what CREATE TRIGGER needs.
        case shareRowExclusive = "SHARE ROW EXCLUSIVE"
        case accessExclusive = "ACCESS EXCLUSIVE"

        static func < (left: Mode, right: Mode) -> Bool {
            (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
        }
    }
    var oid: Int
    /// Qualified and quoted.
    var name: String
    /// For people.
    var shown: String
    var mode: Mode
}

extension PostgreSQLBackend {
    /// The locks of a segment in the application's order: view, source, target, children (ONLINE.md H5).
    /// Tables that do not exist yet are skipped. Taken at once in their final mode, since raising a lock
    /// under a waiting writer is a deadlock.
    func tableLocks(for items: [Item]) throws -> [TableLock] {
        var wanted: [(table: TableName, mode: TableLock.Mode, withChildren: Bool)] = []
        collect(items, into: &wanted)
        var locks: [TableLock] = []
        func add(_ lock: TableLock) {
            if let index = locks.firstIndex(where: { $0.oid == lock.oid }) {
                locks[index].mode = max(locks[index].mode, lock.mode)
            } else {
                locks.append(lock)
            }
        }
        var views: [TableLock] = []
        var children: [TableLock] = []
        for (table, mode, withChildren) in wanted {
            guard let relation = try catalog.relation(table) else { continue }
            let lock = TableLock(
                oid: relation.oid, name: relation.quoted, shown: table.name.quotedIdentifier, mode: mode)
            switch relation.kind {
            case .view: views.append(lock)
            case .table, .partitionedTable: add(lock)
            default: continue
            }
            guard withChildren else { continue }
            for key in try catalog.foreignKeysReferencing(relation.oid) where key.tableOID != relation.oid {
                children.append(
                    TableLock(
                        oid: key.tableOID, name: key.table, shown: key.tableName.quotedIdentifier, mode: mode))
            }
        }
        children.forEach(add)
        // Locking a view locks what it reads as well, so that it comes first as it does for the application.
        var seen: Set<Int> = []
        return views.filter { seen.insert($0.oid).inserted } + locks
    }

    private func collect(
        _ items: [Item], into wanted: inout [(table: TableName, mode: TableLock.Mode, withChildren: Bool)]
    ) {
        for item in items {
            switch item.action {
            case .switchTable(let move):
                if let view = move.view { wanted.append((view, .accessExclusive, false)) }
                wanted.append((move.source, .accessExclusive, true))
                wanted.append((move.target, .accessExclusive, true))
            case .backup(let table):
                wanted.append((table, .share, false))
            case .copy(let move):
                wanted.append((move.source, .share, false))
            // The script drops them next: a SHARE lock would have to be raised.
            case .archive(let tables):
                wanted += tables.map { ($0, .accessExclusive, false) }
            case .sync(let sync):
                wanted.append((sync.source, .shareRowExclusive, false))
                if sync.back != nil { wanted.append((sync.target, .shareRowExclusive, false)) }
            // DROP TRIGGER.
            case .unsync(let source, _):
                wanted.append((source, .accessExclusive, false))
            case .ensure(let ensure):
                wanted.append((ensure.source, .shareRowExclusive, false))
            case .fill(let fill):
                wanted.append((fill.table, .shareRowExclusive, false))
            case .exceptions(let exceptions):
                wanted.append((exceptions.table, .share, false))
            case .when(_, let items):
                collect(items, into: &wanted)
            case .statement, .leftovers, .verify, .transaction:
                break
            }
        }
    }

    public func blockers(of items: [Item]) throws -> [String] {
        // A step's own statements lock more, and more strongly, than is locked at first.
        var wanted = try tableLocks(for: items)
        wanted += try items.flatMap { try $0.action.tables.flatMap { try lock($0, .accessExclusive) } }
        for case .statement(let statement) in items.map(\.action) {
            let names = StatementTraits(statement, dialect: .postgresql).identifiers
            wanted += try names.sorted().flatMap { try lock(TableName($0), .accessExclusive) }
        }
        return try blockers(
            of: wanted.map { TableLock(oid: $0.oid, name: $0.name, shown: $0.shown, mode: .accessExclusive) })
    }

    /// Whether somebody holds a lock that is in the way and will hardly give it back in a moment: a vacuum or another
    /// maintenance command, a prepared transaction, or a transaction that is older than the migrator's patience. To
    /// queue behind these would make every writer wait for that long, and for nothing.
    func isHeldForLong(_ locks: [TableLock]) throws -> Bool {
        if locks.isEmpty { return false }
        let exclusive = locks.filter { $0.mode == .accessExclusive }.map { String($0.oid) }
        return try session.query(
            """
            SELECT 1 FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND (l.relation = ANY ($2::oid[]) OR (l.relation = ANY ($1::oid[])
                 AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')))
            AND (l.pid IS NULL OR l.mode = 'ShareUpdateExclusiveLock'
                 OR a.xact_start < clock_timestamp() - make_interval(secs => \(Double(Self.patience) / 1000)))
            LIMIT 1
            """,
            [
                .text("{" + locks.map { String($0.oid) }.joined(separator: ",") + "}"),
                .text("{" + exclusive.joined(separator: ",") + "}"),
            ]
        ).first != nil
    }

    /// The transactions that hold what a segment wants, a line each; prepared ones too.
    func blockers(of locks: [TableLock]) throws -> [String] {
        let oids = "{" + locks.map { String($0.oid) }.joined(separator: ",") + "}"
        let exclusive = locks.filter { $0.mode == .accessExclusive }.map { String($0.oid) }
        return try session.query(
            """
            SELECT DISTINCT ON (a.xact_start, c.relname, l.pid, p.gid)
                   c.relname, l.pid, p.gid, a.usename, a.application_name,
                   regexp_replace(left(a.query, 80), '\\s+', ' ', 'g') AS query,
                   round(extract(epoch FROM clock_timestamp() - a.xact_start)) AS age, a.state
            FROM pg_catalog.pg_locks l
            JOIN pg_catalog.pg_class c ON c.oid = l.relation
            LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL
                AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
            LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
            WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND (l.relation = ANY ($2::oid[]) OR (l.relation = ANY ($1::oid[])
                 AND l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
                 OR l.relation = to_regclass($3) AND l.mode = 'RowShareLock')
            ORDER BY a.xact_start, c.relname, l.pid, p.gid LIMIT 10
            """,
            [
                .text(oids), .text("{" + exclusive.joined(separator: ",") + "}"),
                .text(ledger.table("fence")),
            ]
        ).map { row in
            let table = (row.text("relname") ?? "").quotedIdentifier
            return row.text("pid") == nil
                ? "\(table) is held by a prepared transaction" + (row.text("gid").map { ": \($0.quotedLiteral)" } ?? "")
                : "\(table) is held by \(Self.serverProcess(row))"
        }
    }

    /// Who it is, in words, for how long, and what it does: of a row of pg_stat_activity with its `age` in seconds.
    static func serverProcess(_ row: Row) -> String {
        var line = "server process \(row.text("pid") ?? "?")"
        if let user = row.text("usename") { line += ", role \(user.quotedIdentifier)" }
        if let name = row.text("application_name"), !name.isEmpty { line += ", application \(name.quotedIdentifier)" }
        if let age = row.text("age") { line += ", for \(age) s" }
        if let state = row.text("state") { line += ", \(state)" }
        if let query = row.text("query"), !query.isEmpty { line += ": \(query)" }
        return line
    }
}
