import MigratorDatabase
import MigratorScript

/// A view that reads a relation, with what makes it again.
struct DependentView: Equatable {
    var relation: CatalogRelation
    /// The statements that make it, its owner, grants and comments.
    var creation: [String]
}

extension PostgreSQLBackend {
    /// The views that read the relation, directly or through others, each before those that read it.
    /// - Throws: `MigratorError`, status refused, where one cannot be made again by what the catalog says of it.
    func dependentViews(of oid: Int) throws -> [DependentView] {
        let rows = try session.query(
            """
            WITH RECURSIVE reader (oid, depth) AS (
                SELECT DISTINCT r.ev_class, 1 FROM pg_catalog.pg_depend d
                JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid = $1::oid AND r.ev_class <> $1::oid
                UNION
                SELECT r.ev_class, reader.depth + 1 FROM reader
                JOIN pg_catalog.pg_depend d ON d.refobjid = reader.oid AND d.refclassid = 'pg_class'::regclass
                    AND d.classid = 'pg_rewrite'::regclass
                JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                WHERE r.ev_class <> reader.oid AND reader.depth < 100)
            SELECT oid, max(depth) FROM reader GROUP BY oid ORDER BY max(depth), oid
            """, [SQLValue(oid)])
        return try rows.compactMap { row in
            guard let relation = try catalog.relation(oid: row.int("oid") ?? 0) else { return nil }
            return DependentView(relation: relation, creation: try creation(of: relation))
        }
    }

    private func creation(of relation: CatalogRelation) throws -> [String] {
        let hasMore = try session.query(
            """
            SELECT 1 FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal
            UNION ALL SELECT 1 FROM pg_catalog.pg_rewrite WHERE ev_class = $1::oid AND rulename <> '_RETURN' LIMIT 1
            """, [SQLValue(relation.oid)])
        guard relation.kind == .view, hasMore.isEmpty else {
            throw MigratorError(
                "dependent-view", .refused,
                "the \(relation.kindName) \"\(relation.name)\" reads the table, and migrator does not make such a one again",
                hint: "drop it before, and create it again in the script")
        }
        let row = try session.query(
            """
            SELECT pg_get_viewdef(c.oid) AS definition, array_to_string(c.reloptions, ', ') AS options,
                   obj_description(c.oid, 'pg_class') AS comment
            FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
            """, [SQLValue(relation.oid)]
        ).first
        let columns = try catalog.columns(of: relation.oid)
        let options = row?.text("options").map { " WITH (\($0))" } ?? ""
        let names = columns.map(\.name.quotedIdentifier).joined(separator: ", ")
        var statements = [
            "CREATE VIEW \(relation.quoted) (\(names))\(options) AS \(row?.text("definition") ?? "")"
        ]
        if relation.owner != facts.user {
            statements.append("ALTER VIEW \(relation.quoted) OWNER TO \(relation.owner.quotedIdentifier)")
        }
        for column in columns {
            let name = column.name.quotedIdentifier
            if let text = column.defaultExpression {
                statements.append("ALTER VIEW \(relation.quoted) ALTER COLUMN \(name) SET DEFAULT \(text)")
            }
            if let text = column.comment {
                statements.append("COMMENT ON COLUMN \(relation.quoted).\(name) IS \(text.quotedLiteral)")
            }
        }
        if let comment = row?.text("comment") {
            statements.append("COMMENT ON VIEW \(relation.quoted) IS \(comment.quotedLiteral)")
        }
        statements += try relationGrants(of: relation.oid, on: relation.quoted).map(\.grant)
        statements += try columnGrants(of: relation.oid, on: relation.quoted, columns: columns.map(\.name))
        return statements
    }

    func drop(_ views: [DependentView]) throws {
        for view in views.reversed() { try session.execute("DROP VIEW \(view.relation.quoted)") }
    }

    func create(_ views: [DependentView]) throws {
        for view in views {
            for statement in view.creation { try session.execute(statement) }
        }
    }
}
