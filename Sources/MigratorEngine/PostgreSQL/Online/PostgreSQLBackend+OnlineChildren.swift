import MigratorDatabase
import MigratorScript

/// Foreign keys of other tables, which a copied table takes over while the application writes.
extension PostgreSQLBackend {
    /// Prefix of the names of children's keys until the cut-over.
    static let nextKeyPrefix = "migrator_next_"

    static func nextKeyName(_ name: String) -> String {
        nextKeyPrefix
            + String(
                name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 36)
    }

    /// Each key of another table that points at `old` gets a twin that points at `new`: not validated, then validated,
    /// while both tables are kept equal. Its place is taken at the cut-over.
    func prepareChildren(of old: CatalogRelation, for new: CatalogRelation, _ work: OnlineWork) throws {
        for child in try catalog.foreignKeysReferencing(old.oid)
        where child.tableOID != old.oid && child.tableOID != new.oid {
            let name = Self.nextKeyName(child.name)
            let table = TableName(schema: child.tableSchema, child.tableName)
            let twin = try catalog.constraints(of: child.tableOID).first { $0.name == name }
            if twin == nil, let definition = child.definition(referring: new.quoted) {
                try brief(
                    work,
                    locking: {
                        try lock(TableName(schema: new.schema, new.name), .shareRowExclusive)
                            + lock(table, .shareRowExclusive)
                    }, changesSchema: true
                ) { _ in
                    try session.execute(
                        "ALTER TABLE \(child.table) ADD CONSTRAINT \(name.quotedIdentifier) \(definition)"
                            + (definition.hasSuffix(" NOT VALID") ? "" : " NOT VALID"))
                }
            }
            if twin?.isValidated != true, child.isValidated { try validate(name, of: child.table, work) }
        }
    }

    /// The old keys go, the twins get their names.
    func takeChildren(from old: CatalogRelation) throws -> [String] {
        var names: [String] = []
        for child in try catalog.foreignKeysReferencing(old.oid) where child.tableOID != old.oid {
            let twin = Self.nextKeyName(child.name)
            guard try catalog.constraints(of: child.tableOID).contains(where: { $0.name == twin }) else {
                throw MigratorError(
                    "child-new", .failed,
                    "the foreign key \"\(child.name)\" of \"\(child.tableName)\" is new since the preparation; nothing was cut over",
                    hint: "run the same command again")
            }
            let name = child.name.quotedIdentifier
            try session.execute(
                "ALTER TABLE \(child.table) DROP CONSTRAINT \(name); ALTER TABLE \(child.table) RENAME CONSTRAINT \(twin.quotedIdentifier) TO \(name)"
            )
            if let comment = child.comment {
                try session.execute("COMMENT ON CONSTRAINT \(name) ON \(child.table) IS \(comment.quotedLiteral)")
            }
            names.append("\(child.table) \(name)")
        }
        return names
    }
}

extension CatalogConstraint {
    /// A foreign key's definition with another table in the place of the one that it refers to.
    func definition(referring table: String) -> String? {
        guard let start = definition.firstRange(of: " REFERENCES "),
            let end = definition[start.upperBound...].firstRange(of: "(")
        else { return nil }
        return definition[..<start.upperBound] + table + definition[end.lowerBound...]
    }
}
