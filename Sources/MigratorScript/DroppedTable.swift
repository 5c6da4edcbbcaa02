extension Statement {
    /// The one table that a plain `DROP TABLE` of PostgreSQL takes away; nil for anything else, a list of tables and
    /// CASCADE among it.
    public var droppedTable: TableName? {
        var cursor = Words(text, dialect: .postgresql).cursor
        guard cursor.take("drop", "table") else { return nil }
        _ = cursor.take("if", "exists")
        let table = cursor.name()
        _ = cursor.take("restrict")
        return cursor.items.isEmpty ? table : nil
    }
}
