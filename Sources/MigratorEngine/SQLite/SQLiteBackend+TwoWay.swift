import MigratorDatabase
import MigratorScript

/// Syncs in two directions: what is written to the target leads back to the source.
///
/// SQLite has one writer at a time, so that neither side has to yield: `yields=` says nothing here.
extension SQLiteBackend {
    /// What leads back, and how it is to be checked once the rows are there.
    struct WayBackStep {
        var step: SQLiteTriggerStep
        var mapping: SQLiteMapping
        var statement: Statement?
    }

    /// - Parameter forward: the mapping from the source to the target.
    /// - Returns: nil where the sync goes one way.
    func wayBack(of sync: Sync, _ forward: SQLiteMapping, target: SQLiteTable, key: String) throws -> WayBackStep? {
        guard let back = sync.back else { return nil }
        let source = forward.source
        let ownKey = source.column(key)?.name ?? key
        let mapping = try mapping(back.mapping, source: target, target: source, key: ownKey, forEnsure: true)
        try requireRowLocal(mapping, back.mapping)
        try requireForeign(forward, target, sync.mapping)
        try requireSharedIDs(source, target, key: ownKey)
        guard try isUnique(ownKey, in: source), try isUnique(key, in: target) else {
            throw MigratorError(
                "key-not-unique", .refused,
                "nothing makes \"\(key)\" unique in \"\(source.name)\" and \"\(target.name)\", so that single rows cannot be followed",
                hint: "declare it as a primary key, or lead one way with ->", location: back.mapping?.location)
        }
        let step = SQLiteTriggerStep(
            kind: SQLiteTriggerStep.syncBack, source: target.name, target: source.name, key: ownKey, on: [], owner: nil,
            raiseColumn: nil, raiseOrder: [], mapping: back.mapping?.text, columns: mapping.columns,
            isBeforeRow: false, otherWay: SQLiteOtherWay(mapping: sync.mapping?.text, columns: forward.columns))
        return WayBackStep(step: step, mapping: mapping, statement: back.mapping)
    }

    func wayBack(of ensure: Ensure, _ forward: SQLiteMapping, target: SQLiteTable) throws -> WayBackStep? {
        guard let back = ensure.back else { return nil }
        let source = forward.source
        let key = source.column(back.key)?.name ?? back.key
        let mapping = try mapping(back.mapping, source: target, target: source, key: key, forEnsure: true)
        guard mapping.columns.count > 1 else {
            throw MigratorError(
                "mapping-column", .malformedScripts,
                "the way back of \"ensure\" must yield the key \"\(back.key)\" and a column besides",
                hint: "select both", location: back.mapping.location)
        }
        try requireRowLocal(mapping, back.mapping)
        try requireForeign(forward, target, ensure.mapping)
        let step = SQLiteTriggerStep(
            kind: SQLiteTriggerStep.ensureBack, source: target.name, target: source.name, key: key, on: ensure.on,
            owner: nil, raiseColumn: nil, raiseOrder: [], mapping: back.mapping.text, columns: mapping.columns,
            isBeforeRow: false, otherWay: SQLiteOtherWay(mapping: ensure.mapping.text, columns: forward.columns))
        return WayBackStep(step: step, mapping: mapping, statement: back.mapping)
    }

    /// The way back begins: all rows are there, and both sides are equal.
    func lead(_ way: WayBackStep, context: StepContext) throws {
        let (source, target) = (way.step.source, way.step.target)
        if way.step.kind == SQLiteTriggerStep.syncBack {
            try requireOwnKeys(way.mapping, key: way.step.key, at: way.statement)
            for table in [source, target] {
                try raiseSequence(
                    of: table, to: [sequence(of: source), sequence(of: target), 0].compactMap(\.self).max())
            }
        }
        try add(way.step, context: context)
        // SQLite looks into a trigger only when it compiles a statement that fires it.
        for table in try [source, target].compactMap({ try self.table($0) }) {
            guard let column = table.writable.first?.name.quotedIdentifier else { continue }
            let list = columnList(table.writable.map(\.name))
            do {
                for statement in [
                    "INSERT INTO \(table.qualified) (\(list)) SELECT \(list) FROM \(table.qualified) WHERE false",
                    "UPDATE \(table.qualified) SET \(column) = \(column) WHERE false",
                    "DELETE FROM \(table.qualified) WHERE false",
                ] { try session.execute(statement) }
            } catch {
                throw MigratorError(
                    "mapping-fails", .failed, "the way back cannot be run: \(error.message)",
                    hint: "correct the SELECT", location: way.statement?.location)
            }
        }
    }

    /// The triggers put the mapping's own row in the target's place.
    private func requireForeign(_ forward: SQLiteMapping, _ target: SQLiteTable, _ statement: Statement?) throws {
        guard let text = forward.text, SQLiteTokens(text).contains(word: target.name.lowercased()) else { return }
        throw MigratorError(
            "mapping-not-row-local", .refused,
            "the mapping cannot go two ways: it reads \"\(target.name)\", which it leads to",
            hint: "write it without that table, or lead one way with ->", location: statement?.location)
    }

    /// Both tables give ids of their own: each has to remember those that the other has given.
    private func requireSharedIDs(_ source: SQLiteTable, _ target: SQLiteTable, key: String) throws {
        for table in [source, target] {
            guard let column = table.column(key), let own = table.singleKey, isSameName(own, key),
                !table.isWithoutRowid, column.type.lowercased() == "integer", !table.isAutoincrement
            else { continue }
            throw MigratorError(
                "ids-not-kept", .refused,
                "\"\(table.name)\" and \"\(table.name == source.name ? target.name : source.name)\" would give the same ids: \"\(table.name)\" does not keep those that it has given",
                hint: "declare its key INTEGER PRIMARY KEY AUTOINCREMENT, or lead one way with ->")
        }
    }
}
