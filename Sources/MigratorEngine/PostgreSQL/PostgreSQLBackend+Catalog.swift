import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Two round trips; names of `relations` are qualified, as the result's keys are.
    /// The search path is the schema alone meanwhile, so that texts do not depend on the session's own.
    public func schemaSnapshot(of relations: Set<String>?) throws -> SchemaSnapshot {
        if let relations, relations.isEmpty { return [:] }
        let statement = relations == nil ? "migrator_snapshot_all" : SchemaSnapshotQuery.namedStatement
        let wanted = relations.map { Array($0).sorted() } ?? []
        // A name may hold a dot: every place where it could be cut.
        let names = wanted.flatMap { name in
            name.indices.filter { name[$0] == "." }.map { String(name[name.index(after: $0)...]) }
        }
        let path = schema.quotedIdentifier
        let state = try session.query(
            """
            SELECT current_setting('search_path') AS old_path, set_config('search_path', $1, false),
                   set_config('\(SchemaSnapshotQuery.relationsSetting)', $2, false),
                   set_config('\(SchemaSnapshotQuery.namesSetting)', $3, false),
                   EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = $4) AS is_prepared
            """,
            [
                .text(path), .text(Self.arrayLiteral(wanted)), .text(Self.arrayLiteral(names)),
                .text(statement),
            ]
        ).first
        let oldPath = state?.text("old_path") ?? ""
        defer {
            if oldPath != path {
                _ = try? session.query(
                    "SELECT set_config('search_path', $1, false)", [.text(oldPath)])
            }
        }
        if state?.bool("is_prepared") != true {
            let query = SchemaSnapshotQuery(
                schema: schema, serverVersion: facts.version, isForNamed: relations != nil)
            try session.execute("PREPARE \(statement) AS \(query.text)")
            keptQueries?.insert(statement)
        }
        let rows = try session.query("EXECUTE \(statement)")
        let backups = facts.hasLedger ? try session.query(backupsQuery).compactMap { $0[0].asText } : []
        return snapshot(of: rows, backups: backups)
    }

    /// Without the tool's own: the ledger's schema, registered backups.
    func snapshot(of rows: [Row], backups: [String]) -> SchemaSnapshot {
        var snapshot: SchemaSnapshot = [:]
        for row in rows {
            guard let name = row[0].asText, let line = row[1].asText else { continue }
            snapshot[name, default: []].append(line)
        }
        let prefix = ledger.schema + "."
        for name in snapshot.keys.filter({ $0.hasPrefix(prefix) }) + backups { snapshot[name] = nil }
        return snapshot.mapValues { $0.sorted() }
    }

    /// The registered backups.
    var backupsQuery: String {
        "SELECT schema_name || '.' || name FROM \(ledger.table("backup")) WHERE removed_at IS NULL"
    }

    /// Ordinary and partitioned tables of every schema by oid, columns by attnum.
    public func inventory() throws -> [String: InventoryTable] {
        let rows = try session.query(
            """
            SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname,
                CASE WHEN has_table_privilege(c.oid, 'TRUNCATE') THEN c.relfilenode END AS storage
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_attribute a
                ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
            AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
            """, [.text(ledger.schema)])
        var tables: [String: InventoryTable] = [:]
        for row in rows {
            guard let oid = row.text("oid") else { continue }
            let table = InventoryTable(
                schema: row.text("nspname") ?? "", name: row.text("relname") ?? "", columns: [:],
                storage: row.text("storage"))
            tables[oid, default: table].columns[row.text("attnum") ?? ""] = row.text("attname")
        }
        return tables
    }

    /// An array as PostgreSQL reads it.
    static func arrayLiteral(_ values: [String]) -> String {
        "{"
            + values.map { value in
                var text = "\""
                for scalar in value.unicodeScalars {
                    if scalar == "\"" || scalar == "\\" { text.unicodeScalars.append("\\") }
                    text.unicodeScalars.append(scalar)
                }
                return text + "\""
            }.joined(separator: ",") + "}"
    }
}
