import MigratorDatabase

/// The query behind `schemaSnapshot`: (relation, line), each line a fact.
///
/// It takes no parameters, so that the server keeps one generic plan for it: planning it costs ten times what
/// running it for one relation does. The relations come by the setting `migrator.relations`, an array of
/// qualified names, and `migrator.names`, the same without schema, by which pg_class has an index.
struct SchemaSnapshotQuery {
    /// Unquoted.
    var schema: String
    var serverVersion: Int
    /// Of single relations of any schema, or of all of `schema`.
    var isForNamed: Bool
    /// An SQL expression of the schema's name, where only the server knows it.
    var schemaExpression: String?

    static let relationsSetting = "migrator.relations"
    static let namesSetting = "migrator.names"
    /// As which the query for single relations is kept prepared.
    static let namedStatement = "migrator_snapshot_named"

    var text: String {
        "WITH rel AS MATERIALIZED (\(relations))\n"
            + facts.map { "SELECT rel.name, \($0)" }.joined(separator: "\nUNION ALL\n")
            + "\nORDER BY 1, 2"
    }

    private var relations: String {
        let condition =
            isForNamed
            ? """
            c.relname = ANY (current_setting('\(Self.namesSetting)')::name[])
            AND n.nspname || '.' || c.relname = ANY (current_setting('\(Self.relationsSetting)')::text[])
            """
            : "n.nspname = \(schemaExpression ?? schema.quotedLiteral)"
        return """
            SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind, c.relowner, c.relacl, c.relpersistence,
                   c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpartbound,
                   c.reloptions, c.reltoastrelid, c.reltablespace, c.relam, c.reloftype, c.relhasrules
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND \(condition)
            """
    }

