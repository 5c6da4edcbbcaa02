import MigratorDatabase
import MigratorScript

/// What verification and plans ask the catalog.
extension PostgreSQLBackend {
    public func foreignKeys() throws -> [ForeignKey] {
        try session.query(
            """
            SELECT k.conname, n.nspname, c.relname, rn.nspname AS referenced_schema, r.relname AS referenced,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.ord)
                 FROM unnest(k.conkey) WITH ORDINALITY AS u(num, ord)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) AS columns,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.ord)
                 FROM unnest(k.confkey) WITH ORDINALITY AS u(num, ord)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) AS referenced_columns,
                (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.ord)
                 FROM pg_constraint pk, unnest(pk.conkey) WITH ORDINALITY AS u(num, ord)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
                 WHERE pk.conrelid = k.conrelid AND pk.contype = 'p') AS row_key
            FROM pg_constraint k
            JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
            WHERE k.contype = 'f' AND n.nspname = $1 ORDER BY c.relname, k.conname
            """, [.text(schema)]
        ).map { row in
            ForeignKey(
                name: row.text("conname") ?? "",
                table: TableName(schema: row.text("nspname"), row.text("relname") ?? ""),
                columns: PostgreSQLCatalog.identifiers(row.text("columns")),
                referenced: TableName(
                    schema: row.text("referenced_schema"), row.text("referenced") ?? ""),
                referencedColumns: PostgreSQLCatalog.identifiers(row.text("referenced_columns")),
                rowKey: PostgreSQLCatalog.identifiers(row.text("row_key")))
        }
    }

    public func nextIDs() throws -> [NextID] {
        let columns = try session.query(
            """
            WITH drawn AS (
                SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS attribute FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                  AND d.deptype IN ('a', 'i')
                UNION
                -- A default that draws from a sequence, whoever owns it.
                SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
                WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass)
            SELECT n.nspname, c.relname, a.attname, sn.nspname AS sequence_schema, s.relname AS sequence,
                   q.seqincrement AS increment, q.seqstart AS start
            FROM drawn
            JOIN pg_class s ON s.oid = drawn.sequence AND s.relkind = 'S'
            JOIN pg_sequence q ON q.seqrelid = s.oid
            JOIN pg_namespace sn ON sn.oid = s.relnamespace
            JOIN pg_class c ON c.oid = drawn.relation AND c.relkind IN ('r', 'p')
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = drawn.attribute
            WHERE n.nspname = $1 AND q.seqincrement > 0 AND a.atttypid IN (20, 21, 23, 1700)
            ORDER BY c.relname, a.attname
            """, [.text(schema)])
        return try columns.map { row in
            let sequence =
                "\((row.text("sequence_schema") ?? "").quotedIdentifier).\((row.text("sequence") ?? "").quotedIdentifier)"
            let state = try session.query("SELECT last_value, is_called FROM \(sequence)").first
            let last = state?.int("last_value") ?? 0
            return NextID(
                table: TableName(schema: row.text("nspname"), row.text("relname") ?? ""),
                column: row.text("attname") ?? "", sequence: row.text("sequence") ?? "",
                next: state?.bool("is_called") == true ? last + (row.int("increment") ?? 1) : last)
        }
    }

    public func invalidObjects() throws -> [Difference] {
        try keep([invalidObjectsQuery])
        return try session.query("EXECUTE \(invalidObjectsQuery.name)")
            .map { Difference(table: $0.text("table_name"), message: $0.text("message") ?? "") } + brokenTriggers()
    }

    private var invalidObjectsQuery: KeptQuery {
        let namespace = "to_regnamespace(\(schema.quotedIdentifier.quotedLiteral))"
        // One that is not to be enforced is never validated.
        let isEnforced = facts.version >= 180_000 ? "k.conenforced" : "true"
        return KeptQuery(
            name: "migrator_invalid_objects",
            text: """
                SELECT c.relname AS table_name, 'index "' || x.relname || '" is not valid' AS message
                FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
                WHERE c.relnamespace = \(namespace) AND NOT (i.indisvalid AND i.indisready)
                UNION ALL
                SELECT c.relname, 'constraint "' || k.conname || '" is not validated'
                FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
                WHERE c.relnamespace = \(namespace) AND NOT k.convalidated AND \(isEnforced)
                UNION ALL
                SELECT c.relname, 'trigger "' || t.tgname || '" is disabled'
                FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                WHERE c.relnamespace = \(namespace) AND NOT t.tgisinternal AND t.tgenabled IN ('D', 'R')
                UNION
                SELECT c.relname, 'the triggers of the foreign key "' || k.conname || '" are disabled'
                FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_constraint k ON k.oid = t.tgconstraint
                WHERE c.relnamespace = \(namespace) AND t.tgisinternal AND t.tgenabled IN ('D', 'R')
                ORDER BY 1, 2
                """)
    }

    public func declaredFacts() throws -> SchemaSnapshot {
        let outside = ["owner", "grant", "comment", "publication", "column grant"]
        return try schemaSnapshot(of: nil).mapValues { lines in
            lines.filter { line in !outside.contains { line.hasPrefix($0) } }
        }
    }

    /// As the server's planner reckons: the density that the last ANALYZE or VACUUM has found, over the pages of now.
    public func estimatedSize(of table: TableName) throws -> (rows: Int?, bytes: Int?) {
        let row = try session.query(
            """
            SELECT CASE WHEN relkind = 'p' THEN nullif(reltuples, -1)::bigint
                        WHEN pg_relation_size(oid) = 0 THEN 0
                        WHEN reltuples >= 0 AND relpages > 0 THEN (reltuples / relpages
                            * (pg_relation_size(oid) / current_setting('block_size')::int))::bigint
                   END AS rows, pg_total_relation_size(oid) AS bytes
            FROM pg_class WHERE oid = to_regclass($1)
            """, [.text(quoted(table))]
        ).first
        return (row?.int("rows"), row?.int("bytes"))
    }
}
