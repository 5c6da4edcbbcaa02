import MigratorDatabase
import MigratorScript

/// The triggers that keep two tables equal until one takes the other's place: whether they miss a write.
extension PostgreSQLBackend {
    /// From here on they also fire for writers under `session_replication_role = replica`, such as tools that load or
    /// replicate rows. What a follower's trigger has missed before, the comparison that comes next finds. It is not left so
    /// for good: a subscriber with the same tables gets the rows of both from its publisher.
    func followEveryRole(kind: String, on table: CatalogRelation, _ work: OnlineWork) throws {
        if NegativeControl.replicaRole.isLeftOut { return }
        let context = work.context
        try require(kind, on: table, states: ["O", "A"], context)
        func lacking() throws -> Set<String> { try own(kind, on: table, states: ["O"], context) }
        guard try !lacking().isEmpty else { return }
        try brief(work, locking: { try lock(TableName(schema: table.schema, table.name), .shareRowExclusive) }) { _ in
            for trigger in try lacking().sorted() {
                try session.execute("ALTER TABLE \(table.quoted) ENABLE ALWAYS TRIGGER \(trigger)")
            }
        }
    }

    /// They have been on ever since the comparison: one that was off for a while does not fire for every role any more.
    func requireTriggers(kind: String, on table: CatalogRelation, context: StepContext) throws {
        try require(kind, on: table, states: NegativeControl.replicaRole.isLeftOut ? ["O", "A"] : ["A"], context)
    }

    public func requireFollowed(_ move: Move, context: StepContext) throws {
        guard let object = try ledger.switchRecord(ledBackBy: move, revision: context.revision) else { return }
        let record = try SwitchRecord(object)
        guard record.follower != nil, let target = try catalog.relation(record.target.tableName) else { return }
        try require("follower", on: target, states: ["O", "A"], context)
    }

    private func require(
        _ kind: String, on table: CatalogRelation, states: Set<String>, _ context: StepContext
    ) throws {
        let wanted = try recorded(kind, on: table, context)
        guard try wanted.isEmpty || own(kind, on: table, states: states, context) != wanted else { return }
        let isWhole = try ledger.revisions(isBrief: true).contains {
            $0.revision == context.revision && $0.state == .applied
        }
        let hint =
            if context.direction == .upgrade {
                "take the upgrade back with `migrator downgrade -1` and begin again"
            } else {
                "switch it on, or create it again for its function, and run the same command, which compares all rows anew"
                    + (isWhole ? "; or use --mode window" : "")
            }
        throw MigratorError(
            "trigger-off", .difference,
            "the trigger that keeps the tables equal was dropped or switched off on \"\(table.name)\"; nothing was cut over",
            hint: hint)
    }

    /// The names of those in one of the states `O`, `A`, `R` and `D` (pg_trigger), quoted.
    private func own(
        _ kind: String, on table: CatalogRelation, states: Set<String>, _ context: StepContext
    ) throws -> Set<String> {
        let there = try catalog.triggers(of: table.oid).filter { states.contains($0.enabled) }
        return try recorded(kind, on: table, context).intersection(there.map(\.name.quotedIdentifier))
    }

    /// Those that the ledger has, quoted.
    private func recorded(_ kind: String, on table: CatalogRelation, _ context: StepContext) throws -> Set<String> {
        let records = try ledger.objects(revision: context.revision, kind: kind).compactMap {
            TriggerRecord(json: $0.detail)
        }
        return Set(records.flatMap(\.triggers).filter { $0.table == table.quoted }.map(\.name))
    }
}
