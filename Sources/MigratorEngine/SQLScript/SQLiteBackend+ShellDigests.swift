import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    /// For each table of the application, in the order of their names: a query over all its rows, and what the shell's
    /// `sha3_query` says of it.
    func shellDigests() throws -> [(table: String, query: String, digest: String)] {
        try inventory().keys.sorted().compactMap { name in
            guard let table = try table(TableName(name)) else { return nil }
            let order = table.identity.map(\.quotedIdentifier).joined(separator: ", ")
            let query = "SELECT * FROM \(table.qualified)\(order.isEmpty ? "" : " ORDER BY \(order)")"
            var digest = SQLiteShellDigest(of: query)
            try session.forEachRow(query, []) { digest.add($0) }
            return (name, query, digest.text)
        }
    }
}
