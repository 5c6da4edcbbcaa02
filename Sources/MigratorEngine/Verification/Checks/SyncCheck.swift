import MigratorScript

/// Tables kept equal by `sync`: every row of the target is what the mapping makes of the source, and every
/// source row has its place or is an exception.
struct SyncCheck: VerificationCheck {
    let name = "sync"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func work(_ context: VerificationContext) throws -> [VerificationWork] {
        try context.activeItems().compactMap { applied, item in
            guard case .sync(let sync) = item.action, try !context.hasEnded(sync, since: applied) else { return nil }
            guard context.level != .counts else {
                return VerificationWork(parts: [
                    { [try counted(sync, mapping(of: sync, $0.backend), $0.backend)] }
                ])
            }
            let sections = try SyncComparison.sections(of: sync, mapping: mapping(of: sync, context.backend), context)
            return VerificationWork(
                parts: sections.map { section in
                    { [try result(of: sync, within: section, in: applied, $0)] }
                }
            ) { parts in
                [result(of: sync, parts.flatMap(\.self))]
            }
        }
    }

    private func mapping(of sync: Sync, _ backend: any Backend) throws -> MappingSource {
        try MappingSource(mapping: sync.mapping, source: sync.source, target: sync.target, backend: backend)
    }

    /// What one section of the keys shows.
    private func result(
        of sync: Sync, within section: KeySection?, in applied: AppliedScript, _ context: VerificationContext
    ) throws -> CheckResult {
        let (comparison, unplaced) = try SyncComparison.both(
            sync, mapping: mapping(of: sync, context.backend), within: section, script: applied.script, context)
        return result(
            of: sync, rows: comparison.expectedRows, differences: comparison.differences + unplaced.differences,
            count: comparison.differenceCount + unplaced.count)
    }

    private func result(of sync: Sync, _ sections: [CheckResult]) -> CheckResult {
        result(
            of: sync, rows: sections.reduce(0) { $0 + ($1.figures["rows"] ?? 0) },
            differences: sections.flatMap(\.differences), count: sections.reduce(0) { $0 + $1.differenceCount })
    }

    private func result(of sync: Sync, rows: Int, differences: [Difference], count: Int) -> CheckResult {
        CheckResult(
            check: name, subject: "\(sync.source) -> \(sync.target)",
            verdict: count == 0 ? .exact : .differences,
            summary: count == 0
                ? "\(rows.counted("row")) equal"
                : "\(count.counted("row is not", "rows are not")) as the mapping makes them",
            figures: ["rows": rows], differences: differences, differenceCount: count)
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
