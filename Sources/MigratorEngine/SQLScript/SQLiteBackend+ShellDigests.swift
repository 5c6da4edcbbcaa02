import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    /// For the schema and each table of the application, in the order of their names: a query over all its rows, what
    /// the shell's `sha3_query` says of it, and what is to be said where it says something else.
    func shellDigests() throws -> [(query: String, digest: String, difference: String)] {
        let definitions = """
            SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE tbl_name NOT LIKE 'migrator\\_%' ESCAPE '\\' \
            AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name
            """
        let schema = (definitions, try digest(of: definitions), "the schema is not what this script was made for")
        return try [schema]
            + inventory().keys.sorted().compactMap { name in
                guard let table = try table(TableName(name)) else { return nil }
                let order = table.identity.map(\.quotedIdentifier).joined(separator: ", ")
                let query = "SELECT * FROM \(table.qualified)\(order.isEmpty ? "" : " ORDER BY \(order)")"
                return (query, try digest(of: query), "\(name) does not hold the rows that this script was made for")
            }
    }

    private func digest(of query: String) throws -> String {
        try (session.unwrapped as? SQLiteSession)?.shellDigest(of: query) ?? ""
    }
}
