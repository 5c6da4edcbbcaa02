import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    public func revertSwitch(
        _ move: Move, record object: ObjectRecord, context: StepContext
    ) throws -> StepOutcome {
        let record = try SwitchRecord(object)
        guard let target = try catalog.relation(record.target.tableName), target.isTable else {
            throw MigratorError(
                "target-missing", .refused,
                "the table \"\(record.target.name)\", which the upgrade made of \"\(record.source.name)\", is gone",
                hint: "rename it back if it has been renamed, or restore a backup (`migrator backups list`)")
        }
        try checkSourceIsFree(record)
        let outcome: StepOutcome
        switch record.strategy {
        case .rename: outcome = try revertRename(record, target: target, context: context)
        case .copy:
            outcome = try revertCopySwitch(move, record: record, target: target, context: context)
            try awaitOlderSnapshots(record.source.name, context: context)
        }
        try ledger.removeObject(object.id)
        return outcome
    }

    /// Only the compatibility view may stand under the source's name.
    func checkSourceIsFree(_ record: SwitchRecord) throws {
        guard let occupant = try catalog.relation(record.source.tableName) else { return }
        if let view = record.view, view == record.source, occupant.kind == .view,
            try reads(occupant, record.target)
        {
            return
        }
        throw MigratorError(
            "source-exists", .refused,
            "the \(occupant.kindName) \"\(record.source.name)\" stands where the table must come back",
            hint: "look at it, then rename or drop it")
    }

    /// 1. the view goes, with those that read it; 2. values that only the new shape has are kept; 3. rows that the
    /// old shape cannot hold are counted; 4. the changes are undone, from the last to the first; 5. the views that
    /// read the compatibility view read the table; 6. the proof.
    private func revertRename(
        _ record: SwitchRecord, target: CatalogRelation, context: StepContext
    ) throws -> StepOutcome {
        // 1
        var readers: [DependentView] = []
        if let view = record.view, let relation = try catalog.relation(view.tableName), relation.kind == .view {
            readers = view == record.source ? try dependentViews(of: relation.oid) : []
            try drop(readers)
            try dropView(view, of: record)
        }

        // 2, 3
        var details = try archiveAdded(record, context: context)
        details += try removeUnholdable(record, target: target, context: context)
        let rows = try count(target)

        // 4
        var left = StepOutcome()
        for statement in record.undo { try undo(statement, of: record, &left) }
        details += left.details

        // 5
        try create(readers)

        // 6
        guard let source = try catalog.relation(record.source.tableName), source.oid == target.oid,
            try count(source) == rows
        else {
            throw MigratorError(
                "switch-differs", .difference,
                "\"\(record.source.name)\" is not the table that \"\(record.target.name)\" was; nothing was committed",
                hint: "report this")
        }
        try ledger.add(
            ProofRecord(
                runID: context.runID, revision: context.revision, item: context.item, check: "switch",
                subject: "\(record.target.name) -> \(record.source.name)", verdict: Verdict.exact.rawValue,
                detail: "{\"strategy\":\"rename\",\"rows\":\(rows),\"relation\":\(source.oid)}"))
        details.append(
            "\(rows.counted("row stays where it is", "rows stay where they are")): the same relation under its old name"
        )
        if !readers.isEmpty {
            details.append(
                "views read the table again: " + readers.map(\.relation.name).joined(separator: ", "))
        }
        (left.rows, left.details) = (rows, details)
        return left
    }

    /// Takes one change of the switch back. An index or constraint that somebody has dropped or renamed by hand since
    /// stays as it is, and is noted.
    func undo(_ statement: String, of record: SwitchRecord, _ left: inout StepOutcome) throws {
        do {
            try session.savepoint { try session.execute(statement) }
        } catch let error as DatabaseError {
            let isAboutName =
                statement.hasPrefix("ALTER INDEX ") || statement.contains(" RENAME CONSTRAINT ")
                || statement.contains(" DROP CONSTRAINT ")
            let state = error.sqlState ?? ""
            switch state {
            case "42P01" where isAboutName, "42704" where isAboutName:
                left.details.append("left as it is, since it was changed by hand: \(error.message)")
                // The name now and the one before, or the one that was to go.
                let names = statement.matches(of: /"(?:[^"]|"")+"/).map {
                    String($0.0.dropFirst().dropLast()).replacing("\"\"", with: "\"")
                }
                if let gone = statement.firstRange(of: " DROP CONSTRAINT ") {
                    left.leftNames.formUnion(
                        names.filter { statement[gone.upperBound...].hasPrefix($0.quotedIdentifier) })
                } else {
                    left.leftNames.formUnion(names.suffix(2))
                }
            case "42P01", "42704", "42703", "42P07", "42710", "42701":
                throw MigratorError(
                    "changed-by-hand", .refused,
                    "what the downgrade takes back of \"\(record.target.name)\" was changed by hand: \(error.message)",
                    hint: "bring it back as it was, then run the same command again", details: [statement])
            case "2BP01":
                throw MigratorError(
                    "new-shape-in-use", .refused,
                    "other objects depend on what the downgrade takes away from \"\(record.target.name)\"",
                    hint: "drop them, or drop them in the downgrade section before the switch",
                    details: (error.detail ?? error.message).split(separator: "\n").map(String.init))
            default:
                guard error.isAboutRows else { throw error }
                throw MigratorError(
                    "would-lose-rows", .refused,
                    "rows of \"\(record.target.name)\" do not fit \"\(record.source.name)\" as it was: \(error.message)",
                    hint: "mend the rows, or use --mode window to have them counted",
                    details: [error.detail].compactMap(\.self))
            }
        }
    }

    // MARK: Nothing is lost

    /// Values of columns that only the new shape has, where somebody has written any.
    func archiveAdded(_ record: SwitchRecord, context: StepContext) throws -> [String] {
        let table = record.target.tableName
        guard let oid = try catalog.oid(of: table) else { return [] }
        let types = Dictionary(
            try catalog.columns(of: oid).map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
        var written: [(column: String, condition: String)] = []
        for column in record.added {
            guard let type = types[column.name] else { continue }
            // As text: not every type can be compared.
            let initial = column.initial.map { "(\($0))::\(type)::text" } ?? "NULL"
            let condition = "\(column.name.quotedIdentifier)::text IS DISTINCT FROM \(initial)"
            if try !session.query("SELECT 1 FROM \(quoted(table)) WHERE \(condition) LIMIT 1").isEmpty {
                written.append((column.name, condition))
            }
        }
        guard !written.isEmpty else { return [] }
        return try archiveColumns(
            written.map(\.column), of: table, where: written.map(\.condition).joined(separator: " OR "),
            context: context
        ).details
    }

    /// Rows that the old shape cannot hold: refused, or, where their exact number is accepted, kept in a backup
    /// and deleted, with the rows that go with them by ON DELETE CASCADE.
    private func removeUnholdable(
        _ record: SwitchRecord, target: CatalogRelation, context: StepContext
    ) throws -> [String] {
        let conditions = record.restrictions.map { restriction in
            let column = "t.\(restriction.column.quotedIdentifier)"
            if restriction.isNotNull { return "\(column) IS NULL" }
            return "\(column) IS DISTINCT FROM \(column)::\(restriction.type ?? "text")"
        }
        guard !conditions.isEmpty else { return [] }
        let condition = conditions.joined(separator: " OR ")
        let key = record.key.quotedIdentifier
        let total =
            try session.scalar(
                "SELECT count(*) FROM \(target.quoted) t WHERE \(condition)"
            ).asInt ?? 0
        guard total > 0 else { return [] }
        var cascaded: [String] = []
        var sum = total
        for child in try catalog.foreignKeysReferencing(target.oid)
        where child.definition.contains("ON DELETE CASCADE") && child.tableOID != target.oid {
            let pairs = zip(child.columns, child.referencedColumns)
                .map { "c.\($0.quotedIdentifier) = t.\($1.quotedIdentifier)" }.joined(separator: " AND ")
            let rows =
                try session.scalar(
                    "SELECT count(*) FROM \(child.table) c WHERE EXISTS (SELECT FROM \(target.quoted) t WHERE \(pairs) AND (\(condition)))"
                ).asInt ?? 0
            if rows > 0 {
                cascaded.append("\(rows.counted("row")) of \(child.tableName) \(rows == 1 ? "goes" : "go") with them")
            }
            sum += rows
        }
        guard context.options.acceptedLoss == sum else {
            let keys = try session.query(
                "SELECT t.\(key)::text FROM \(target.quoted) t WHERE \(condition) ORDER BY t.\(key) LIMIT 10"
            ).compactMap { $0[0].asText }
            throw MigratorError(
                "would-lose-rows", .refused,
                "\(total.counted("row")) of \"\(target.name)\" \(total == 1 ? "does" : "do") not fit \"\(record.source.name)\" as it was",
                hint: "mend the rows, or accept the loss with --accept-loss \(sum)",
                details: keys.map { "\(record.key) \($0)" } + (total > 10 ? ["and \(total - 10) more"] : [])
                    + cascaded)
        }
        let kept = try backup(
            TableName(schema: target.schema, target.name), context: context)
        try session.run("DELETE FROM \(target.quoted) t WHERE \(condition)")
        return kept.details + ["\(sum.counted("row")) deleted, as accepted"]
    }
}
