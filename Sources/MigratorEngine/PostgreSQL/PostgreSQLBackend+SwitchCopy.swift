import MigratorDatabase
import MigratorScript

/// A switch by copying the rows, in one transaction under the lock (ONLINE.md 2A).
extension PostgreSQLBackend {
    /// The definition has been run in place: the target is there and empty.
    /// 0. the columns that it does not declare; 1. the next ids; 2. the rows, then keys and indexes; 3. the comparison;
    /// 4. what belongs to the source beside its columns; 5. the children's foreign keys; 6. the source becomes an empty
    /// shell out of sight, so that the way back is exact by construction; 7. the compatibility view; 8. the ledger.
    func performCopySwitch(
        _ move: Move, definition: [Statement], context: StepContext
    ) throws -> StepOutcome {
        guard let targetRelation = try catalog.relation(move.target), targetRelation.isTable else {
            throw MigratorError(
                "target-undefined", .refused, "no statement before the switch creates the table \"\(move.target)\"",
                hint: "put CREATE TABLE \(move.target) before the switch")
        }
        var declared = try declaredInPlace(targetRelation)
        let source = try recogniseSource(move, declared: declared, context: context)
        let readers = try dependentViews(of: source.relation.oid)
        if let reader = readers.first, move.view?.name != move.source.name {
            throw MigratorError(
                "dependent-view", .refused,
                "the view \"\(reader.relation.name)\" reads \"\(move.source)\", which the copy takes away",
                hint: "leave a view behind with view=\(move.source.name), or use strategy=rename")
        }
        // 0
        let carried = try requireCarried(move, source: source, declared: declared)
        try refuseLoss(carried, of: source.relation, context: context)
        let parts = try parts(of: carried, from: source, to: declared)
        for statement in parts.now + parts.keys + parts.indexes.flatMap(\.statements) { try session.execute(statement) }
        declared.columns += carried.columns
        var undo: [String] = []

        // 1
        try passOwner(from: source.relation, to: targetRelation)
        undo += try passSequence(move, source: source, target: declared)

        // 2
        let mapping = try copyMapping(move, source: source, declared: declared, carried: carried.names)
        let rows = try load(
            mapping, into: move.target, source: move.source, key: move.key, statement: move.mapping, conflict: "",
            context: context)
        try advanceSequence(of: move.target, column: move.key)

        // 3
        let comparison = try RowComparison(
            expected: mapping.select, columns: mapping.columns, table: move.target, key: move.key, backend: self)
        try refuse(comparison, what: "\"\(move.target)\" is not what the mapping makes of \"\(move.source)\"")

        // 4
        for statement in parts.late + parts.comments { try session.execute(statement) }
        try replayProperties(from: source, to: targetRelation)
        undo += try passCarriedSequences(carried.names, source: source, target: targetRelation)
        undo += try moveToPublications(of: source.relation, to: targetRelation)

        // 5
        undo += try repointChildren(of: source.relation, to: targetRelation)

        // 6
        try drop(readers)
        let shell = try makeShell(of: source.relation, undo: &undo, context: context)
        try nameCarried(parts.names, of: targetRelation)

        // 7
        var view: SwitchRecord.Table?
        if let name = move.view {
            let columns = source.columns.map(\.name)
            view = try createView(name, columns: columns, over: targetRelation)
            if let shellRelation = try catalog.relation(shell.tableName), let view {
                try copyGrants(from: shellRelation.oid, columns: columns, to: view)
            }
        }
        try create(readers)

        // 8
        let cutOver = try cutOver()
        let added = declared.columns.filter { source.column($0.name) == nil || carried.replaced.contains($0.name) }
        let record = SwitchRecord(
            strategy: .copy, source: .init(schema: source.relation.schema, name: source.relation.name),
            target: .init(schema: targetRelation.schema, name: targetRelation.name), key: move.key, view: view,
            undo: undo,
            added: added.map {
                .init(
                    name: $0.name,
                    initial: declared.constantDefaults.contains($0.name) ? $0.defaultExpression : nil)
            },
            restrictions: [], shell: shell, carried: carried.names, carriedIndexes: parts.names, rows: rows,
            relationOID: targetRelation.oid, snapshot: cutOver.snapshot, transactionID: cutOver.transactionID,
            systemIdentifier: try identityOfSystem())
        try add(record, context: context)
        var details = ["\(rows.counted("row")) compared, 0 differences"]
        details += carried.notes + parts.left.map { "not carried: \($0)" }
        if let view { details.append("view \(view.name) left behind") }
        return StepOutcome(rows: rows, details: details)
    }

