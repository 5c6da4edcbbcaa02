import MigratorDatabase

/// What triggers of the application's own write within a writer's statement.
///
/// One may write a row again before the migrator's trigger comes to fire for the first write. So once a trigger has written
/// to a table in a transaction, its rows are read from there and not taken from OLD and NEW.
struct NestedWrites {
    /// What says in a transaction that it has come to that.
    var setting: String
    /// Quoted and qualified.
    var table: String
    /// What identifies a row.
    var key: [String]

    /// The statement that notices it.
    var notice: String {
        if NegativeControl.nestedOrder.isLeftOut { return "" }
        return "IF pg_trigger_depth() > 1 THEN PERFORM set_config('\(setting)', 'on', true); END IF;"
    }

    /// Whether rows are to be read: the table may have got another name since, and a policy may hide rows that are there.
    var isNoticed: String {
        """
        (coalesce(current_setting('\(setting)', true), '') = 'on'
            AND coalesce(pg_partition_root(TG_RELID), TG_RELID) = to_regclass(\(table.quotedLiteral))
            AND NOT row_security_active(to_regclass(\(table.quotedLiteral))::oid))
        """
    }

    /// The row as it stands; none where it has gone. As text, too, since a key may equal one that is written otherwise.
    ///
    /// The snapshot of a higher isolation level may show two of them: one that another transaction has deleted since, and the
    /// one that was inserted in its place, which is the newer.
    /// - Parameter row: OLD or NEW.
    func standing(_ row: String) -> String {
        let conditions = key.map(\.quotedIdentifier).map {
            "s.\($0) = \(row).\($0) AND s.\($0)::text = \(row).\($0)::text"
        }
        return
            "SELECT s.* FROM \(table) AS s WHERE \(conditions.joined(separator: " AND ")) ORDER BY age(s.xmin) LIMIT 1"
    }
}
