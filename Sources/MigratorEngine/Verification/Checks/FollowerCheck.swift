import MigratorScript

/// After an online copy: the old table, which follows every write until the soak ends, holds what the target holds.
struct FollowerCheck: UndividedCheck {
    let name = "follower"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]
    let readsRows = true

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        // SQLite's copies leave no follower behind.
        guard context.backend.session.dialect == .postgresql else { return [] }
        return try context.applied.filter { $0.record.state == .applied }.flatMap { applied -> [CheckResult] in
            try context.backend.ledger.objects(revision: applied.record.revision, kind: "switch").compactMap { object in
                let record = try SwitchRecord(object)
                guard let follower = record.follower else { return nil }
                return try result(of: record, follower: follower.tableName, in: applied.script, context)
            }
        }
    }

    private func result(
        of record: SwitchRecord, follower: TableName, in script: Script, _ context: VerificationContext
    ) throws -> CheckResult {
        let backend = context.backend
        let subject = "\(record.source.name) follows \(record.target.name)"
        guard try backend.tableExists(follower) else {
            return CheckResult(
                check: name, subject: subject, verdict: .differences, summary: "the follower is gone",
                differences: [Difference(table: record.source.name, message: "the follower is gone")],
                differenceCount: 1)
        }
        let mapping = try MappingSource(
            mapping: try script.wayBack(from: record.source.name, record.target.name)?.mapping,
            source: record.target.tableName, target: follower, carried: record.carried ?? [], key: record.key,
            backend: backend)
        if context.level == .counts {
            let expected = try backend.session.scalar("SELECT count(*) FROM (\(mapping.select)\n) AS m").asInt ?? 0
            let found = try backend.session.scalar("SELECT count(*) FROM \(backend.quoted(follower))").asInt ?? 0
            let summary = "\(expected.counted("row")) to be there, \(found.grouped) there"
            return CheckResult(
                check: name, subject: subject, verdict: found == expected ? .exact : .differences, summary: summary,
                figures: ["rows": found, "expectedRows": expected],
                differences: found == expected ? [] : [Difference(table: record.source.name, message: summary)],
                differenceCount: abs(expected - found))
        }
        let comparison = try RowComparison(inStretches: mapping, table: follower, key: record.key, context)
        let count = comparison.differenceCount
        return CheckResult(
            check: name, subject: subject, verdict: count == 0 ? .exact : .differences,
            summary: count == 0
                ? "\(comparison.expectedRows.counted("row")) equal"
                : "\(count.counted("row is not", "rows are not")) as \(record.target.name) has them",
            figures: ["rows": comparison.expectedRows], differences: comparison.differences, differenceCount: count)
    }
}

extension Script {
    /// The downgrade's switch that takes that of the upgrade back.
    func wayBack(from source: String, _ target: String) throws -> Move? {
        guard case .section(let section) = try downgrade else { return nil }
        for item in section.flatItems {
            if case .switchTable(let move) = item.action, move.source.name == target, move.target.name == source {
                return move
            }
        }
        return nil
    }
}
