import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public func tableExists(_ table: TableName) throws -> Bool { try self.table(table) != nil }

    public func columnNames(of table: TableName) throws -> [String]? {
        let names = try session.query(
            "SELECT name FROM pragma_table_xinfo($1) WHERE hidden <> 1 ORDER BY cid", [.text(table.name)]
        ).compactMap { $0[0].asText }
        return names.isEmpty ? nil : names
    }

    public func schemaSnapshot(of relations: Set<String>?) throws -> SchemaSnapshot {
        // Registered backups, and those that are being made.
        var backups: Set<String> = []
        if try ledger.exists() {
            backups.formUnion(try ledger.backups().map { $0.name.lowercased() })
            backups.formUnion(try ledger.objects(kind: Self.madeBackup).map { $0.detail.lowercased() })
            backups.formUnion(
                try triggerSteps().filter { $0.step.kind == "backup" }.map { $0.step.target.lowercased() })
        }
        var snapshot: SchemaSnapshot = [:]
        try session.forEachRow(
            """
            SELECT type, name, tbl_name, sql FROM main.sqlite_schema
            WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'migrator\\_%' ESCAPE '\\'
                AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
            """, []
        ) { row in
            let table = (row.text("tbl_name") ?? "").lowercased()
            guard !backups.contains(table) else { return }
            let relation = "main.\(table)"
            guard relations?.contains(relation) ?? true else { return }
            let type = row.text("type") ?? ""
            snapshot[relation, default: []].append(
                "\(type) \((row.text("name") ?? "").lowercased()): \(SQLiteTokens(row.text("sql") ?? "").normalised)")
        }
        return snapshot.mapValues { $0.sorted() }
    }

    /// SQLite does not say which definitions a transaction has changed.
    public func touchedSchema() throws -> TouchedSchema? { nil }

    /// SQLite has no identity that survives a rename: names stand for themselves.
    public func inventory() throws -> [String: InventoryTable] {
        var tables: [String: InventoryTable] = [:]
        let derived = try derivedTables()
        for row in try session.query(
            """
            SELECT s.name AS name, x.name AS column FROM main.sqlite_schema s JOIN pragma_table_xinfo(s.name) x
            WHERE s.type = 'table' AND x.hidden <> 1 AND s.name NOT LIKE 'migrator\\_%' ESCAPE '\\'
                AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
            """)
        {
            guard let name = row.text("name"), let column = row.text("column"), !derived.contains(name) else {
                continue
            }
            tables[name, default: InventoryTable(schema: schema, name: name, columns: [:])].columns[column] = column
        }
        return tables
    }
}
