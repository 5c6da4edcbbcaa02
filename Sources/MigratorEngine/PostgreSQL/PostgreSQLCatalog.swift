import MigratorDatabase
import MigratorScript

/// Reads what PostgreSQL's catalog says about single relations.
/// Relations are named by oid, so that a rename in between does not matter.
/// Texts of definitions depend on the search path: names of the session's schema come unqualified.
public struct PostgreSQLCatalog {
    let session: any Session
    /// The schema in which unqualified names live.
    let schema: String

    init(session: any Session, schema: String) {
        self.session = session
        self.schema = schema
    }

    /// The relation of that name, of whatever kind; nil where there is none.
    /// Asks pg_class, since `to_regclass` fails on a schema without USAGE.
    public func relation(_ table: TableName) throws(DatabaseError) -> CatalogRelation? {
        try relations(
            where: "c.relname = $1 AND n.nspname = $2",
            [.text(table.name), .text(table.schema ?? schema)]
        ).first
    }

    public func relation(oid: Int) throws(DatabaseError) -> CatalogRelation? {
        try relations(where: "c.oid = $1::oid", [SQLValue(oid)]).first
    }

    /// The oid of the relation of that name, of whatever kind; nil where there is none.
    public func oid(of table: TableName) throws(DatabaseError) -> Int? {
        try relation(table)?.oid
    }

    /// Relations by a condition over `pg_class c` and `pg_namespace n`.
    func relations(
        where condition: String, _ parameters: [SQLValue]
    ) throws(DatabaseError) -> [CatalogRelation] {
        try session.query(
            """
            SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE \(condition) ORDER BY n.nspname, c.relname
            """, parameters
        ).compactMap { row in
            guard let oid = row.int("oid"), let kind = CatalogRelation.Kind(rawValue: row.text("relkind") ?? "")
            else { return nil }
            return CatalogRelation(
                oid: oid, schema: row.text("nspname") ?? "", name: row.text("relname") ?? "", kind: kind,
                owner: row.text("owner") ?? "")
        }
    }

    /// The live columns in their order.
    public func columns(of oid: Int) throws(DatabaseError) -> [CatalogColumn] {
        try session.query(
            """
            SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
                   pg_get_expr(d.adbin, d.adrelid) AS default_text, a.attidentity, a.attgenerated,
                   CASE WHEN a.attcollation <> t.typcollation THEN
                       (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                        FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
                        WHERE co.oid = a.attcollation) END AS collation,
                   col_description(a.attrelid, a.attnum) AS comment
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
            """, [SQLValue(oid)]
        ).map { row in
            CatalogColumn(
                name: row.text("attname") ?? "", number: row.int("attnum") ?? 0, type: row.text("type") ?? "",
                isNotNull: row.bool("attnotnull"), defaultExpression: row.text("default_text"),
                identity: CatalogColumn.Identity(rawValue: row.text("attidentity") ?? ""),
                generated: CatalogColumn.Generated(rawValue: row.text("attgenerated") ?? ""),
                collation: row.text("collation"), comment: row.text("comment"))
        }
    }

    /// The constraints that the table has, by name.
    public func constraints(of oid: Int) throws(DatabaseError) -> [CatalogConstraint] {
        try constraints(where: "k.conrelid = $1::oid", [SQLValue(oid)])
    }

    /// The foreign keys of any table that point at this one: its children, and itself where it refers to itself.
    public func foreignKeysReferencing(_ oid: Int) throws(DatabaseError) -> [CatalogConstraint] {
        try constraints(where: "k.confrelid = $1::oid AND k.contype = 'f'", [SQLValue(oid)])
    }

    /// Constraints by a condition over `pg_constraint k`.
    func constraints(
        where condition: String, _ parameters: [SQLValue]
    ) throws(DatabaseError) -> [CatalogConstraint] {
        try session.query(
            """
            SELECT k.oid, k.conname, k.contype, pg_get_constraintdef(k.oid) AS definition, k.conrelid,
                   c.relname, n.nspname, k.confrelid, k.conindid, k.convalidated, k.condeferrable,
                   (k.conparentid <> 0 OR NOT k.conislocal) AS inherited,
                   (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.place)
                    FROM unnest(k.conkey) WITH ORDINALITY u (attnum, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)
                       AS columns,
                   (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY u.place)
                    FROM unnest(k.confkey) WITH ORDINALITY u (attnum, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum)
                       AS referenced,
                   obj_description(k.oid, 'pg_constraint') AS comment
            FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE \(condition) ORDER BY n.nspname, c.relname, k.conname
            """, parameters
        ).compactMap { row in
            guard let kind = CatalogConstraint.Kind(rawValue: row.text("contype") ?? "") else { return nil }
            let schema = row.text("nspname") ?? ""
            let table = row.text("relname") ?? ""
            return CatalogConstraint(
                oid: row.int("oid") ?? 0, name: row.text("conname") ?? "", kind: kind,
                definition: row.text("definition") ?? "", tableOID: row.int("conrelid") ?? 0,
                table: "\(schema.quotedIdentifier).\(table.quotedIdentifier)", tableName: table,
                tableSchema: schema, columns: PostgreSQLCatalog.identifiers(row.text("columns")),
                referencedOID: kind == .foreignKey ? row.int("confrelid") : nil,
                referencedColumns: PostgreSQLCatalog.identifiers(row.text("referenced")),
                indexOID: kind == .foreignKey ? nil : row.int("conindid").flatMap { $0 == 0 ? nil : $0 },
                isValidated: row.bool("convalidated"), isDeferrable: row.bool("condeferrable"),
                isInherited: row.bool("inherited"), comment: row.text("comment"))
        }
    }

