import MigratorDatabase
import MigratorScript

/// Columns of a switch's source that the script does not declare.
struct SQLiteCarried {
    var columns: [String] = []
    /// Those that stay behind with values that nothing makes again.
    var left: [SQLiteColumn] = []
    var details: [String] = []
}

extension SQLiteBackend {
    /// By name every column of the source comes along: the target, which is empty, is made again with them behind its
    /// own, as the source defines them. Beside an author's SELECT they stay behind.
    /// - Throws: `MigratorError`, status refused, where a view would lack a column.
    func carry(_ move: Move, from source: SQLiteTable, to target: SQLiteTable) throws -> SQLiteCarried {
        let extra = source.columns.filter { target.column($0.name) == nil }
        // Behind the others, which they are computed from.
        let ordered = extra.filter { !$0.isGenerated } + extra.filter(\.isGenerated)
        guard !ordered.isEmpty else { return SQLiteCarried() }
        let names = ordered.map(\.name)
        var left: [String] = []
        let reason =
            try move.mapping == nil ? widen(target, by: ordered, of: source, left: &left) : "the mapping is a SELECT"
        guard let reason else {
            return SQLiteCarried(
                columns: names,
                details: ["columns carried that the script does not declare: " + names.joined(separator: ", ")]
                    + left.map { "not carried: \($0)" })
        }
        if let view = move.view {
            let quoted = names.map { "\"\($0)\"" }.joined(separator: ", ")
            throw MigratorError(
                "view-impossible", .refused,
                "a view \"\(view)\" would lack \(quoted), which \"\(move.target)\" does not get: \(reason)",
                hint: "leave view= out, or declare what is missing in \"\(move.target)\"",
                location: move.mapping?.location)
        }
        let read = try move.mapping.map { try (session.unwrapped as? SQLiteSession)?.readsOf($0.text) ?? [] } ?? []
        let lost = extra.filter { column in
            !column.isGenerated
                && !read.contains { isSameName($0.table, source.name) && isSameName($0.column, column.name) }
        }
        return SQLiteCarried(left: lost, details: names.map { "column not carried: \($0) (\(reason))" })
    }

    /// The table's constraints in which the columns take part come along, but for those that need other columns.
    /// - Parameter left: those.
    /// - Returns: why it is not possible; nil where it is done.
    private func widen(
        _ target: SQLiteTable, by columns: [SQLiteColumn], of source: SQLiteTable, left: inout [String]
    ) throws -> String? {
        let parts = SQLiteDefinitionParts(source.sql)
        let definitions = columns.compactMap { parts.column($0.name) }
        guard definitions.count == columns.count else { return "its definition cannot be read" }
        let others = try objects("index", of: target.name) + objects("trigger", of: target.name)
        func make(_ constraints: [String], keeping: Bool) throws -> String? {
            let sql = SQLiteDefinitionParts(target.sql).adding(
                definitions, after: target.columns.count, constraints: constraints)
            do {
                try session.savepoint(keeping: keeping) {
                    try session.execute("DROP TABLE \(target.qualified)")
                    try session.execute(sql)
                    for object in others { try session.execute(object.sql) }
                }
            } catch {
                guard let error = error as? DatabaseError, error.kind == .statement else { throw error }
                return error.message
            }
            return nil
        }
        let all = parts.constraints(with: columns.map(\.name))
        guard try make(all, keeping: true) != nil else { return nil }
        let fitting = try all.filter { try make([$0], keeping: false) == nil }
        left = all.filter { !fitting.contains($0) }
        return try make(fitting, keeping: true)
    }

    /// - Throws: `MigratorError`, status refused, where values stay behind that no backup of this revision holds.
    func refuseLoss(_ carried: SQLiteCarried, of source: SQLiteTable, _ move: Move, context: StepContext) throws {
        let names = carried.left.map(\.name)
        guard !names.isEmpty, try !isKept(source, context: context) else { return }
        let condition = names.map { "\($0.quotedIdentifier) IS NOT NULL" }.joined(separator: " OR ")
        let rows = try session.scalar("SELECT count(*) FROM \(source.qualified) WHERE \(condition)").asInt ?? 0
        guard rows > 0 else { return }
        throw MigratorError(
            "would-lose-rows", .refused,
            "the copy of \"\(source.name)\" would take away what no backup holds: \(rows.counted("row")) with values in \(names.joined(separator: ", "))",
            hint: "put `-- migrator:backup \(source.name)` before the switch", location: move.mapping?.location)
    }

