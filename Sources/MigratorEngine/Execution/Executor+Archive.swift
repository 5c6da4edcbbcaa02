import MigratorDatabase
import MigratorScript

extension Executor {
    /// Registered backups of the tables, and for each how many of its rows nothing else holds: those that the
    /// upgrade's mappings do not make so from the tables that stay.
    func archive(
        _ tables: [TableName], work: RevisionWork, context: StepContext
    ) throws -> StepOutcome {
        let blocks = try backend.ledger.blocks(ofUpgrade: work.planned.script.revision)
        let upgrade = try work.planned.script.upgrade.items(whereHeld: blocks)
        var alone: [String] = []
        var copied: [TableName] = []
        for table in tables where try backend.tableExists(table) {
            let isKept = try isKeptWhenDropped(table, work: work)
            if !isKept { copied.append(table) }
            // While an unfinished upgrade is undone the way back is to be short: a table that stays keeps all it has.
            if isKept, work.isUndo { continue }
            let rows = try rowsHeldAlone(table, upgrade: upgrade)
            if rows > 0 { alone.append("\(rows.counted("row")) that only \(table) holds are kept in the archive") }
        }
        var outcome = try copied.isEmpty ? StepOutcome() : backend.archive(copied, context: context)
        outcome.details += alone
        return outcome
    }

    private func rowsHeldAlone(_ table: TableName, upgrade: [Item]) throws -> Int {
        for item in upgrade {
            switch item.action {
            case .sync(let sync) where sync.target == table:
                let mapping = try MappingSource(
                    mapping: sync.mapping, source: sync.source, target: sync.target, backend: backend)
                return try RowComparison(
                    expected: mapping.select, columns: mapping.columns, table: table, key: sync.key,
                    backend: backend
                ).differenceCount
            case .ensure(let ensure) where ensure.target == table:
                return try rowsBeyond(ensure)
            default: continue
            }
        }
        return try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(table))").asInt ?? 0
    }

    /// Rows of the target that the SELECT does not call for, or that stand above what it says.
    private func rowsBeyond(_ ensure: Ensure) throws -> Int {
        let join = ensure.on.map { "m.\($0.quotedIdentifier) = t.\($0.quotedIdentifier)" }
        var condition = "m.\(ensure.on[0].quotedIdentifier) IS NULL"
        if let raise = ensure.raise {
            let column = raise.column.quotedIdentifier
            condition += " OR \(raise.rank(of: "t.\(column)")) > \(raise.rank(of: "m.\(column)"))"
        }
        return try backend.session.scalar(
            """
            SELECT count(*) FROM \(backend.quoted(ensure.target)) AS t LEFT JOIN (\(ensure.mapping.text)
            ) AS m ON \(join.joined(separator: " AND ")) WHERE \(condition)
            """
        ).asInt ?? 0
    }
}

extension Ensure.Raise {
    /// A value's place in the order as an SQL expression, from 0; -1 for a value that it does not name.
    func rank(of value: String) -> String {
        "CASE \(value) "
            + order.enumerated().map { "WHEN \($1.quotedLiteral) THEN \($0)" }.joined(separator: " ")
            + " ELSE -1 END"
    }
}
