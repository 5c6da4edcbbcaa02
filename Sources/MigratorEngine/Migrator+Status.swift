import MigratorDatabase
import MigratorPlan
import MigratorScript

extension Migrator {
    public func current() throws -> CurrentReport {
        try backend.checkServer(forWriting: false)
        let records = try recordedRevisions()
        return report(records, planning: try self.planning(records))
    }

    func report(_ records: [RevisionRecord], planning: Planning) -> CurrentReport {
        let unfinished = records.last.flatMap { record -> (revision: String, direction: Direction)? in
            switch record.state {
            case .upgrading: (record.revision, .upgrade)
            case .downgrading: (record.revision, .downgrade)
            case .applied, .stamped: nil
            }
        }
        let current = records.last(where: \.isFinished)?.revision
        return CurrentReport(
            revision: current, isHead: current != nil && planning.heads.contains(current ?? ""),
            pending: (unfinished?.direction == .upgrade ? [unfinished?.revision ?? ""] : []) + planning.pending,
            unfinished: unfinished, drift: planning.drift)
    }

    public func status() throws -> StatusReport {
        try backend.checkServer(forWriting: false)
        let hasLedger = try readingLedger { try backend.ledger.exists() }
        let records = try recordedRevisions()
        let planning = try self.planning(records)
        let current = report(records, planning: planning)
        let unfinished = try unfinishedReport(records, planning: planning)
        return StatusReport(
            current: current, unfinished: unfinished, revisions: records,
            lastRun: hasLedger ? try backend.ledger.lastRun() : nil,
            backups: hasLedger ? try backend.ledger.backups() : [],
            soaking: hasLedger ? try soaking(records, planning: planning) : [],
            exceptions: hasLedger ? try backend.ledger.exceptionCount() : 0,
            next: unfinished?.goesOn ?? next(current))
    }

    /// Revisions whose compatibility view still stands.
    private func soaking(_ records: [RevisionRecord], planning: Planning) throws -> [String] {
        try records.filter { $0.state == .applied && $0.contractedAt == nil }.flatMap { record in
            try planning.recordedScript(of: record).upgrade.flatItems.compactMap { item -> String? in
                guard case .switchTable(let move) = item.action, let view = move.view,
                    try backend.columnNames(of: view) != nil, try !backend.tableExists(view)
                else { return nil }
                return "\(record.revision): view \(view) over \(move.target)"
            }
        }
    }

    private func next(_ current: CurrentReport) -> String {
        if !current.drift.isEmpty { return "the scripts do not fit the database: `migrator check` says where" }
        if let first = current.pending.first {
            return "\(current.pending.count) pending: `migrator upgrade head` runs them, from \(first) on"
        }
        return "nothing to do: the database is at head"
    }
}
