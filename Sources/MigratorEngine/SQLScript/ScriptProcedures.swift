import MigratorDatabase

/// What a script for PostgreSQL asks of the catalog, as procedures of its session: they are gone when it ends.
struct ScriptProcedures {
    let ledger: Ledger

    var all: [String] {
        [
            relations, unsound, tables, before, begin, loss, Self.check, refuseUnsound, noteSchema, compareSchema,
            follow,
        ]
    }

    /// One row a relation of the schema: its facts, sorted, with U+001E between them, as the ledger keeps them.
    var relations: String {
        let query = SchemaSnapshotQuery(
            schema: "", serverVersion: 0, isForNamed: false,
            schemaExpression: "(SELECT schema FROM pg_temp.migrator_script)"
        ).text
        let details = SQLText.dollarQuoted(SchemaSnapshotQuery.publicationDetails + ")")
        return """
            CREATE FUNCTION pg_temp.migrator_relations() RETURNS TABLE (relation text, definition text)
            LANGUAGE plpgsql AS $migrator_function$
            DECLARE
                query text := $migrator_query$
            \(query)$migrator_query$;
                path text := current_setting('search_path');
            BEGIN
                IF current_setting('server_version_num')::int >= 150000 THEN
                    query := replace(query, 'quote_ident(p.pubname))', 'quote_ident(p.pubname)' || \(details));
                END IF;
                PERFORM set_config('search_path', quote_ident((SELECT schema FROM pg_temp.migrator_script)), false);
                RETURN QUERY EXECUTE 'SELECT name::text, string_agg(line, chr(30) ORDER BY line COLLATE "C") FROM (' || query
                    || ') AS facts (name, line) WHERE name NOT IN (SELECT schema_name || ''.'' || name FROM \(ledger.table("backup")) '
                    || 'WHERE removed_at IS NULL) AND name NOT LIKE \((ledger.schema + ".%").quotedLiteral.quotedLiteral.dropFirst().dropLast()) '
                    || 'AND line IS NOT NULL GROUP BY name';
                PERFORM set_config('search_path', path, false);
            END $migrator_function$
            """
    }

    /// What of the schema does not do what its definition says.
    private var unsound: String {
        let place = "(SELECT to_regnamespace(quote_ident(schema)) FROM pg_temp.migrator_script)"
        return """
            CREATE FUNCTION pg_temp.migrator_unsound() RETURNS SETOF text LANGUAGE sql AS $migrator$
            SELECT c.relname || ': index "' || x.relname || '" is not valid'
            FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
            WHERE c.relnamespace = \(place) AND NOT (i.indisvalid AND i.indisready)
            UNION ALL
            SELECT c.relname || ': constraint "' || k.conname || '" is not validated'
            FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
            WHERE c.relnamespace = \(place) AND NOT k.convalidated
            UNION ALL
            SELECT c.relname || ': trigger "' || t.tgname || '" is disabled'
            FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE c.relnamespace = \(place) AND NOT t.tgisinternal AND t.tgenabled IN ('D', 'R')
            UNION
            SELECT c.relname || ': the triggers of the foreign key "' || k.conname || '" are disabled'
            FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_constraint k ON k.oid = t.tgconstraint
            WHERE c.relnamespace = \(place) AND t.tgisinternal AND t.tgenabled IN ('D', 'R')
            $migrator$
            """
    }

    /// The tables with their columns, by the identities that survive a rename.
    private var tables: String {
        """
        CREATE FUNCTION pg_temp.migrator_tables() RETURNS TABLE (oid oid, name text, columns jsonb) LANGUAGE sql AS $migrator$
        SELECT c.oid, c.relname::text, coalesce((SELECT jsonb_object_agg(a.attnum, a.attname) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}')
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f')
        AND c.relnamespace = (SELECT to_regnamespace(quote_ident(schema)) FROM pg_temp.migrator_script) $migrator$
        """
    }

    private var before: String {
        """
        CREATE TEMP TABLE migrator_tables_before AS SELECT oid FROM pg_temp.migrator_tables();
        CREATE TEMP TABLE migrator_before (relation text, definition text);
        CREATE TEMP TABLE migrator_unsound_before (line text)
        """
    }

    /// A transaction of a revision: the settings of a run, the fence, and what the schema is before.
    private var begin: String {
        let pinned = PostgreSQLBackend.pinnedSettings.map {
            "PERFORM set_config(\($0.name.quotedLiteral), \($0.value.quotedLiteral), false);"
        }
        return """
            CREATE PROCEDURE pg_temp.migrator_begin(is_first boolean) LANGUAGE plpgsql AS $migrator$
            BEGIN
                RESET ROLE;
                \(pinned.joined(separator: "\n    "))
                PERFORM set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';
                PERFORM set_config('search_path', (SELECT path FROM pg_temp.migrator_script), false);
                PERFORM set_config('synchronous_commit', 'on', true);
                PERFORM FROM \(ledger.table("fence")) AS f, pg_temp.migrator_script AS s
                    WHERE f.run_id = s.run_id FOR UPDATE OF f;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'another migrator has taken over: this script may not go on';
                END IF;
                IF is_first THEN
                    DELETE FROM pg_temp.migrator_before;
                    INSERT INTO pg_temp.migrator_before SELECT * FROM pg_temp.migrator_relations();
                    DELETE FROM pg_temp.migrator_unsound_before;
                    INSERT INTO pg_temp.migrator_unsound_before SELECT pg_temp.migrator_unsound();
                    UPDATE pg_temp.migrator_script SET lost = 0;
                END IF;
            END $migrator$
            """
    }

