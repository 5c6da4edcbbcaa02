import MigratorScript

/// Tables kept equal by `sync`: every row of the target is what the mapping makes of the source, and every
/// source row has its place or is an exception.
struct SyncCheck: VerificationCheck {
    let name = "sync"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        try context.activeItems().flatMap { applied, item -> [CheckResult] in
            guard case .sync(let sync) = item.action, try !context.hasEnded(sync, since: applied) else { return [] }
            return [try result(of: sync, in: applied, context)]
        }
    }

    private func result(
        of sync: Sync, in applied: AppliedScript, _ context: VerificationContext
    ) throws -> CheckResult {
        let backend = context.backend
        let mapping = try MappingSource(
            mapping: sync.mapping, source: sync.source, target: sync.target, backend: backend)
        if context.level == .counts { return try counted(sync, mapping, backend) }
        let comparison = try RowComparison(
            inStretches: mapping, table: sync.target, key: sync.key, context,
            judged: sync.back == nil ? nil : { sync.rowsThatLeadBack(where: $0) })
        let unplaced = try Unplaced(
            sync: sync, mapping: mapping, script: applied.script, backend: backend,
            checkInterruption: context.checkInterruption)
        let count = comparison.differenceCount + unplaced.count
        return CheckResult(
            check: name, subject: "\(sync.source) -> \(sync.target)",
            verdict: count == 0 ? .exact : .differences,
            summary: count == 0
                ? "\(comparison.expectedRows.counted("row")) equal"
                : "\(count.counted("row is not", "rows are not")) as the mapping makes them",
            figures: ["rows": comparison.expectedRows],
            differences: comparison.differences + unplaced.differences, differenceCount: count)
    }

    /// One way both sides have as many rows; two ways the target may have more.
    private func counted(_ sync: Sync, _ mapping: MappingSource, _ backend: any TableAccess) throws -> CheckResult {
        let expected = try backend.session.scalar("SELECT count(*) FROM (\(mapping.select)\n) AS mapping").asInt ?? 0
        let found = try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(sync.target))").asInt ?? 0
        let isRight = sync.back == nil ? found == expected : found >= expected
        let summary = "\(expected.counted("row")) to be there, \(found.grouped) there"
        return CheckResult(
            check: name, subject: "\(sync.source) -> \(sync.target)", verdict: isRight ? .exact : .differences,
            summary: summary, figures: ["rows": found, "expectedRows": expected],
            differences: isRight ? [] : [Difference(table: sync.target.name, message: summary)],
            differenceCount: isRight ? 0 : max(1, abs(expected - found)))
    }
}

extension Sync {
    /// Where the sync goes two ways, the target may hold rows that the source cannot (messages of a group): a
    /// condition on the others' key.
    func rowsThatLeadBack(where condition: String?) -> String {
        guard let mapping = back?.mapping else { return "1 = 1" }
        let key = key.quotedIdentifier
        let meant = condition.map { " AND (\($0))" } ?? ""
        return "\(key) IN (SELECT \(key) FROM (\(mapping.text)\n) AS back WHERE \(key) IS NOT NULL\(meant))"
    }
}

/// Source rows that neither the mapping yields nor an `exceptions` step of the revision selects.
struct Unplaced {
    var count = 0
    var differences: [Difference] = []

    init(
        sync: Sync, mapping: MappingSource, script: Script, backend: any TableAccess,
        checkInterruption: () throws -> Void = {}
    ) throws {
        let key = sync.key.quotedIdentifier
        try KeyStretches(of: sync.source, key: sync.key, backend: backend).forEach { condition in
            try KeyStretches.narrows(mapping.select, to: condition, session: backend.session)
        } _: { condition in
            try checkInterruption()
            let meant = condition.map { " AND (\($0))" } ?? ""
            // Each database plans one of the two forms well over many rows, and the other one badly.
            func isAbsent(_ select: String, _ column: String, _ meant: String = "") -> String {
                switch backend.session.dialect {
                case .postgresql:
                    "NOT EXISTS (SELECT 1 FROM (SELECT * FROM (\(select)\n) AS y\(meant)) AS m WHERE m.\(column) = s.\(key))"
                case .sqlite:
                    "s.\(key) NOT IN (SELECT \(column) FROM (SELECT * FROM (\(select)\n) AS y\(meant)) AS m WHERE \(column) IS NOT NULL)"
                }
            }
            var conditions = [isAbsent(mapping.select, key, condition.map { " WHERE \($0)" } ?? "")]
            for item in try script.upgrade.flatItems {
                guard case .exceptions(let exceptions) = item.action, exceptions.table.name == sync.source.name
                else { continue }
                conditions.append(isAbsent(exceptions.mapping.text, exceptions.key.quotedIdentifier))
            }
            let table = "(SELECT * FROM \(backend.quoted(sync.source)) AS x WHERE 1 = 1\(meant)) AS s"
            let found = try backend.session.query("SELECT count(*) FROM \(table) WHERE \(conditions[0])").first?[0]
                .asInt
            guard let found, found > 0 else { return }
            // What an exception explains is looked for only where something is to be explained.
            let source = "FROM \(table) WHERE " + conditions.joined(separator: " AND ")
            count += try backend.session.scalar("SELECT count(*) \(source)").asInt ?? 0
            guard count > 0, differences.count < 10 else { return }
            differences += try backend.session.query("SELECT s.\(key) AS key \(source) ORDER BY s.\(key) LIMIT 10")
                .map {
                    Difference(
                        table: sync.source.name, key: $0.text("key"), message: "the row has no place in \(sync.target)")
                }
        }
    }
}

extension VerificationContext {
    /// The items that the upgrades have run here, those of `when` blocks that held included.
    func activeItems() throws -> [(AppliedScript, Item)] {
        try applied.filter { $0.record.state == .applied }.flatMap { applied in
            try activeItems(of: applied).map { (applied, $0) }
        }
    }

    func activeItems(of applied: AppliedScript) throws -> [Item] {
        try applied.script.upgrade.items(whereHeld: backend.ledger.blocks(ofUpgrade: applied.record.revision))
    }

    /// Whether a later revision ended the sync, or switched one of its tables away.
    func hasEnded(_ sync: Sync, since revision: AppliedScript) throws -> Bool {
        guard let index = applied.firstIndex(where: { $0.record.revision == revision.record.revision })
        else { return false }
        return try applied[(index + 1)...].contains { later in
            try later.script.upgrade.flatItems.contains { item in
                switch item.action {
                case .unsync(let source, let target):
                    source.name == sync.source.name && target.name == sync.target.name
                case .switchTable(let move):
                    move.source.name == sync.source.name || move.source.name == sync.target.name
                default: false
                }
            }
        }
    }
}
