import MigratorDatabase
import MigratorScript

/// Columns that the script does not declare, while the application writes.
extension PostgreSQLBackend {
    /// The empty target gets them before any row moves, once; what else hangs on them is noted for the phases that
    /// build indexes and keys.
    /// - Returns: what is carried, as the first run has decided it.
    /// - Throws: `MigratorError`, also where the source has got other columns since.
    func carryOnline(
        _ move: Move, source: TableShape, target: CatalogRelation, _ work: OnlineWork
    ) throws -> OnlineCarried {
        if work.checkpoint.notes["sourceColumns"] != nil {
            let carried = OnlineCarried(notes: work.checkpoint.notes)
            try requireSameColumns(of: source, as: carried.sourceColumns)
            return carried
        }
        try brief(work, locking: { try lock(move.target, .accessExclusive) }, changesSchema: true) { next in
            let declared = try shape(of: target)
            let carried = try requireCarried(move, source: source, declared: declared)
            try refuseLoss(carried, of: source.relation, context: work.context)
            let parts = try parts(of: carried, from: source, to: declared)
            for statement in parts.now { try session.execute(statement) }
            OnlineCarried(carried, parts, source: source).write(to: &next)
            // Constraints that rows need not meet are added when those come that are not validated yet.
            next.notes["keys"] = parts.keys + parts.late
            next.notes["keyComments"] = parts.comments
            next.notes["indexes"] = parts.indexes.map(\.definition)
            next.notes["indexNames"] = parts.indexes.map(\.name)
            next.notes["indexComments"] = parts.indexes.map { $0.comment ?? "" }
        }
        return OnlineCarried(notes: work.checkpoint.notes)
    }

    /// A column that came or went while the rows were on their way is in no trigger.
    func requireSameColumns(of source: TableShape, as known: [String]) throws {
        let now = OnlineCarried.signature(source.columns)
        let changes =
            now.filter { !known.contains($0) }.map { "+ \($0)" } + known.filter { !now.contains($0) }.map { "- \($0)" }
        guard !changes.isEmpty else { return }
        throw MigratorError(
            "source-changed", .failed,
            "the columns of \"\(source.relation.name)\" have changed since the copy began; nothing was cut over",
            hint: "take the upgrade back with `migrator downgrade -1` and begin again", details: changes)
    }
}

/// What an online copy carries, as its checkpoint keeps it.
struct OnlineCarried {
    var columns: [String]
    /// Columns of the source whose names the target has for something else.
    var replaced: [String]
    var indexes: [SwitchRecord.CarriedIndex]
    var details: [String]
    /// The source's columns when the copy began.
    var sourceColumns: [String]

    init(_ carried: CarriedColumns, _ parts: CarriedParts, source: TableShape) {
        columns = carried.names
        replaced = carried.replaced
        indexes = parts.names
        details = carried.notes + parts.left.map { "not carried: \($0)" }
        sourceColumns = Self.signature(source.columns)
    }

    init(notes: [String: [String]]) {
        columns = notes["carried"] ?? []
        replaced = notes["carriedReplaced"] ?? []
        indexes = zip(notes["carriedNames"] ?? [], notes["carriedMeanwhile"] ?? []).map {
            .init(name: $0, meanwhile: $1)
        }
        details = notes["carriedDetails"] ?? []
        sourceColumns = notes["sourceColumns"] ?? []
    }

    func write(to checkpoint: inout Checkpoint) {
        checkpoint.notes["carried"] = columns
        checkpoint.notes["carriedReplaced"] = replaced
        checkpoint.notes["carriedNames"] = indexes.map(\.name)
        checkpoint.notes["carriedMeanwhile"] = indexes.map(\.meanwhile)
        checkpoint.notes["carriedDetails"] = details
        checkpoint.notes["sourceColumns"] = sourceColumns
    }

    /// Name and type.
    static func signature(_ columns: [CatalogColumn]) -> [String] {
        columns.map { "\($0.name) \($0.type)" }
    }
}
