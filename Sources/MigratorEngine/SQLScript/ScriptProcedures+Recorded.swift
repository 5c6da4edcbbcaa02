import MigratorDatabase

/// What a recorded script asks, to see that it meets what it was recorded on.
extension ScriptProcedures {
    /// - Parameter schema: where the tables live.
    func recorded(schema: String) -> [String] {
        [
            "CREATE TEMP TABLE migrator_script AS SELECT \(schema.quotedLiteral)::text AS schema", relations,
            Self.schemaDigest, Self.expectRows,
        ]
    }

    /// The definitions of relations as one digest; who owns and may use them aside.
    private static let schemaDigest = """
        CREATE FUNCTION pg_temp.migrator_schema_digest(names text[]) RETURNS text LANGUAGE sql AS $migrator$
        SELECT md5(string_agg(r.relation || chr(30) || line, chr(30) ORDER BY r.relation COLLATE "C", line COLLATE "C"))
        FROM pg_temp.migrator_relations() r, unnest(string_to_array(r.definition, chr(30))) AS line
        WHERE r.relation = ANY (names) AND line NOT LIKE 'owner %' AND line NOT LIKE 'grant %' $migrator$
        """

    /// A table has rows and content hash as when the script was made; the settings are those that hashes rest on.
    static let expectRows: String = {
        let settings =
            PostgreSQLBackend.pinnedSettings.prefix(6).map { ($0.name, $0.value) } + [
                ("row_security", "off"), ("lc_monetary", "C"),
            ]
        let set = settings.map { "SET \($0.0.quotedIdentifier) = \($0.1.quotedLiteral)" }.joined(separator: " ")
        return """
            CREATE PROCEDURE pg_temp.migrator_expect_rows(shown text, query text, expected bigint, expected_hash text)
            LANGUAGE plpgsql SET search_path = pg_catalog \(set) AS $migrator$
            DECLARE
                found bigint;
                found_hash text;
            BEGIN
                EXECUTE query INTO found, found_hash;
                IF found IS DISTINCT FROM expected OR found_hash IS DISTINCT FROM expected_hash THEN
                    RAISE EXCEPTION '"%" does not hold the rows that this script was made for (% now, % then)',
                        shown, found, expected USING HINT = 'make it again';
                END IF;
            END $migrator$
            """
    }()
}
