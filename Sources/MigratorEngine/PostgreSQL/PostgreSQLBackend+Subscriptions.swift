import MigratorDatabase
import MigratorScript

/// Tables that are filled by logical replication from another server.
extension PostgreSQLBackend {
    /// What a subscription brings fires no trigger (it runs with `session_replication_role = replica`), so that rows
    /// would not be followed; and it looks for a table of the publisher's name, which a switch replaces by a view or by
    /// nothing: then it stops, here without a word, and its publisher keeps all WAL from then on. One that is disabled
    /// writes nothing.
    public func refuseSubscribed(_ tables: [TableName]) throws {
        for table in tables where !NegativeControl.subscriptions.isLeftOut {
            let found = try session.query(
                """
                SELECT s.subname FROM pg_catalog.pg_subscription_rel r
                JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
                WHERE s.subenabled AND r.srrelid IN (
                    SELECT to_regclass($1) UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass($1)))
                ORDER BY 1
                """, [.text(quoted(table))]
            ).compactMap { $0[0].asText }
            guard let first = found.first else { continue }
            let commands = found.map { "ALTER SUBSCRIPTION \($0.quotedIdentifier) DISABLE" }
            throw MigratorError(
                "table-subscribed", .refused,
                "the subscription \(first.quotedIdentifier) writes to \"\(table)\": what it brings fires no trigger, and it "
                    + "stops where the table has another name",
                hint: "run \(commands.joined(separator: "; ")) and the same command again, then enable it when its "
                    + "publisher has made the same change, or leave the table out of its publication")
        }
    }
}