    /// What follows `SELECT rel.name,` of each branch.
    private var facts: [String] {
        [
            // The relation itself.
            """
            concat_ws(' ', CASE rel.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
                CASE rel.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                    WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'foreign table' END,
                CASE WHEN rel.relkind IN ('r', 'p') THEN 'using ' || (
                    SELECT am.amname FROM pg_catalog.pg_am am
                    WHERE am.oid = rel.relam AND am.amname <> 'heap') END,
                'of ' || nullif(rel.reloftype, 0)::regtype,
                CASE WHEN rel.relispartition THEN pg_get_expr(rel.relpartbound, rel.oid) END,
                CASE WHEN rel.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(rel.oid) END,
                'tablespace ' || (SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = rel.reltablespace))
            FROM rel
            """,
            "'owner ' || quote_ident(pg_get_userbyid(rel.relowner)) FROM rel",
            """
            'inherits ' || i.inhparent::regclass FROM rel JOIN pg_catalog.pg_inherits i ON i.inhrelid = rel.oid
            """,
            """
            'options ' || o FROM rel, unnest(rel.reloptions) o
            """,
            """
            'options toast.' || o FROM rel JOIN pg_catalog.pg_class t ON t.oid = rel.reltoastrelid, unnest(t.reloptions) o
            """,
            "'row-level security on' FROM rel WHERE rel.relrowsecurity",
            "'row-level security forced' FROM rel WHERE rel.relforcerowsecurity",
            """
            'replica identity ' || CASE rel.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' ELSE 'index' END
            FROM rel WHERE rel.relkind IN ('r', 'p') AND rel.relreplident <> 'd'
            """,
            // Comments: of the relation, its columns, and what belongs to it.
            """
            CASE WHEN d.objsubid = 0 THEN 'comment: '
                ELSE 'comment on column ' || quote_ident((SELECT a.attname FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = rel.oid AND a.attnum = d.objsubid)) || ': ' END || d.description
            FROM rel JOIN pg_catalog.pg_description d
                ON d.objoid = rel.oid AND d.classoid = 'pg_catalog.pg_class'::regclass
            """,
            // Columns: by name, and their order as one fact, so that a dropped one leaves no trace.
            """
            concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
                CASE WHEN a.attnotnull THEN 'not null' END,
                CASE a.attgenerated
                    WHEN 's' THEN 'generated stored as (' || pg_get_expr(d.adbin, d.adrelid) || ')'
                    WHEN 'v' THEN 'generated virtual as (' || pg_get_expr(d.adbin, d.adrelid) || ')'
                    ELSE 'default ' || pg_get_expr(d.adbin, d.adrelid) END,
                CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
                CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
                'compression ' || nullif(a.attcompression::text, ''),
                CASE WHEN coalesce(a.attstattarget, -1) <> -1 THEN 'statistics ' || a.attstattarget END,
                'options ' || a.attoptions::text, 'options ' || a.attfdwoptions::text,
                CASE WHEN NOT a.attislocal THEN 'inherited' END)
            FROM rel JOIN pg_catalog.pg_attribute a
                ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped AND rel.relkind <> 'S'
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            """,
            """
            'columns in order: ' || (
                SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped)
            FROM rel WHERE rel.relkind <> 'S'
            """,
            """
            'grant on column ' || quote_ident(a.attname) || ' to '
                || CASE WHEN g.grantee = 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
                || ': ' || g.privilege_type || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END
                || ' by ' || quote_ident(pg_get_userbyid(g.grantor))
            FROM rel JOIN pg_catalog.pg_attribute a
                ON a.attrelid = rel.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped,
                aclexplode(a.attacl) g
            """,
            // NULL privileges mean the owner's own: the same as writing them out.
            """
            'grant to '
                || CASE WHEN g.grantee = 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
                || ': ' || g.privilege_type || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END
                || ' by ' || quote_ident(pg_get_userbyid(g.grantor))
            FROM rel, aclexplode(coalesce(rel.relacl,
                acldefault(CASE WHEN rel.relkind = 'S' THEN 's'::"char" ELSE 'r'::"char" END, rel.relowner))) g
            """,
            // Constraints; NOT VALID and NOT ENFORCED stand in their definitions.
            """
            concat_ws(' ', 'constraint', quote_ident(k.conname), pg_get_constraintdef(k.oid),
                CASE WHEN NOT k.conislocal THEN 'inherited' END,
                'comment: ' || obj_description(k.oid, 'pg_constraint'))
            FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid AND k.contype <> 't'
            """,
            // Indexes.
            """
            concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid),
                CASE WHEN NOT i.indisvalid THEN 'invalid' END, CASE WHEN NOT i.indisready THEN 'not ready' END,
                CASE WHEN i.indisclustered THEN 'clustered' END,
                CASE WHEN i.indisreplident THEN 'replica identity' END,
                'tablespace ' || (SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = x.reltablespace),
                'comment: ' || obj_description(i.indexrelid, 'pg_class'))
            FROM rel JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid
            JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
            """,
            // Triggers; of the internal ones only that they are not as they are made.
            """
            concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid),
                CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END,
                'comment: ' || obj_description(t.oid, 'pg_trigger'))
            FROM rel JOIN pg_catalog.pg_trigger t ON t.tgrelid = rel.oid AND NOT t.tgisinternal
            """,
            """
            'trigger of constraint ' || coalesce(quote_ident(k.conname), '?') || ' by ' || t.tgfoid::regproc
                || CASE t.tgenabled WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica' ELSE ' always' END
            FROM rel JOIN pg_catalog.pg_trigger t
                ON t.tgrelid = rel.oid AND t.tgisinternal AND t.tgenabled <> 'O'
            LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
            """,
            // Views and rules.
            "'definition ' || pg_get_viewdef(rel.oid) FROM rel WHERE rel.relkind IN ('v', 'm')",
            """
            'rule ' || pg_get_ruledef(r.oid) || CASE WHEN r.ev_enabled <> 'O' THEN ' ' || r.ev_enabled::text ELSE '' END
            FROM rel JOIN pg_catalog.pg_rewrite r
                ON rel.relhasrules AND r.ev_class = rel.oid AND r.rulename <> '_RETURN'
            """,
            // Policies.
            """
            concat_ws(' ', 'policy', quote_ident(p.polname),
                CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for ' || p.polcmd::text, 'to',
                (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(r)) END, ', '
                    ORDER BY pg_get_userbyid(r)) FROM unnest(p.polroles) r),
                'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')',
                'comment: ' || obj_description(p.oid, 'pg_policy'))
            FROM rel JOIN pg_catalog.pg_policy p ON p.polrelid = rel.oid
            """,
            publications,
            // Extended statistics.
            """
            'statistics ' || pg_get_statisticsobjdef(s.oid)
            FROM rel JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = rel.oid
            """,
            // Sequences: parameters and owner, not where they stand.
            """
            concat_ws(' ', 'sequence', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment',
                s.seqincrement, 'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache,
                CASE WHEN s.seqcycle THEN 'cycle' END)
            FROM rel JOIN pg_catalog.pg_sequence s ON rel.relkind = 'S' AND s.seqrelid = rel.oid
            """,
            """
            'owned by ' || d.refobjid::regclass || '.' || quote_ident(a.attname)
            FROM rel JOIN pg_catalog.pg_depend d ON rel.relkind = 'S'
                AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = rel.oid AND d.objsubid = 0
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
            JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            """,
            """
            concat_ws(' ', 'server', quote_ident(s.srvname), 'options ' || f.ftoptions::text)
            FROM rel JOIN pg_catalog.pg_foreign_table f ON rel.relkind = 'f' AND f.ftrelid = rel.oid
            JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
            """,
        ]
    }

    /// Row filters and column lists came with PostgreSQL 15.
    private var publications: String {
        let details = serverVersion >= 150_000 ? Self.publicationDetails : ""
        return """
            concat_ws(' ', 'publication', quote_ident(p.pubname)\(details))
            FROM rel JOIN pg_catalog.pg_publication_rel pr ON pr.prrelid = rel.oid
            JOIN pg_catalog.pg_publication p ON p.oid = pr.prpubid
            """
    }

    static let publicationDetails = """
        , 'columns ' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
            FROM unnest(pr.prattrs) u (n) JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum = u.n),
        'where ' || pg_get_expr(pr.prqual, pr.prrelid)
        """
}
