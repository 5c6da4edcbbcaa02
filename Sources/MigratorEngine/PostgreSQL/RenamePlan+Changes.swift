import MigratorDatabase

/// A statement with the one that takes it back.
struct CatalogChange: Equatable {
    /// Nil for what only the way back needs.
    var statement: String?
    var undo: String?
}

extension RenamePlan {
    /// The changes in their order; the way back runs the undos from the last to the first.
    /// Indexes go before the rename, so that their recorded definitions name the table as it will be again.
    /// - Parameters:
    ///   - indexUndo: the statements that make a dropped index again, by its oid.
    ///   - isOnline: leaves out what reads rows: new indexes are somebody else's business then, their undo is not, and
    ///     new constraints are not validated.
    func changes(indexUndo: [Int: String], isOnline: Bool = false) -> [CatalogChange] {
        let old = source.relation.quoted
        let target = "\(source.relation.schema.quotedIdentifier).\(declared.relation.name.quotedIdentifier)"
        var changes: [CatalogChange] = droppedIndexes.map { index in
            CatalogChange(
                statement:
                    "DROP INDEX \(source.relation.schema.quotedIdentifier).\(index.name.quotedIdentifier)",
                undo: indexUndo[index.oid] ?? index.definition)
        }
        changes.append(
            CatalogChange(
                statement: "ALTER TABLE \(old) RENAME TO \(declared.relation.name.quotedIdentifier)",
                undo: "ALTER TABLE \(target) RENAME TO \(source.relation.name.quotedIdentifier)"))
        changes += columnChanges(target)
        changes += constraintChanges(target, isOnline: isOnline) + indexChanges(target, isOnline: isOnline)
        changes += comments.map { comment in
            let object = comment.column.map { "COLUMN \(target).\($0.quotedIdentifier)" } ?? "TABLE \(target)"
            // The comment of a new column goes with it.
            let isNew = comment.column.map { name in added.contains { $0.name == name } } ?? false
            return CatalogChange(
                statement: "COMMENT ON \(object) IS \(comment.new?.quotedLiteral ?? "NULL")",
                undo: isNew ? nil : "COMMENT ON \(object) IS \(comment.old?.quotedLiteral ?? "NULL")")
        }
        return changes
    }

    private func columnChanges(_ target: String) -> [CatalogChange] {
        func alter(_ column: String, _ action: String) -> String {
            "ALTER TABLE \(target) ALTER COLUMN \(column.quotedIdentifier) \(action)"
        }
        func setDefault(_ column: CatalogColumn) -> String {
            alter(column.name, column.defaultExpression.map { "SET DEFAULT \($0)" } ?? "DROP DEFAULT")
        }
        var changes: [CatalogChange] = []
        // ALTER TYPE converts the default too: the old one is set again after the old type is back.
        changes += retyped.filter { pair in defaults.contains { $0.old.name == pair.old.name } }
            .map { CatalogChange(statement: nil, undo: setDefault($0.old)) }
        changes += retyped.map { pair in
            CatalogChange(
                statement: alter(pair.old.name, "TYPE \(pair.new.type)"),
                undo: alter(pair.old.name, "TYPE \(pair.old.type)"))
        }
        changes += relaxed.map { column in
            let name = source.constraints.first { $0.kind == .notNull && $0.columns == [column.name] }?.name
            let again =
                name.map {
                    "ALTER TABLE \(target) ADD CONSTRAINT \($0.quotedIdentifier) NOT NULL \(column.name.quotedIdentifier)"
                } ?? alter(column.name, "SET NOT NULL")
            return CatalogChange(statement: alter(column.name, "DROP NOT NULL"), undo: again)
        }
        changes += tightened.map {
            CatalogChange(
                statement: alter($0.name, "SET NOT NULL"), undo: alter($0.name, "DROP NOT NULL"))
        }
        changes += defaults.map {
            CatalogChange(statement: setDefault($0.new), undo: setDefault($0.old))
        }
        for column in added {
            let isConstant = declared.constantDefaults.contains(column.name)
            var parts = ["ADD COLUMN", column.name.quotedIdentifier, column.type]
            if let collation = column.collation { parts.append("COLLATE \(collation)") }
            if isConstant, let text = column.defaultExpression { parts.append("DEFAULT \(text)") }
            if column.isNotNull {
                if let named = declared.constraints.first(where: {
                    $0.kind == .notNull && $0.columns == [column.name]
                }) {
                    parts.append("CONSTRAINT \(named.name.quotedIdentifier)")
                }
                parts.append("NOT NULL")
            }
            changes.append(
                CatalogChange(
                    statement: "ALTER TABLE \(target) \(parts.joined(separator: " "))",
                    undo: "ALTER TABLE \(target) DROP COLUMN \(column.name.quotedIdentifier)"))
            // Not for the rows that are there: the result must not depend on the strategy.
            if !isConstant, column.defaultExpression != nil {
                changes.append(CatalogChange(statement: setDefault(column), undo: nil))
            }
        }
        return changes
    }

    private func constraintChanges(_ target: String, isOnline: Bool) -> [CatalogChange] {
        func rename(_ old: String, _ new: String) -> String {
            "ALTER TABLE \(target) RENAME CONSTRAINT \(old.quotedIdentifier) TO \(new.quotedIdentifier)"
        }
        return constraintNames.map {
            CatalogChange(
                statement: rename($0.old.name, $0.new.name), undo: rename($0.new.name, $0.old.name))
        }
            + addedConstraints.map { constraint in
                let name = constraint.name.quotedIdentifier
                let canWait = isOnline && (constraint.kind == .check || constraint.kind == .foreignKey)
                let isLate = canWait && !constraint.definition.hasSuffix(" NOT VALID")
                return CatalogChange(
                    statement:
                        "ALTER TABLE \(target) ADD CONSTRAINT \(name) \(constraint.definition)\(isLate ? " NOT VALID" : "")",
                    undo: "ALTER TABLE \(target) DROP CONSTRAINT \(name)")
            }
    }

    private func indexChanges(_ target: String, isOnline: Bool) -> [CatalogChange] {
        let space = source.relation.schema.quotedIdentifier
        func rename(_ old: String, _ new: String) -> String {
            "ALTER INDEX \(space).\(old.quotedIdentifier) RENAME TO \(new.quotedIdentifier)"
        }
        return indexNames.map {
            CatalogChange(
                statement: rename($0.old.name, $0.new.name), undo: rename($0.new.name, $0.old.name))
        }
            + addedIndexes.map { index in
                CatalogChange(
                    statement: isOnline ? nil : index.creation(name: index.name, on: target),
                    undo: "DROP INDEX \(isOnline ? "IF EXISTS " : "")\(space).\(index.name.quotedIdentifier)")
            }
    }
}
