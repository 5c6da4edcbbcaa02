import MigratorDatabase
import MigratorScript

/// Copies rows into a scratch database that has no keys, indexes or triggers yet: all of a table, or half of the sample
/// from its end and half from all over it, and then every row that a copied row refers to, until nothing is missing.
///
/// Tables whose rows the ledger judges by hash or by another table (registered backups, followers, what is kept in
/// sync) are always copied whole, and so is the ledger.
struct PostgreSQLSample {
    var source: PostgreSQLBackend
    var session: PostgreSQLSession
    var loader: PostgreSQLSession
    var rowsPerTable: Int?

    private struct Table {
        var oid: Int
        var schema: String
        var shown: String
        var quoted: String
        /// Without generated ones; quoted.
        var columns: [String]
        var key: [String]
        var isLedger: Bool
    }

    private struct Key {
        var child: String
        var columns: [String]
        var parentOID: Int
        var parentColumns: [String]
        var types: [String]
    }

    func copy(report: inout RehearsalReport.Copy) throws {
        let whole = try tablesOfTheLedger()
        var sampled: [Table] = []
        let tables = try tables()
        for table in tables {
            let list = table.columns.joined(separator: ", ")
            let sink = "COPY \(table.quoted) (\(list)) FROM STDIN"
            guard !table.columns.isEmpty else { continue }
            if !table.isLedger { report.tables += 1 }
            let isPart =
                try rowsPerTable.map { limit in
                    try !table.isLedger && !whole.contains(table.shown) && holdsMore(table, than: limit)
                } ?? false
            guard isPart, let limit = rowsPerTable else {
                let rows = try session.transfer(
                    "COPY (SELECT \(list) FROM ONLY \(table.quoted)) TO STDOUT", to: loader, sink)
                if !table.isLedger { report.rows += rows }
                continue
            }
            sampled.append(table)
            report.rows += try session.transfer(
                "COPY (\(try sample(of: table, rows: limit))) TO STDOUT", to: loader, sink)
        }
        guard !sampled.isEmpty else { return }
        report.sampledTables = sampled.map(\.shown)
        report.rows += try complete(sampled)
    }

    private func holdsMore(_ table: Table, than limit: Int) throws -> Bool {
        try session.scalar("SELECT count(*) FROM (SELECT FROM ONLY \(table.quoted) LIMIT \(limit + 1)) t").asInt ?? 0
            > limit
    }

    /// Its newest rows by key, and pages from all over it.
    private func sample(of table: Table, rows limit: Int) throws -> String {
        let list = table.columns.joined(separator: ", ")
        guard !table.key.isEmpty else { return "SELECT \(list) FROM ONLY \(table.quoted) LIMIT \(limit)" }
        let order = table.key.map { "\($0) DESC" }.joined(separator: ", ")
        let half = max(limit / 2, 1)
        let rows =
            try session.scalar(
                "SELECT greatest(reltuples, 1)::bigint FROM pg_catalog.pg_class WHERE oid = $1", [SQLValue(table.oid)]
            ).asInt ?? 1
        // A little more than needed: pages are not equally full.
        let percent = min(100.0, 120.0 * Double(half) / Double(max(rows, limit)))
        let keys = table.key.joined(separator: ", ")
        return """
            SELECT \(list) FROM ONLY \(table.quoted) WHERE (\(keys)) IN (
                (SELECT \(keys) FROM ONLY \(table.quoted) ORDER BY \(order) LIMIT \(limit - half))
                UNION (SELECT \(keys) FROM ONLY \(table.quoted) TABLESAMPLE SYSTEM (\(percent)) REPEATABLE (1)
                       LIMIT \(half)))
            """
    }

    // MARK: What the rows refer to

    /// Fetches missing parents, and theirs, until a round brings nothing new.
    private func complete(_ sampled: [Table]) throws -> Int {
        let keys = try foreignKeys(to: sampled)
        for (number, key) in keys.enumerated() {
            guard let parent = sampled.first(where: { $0.oid == key.parentOID }) else { continue }
            let columns = key.parentColumns.joined(separator: ", ")
            try loader.execute("CREATE INDEX migrator_sample_\(number) ON \(parent.quoted) (\(columns))")
        }
        try loader.execute("ANALYZE")
        var total = 0
        var isMissing = true
        while isMissing {
            isMissing = false
            for key in keys {
                guard let parent = sampled.first(where: { $0.oid == key.parentOID }) else { continue }
                let fetched = try fetchParents(key, parent: parent)
                total += fetched
                if fetched > 0 { isMissing = true }
            }
        }
        for (number, key) in keys.enumerated() {
            guard let parent = sampled.first(where: { $0.oid == key.parentOID }) else { continue }
            try loader.execute("DROP INDEX \(parent.schema.quotedIdentifier).migrator_sample_\(number)")
        }
        return total
    }