    /// The table's indexes, by name.
    public func indexes(of oid: Int) throws(DatabaseError) -> [CatalogIndex] {
        try session.query(
            """
            SELECT i.indexrelid, c.relname, pg_get_indexdef(i.indexrelid) AS definition, i.indisunique,
                   i.indisprimary, i.indisvalid AND i.indisready AND i.indislive AS valid, i.indisreplident,
                   i.indisclustered,
                   (SELECT string_agg(CASE WHEN i.indkey[g - 1] = 0
                                           THEN quote_ident(pg_get_indexdef(i.indexrelid, g, false))
                                           ELSE pg_get_indexdef(i.indexrelid, g, false) END, ',' ORDER BY g)
                    FROM generate_series(1, i.indnkeyatts) g) AS columns,
                   (SELECT k.conname FROM pg_catalog.pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid
                    AND k.contype IN ('p', 'u', 'x') LIMIT 1) AS constraint_name,
                   obj_description(i.indexrelid, 'pg_class') AS comment
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = $1::oid ORDER BY c.relname
            """, [SQLValue(oid)]
        ).map { row in
            CatalogIndex(
                oid: row.int("indexrelid") ?? 0, name: row.text("relname") ?? "",
                definition: row.text("definition") ?? "",
                columns: PostgreSQLCatalog.identifiers(row.text("columns")),
                isUnique: row.bool("indisunique"), isPrimary: row.bool("indisprimary"),
                isValid: row.bool("valid"), isReplicaIdentity: row.bool("indisreplident"),
                isClustered: row.bool("indisclustered"), constraint: row.text("constraint_name"),
                comment: row.text("comment"))
        }
    }

    /// The table's or view's triggers, by name; not the internal ones.
    public func triggers(of oid: Int) throws(DatabaseError) -> [CatalogTrigger] {
        try session.query(
            """
            SELECT t.oid, t.tgname, pg_get_triggerdef(t.oid) AS definition, t.tgenabled,
                   quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS function_name,
                   obj_description(t.oid, 'pg_trigger') AS comment
            FROM pg_catalog.pg_trigger t
            JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
            JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal ORDER BY t.tgname
            """, [SQLValue(oid)]
        ).map { row in
            CatalogTrigger(
                oid: row.int("oid") ?? 0, name: row.text("tgname") ?? "",
                definition: row.text("definition") ?? "", enabled: row.text("tgenabled") ?? "",
                function: row.text("function_name") ?? "", comment: row.text("comment"))
        }
    }

    /// The sequence that a column's default draws from and that is owned by it, qualified and quoted.
    public func ownedSequence(of oid: Int, column: String) throws(DatabaseError) -> CatalogRelation? {
        try relations(
            where: """
                c.relkind = 'S' AND c.oid IN (
                    SELECT d.objid FROM pg_catalog.pg_depend d
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                    AND d.deptype IN ('a', 'i') AND d.refobjid = $1::oid AND a.attname = $2)
                """, [SQLValue(oid), .text(column)]
        ).first
    }

    /// The single column of the primary key; nil where there is no key or it has several columns.
    public func singleKeyColumn(of oid: Int) throws(DatabaseError) -> String? {
        guard let key = try constraints(of: oid).first(where: { $0.kind == .primaryKey }),
            key.columns.count == 1
        else { return nil }
        return key.columns[0]
    }

    /// Splits a comma-separated list of identifiers, quoted where they need it.
    static func identifiers(_ list: String?) -> [String] {
        guard let list, !list.isEmpty else { return [] }
        var names: [String] = []
        var name = ""
        var isQuoted = false
        var characters = list.unicodeScalars[...]
        while let scalar = characters.popFirst() {
            switch scalar {
            case "\"" where isQuoted && characters.first == "\"":
                characters.removeFirst()
                name.unicodeScalars.append(scalar)
            case "\"": isQuoted.toggle()
            case "," where !isQuoted:
                names.append(name)
                name = ""
            default: name.unicodeScalars.append(scalar)
            }
        }
        return names + [name]
    }

    /// The elements of an array of names, as the server writes it.
    static func elements(_ array: String?) -> [String] {
        guard let inner = array?.dropFirst().dropLast(), !inner.isEmpty else { return [] }
        var names: [String] = []
        var name = String.UnicodeScalarView()
        var isQuoted = false
        var scalars = inner.unicodeScalars
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "\\": if let escaped = scalars.popFirst() { name.append(escaped) }
            case "\"": isQuoted.toggle()
            case "," where !isQuoted:
                names.append(String(name))
                name = String.UnicodeScalarView()
            default: name.append(scalar)
            }
        }
        return names + [String(name)]
    }
}

extension PostgreSQLBackend {
    /// The catalog through this session.
    public var catalog: PostgreSQLCatalog { PostgreSQLCatalog(session: session, schema: schema) }
}