    private func isKept(_ source: SQLiteTable, context: StepContext) throws -> Bool {
        try ledger.backups().contains { backup in
            backup.revision == context.revision && backup.kind == .table && isSameName(backup.source, source.name)
        }
    }

    /// Where the author's SELECT leaves out a column that both tables have, or puts something else in its place, the
    /// values that the source has there are gone with it.
    /// - Parameter target: with all its rows, under any name.
    /// - Throws: `MigratorError`, status refused, where no backup of this revision holds them.
    func refuseReplacement(
        of source: SQLiteTable, by target: SQLiteTable, key: String, _ move: Move, context: StepContext
    ) throws {
        let shared = source.writable.map(\.name).filter { target.column($0) != nil && !isSameName($0, key) }
        guard move.mapping != nil, !shared.isEmpty, try !isKept(source, context: context) else { return }
        let sourceKey = (source.column(key)?.name ?? key).quotedIdentifier
        func condition(_ name: String) -> String {
            let column = name.quotedIdentifier
            return "s.\(column) IS NOT NULL AND NOT \(SQLiteContentHash.sameFunction)(s.\(column), t.\(column))"
        }
        func count(_ names: [String]) throws -> Int {
            try session.scalar(
                """
                SELECT count(*) FROM \(source.qualified) AS s JOIN \(target.qualified) AS t
                    ON t.\(key.quotedIdentifier) = s.\(sourceKey) WHERE \(names.map(condition).joined(separator: " OR "))
                """
            ).asInt ?? 0
        }
        let rows = try count(shared)
        guard rows > 0 else { return }
        let replaced = try shared.filter { try count([$0]) > 0 }
        throw MigratorError(
            "would-lose-rows", .refused,
            "the copy of \"\(source.name)\" would take away what no backup holds: \(rows.counted("row")) with other values in \(replaced.joined(separator: ", "))",
            hint: "put `-- migrator:backup \(source.name)` before the switch, or let the mapping pass the columns on",
            location: move.mapping?.location)
    }

    /// A column that came or went while the rows were on their way is in no trigger.
    func requireSameColumns(of source: TableName, as known: [String]?) throws {
        guard let known else { return }
        let now = try requireTable(source).columns.map(\.name)
        guard now != known else { return }
        throw MigratorError(
            "source-changed", .failed,
            "the columns of \"\(source)\" have changed since the copy began; nothing was cut over",
            hint: "take the upgrade back with `migrator downgrade -1` and begin again",
            details: now.filter { !known.contains($0) }.map { "+ \($0)" }
                + known.filter { !now.contains($0) }.map { "- \($0)" })
    }

    /// Indexes of the source in which carried columns take part, while the target has the source's name.
    func carryIndexes(_ indexes: [SQLiteObject], with columns: [String]) throws {
        for index in indexes {
            let tokens = SQLiteTokens(index.sql)
            guard columns.contains(where: { tokens.contains(word: $0.lowercased()) }) else { continue }
            do {
                try session.savepoint { try session.execute(index.sql) }
            } catch {
                // It also needs a column that the target does not have.
                guard let error = error as? DatabaseError, error.kind == .statement else { throw error }
            }
        }
    }

    /// The source's indexes take their names back.
    func dropCarriedIndexes(_ switched: SQLiteSwitchRecord, of current: SQLiteTable) throws {
        guard switched.carried?.isEmpty == false else { return }
        for index in try objects("index", of: current.name)
        where switched.indexes.contains(where: { isSameName($0.name, index.name) }) {
            try session.execute("DROP INDEX \(main(index.name))")
        }
    }
}
