import MigratorDatabase
import MigratorScript

/// The view under the source's old name (ONLINE.md H23).
extension PostgreSQLBackend {
    /// The source's columns in the source's order, updatable, with the table's grants.
    func createView(
        _ name: TableName, columns: [String], over table: CatalogRelation
    ) throws -> SwitchRecord.Table {
        let place = SwitchRecord.Table(schema: name.schema ?? schema, name: name.name)
        if let occupant = try catalog.relation(place.tableName) {
            throw MigratorError(
                "view-name-taken", .refused,
                "the \(occupant.kindName) \"\(name)\" stands where the compatibility view should",
                hint: "rename or drop it, or give the view another name")
        }
        let options = try asksForReadersRights(table) ? " WITH (security_invoker = true)" : ""
        let view = quoted(place.tableName)
        let list = columns.map(\.quotedIdentifier).joined(separator: ", ")
        try session.execute("CREATE VIEW \(view)\(options) AS SELECT \(list) FROM \(table.quoted)")
        // A copied table has changed hands.
        let owner = try catalog.relation(oid: table.oid)?.owner ?? table.owner
        if owner != facts.user { try session.execute("ALTER VIEW \(view) OWNER TO \(owner.quotedIdentifier)") }
        try copyGrants(from: table.oid, columns: columns, to: place)
        let comment = "\(table.name) as it was before, kept by migrator for the application"
        try session.execute("COMMENT ON VIEW \(view) IS \(comment.quotedLiteral)")
        return place
    }

    /// Whether the table is to be read with the rights of the view's reader, not with those of its owner, who bypasses
    /// row-level security. PostgreSQL wants such a reader to have rights on all columns of the view; so one who may read
    /// some of them only has them through the view's own grants, where there is no row-level security to bypass.
    private func asksForReadersRights(_ table: CatalogRelation) throws -> Bool {
        let row = try session.query(
            """
            SELECT c.relrowsecurity, EXISTS (
                       SELECT FROM pg_catalog.pg_attribute a, aclexplode(a.attacl) g
                       WHERE a.attrelid = c.oid AND NOT a.attisdropped AND g.privilege_type = 'SELECT') AS limits_readers
            FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
            """, [SQLValue(table.oid)]
        ).first
        let isSecured = row?.bool("relrowsecurity") ?? false
        guard facts.version < 150_000 else { return isSecured || !(row?.bool("limits_readers") ?? false) }
        guard !isSecured else {
            throw MigratorError(
                "view-bypasses-row-security", .refused,
                "a view over \"\(table.name)\" would bypass its row-level security on PostgreSQL 14",
                hint: "leave view= out, or upgrade the server to PostgreSQL 15")
        }
        return false
    }

    /// The other relation gets the table's grants, and keeps none that default privileges gave it.
    func copyGrants(from oid: Int, columns: [String], to place: SwitchRecord.Table) throws {
        guard let relation = try catalog.relation(place.tableName) else { return }
        let statements =
            try relationGrants(of: relation.oid, on: relation.quoted).map(\.revoke)
            + relationGrants(of: oid, on: relation.quoted).map(\.grant)
            + columnGrants(of: oid, on: relation.quoted, columns: columns)
        if !statements.isEmpty { try session.execute(statements.joined(separator: "; ")) }
    }

    /// Everybody's but the owner's privileges on a relation, as statements about another.
    func relationGrants(of oid: Int, on target: String) throws -> [(grant: String, revoke: String)] {
        try session.query(
            """
            SELECT g.privilege_type, g.is_grantable,
                   CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee
            FROM pg_catalog.pg_class c, aclexplode(c.relacl) g
            WHERE c.oid = $1::oid AND g.grantee <> c.relowner ORDER BY 3, 1
            """, [SQLValue(oid)]
        ).map { row in
            let privilege = row.text("privilege_type") ?? ""
            let grantee = row.text("grantee") ?? ""
            return (
                "GRANT \(privilege) ON \(target) TO \(grantee)"
                    + (row.bool("is_grantable") ? " WITH GRANT OPTION" : ""),
                "REVOKE ALL ON \(target) FROM \(grantee)"
            )
        }
    }

    func columnGrants(of oid: Int, on target: String, columns: [String]) throws -> [String] {
        try session.query(
            """
            SELECT a.attname, g.privilege_type, g.is_grantable,
                   CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee
            FROM pg_catalog.pg_attribute a, aclexplode(a.attacl) g
            WHERE a.attrelid = $1::oid AND NOT a.attisdropped ORDER BY a.attnum, 4, 2
            """, [SQLValue(oid)]
        ).compactMap { row in
            guard let column = row.text("attname"), columns.contains(column) else { return nil }
            return "GRANT \(row.text("privilege_type") ?? "") (\(column.quotedIdentifier)) ON \(target) "
                + "TO \(row.text("grantee") ?? "")" + (row.bool("is_grantable") ? " WITH GRANT OPTION" : "")
        }
    }

    /// Drops the compatibility view, where it still is one.
    /// - Returns: false where no view of its name is there any more.
    /// - Throws: `MigratorError`, status refused, naming what depends on it, or where it is another view by now.
    @discardableResult
    func dropView(_ view: SwitchRecord.Table, of record: SwitchRecord) throws -> Bool {
        guard let relation = try catalog.relation(view.tableName), relation.kind == .view else { return false }
        guard try reads(relation, record.target) else {
            throw MigratorError(
                "view-replaced", .refused,
                "the view \"\(view.name)\" is not the one that migrator left behind: it does not read \"\(record.target.name)\"",
                hint: "look at it, then rename or drop it")
        }
        do {
            try session.savepoint { try session.execute("DROP VIEW \(relation.quoted)") }
        } catch let error as DatabaseError where error.sqlState == "2BP01" {
            throw MigratorError(
                "view-in-use", .refused,
                "other objects depend on the view \"\(view.name)\"",
                hint: "point them at the table, or drop them",
                details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
        }
        return true
    }

    /// Whether a view's query names the table.
    func reads(_ view: CatalogRelation, _ table: SwitchRecord.Table) throws -> Bool {
        guard let oid = try catalog.oid(of: table.tableName) else { return false }
        return try session.query(
            """
            SELECT 1 FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
                ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
            WHERE r.ev_class = $1::oid AND d.refobjid = $2::oid LIMIT 1
            """, [SQLValue(view.oid), SQLValue(oid)]
        ).count == 1
    }
}