    private static let check = """
        CREATE PROCEDURE pg_temp.migrator_check(title text, query text) LANGUAGE plpgsql AS $migrator$
        DECLARE
            counted bigint;
        BEGIN
            EXECUTE 'SELECT count(*) FROM (' || query || chr(10) || ') AS checked' INTO counted;
            IF counted > 0 THEN
                RAISE EXCEPTION '"%" does not hold: % violations; nothing was committed', title, counted;
            END IF;
        END $migrator$
        """

    private var refuseUnsound: String {
        """
        CREATE PROCEDURE pg_temp.migrator_refuse_unsound(said text[]) LANGUAGE plpgsql AS $migrator$
        DECLARE
            found text[] := ARRAY(SELECT u FROM pg_temp.migrator_unsound() u
                WHERE u NOT IN (SELECT line FROM pg_temp.migrator_unsound_before)
                AND NOT EXISTS (SELECT FROM unnest(said) s WHERE u LIKE '%' || s));
        BEGIN
            IF found <> '{}' THEN
                RAISE EXCEPTION 'the revision leaves behind what is not in force: %', array_to_string(found, ', ');
            END IF;
        END $migrator$
        """
    }

    /// How the revision has changed the schema, for the ledger; what is now is what the next transaction finds.
    private var noteSchema: String {
        """
        CREATE PROCEDURE pg_temp.migrator_note_schema(revision text, is_upgrade boolean) LANGUAGE plpgsql AS $migrator$
        BEGIN
            CREATE TEMP TABLE migrator_change ON COMMIT DROP AS
                SELECT coalesce(b.relation, n.relation) AS relation, b.definition AS before, n.definition AS after
                FROM pg_temp.migrator_before b FULL JOIN pg_temp.migrator_relations() n ON n.relation = b.relation
                WHERE b.definition IS DISTINCT FROM n.definition;
            IF is_upgrade THEN
                INSERT INTO \(ledger.table("fingerprint")) AS f (revision, relation, before_definition, after_definition)
                    SELECT $1, relation, before, after FROM pg_temp.migrator_change
                    ON CONFLICT ON CONSTRAINT fingerprint_pkey DO UPDATE SET after_definition = excluded.after_definition;
            END IF;
            INSERT INTO \(ledger.table("schema_change")) (run_id, revision, relation, before_definition, after_definition)
                SELECT s.run_id, $1, c.relation, c.before, c.after
                FROM pg_temp.migrator_change c, pg_temp.migrator_script s
                ON CONFLICT ON CONSTRAINT schema_change_pkey DO UPDATE SET after_definition = excluded.after_definition;
            DELETE FROM pg_temp.migrator_before;
            INSERT INTO pg_temp.migrator_before SELECT * FROM pg_temp.migrator_relations();
            DROP TABLE pg_temp.migrator_change;
        END $migrator$
        """
    }

    /// After a downgrade the schema is what it was before the upgrade; what was changed by hand meanwhile aside.
    private var compareSchema: String {
        """
        CREATE PROCEDURE pg_temp.migrator_compare_schema(taken_back text) LANGUAGE plpgsql AS $migrator$
        DECLARE
            r record;
            drifted text[];
            differences text[] := '{}';
            counted bigint := 0;
        BEGIN
            FOR r IN SELECT f.relation, coalesce(string_to_array(f.before_definition, chr(30)), '{}') AS before,
                    coalesce(string_to_array(f.after_definition, chr(30)), '{}') AS after,
                    coalesce(string_to_array(b.definition, chr(30)), '{}') AS known,
                    coalesce(string_to_array(n.definition, chr(30)), '{}') AS now
                FROM \(ledger.table("fingerprint")) f
                LEFT JOIN pg_temp.migrator_before b ON b.relation = f.relation
                LEFT JOIN pg_temp.migrator_relations() n ON n.relation = f.relation
                WHERE f.revision = taken_back ORDER BY f.relation LOOP
                counted := counted + 1;
                drifted := ARRAY(SELECT unnest(r.after) EXCEPT SELECT unnest(r.known))
                    || ARRAY(SELECT unnest(r.known) EXCEPT SELECT unnest(r.after));
                differences := differences
                    || ARRAY(SELECT r.relation || ': - ' || x FROM unnest(r.before) x WHERE x <> ALL (r.now || drifted))
                    || ARRAY(SELECT r.relation || ': + ' || x FROM unnest(r.now) x WHERE x <> ALL (r.before || drifted));
            END LOOP;
            IF differences <> '{}' THEN
                RAISE EXCEPTION 'the downgrade of revision "%" does not bring the schema back to what it was', taken_back
                    USING DETAIL = array_to_string(differences[1:20], chr(10));
            END IF;
            IF counted > 0 THEN
                INSERT INTO \(ledger.table("proof")) (run_id, revision, item, check_name, subject, verdict, detail, made_at)
                    SELECT run_id, taken_back, -1, 'fingerprint', counted || ' relations', 'exact', '{}', clock_timestamp()
                    FROM pg_temp.migrator_script;
            END IF;
        END $migrator$
        """
    }

    /// As `Ledger.followVersionTable`.
    private var follow: String {
        """
        CREATE PROCEDURE pg_temp.migrator_follow() LANGUAGE plpgsql AS $migrator$
        DECLARE
            kept text := (SELECT max(name) FROM \(ledger.table("object")) WHERE kind = 'version-table');
        BEGIN
            IF kept IS NOT NULL THEN
                EXECUTE 'DELETE FROM ' || kept;
                EXECUTE 'INSERT INTO ' || kept || ' (version_num) SELECT revision FROM \(ledger.table("revision"))
                    WHERE state <> ''upgrading'' ORDER BY position DESC LIMIT 1';
            END IF;
        END $migrator$
        """
    }
}
