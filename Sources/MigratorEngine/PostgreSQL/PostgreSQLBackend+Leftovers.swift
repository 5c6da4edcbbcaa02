import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// Tables of earlier attempts: empty ones are dropped, others set aside or refused, all of them named.
    /// A table that an applied revision made is none.
    public func clearLeftovers(_ tables: [TableName], context: StepContext) throws -> StepOutcome {
        let ours = try ownTables()
        var empty: [CatalogRelation] = []
        var filled: [(relation: CatalogRelation, rows: Int)] = []
        for table in tables {
            guard let relation = try catalog.relation(table),
                !ours.contains("\(relation.schema).\(relation.name)")
            else { continue }
            guard relation.kind == .table || relation.kind == .partitionedTable else {
                throw MigratorError(
                    "leftover-table", .refused,
                    "the \(relation.kindName) \"\(relation.name)\" stands where revision \(context.revision) makes a table",
                    hint: "rename or drop it")
            }
            // Held to the end: no row may arrive between the count and the drop.
            try session.execute("LOCK TABLE \(relation.quoted) IN ACCESS EXCLUSIVE MODE")
            let rows = try withPinnedOutput {
                try session.scalar("SELECT count(*) FROM \(relation.quoted)").asInt ?? 0
            }
            if rows == 0 { empty.append(relation) } else { filled.append((relation, rows)) }
        }
        guard filled.isEmpty || context.options.setsAside else {
            throw MigratorError(
                "leftover-table", .refused,
                filled.count == 1
                    ? "the table \"\(filled[0].relation.name)\" of an earlier attempt holds rows"
                    : "tables of an earlier attempt hold rows",
                hint: "look at them, then rename them, or let --set-aside do so",
                details: filled.map { "\($0.relation.name): \($0.rows.counted("row"))" })
        }
        var details = try filled.map { try setAside($0.relation, context: context) }
        if !empty.isEmpty {
            try drop(empty)
            details += empty.map { "empty \($0.name) dropped" }
        }
        return StepOutcome(rows: nil, details: details)
    }

    /// Tables that the ledger knows as made by an applied revision, or as a switch's target: `schema.name`.
    private func ownTables() throws -> Set<String> {
        var names: Set<String> = []
        for object in try ledger.objects() {
            switch object.kind {
            case "created-table": names.insert(qualified(object.name))
            case "switch":
                if let arrow = object.name.firstRange(of: " -> ") {
                    names.insert(qualified(String(object.name[arrow.upperBound...])))
                }
            default: break
            }
        }
        return names
    }

    private func qualified(_ name: String) -> String {
        name.contains(".") ? name : "\(schema).\(name)"
    }

    /// All in one statement: foreign keys among them are in nobody's way. Never with CASCADE.
    private func drop(_ relations: [CatalogRelation]) throws {
        do {
            try session.execute("DROP TABLE " + relations.map(\.quoted).joined(separator: ", "))
        } catch {
            guard error.sqlState == "2BP01" else { throw error }
            throw MigratorError(
                "leftover-table", .refused,
                "tables of an earlier attempt are empty, but other objects depend on them: "
                    + relations.map { "\"\($0.name)\"" }.joined(separator: ", "),
                hint: "drop those objects, or point them elsewhere",
                details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
        }
    }

    /// Renames a table out of the way with everything whose name is the schema's (indexes, owned sequences,
    /// statistics), takes its foreign keys off (a deleted user must not change it any more) and registers it.
    /// - Returns: a line for people.
    func setAside(_ relation: CatalogRelation, context: StepContext) throws -> String {
        let suffix = "_set_aside_\(context.runID)"
        let columns = try catalog.columns(of: relation.oid).map(\.name)
        let key = try catalog.singleKeyColumn(of: relation.oid)
        let source = TableName(schema: relation.schema, relation.name)
        var undo: [String] = []

        for constraint in try catalog.constraints(of: relation.oid)
        where constraint.kind == .foreignKey && !constraint.isInherited {
            let name = constraint.name.quotedIdentifier
            try session.execute("ALTER TABLE \(relation.quoted) DROP CONSTRAINT \(name)")
            undo.append("ALTER TABLE \(relation.quoted) ADD CONSTRAINT \(name) \(constraint.definition)")
        }
        let space = relation.schema.quotedIdentifier
        func rename(_ kind: String, _ name: String) throws {
            let new = try freeName(Self.truncated(name, suffix: suffix), in: relation.schema)
            try session.execute(
                "ALTER \(kind) \(space).\(name.quotedIdentifier) RENAME TO \(new.quotedIdentifier)")
            undo.insert(
                "ALTER \(kind) \(space).\(new.quotedIdentifier) RENAME TO \(name.quotedIdentifier)", at: 0)
        }
        for index in try catalog.indexes(of: relation.oid) { try rename("INDEX", index.name) }
        for column in columns {
            if let sequence = try catalog.ownedSequence(of: relation.oid, column: column) {
                try rename("SEQUENCE", sequence.name)
            }
        }
        let statistics = try session.query(
            "SELECT stxname FROM pg_catalog.pg_statistic_ext WHERE stxrelid = $1::oid", [SQLValue(relation.oid)])
        for name in statistics.compactMap({ $0[0].asText }) { try rename("STATISTICS", name) }

        let name = try freeName(Self.truncated(relation.name, suffix: suffix), in: relation.schema)
        try session.execute("ALTER TABLE \(relation.quoted) RENAME TO \(name.quotedIdentifier)")
        let content = try contentHash(of: TableName(schema: relation.schema, name), columns: columns)
        try ledger.add(
            try backupRecord(
                kind: .setAside, source: source, name: name, key: key, columns: columns,
                content: (content.rows, content.hash), definition: undo.joined(separator: ";\n"),
                context: context))
        return "\(relation.name) with \(content.rows.counted("row")) set aside as \(name)"
    }
}
