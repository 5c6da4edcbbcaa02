import MigratorDatabase
import MigratorScript

/// What belongs to a table beside its columns, keys and indexes, and does not come along with its rows
/// (ONLINE.md H14): owner, grants, row-level security, triggers, replica identity, publications.
extension PostgreSQLBackend {
    func replayProperties(from source: TableShape, to target: CatalogRelation) throws {
        let old = source.relation
        let columns = try catalog.columns(of: target.oid).map(\.name)
        try copyGrants(
            from: old.oid, columns: columns, to: SwitchRecord.Table(schema: target.schema, name: target.name))
        try replayRowSecurity(from: old, to: target)
        try replayTriggers(from: old, to: target)
        let identity = try session.scalar(
            "SELECT relreplident FROM pg_catalog.pg_class WHERE oid = $1::oid", [SQLValue(old.oid)]
        ).asText
        if identity == "f" { try session.execute("ALTER TABLE \(target.quoted) REPLICA IDENTITY FULL") }
        if identity == "n" { try session.execute("ALTER TABLE \(target.quoted) REPLICA IDENTITY NOTHING") }
        if identity == "i", let index = source.indexes.first(where: \.isReplicaIdentity) {
            let name = Self.carriedName(index.name, of: target)
            guard try catalog.indexes(of: target.oid).contains(where: { $0.name == name }) else { return }
            try session.execute("ALTER TABLE \(target.quoted) REPLICA IDENTITY USING INDEX \(name.quotedIdentifier)")
        }
    }

    /// Before the sequences: they belong to whom their table belongs to.
    func passOwner(from source: CatalogRelation, to target: CatalogRelation) throws {
        guard source.owner != target.owner else { return }
        try session.execute("ALTER TABLE \(target.quoted) OWNER TO \(source.owner.quotedIdentifier)")
    }

    private func replayRowSecurity(from old: CatalogRelation, to target: CatalogRelation) throws {
        let flags = try session.query(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = $1::oid",
            [SQLValue(old.oid)]
        ).first
        if flags?.bool("relrowsecurity") == true {
            try session.execute("ALTER TABLE \(target.quoted) ENABLE ROW LEVEL SECURITY")
        }
        if flags?.bool("relforcerowsecurity") == true {
            try session.execute("ALTER TABLE \(target.quoted) FORCE ROW LEVEL SECURITY")
        }
        let policies = try session.query(
            """
            SELECT p.polname, p.polpermissive,
                   CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                        WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command,
                   (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
                    FROM unnest(p.polroles) AS r) AS roles,
                   pg_get_expr(p.polqual, p.polrelid) AS condition,
                   pg_get_expr(p.polwithcheck, p.polrelid) AS with_check
            FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::oid ORDER BY p.polname
            """, [SQLValue(old.oid)])
        for policy in policies {
            var statement =
                "CREATE POLICY \((policy.text("polname") ?? "").quotedIdentifier) ON \(target.quoted)"
                + " AS \(policy.bool("polpermissive") ? "PERMISSIVE" : "RESTRICTIVE")"
                + " FOR \(policy.text("command") ?? "ALL") TO \(policy.text("roles") ?? "PUBLIC")"
            if let condition = policy.text("condition") { statement += " USING (\(condition))" }
            if let check = policy.text("with_check") { statement += " WITH CHECK (\(check))" }
            try session.execute(statement)
        }
    }

    /// The application's triggers, in their state. They were not there while the rows were loaded.
    private func replayTriggers(from old: CatalogRelation, to target: CatalogRelation) throws {
        let plain =
            try session.scalar(
                "SELECT quote_ident($1) || '.' || quote_ident($2)", [.text(old.schema), .text(old.name)]
            ).asText ?? old.quoted
        for trigger in try catalog.triggers(of: old.oid) {
            guard let place = trigger.definition.firstRange(of: " ON \(plain) ") else {
                throw MigratorError(
                    "trigger-not-replayed", .refused,
                    "the trigger \"\(trigger.name)\" of \"\(old.name)\" cannot be made again on \"\(target.name)\"",
                    hint: "drop it before the switch and create it again after it")
            }
            let definition =
                trigger.definition[..<place.lowerBound] + " ON \(target.quoted) "
                + trigger.definition[place.upperBound...]
            try session.execute(String(definition))
            let name = trigger.name.quotedIdentifier
            let states = ["D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"]
            if let state = states[trigger.enabled] {
                try session.execute("ALTER TABLE \(target.quoted) \(state) TRIGGER \(name)")
            }
        }
    }

    /// Publications that name the source name the target instead.
    /// - Returns: the statements that lead back.
    func moveToPublications(of source: CatalogRelation, to target: CatalogRelation) throws -> [String] {
        // Since 15 of some columns and rows only.
        let part =
            facts.version < 150_000
            ? "''"
            : """
            coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), '')
            || coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')
            """
        let publications = try session.query(
            """
            SELECT p.pubname, \(part) AS part FROM pg_catalog.pg_publication_rel r
            JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1::oid ORDER BY 1
            """, [SQLValue(source.oid)]
        ).map { (name: ($0.text("pubname") ?? "").quotedIdentifier, part: $0.text("part") ?? "") }
        func move(_ publication: (name: String, part: String), from old: String, to new: String) -> String {
            "ALTER PUBLICATION \(publication.name) DROP TABLE \(old); ALTER PUBLICATION \(publication.name) ADD TABLE \(new)\(publication.part)"
        }
        for publication in publications {
            try session.execute(move(publication, from: source.quoted, to: target.quoted))
        }
        return publications.map { move($0, from: target.quoted, to: source.quoted) }
    }
}
