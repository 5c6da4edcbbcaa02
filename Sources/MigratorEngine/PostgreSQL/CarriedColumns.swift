import MigratorDatabase
import MigratorScript

/// What a copy does with the columns of its source that the declaration of its target does not have.
struct CarriedColumns {
    /// Why a column stays behind.
    enum Reason: String {
        case leftOut = "the mapping leaves it out"
        case replaced = "the mapping puts something else in its place"
        case madeInto = "the mapping reads it and makes something else of it"
        case otherKey = "the mapping does not pass the key on as it is"
        case notComputable = "it is generated from columns that the target does not have"
    }

    struct Left: Equatable {
        var name: String
        var reason: Reason
        /// Whether values go with it that nothing makes again.
        var holdsValues: Bool
    }

    /// Those that the target gets behind its own, with their values.
    var columns: [CatalogColumn] = []
    var left: [Left] = []

    var names: [String] { columns.map(\.name) }
    /// Those whose names the target has for something else.
    var replaced: [String] { left.filter { $0.reason == .replaced }.map(\.name) }

    /// In words, for the plan and for the run.
    var notes: [String] {
        (columns.isEmpty
            ? [] : ["columns carried that the script does not declare: " + names.joined(separator: ", ")])
            + left.map { "column not carried: \($0.name) (\($0.reason.rawValue))" }
    }
}

extension PostgreSQLBackend {
    /// By name, every column comes along, as it does with a rename. Beside an author's SELECT those come along that it
    /// does not read: they are found by the key, which must be the source's own.
    /// - Returns: nil where the SELECT cannot be analysed yet, since a table that it reads is not there.
    func carriedColumns(
        _ move: Move, source: TableShape, declared: TableShape
    ) throws -> CarriedColumns? {
        var result = CarriedColumns()
        let extra = source.columns.filter { declared.column($0.name) == nil }
        var leave: (CatalogColumn) -> CarriedColumns.Left? = { _ in nil }
        if let mapping = move.mapping {
            guard let reading = try reading(of: mapping, source: source, key: move.key) else { return nil }
            for column in source.columns
            where declared.column(column.name) != nil && !reading.columns.contains(column.name) {
                let reason = reading.output.contains(column.name) ? CarriedColumns.Reason.replaced : .leftOut
                result.left.append(.init(name: column.name, reason: reason, holdsValues: column.generated == nil))
            }
            leave = { column in
                if reading.passed.contains(column.name) { return nil }
                if reading.columns.contains(column.name) {
                    return .init(name: column.name, reason: .madeInto, holdsValues: false)
                }
                if reading.keepsKey, source.isKey(move.key) { return nil }
                return .init(name: column.name, reason: .otherKey, holdsValues: column.generated == nil)
            }
        }
        for column in extra {
            if let left = leave(column) {
                result.left.append(left)
            } else if column.generated == nil {
                result.columns.append(column)
            }
        }
        // Behind the others, which they are computed from.
        for column in extra where column.generated != nil && leave(column) == nil {
            if try canCompute(column, from: declared.columns + result.columns) {
                result.columns.append(column)
            } else {
                result.left.append(.init(name: column.name, reason: .notComputable, holdsValues: false))
            }
        }
        return result
    }

    /// The same before anything moves, when all tables are there.
    /// - Throws: `MigratorError`, also where the view would lack a column.
    func requireCarried(_ move: Move, source: TableShape, declared: TableShape) throws -> CarriedColumns {
        guard let carried = try carriedColumns(move, source: source, declared: declared) else {
            // Says where and why.
            _ = try analyse(move.mapping, source: move.source, target: move.target, key: move.key)
            return CarriedColumns()
        }
        try requireWholeView(move, carried)
        return carried
    }

    /// Whether the generated column can be computed from these columns: the server says so.
    private func canCompute(_ column: CatalogColumn, from others: [CatalogColumn]) throws -> Bool {
        let plain = others.filter { $0.generated == nil }.map { "\($0.name.quotedIdentifier) \($0.type)" }
        do {
            try session.savepoint(keeping: false) {
                try session.execute(
                    "CREATE TEMPORARY TABLE migrator_generated (\((plain + [column.definition]).joined(separator: ", ")))"
                )
            }
            return true
        } catch {
            guard let error = error as? DatabaseError, error.kind == .statement else { throw error }
            return false
        }
    }

    /// - Throws: `MigratorError`, status refused, where the view would lack a column that old code knows.
    func requireWholeView(_ move: Move, _ carried: CarriedColumns) throws {
        guard let view = move.view else { return }
        let lacking = carried.left.filter { $0.reason != .leftOut && $0.reason != .replaced }
        guard !lacking.isEmpty else { return }
        let names = lacking.map { "\"\($0.name)\"" }.joined(separator: ", ")
        throw MigratorError(
            "view-impossible", .refused,
            "a view \"\(view)\" would lack \(names), which \"\(move.target)\" does not get",
            hint: "leave view= out, or declare what is missing in \"\(move.target)\"",
            location: move.mapping?.location, details: lacking.map { "\($0.name): \($0.reason.rawValue)" })
    }

    /// - Throws: `MigratorError`, status refused, where values stay behind that no backup of this revision holds.
    func refuseLoss(_ carried: CarriedColumns, of source: CatalogRelation, context: StepContext) throws {
        let names = carried.left.filter(\.holdsValues).map(\.name)
        guard !names.isEmpty else { return }
        let isKept = try ledger.backups().contains { backup in
            backup.revision == context.revision && backup.kind == .table && backup.source == source.name
                && names.allSatisfy(backup.columns.contains)
        }
        if isKept { return }
        let condition = names.map { "\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " OR ")
        let rows = try session.scalar("SELECT count(*) FROM \(source.quoted) WHERE \(condition)").asInt ?? 0
        guard rows > 0, context.options.acceptedLoss != rows else { return }
        throw MigratorError(
            "would-lose-rows", .refused,
            "the copy of \"\(source.name)\" would take away what no backup holds: \(rows.counted("row")) with values in \(names.joined(separator: ", "))",
            hint: "put `-- migrator:backup \(source.name)` before the switch",
            details: carried.left.map { "\($0.name): \($0.reason.rawValue)" })
    }
}

extension CatalogColumn {
    /// As `ADD COLUMN` takes it. An identity lets its values be given until the copy is over.
    var definition: String {
        var parts = [name.quotedIdentifier, type]
        if let collation { parts.append("COLLATE \(collation)") }
        if let generated, let text = defaultExpression {
            parts.append("GENERATED ALWAYS AS (\(text)) \(generated == .stored ? "STORED" : "VIRTUAL")")
        } else if identity != nil {
            parts.append("GENERATED BY DEFAULT AS IDENTITY")
        } else if let text = defaultExpression {
            parts.append("DEFAULT \(text)")
        }
        if isNotNull { parts.append("NOT NULL") }
        return parts.joined(separator: " ")
    }
}
