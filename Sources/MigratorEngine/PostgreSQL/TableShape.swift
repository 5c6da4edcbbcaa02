import MigratorDatabase
import MigratorScript

/// The definition of a table as a value: what a script declares, or what stands in the database.
struct TableShape: Equatable {
    var relation: CatalogRelation
    var columns: [CatalogColumn]
    var constraints: [CatalogConstraint]
    var indexes: [CatalogIndex]
    var comment: String?
    /// Properties that a rename does not reach, in words: partitions, storage options, row-level security, ...
    var properties: [String]
    /// Columns whose default is the same for every row: the server takes it for a stored generated column.
    var constantDefaults: Set<String> = []

    func column(_ name: String) -> CatalogColumn? { columns.first { $0.name == name } }

    /// Whether the column alone tells the rows apart: primary key, or unique and not null.
    func isKey(_ name: String) -> Bool {
        guard let column = column(name) else { return false }
        return indexes.contains { index in
            index.isUnique && index.isValid && index.columns == [name]
                && (index.isPrimary || column.isNotNull)
                && index.predicate == nil
        }
    }
}

extension CatalogIndex {
    /// What stands after the table's name: method, columns, options, predicate.
    var body: String {
        guard let range = definition.firstRange(of: " USING ") else { return definition }
        return String(definition[range.lowerBound...].dropFirst())
    }

    /// The condition of a partial index.
    var predicate: String? {
        body.firstRange(of: " WHERE ").map { String(body[$0.upperBound...]) }
    }

    func creation(name: String, on table: String) -> String {
        "CREATE \(isUnique ? "UNIQUE " : "")INDEX \(name.quotedIdentifier) ON \(table) \(body)"
    }
}

extension CatalogConstraint {
    /// The definition with a reference to the own table written without its name, so that it survives a rename.
    var comparable: String {
        guard kind == .foreignKey, referencedOID == tableOID,
            let start = definition.firstRange(of: " REFERENCES "),
            let end = definition[start.upperBound...].firstRange(of: "(")
        else { return definition }
        return definition[..<start.upperBound] + "SELF" + definition[end.lowerBound...]
    }
}

extension PostgreSQLBackend {
    /// Reads the definition of a relation, with names as the present search path shows them.
    func shape(of relation: CatalogRelation) throws -> TableShape {
        let row = try session.query(
            """
            SELECT obj_description(c.oid, 'pg_class') AS comment, c.relpersistence, c.relrowsecurity,
                   c.relforcerowsecurity, c.reloptions::text AS options, c.relreplident, c.relkind,
                   EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inherits,
                   EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
                   EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid) AS policies
            FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
            """, [SQLValue(relation.oid)]
        ).first
        var properties: [String] = []
        if row?.text("relkind") != "r" { properties.append("it is a \(relation.kindName) of another kind") }
        if row?.text("relpersistence") != "p" { properties.append("it is not a permanent table") }
        if row?.bool("inherits") == true {
            properties.append("it is part of an inheritance or partition tree")
        }
        if row?.bool("relrowsecurity") == true { properties.append("row-level security") }
        if row?.bool("relforcerowsecurity") == true { properties.append("forced row-level security") }
        if row?.bool("policies") == true { properties.append("policies") }
        if row?.bool("triggers") == true { properties.append("triggers") }
        if let options = row?.text("options") { properties.append("storage options \(options)") }
        if row?.text("relreplident") != "d" { properties.append("a replica identity") }
        return TableShape(
            relation: relation, columns: try catalog.columns(of: relation.oid),
            constraints: try catalog.constraints(of: relation.oid).filter { $0.kind != .constraintTrigger },
            indexes: try catalog.indexes(of: relation.oid), comment: row?.text("comment"),
            properties: properties)
    }

    /// The target as the script declares it, built where it cannot be seen and undone at once.
    ///
    /// A scratch schema holds `LIKE` copies of the tables that the statements mention, so that a foreign key to
    /// `users` never locks `users`. Types, functions and extensions are reached through the real schema at the end
    /// of the search path. Statements that name the schema itself run in place, undone as well.
    func declaredShape(of target: TableName, definition: [Statement]) throws -> TableShape {
        let statements = definition.filter {
            StatementTraits($0, dialect: .postgresql).concurrentIndex == nil
        }
        let mentioned = statements.reduce(into: Set<String>()) {
            $0.formUnion(StatementTraits($1, dialect: .postgresql).identifiers)
        }
        return try session.savepoint(keeping: false) {
            var place = target.schema ?? schema
            if !mentioned.contains(place) {
                place = try makeScratch(for: mentioned.subtracting([target.name]))
            }
            for statement in statements {
                do {
                    try session.execute(statement.text)
                } catch let error as DatabaseError {
                    throw MigratorError(error, statement: statement)
                }
            }
            guard let relation = try catalog.relation(TableName(schema: place, target.name)) else {
                throw MigratorError(
                    "target-undefined", .refused,
                    "no statement before the switch creates the table \"\(target)\"",
                    hint: "put CREATE TABLE \(target.name) before the switch")
            }
            var shape = try shape(of: relation)
            for column in shape.columns where column.generated == nil {
                if let text = column.defaultExpression, try isConstant(text, type: column.type) {
                    shape.constantDefaults.insert(column.name)
                }
            }
            return shape
        }
    }

    /// Creates the scratch schema and puts it at the front of the search path until the savepoint is undone.
    private func makeScratch(for mentioned: Set<String>) throws -> String {
        let scratch = "migrator_scratch"
        do {
            try session.execute("CREATE SCHEMA \(scratch)")
        } catch {
            guard error.kind == .insufficientPrivilege else { throw error }
            throw MigratorError(
                "insufficient-privilege", .unavailable,
                "\(error.message): a switch is planned in a schema of its own, which is rolled back",
                hint: "let an owner of the database run GRANT CREATE ON DATABASE "
                    + "\(facts.database.quotedIdentifier) TO \(facts.user.quotedIdentifier)")
        }
        let tables = try catalog.relations(
            where: "n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname = ANY ($2::name[])",
            [.text(schema), .text(Self.arrayLiteral(mentioned.sorted()))])
        for table in tables {
            try session.execute(
                "CREATE TABLE \(scratch).\(table.name.quotedIdentifier) (LIKE \(table.quoted) INCLUDING ALL)")
        }
        try session.execute("SET LOCAL search_path = \(scratch), \(facts.searchPath)")
        return scratch
    }

    /// Whether the server takes the expression for a generated column: it yields the same for every row.
    func isConstant(_ expression: String, type: String) throws -> Bool {
        do {
            try session.savepoint(keeping: false) {
                try session.execute(
                    "CREATE TEMPORARY TABLE migrator_constant (value \(type) GENERATED ALWAYS AS (\(expression)) STORED)"
                )
            }
            return true
        } catch let error as DatabaseError where error.kind == .statement {
            return false
        }
    }
}