    /// - Returns: how many rows came; keys that the source does not have either are left alone.
    private func fetchParents(_ key: Key, parent: Table) throws -> Int {
        let child = key.columns.map { "c.\($0)" }
        let match = zip(key.parentColumns, child).map { "p.\($0) = \($1)" }.joined(separator: " AND ")
        let rows = try loader.query(
            """
            SELECT DISTINCT \(child.joined(separator: ", ")) FROM \(key.child) c
            WHERE \(child.map { "\($0) IS NOT NULL" }.joined(separator: " AND "))
            AND NOT EXISTS (SELECT FROM \(parent.quoted) p WHERE \(match))
            """)
        var fetched = 0
        let list = parent.columns.joined(separator: ", ")
        for start in stride(from: 0, to: rows.count, by: 5_000) {
            let chunk = rows[start..<min(start + 5_000, rows.count)]
            let arrays = zip(key.types.indices, key.types).map { index, type in
                PostgreSQLBackend.arrayLiteral(chunk.map { $0[index].asText ?? "" }).quotedLiteral + "::\(type)[]"
            }
            let names = key.types.indices.map { "k\($0)" }
            let match = zip(key.parentColumns, names).map { "p.\($0) = w.\($1)" }.joined(separator: " AND ")
            let columns = parent.columns.map { "p.\($0)" }.joined(separator: ", ")
            try loader.execute(
                "CREATE TEMP TABLE IF NOT EXISTS migrator_sample (LIKE \(parent.quoted)); TRUNCATE migrator_sample")
            try session.transfer(
                """
                COPY (SELECT \(columns) FROM ONLY \(parent.quoted) p
                      JOIN unnest(\(arrays.joined(separator: ", "))) AS w (\(names.joined(separator: ", "))) ON \(match))
                TO STDOUT
                """, to: loader, "COPY migrator_sample (\(list)) FROM STDIN")
            // OVERRIDING has no meaning for tables without identity columns, and does no harm.
            fetched += try loader.run(
                "INSERT INTO \(parent.quoted) (\(list)) OVERRIDING SYSTEM VALUE SELECT \(list) FROM migrator_sample")
            try loader.execute("DROP TABLE migrator_sample")
        }
        return fetched
    }

    // MARK: The catalog

    private func tables() throws -> [Table] {
        try session.query(
            """
            SELECT c.oid, n.nspname, c.relname, n.nspname = $1 AS is_ledger,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
                 WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) AS key
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
            ORDER BY n.nspname, c.relname
            """, [.text(source.ledger.schema)]
        ).map { row in
            let schema = row.text("nspname") ?? ""
            let name = row.text("relname") ?? ""
            return Table(
                oid: row.int("oid") ?? 0, schema: schema, shown: "\(schema).\(name)",
                quoted: "\(schema.quotedIdentifier).\(name.quotedIdentifier)",
                columns: PostgreSQLCatalog.identifiers(row.text("columns")).map(\.quotedIdentifier),
                key: PostgreSQLCatalog.identifiers(row.text("key")).map(\.quotedIdentifier),
                isLedger: row.bool("is_ledger"))
        }
    }

    private func foreignKeys(to tables: [Table]) throws -> [Key] {
        try session.query(
            """
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS child, k.confrelid,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.ord)
                 FROM unnest(k.conkey) WITH ORDINALITY AS u (num, ord)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) AS columns,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.ord)
                 FROM unnest(k.confkey) WITH ORDINALITY AS u (num, ord)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) AS parents,
                (SELECT string_agg(quote_ident(format_type(a.atttypid, NULL)), ',' ORDER BY u.ord)
                 FROM unnest(k.confkey) WITH ORDINALITY AS u (num, ord)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) AS types
            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY ($1::oid[])
            """, [.text("{" + tables.map { String($0.oid) }.joined(separator: ",") + "}")]
        ).map { row in
            Key(
                child: row.text("child") ?? "",
                columns: PostgreSQLCatalog.identifiers(row.text("columns")).map(\.quotedIdentifier),
                parentOID: row.int("confrelid") ?? 0,
                parentColumns: PostgreSQLCatalog.identifiers(row.text("parents")).map(\.quotedIdentifier),
                types: PostgreSQLCatalog.identifiers(row.text("types")))
        }
    }

    /// Qualified names of the tables that applied revisions compare with others, and of registered backups.
    private func tablesOfTheLedger() throws -> Set<String> {
        guard try source.ledger.exists() else { return [] }
        var names = Set(try source.ledger.backups().map { "\($0.schema).\($0.name)" })
        // A follower lives beside the ledger, and is compared with the table that it follows.
        let hasFollower = try session.scalar(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND starts_with(tablename, 'follower_'))",
            [.text(source.ledger.schema)]
        ).asBool
        for record in try source.ledger.revisions() {
            let text = try source.ledger.script(of: record.revision)
            let script = try Script.parse(bytes: Array(text.utf8), file: record.file, dialect: .postgresql)
            for item in try script.upgrade.flatItems {
                for table in item.action.comparedTables(withFollower: hasFollower) {
                    names.insert("\(table.schema ?? source.schema).\(table.name)")
                }
            }
        }
        return names
    }
}

extension Action {
    /// The tables whose rows are judged by those of another.
    fileprivate func comparedTables(withFollower: Bool) -> [TableName] {
        switch self {
        case .copy(let move): [move.source, move.target]
        case .sync(let sync): [sync.source, sync.target]
        case .ensure(let ensure): [ensure.source, ensure.target]
        case .fill(let fill): [fill.table]
        case .switchTable(let move): withFollower ? [move.target] : []
        default: []
        }
    }
}