    /// A target that stands in place, with the constant ones among its defaults.
    func declaredInPlace(_ target: CatalogRelation) throws -> TableShape {
        var declared = try shape(of: target)
        for column in declared.columns where column.generated == nil {
            if let text = column.defaultExpression, try isConstant(text, type: column.type) {
                declared.constantDefaults.insert(column.name)
            }
        }
        return declared
    }

    /// The mapping with a NULL for every new column whose default is not constant, as a rename would leave it.
    func copyMapping(
        _ move: Move, source: TableShape, declared: TableShape, carried: [String]
    ) throws -> PostgreSQLMapping {
        var mapping = try analyse(move.mapping, source: move.source, target: move.target, key: move.key)
        guard mapping.columns.contains(move.key) else {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the mapping does not yield the key \"\(move.key)\"",
                hint: "select it", location: move.mapping?.location)
        }
        guard move.mapping == nil else {
            return try carrying(carried, beside: mapping, from: move.source, to: move.target, key: move.key)
        }
        let generated = Set(declared.columns.filter { $0.generated != nil }.map(\.name))
        mapping.columns.removeAll(where: generated.contains)
        let empty = declared.columns.filter { column in
            source.column(column.name) == nil && column.defaultExpression != nil && !column.isNotNull
                && column.generated == nil && !declared.constantDefaults.contains(column.name)
        }
        let list =
            mapping.columns.map(\.quotedIdentifier)
            + empty.map { "NULL::\($0.type) AS \($0.name.quotedIdentifier)" }
        mapping.columns += empty.map(\.name)
        mapping.select =
            "SELECT \(list.joined(separator: ", ")) FROM \(move.source.name.quotedIdentifier)"
        return mapping
    }

    /// The target's key draws its values from where the source's came from (ONLINE.md H11).
    /// - Returns: the statements that lead back.
    func passSequence(
        _ move: Move, source: TableShape, target: TableShape
    ) throws -> [String] {
        guard let old = source.column(move.key), let new = target.column(move.key) else { return [] }
        let table = quoted(move.target)
        let column = move.key.quotedIdentifier
        let sequence = try catalog.ownedSequence(of: source.relation.oid, column: move.key)
        if new.defaultExpression != nil || new.identity != nil {
            // A sequence of its own goes on where the source's stands.
            guard let sequence, let own = try catalog.ownedSequence(of: target.relation.oid, column: move.key) else {
                return []
            }
            try session.execute(
                "SELECT setval(\(own.quoted.quotedLiteral)::regclass, last_value, is_called) FROM \(sequence.quoted)")
            return [
                "SELECT setval(\(sequence.quoted.quotedLiteral)::regclass, last_value, is_called) FROM \(own.quoted)"
            ]
        }
        if let identity = old.identity, let sequence {
            let kind = identity == .always ? "ALWAYS" : "BY DEFAULT"
            try session.execute("ALTER TABLE \(table) ALTER COLUMN \(column) ADD GENERATED \(kind) AS IDENTITY")
            guard let own = try catalog.ownedSequence(of: target.relation.oid, column: move.key) else { return [] }
            try passOptions(from: sequence, to: own)
            try session.execute(
                "SELECT setval(\(own.quoted.quotedLiteral)::regclass, last_value, is_called) FROM \(sequence.quoted)")
            return [
                "SELECT setval(pg_get_serial_sequence(\(source.relation.quoted.quotedLiteral), \(move.key.quotedLiteral)), last_value, is_called) FROM \(own.quoted)"
            ]
        }
        guard let expression = old.defaultExpression else { return [] }
        try session.execute("ALTER TABLE \(table) ALTER COLUMN \(column) SET DEFAULT \(expression)")
        guard let sequence else { return [] }
        try session.execute("ALTER SEQUENCE \(sequence.quoted) OWNED BY \(table).\(column)")
        return ["ALTER SEQUENCE \(sequence.quoted) OWNED BY \(source.relation.quoted).\(column)"]
    }

    /// Other tables' foreign keys point at the target under their own names.
    private func repointChildren(
        of source: CatalogRelation, to target: CatalogRelation
    ) throws -> [String] {
        var undo: [String] = []
        for child in try catalog.foreignKeysReferencing(source.oid) where child.tableOID != source.oid {
            let name = child.name.quotedIdentifier
            guard let start = child.definition.firstRange(of: " REFERENCES "),
                let end = child.definition[start.upperBound...].firstRange(of: "(")
            else { continue }
            let definition =
                child.definition[..<start.upperBound] + target.quoted + child.definition[end.lowerBound...]
            let original =
                child.definition[..<start.upperBound] + source.quoted + child.definition[end.lowerBound...]
            var comment = ""
            if let text = child.comment {
                comment = "; COMMENT ON CONSTRAINT \(name) ON \(child.table) IS \(text.quotedLiteral)"
            }
            try session.execute(
                "ALTER TABLE \(child.table) DROP CONSTRAINT \(name); ALTER TABLE \(child.table) ADD CONSTRAINT \(name) \(definition)\(comment)"
            )
            undo.append(
                "ALTER TABLE \(child.table) DROP CONSTRAINT \(name); ALTER TABLE \(child.table) ADD CONSTRAINT \(name) \(original)\(comment)"
            )
        }
        return undo
    }

    /// Empties the source and puts it away in the ledger's schema. Its own foreign keys are taken off, so that it
    /// is in nobody's way, and what its rows need not meet, so that they can come back; `undo` brings them back.
    private func makeShell(
        of source: CatalogRelation, undo: inout [String], context: StepContext
    ) throws -> SwitchRecord.Table {
        for constraint in try catalog.constraints(of: source.oid)
        where constraint.kind == .foreignKey || constraint.isUnmet {
            undo += try takeOff(constraint, of: source, recordedFor: source.quoted)
        }
        let name = try freeName(
            Self.truncated("shell_\(context.revision)_\(context.item)_\(source.name)", suffix: ""),
            in: ledger.schema)
        let space = ledger.schema.quotedIdentifier
        try session.execute(
            """
            TRUNCATE \(source.quoted);
            ALTER TABLE \(source.quoted) RENAME TO \(name.quotedIdentifier);
            ALTER TABLE \(source.schema.quotedIdentifier).\(name.quotedIdentifier) SET SCHEMA \(space)
            """)
        return SwitchRecord.Table(schema: ledger.schema, name: name)
    }

    /// - Parameter place: the table's name when the constraint comes back.
    /// - Returns: the statements that bring it back.
    func takeOff(
        _ constraint: CatalogConstraint, of table: CatalogRelation, recordedFor place: String
    ) throws -> [String] {
        let name = constraint.name.quotedIdentifier
        try session.execute("ALTER TABLE \(table.quoted) DROP CONSTRAINT \(name)")
        return ["ALTER TABLE \(place) ADD CONSTRAINT \(name) \(constraint.definition)"]
            + (constraint.comment.map { ["COMMENT ON CONSTRAINT \(name) ON \(place) IS \($0.quotedLiteral)"] } ?? [])
    }
}

extension CatalogConstraint {
    /// A check that rows which were there before it need not meet.
    var isUnmet: Bool { kind == .check && !isValidated }
}
