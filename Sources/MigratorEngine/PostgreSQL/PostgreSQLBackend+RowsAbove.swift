import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Leads over the rows to which NEW refers, and those above them, where they are not there yet: a table's own foreign key
    /// is looked at behind a statement, which may write a reply before the message above it, or by a trigger.
    /// - Parameter lead: says of a row, which is given by its name, that it is being led.
    func leadRowsAbove(
        _ mapping: PostgreSQLMapping, from: TableName, to: TableName, key: String, lead: (String) -> String
    ) throws -> String {
        let references = try selfReferences(of: from, key: key).map(\.quotedIdentifier)
        if references.isEmpty || NegativeControl.rowsAbove.isLeftOut { return "" }
        let key = key.quotedIdentifier
        let (source, target) = (quoted(from), quoted(to))
        func list(_ row: String) -> String { references.map { "\(row).\($0)" }.joined(separator: ", ") }
        func isThere(_ value: String) -> String { "EXISTS (SELECT FROM \(target) AS t WHERE t.\(key) = \(value))" }
        let lacking = references.map { "NEW.\($0) IS NOT NULL AND NOT \(isThere("NEW.\($0)"))" }
        // A target that is still being filled has no such key; what is being led back has its rows above on the other side.
        // A circle ends at a depth that nobody writes at once.
        return """
            IF (\(lacking.joined(separator: " OR "))) AND NOT \(Self.isLeadingBack) AND EXISTS (
                SELECT FROM pg_constraint AS c
                WHERE c.contype = 'f' AND c.conrelid = to_regclass(\(target.quotedLiteral)) AND c.confrelid = c.conrelid)
            THEN
                FOR above IN
                    WITH RECURSIVE line (key, depth) AS (
                        SELECT s.\(key), 0 FROM \(source) AS s
                        WHERE s.\(key) IN (\(list("NEW"))) AND NOT \(isThere("s.\(key)"))
                        UNION
                        SELECT s.\(key), l.depth + 1
                        FROM line AS l JOIN \(source) AS c ON c.\(key) = l.key JOIN \(source) AS s ON s.\(key) IN (\(list("c")))
                        WHERE l.depth < 1000 AND NOT \(isThere("s.\(key)")))
                    SELECT l.key AS \(key), max(l.depth) AS depth FROM line AS l WHERE l.key <> NEW.\(key)
                    GROUP BY l.key ORDER BY depth DESC
                LOOP
                    \(lead("above"))
                    \(shadow(from, as: "SELECT s.* FROM \(source) AS s WHERE s.\(key) = above.\(key)"))
                    INSERT INTO \(target) AS t (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
                    SELECT \(mapping.valueList) FROM (
                    \(mapping.select)
                    ) AS mapping ON CONFLICT (\(key)) DO NOTHING;
                END LOOP;
            END IF;
            """
    }

    /// Columns that refer to the key of their own table.
    func selfReferences(of table: TableName, key: String) throws -> [String] {
        guard let oid = try catalog.oid(of: table) else { return [] }
        return try catalog.constraints(of: oid).filter {
            $0.kind == .foreignKey && $0.referencedOID == oid && $0.columns.count == 1 && $0.referencedColumns == [key]
        }.flatMap(\.columns)
    }
}
