import MigratorDatabase

/// A query without parameters that the server keeps prepared, since planning it costs more than running it.
struct KeptQuery {
    var name: String
    var text: String
}

extension PostgreSQLBackend {
    /// Sees to it that the queries can be run by `EXECUTE`.
    ///
    /// A script may have done away with them (DISCARD, DEALLOCATE), so that the server is asked once in each
    /// transaction; they are for its end, after the script's statements.
    func keep(_ queries: [KeptQuery]) throws {
        if keptQueries == nil {
            keptQueries = try Set(
                session.query("SELECT name FROM pg_catalog.pg_prepared_statements").compactMap { $0[0].asText })
        }
        for query in queries where keptQueries?.contains(query.name) == false {
            try session.execute("PREPARE \(query.name) AS \(query.text)")
            keptQueries?.insert(query.name)
        }
    }
}
