import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Copies what a mapping yields into a table, in one statement, so that keys among its own rows hold whatever
    /// the order. Into an empty table the secondary indexes and foreign keys are built after the rows.
    /// - Returns: the rows inserted.
    func load(
        _ mapping: PostgreSQLMapping, into target: TableName, source: TableName, key: String,
        statement: Statement?, conflict: String, context: StepContext
    ) throws -> Int {
        let isEmpty = try !session.scalar("SELECT EXISTS (SELECT 1 FROM \(quoted(target)))").asBool
        // ON CONFLICT needs its key while loading.
        let detached = isEmpty ? try detach(target, withKeys: conflict.isEmpty) : []
        let insert = """
            INSERT INTO \(quoted(target)) (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
            SELECT \(mapping.columnList) FROM (
            \(mapping.select)
            ) AS mapping \(conflict.isEmpty ? "ORDER BY \(key.quotedIdentifier)" : conflict)
            """
        do {
            let rows = try session.savepoint {
                let rows = try session.run(insert)
                for definition in detached { try session.execute(definition) }
                return rows
            }
            return rows
        } catch let error as DatabaseError where error.isAboutRows {
            throw try rowError(
                error, mapping: mapping, target: target, source: source, key: key, statement: statement)
        }
    }

    /// Takes secondary indexes and foreign keys off, and with `withKeys` primary key and unique constraints too, and
    /// returns the statements that bring them back: keys first, foreign keys last.
    private func detach(_ table: TableName, withKeys: Bool) throws -> [String] {
        guard let oid = try catalog.oid(of: table) else { return [] }
        let name = quoted(table)
        let schemaName = (table.schema ?? schema).quotedIdentifier
        var keys: [String] = []
        var indexes: [String] = []
        var foreignKeys: [String] = []
        let constraints = try catalog.constraints(of: oid).filter { !$0.isInherited }
        let isReferenced = try catalog.foreignKeysReferencing(oid).contains { $0.tableOID != oid }
        // Foreign keys first: one to the table itself hangs on its primary key.
        for constraint in constraints.sorted(by: { $0.kind == .foreignKey && $1.kind != .foreignKey }) {
            let isKey = constraint.kind == .primaryKey || constraint.kind == .unique
            guard constraint.kind == .foreignKey || withKeys && isKey && !isReferenced else { continue }
            let quotedName = constraint.name.quotedIdentifier
            try session.execute("ALTER TABLE \(name) DROP CONSTRAINT \(quotedName)")
            var definition = ["ALTER TABLE \(name) ADD CONSTRAINT \(quotedName) \(constraint.definition)"]
            if let comment = constraint.comment {
                definition.append("COMMENT ON CONSTRAINT \(quotedName) ON \(name) IS \(comment.quotedLiteral)")
            }
            if isKey { keys += definition } else { foreignKeys += definition }
        }
        for index in try catalog.indexes(of: oid)
        where index.constraint == nil && !index.isReplicaIdentity && (withKeys || !index.isUnique) {
            try session.execute("DROP INDEX \(schemaName).\(index.name.quotedIdentifier)")
            indexes.append(index.definition)
            if let comment = index.comment {
                indexes.append(
                    "COMMENT ON INDEX \(schemaName).\(index.name.quotedIdentifier) IS \(comment.quotedLiteral)")
            }
        }
        return keys + indexes + foreignKeys
    }

    /// Names the row that does not fit, found by trying the rows' halves.
    /// - Parameter rows: a condition on the key, where only some rows were tried.
    func rowError(
        _ error: DatabaseError, mapping: PostgreSQLMapping, target: TableName, source: TableName, key: String,
        statement: Statement?, among rows: String = "true"
    ) throws -> MigratorError {
        var details = [error.detail].compactMap(\.self)
        var column = error.column
        if let culprit = try error.sqlState == "23503"
            ? childless(error, mapping: mapping, source: source, key: key, among: rows)
            : culprit(mapping, target: target, source: source, key: key, among: rows)
        {
            details.insert("\(source) \(key) \(culprit)", at: 0)
            // The server names the column of a NULL that may not be, not that of a value which is too long.
            if column == nil, error.sqlState?.hasPrefix("22") == true {
                column = try unfitColumn(
                    mapping, target: target, source: source,
                    row: "\(key.quotedIdentifier)::text = \(culprit.quotedLiteral)")
            }
        }
        let place = column.map { " in \"\($0)\"" } ?? ""
        return MigratorError(
            "value-does-not-fit", .difference,
            "a row of \"\(source)\" does not fit into \"\(target)\"\(place): \(error.message); nothing was committed",
            hint: "mend the row, or widen the target", location: statement?.location, details: details)
    }

    /// The first row whose foreign key finds no parent, by the value that the server names: among halves of the rows,
    /// one whose parent is in the other half would seem to be it. Nil where the key has several columns.
    private func childless(
        _ error: DatabaseError, mapping: PostgreSQLMapping, source: TableName, key: String, among rows: String
    ) throws -> String? {
        // Key (reply_to_id)=(17) is not present in table "messages"; the words may be in another language.
        guard let detail = error.detail, let open = detail.firstIndex(of: "("),
            let middle = detail.firstRange(of: ")=("),
            let close = detail[middle.upperBound...].firstIndex(of: ")")
        else { return nil }
        let columns = PostgreSQLCatalog.identifiers(String(detail[detail.index(after: open)..<middle.lowerBound]))
        guard columns.count == 1, let column = columns.first, mapping.columns.contains(column) else { return nil }
        let quotedKey = key.quotedIdentifier
        return try session.scalar(
            """
            SELECT m.\(quotedKey)::text FROM (\(mapping.select)
            ) AS m WHERE m.\(column.quotedIdentifier)::text = $1
              AND m.\(quotedKey) IN (SELECT \(quotedKey) FROM \(quoted(source)) WHERE \(rows))
            ORDER BY m.\(quotedKey) LIMIT 1
            """, [.text(String(detail[middle.upperBound..<close]))]
        ).asText
    }

    private func culprit(
        _ mapping: PostgreSQLMapping, target: TableName, source: TableName, key: String, among rows: String
    ) throws -> String? {
        let quotedKey = key.quotedIdentifier
        func fails(_ condition: String) throws -> Bool {
            do {
                try session.savepoint(keeping: false) {
                    try session.execute(
                        """
                        WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(quoted(source)) WHERE \(condition))
                        INSERT INTO \(quoted(target)) (\(mapping.columnList)) OVERRIDING SYSTEM VALUE
                        SELECT \(mapping.columnList) FROM (\(mapping.select)
                        ) AS mapping
                        """)
                }
                return false
            } catch let error as DatabaseError where error.isAboutRows {
                return true
            }
        }
        let keys =
            "SELECT \(quotedKey) AS k, row_number() OVER (ORDER BY \(quotedKey)) AS n FROM \(quoted(source)) WHERE \(rows)"
        var low = 1
        var high = try session.scalar("SELECT count(*) FROM \(quoted(source)) WHERE \(rows)").asInt ?? 0
        // By halves: the front half fails by itself, or the row is in the back half.
        while low < high {
            let middle = (low + high) / 2
            let isInFront = try fails(
                "\(quotedKey) IN (SELECT k FROM (\(keys)) AS numbered WHERE n BETWEEN \(low) AND \(middle))")
            if isInFront { high = middle } else { low = middle + 1 }
        }
        return try session.scalar("SELECT k::text FROM (\(keys)) AS numbered WHERE n = \(low)").asText
    }

    /// The first column whose value of one row its type does not take; nil where it is none alone.
    private func unfitColumn(
        _ mapping: PostgreSQLMapping, target: TableName, source: TableName, row: String
    ) throws -> String? {
        try mapping.columns.first { column in
            let name = column.quotedIdentifier
            do {
                try session.savepoint(keeping: false) {
                    // As the target's column, but for NOT NULL and its other constraints.
                    try session.execute(
                        """
                        CREATE TEMPORARY TABLE migrator_value ON COMMIT DROP AS SELECT \(name) FROM \(quoted(target)) LIMIT 0;
                        WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(quoted(source)) WHERE \(row))
                        INSERT INTO pg_temp.migrator_value SELECT \(name) FROM (\(mapping.select)
                        ) AS mapping
                        """)
                }
                return false
            } catch {
                guard let error = error as? DatabaseError, error.sqlState?.hasPrefix("22") == true else {
                    throw error
                }
                return true
            }
        }
    }

    /// `copy`: the rows are brought over once; the source stays. A mapping that is not row-local is copied whole.
    public func performCopy(_ move: Move, context: StepContext) throws -> StepOutcome {
        let mapping = try analyse(move.mapping, source: move.source, target: move.target, key: move.key)
        guard mapping.columns.contains(move.key) else {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the mapping does not yield the key \"\(move.key)\"",
                hint: "select it", location: move.mapping?.location)
        }
        let rows = try load(
            mapping, into: move.target, source: move.source, key: move.key, statement: move.mapping, conflict: "",
            context: context)
        let comparison = try RowComparison(
            expected: mapping.select, columns: mapping.columns, table: move.target, key: move.key, backend: self)
        try refuse(comparison, what: "\"\(move.target)\" is not what the mapping makes of \"\(move.source)\"")
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "copy",
                subject: "\(move.source) -> \(move.target)", verdict: Verdict.exact.rawValue,
                detail: "{\"rows\":\(rows)}"))
        return StepOutcome(rows: rows, details: ["\(rows.counted("row")) compared, 0 differences"])
    }
}

extension PostgreSQLBackend {
    /// Lets the sequence of a column go on above its highest value, where it stands below: an id that somebody
    /// inserted by hand must not be handed out again. Upwards only, so that it may outlive a rollback.
    func advanceSequence(of table: TableName, column: String) throws {
        guard let oid = try catalog.oid(of: table),
            let sequence = try catalog.ownedSequence(of: oid, column: column)
        else { return }
        try session.execute(
            """
            SELECT setval(\(sequence.quoted.quotedLiteral)::regclass, m.highest)
            FROM (SELECT max(\(column.quotedIdentifier)) AS highest FROM \(quoted(table))) AS m,
                 \(sequence.quoted) AS s, pg_sequence AS p
            WHERE p.seqrelid = \(sequence.quoted.quotedLiteral)::regclass AND p.seqincrement > 0
              AND m.highest >= CASE WHEN s.is_called THEN s.last_value + 1 ELSE s.last_value END
            """)
    }
}

extension DatabaseError {
    /// A value that does not fit (class 22) or a constraint that a row breaks (class 23).
    var isAboutRows: Bool { sqlState.map { $0.hasPrefix("22") || $0.hasPrefix("23") } ?? false }
}
