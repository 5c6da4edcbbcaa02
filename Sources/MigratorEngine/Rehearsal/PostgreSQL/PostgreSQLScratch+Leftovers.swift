import MigratorDatabase

extension PostgreSQLScratch {
    /// Removes the scratch databases of rehearsals that were killed: those that hold the marker and whose lock is free,
    /// and empty ones that were never marked. Whatever else bears such a name stays.
    /// - Returns: what was removed, and what should be but could not.
    static func removeLeftovers(on place: PostgreSQLLocator) throws -> (removed: [String], notes: [String]) {
        let admin: PostgreSQLSession
        do {
            admin = try PostgreSQLSession(place, applicationName: "migrator rehearse")
        } catch {
            throw ConnectionProblem.error(error, database: place)
        }
        defer { admin.close() }
        let names = try admin.query(
            "SELECT datname FROM pg_catalog.pg_database WHERE starts_with(datname, $1) AND datallowconn ORDER BY 1",
            [.text(ScratchName.prefix)]
        ).compactMap { $0[0].asText }
        var removed: [String] = []
        var notes: [String] = []
        for name in names {
            guard let scratch = ScratchName(name), isAbandoned(scratch, admin.locator) else { continue }
            do throws(DatabaseError) {
                try admin.execute("DROP DATABASE IF EXISTS \(name.quotedIdentifier) WITH (FORCE)")
                removed.append(name)
            } catch {
                notes.append(
                    "the scratch database \(name.quotedIdentifier) of a killed rehearsal stays: \(error.message)")
            }
        }
        return (removed, notes)
    }

    private static func isAbandoned(_ name: ScratchName, _ place: PostgreSQLLocator) -> Bool {
        guard
            let session = try? PostgreSQLSession(
                place.database(named: name.text), applicationName: "migrator rehearse")
        else { return false }
        defer { session.close() }
        let row = try? session.query(
            """
            SELECT to_regclass('\(schema).marker') IS NOT NULL AS is_marked, pg_try_advisory_lock($1) AS is_free,
                   NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid >= 16384)
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE oid >= 16384) AS is_empty,
                   EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = current_database()
                           AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS is_used
            """, [SQLValue(lockKey)]
        ).first
        guard let row, row.bool("is_free") else { return false }
        return row.bool("is_marked") || (row.bool("is_empty") && !row.bool("is_used") && name.isOld)
    }
}
