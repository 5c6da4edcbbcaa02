extension ScriptProcedures {
    /// Tries a statement, takes it back, and refuses it where rows would go for good with what it takes away.
    var loss: String {
        """
        CREATE PROCEDURE pg_temp.migrator_refuse_loss(
            statement text, truncated text[], is_downgrade boolean, is_foreign boolean, accepted bigint)
        LANGUAGE plpgsql AS $migrator$
        DECLARE
            place text := (SELECT schema FROM pg_temp.migrator_script);
            was jsonb := (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY name), '[]') FROM pg_temp.migrator_tables() t
                WHERE NOT is_foreign OR t.oid IN (SELECT oid FROM pg_temp.migrator_tables_before));
            gone record;
            counted bigint;
            condition text;
            counts jsonb := '{}';
            losses text[] := '{}';
            total bigint := 0;
        BEGIN
            FOR gone IN SELECT * FROM jsonb_to_recordset(was) AS w (oid oid, name text) WHERE w.name = ANY (truncated) LOOP
                EXECUTE format('SELECT count(*) FROM %I.%I', place, gone.name) INTO counted;
                counts := counts || jsonb_build_object(gone.name, counted);
            END LOOP;
            BEGIN
                EXECUTE statement;
                was := (SELECT coalesce(jsonb_agg(jsonb_build_object('name', w.name, 'columns', CASE WHEN t.oid IS NOT NULL THEN
                        (SELECT jsonb_agg(c.value ORDER BY c.value) FROM jsonb_each_text(w.columns) c WHERE NOT t.columns ? c.key) END)
                        ORDER BY w.name), '[]')
                    FROM jsonb_to_recordset(was) AS w (oid oid, name text, columns jsonb)
                    LEFT JOIN pg_temp.migrator_tables() t ON t.oid = w.oid
                    WHERE t.oid IS NULL OR EXISTS (
                        SELECT FROM jsonb_each_text(w.columns) c WHERE NOT t.columns ? c.key));
                FOR gone IN SELECT key AS name, value::bigint AS rows FROM jsonb_each_text(counts)
                    WHERE value::bigint > 0 AND to_regclass(format('%I.%I', place, key)) IS NOT NULL LOOP
                    EXECUTE format('SELECT count(*) FROM %I.%I', place, gone.name) INTO counted;
                    IF counted < gone.rows THEN was := was || jsonb_build_object('name', gone.name, 'columns', NULL); END IF;
                END LOOP;
                RAISE EXCEPTION USING ERRCODE = 'MG001';
            EXCEPTION WHEN SQLSTATE 'MG001' THEN
                NULL;
            END;
            FOR gone IN SELECT w.name, CASE WHEN jsonb_typeof(w.columns) = 'array' THEN w.columns END AS columns
                FROM jsonb_to_recordset(was) AS w (name text, columns jsonb) LOOP
                condition := (SELECT string_agg(format('%I IS NOT NULL', c), ' OR ')
                    FROM jsonb_array_elements_text(gone.columns) c);
                EXECUTE format('SELECT count(*) FROM %I.%I', place, gone.name) || coalesce(' WHERE ' || condition, '')
                    INTO counted;
                CONTINUE WHEN counted = 0;
                IF is_foreign OR is_downgrade AND condition IS NOT NULL THEN
                    RAISE EXCEPTION '"%" holds % rows that a run would keep in an archive first', gone.name, counted
                        USING HINT = 'run migrator itself';
                END IF;
                total := total + counted;
                losses := losses || format('%s rows of "%s"', counted, gone.name);
            END LOOP;
            IF total = 0 THEN RETURN; END IF;
            UPDATE pg_temp.migrator_script SET lost = lost + total RETURNING lost INTO total;
            IF total IS DISTINCT FROM accepted THEN
                RAISE EXCEPTION 'rows would be lost that nothing else holds: %', array_to_string(losses, ', ')
                    USING HINT = 'keep them by a directive of the script, and run migrator itself';
            END IF;
        END $migrator$
        """
    }
}
