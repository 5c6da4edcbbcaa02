import MigratorDatabase
import MigratorScript

extension Migrator {
    /// Measures the named queries and the size of the database before a revision goes up, and keeps that in the ledger.
    /// What cannot be measured is told, and stops nothing.
    func recordPerformance(before revision: String) throws {
        guard let file = checkFiles.first(where: { $0.revision == revision }),
            !file.queries.isEmpty || file.size != nil
        else { return }
        var records: [PerformanceRecord] = []
        for query in file.queries {
            try checkInterruption()
            do {
                guard
                    let measured = try QueryMeasurement.take(query.before ?? query.after, parameters: nil, backend)
                else { continue }
                records.append(PerformanceRecord(revision: revision, name: query.name, measurement: measured))
            } catch let error as MigratorError where error.status == .failed {
                records.append(PerformanceRecord(revision: revision, name: query.name))
                reporter.report(
                    .note("the query \"\(query.name)\" could not be measured before the upgrade: \(error.message)"))
            }
        }
        let bytes = try bytesWithoutBackups()
        records.append(PerformanceRecord(revision: revision, name: "", bytes: bytes))
        try backend.session.transaction { try backend.ledger.setPerformance(records, revision: revision) }
    }

    /// Compares the cost of the named queries, and the size, with what was recorded before the upgrade.
    /// - Parameter only: of this revision; nil of all that are applied.
    public func verifyPerformance(of only: String? = nil) throws -> [CheckResult] {
        try backend.checkServer(forWriting: false)
        try checkBelonging()
        var results: [CheckResult] = []
        let records = try recordedRevisions().filter { $0.state == .applied }
        for record in records where (only ?? record.revision) == record.revision {
            guard let file = checkFiles.first(where: { $0.revision == record.revision }) else { continue }
            let before = try backend.ledger.performance(revision: record.revision)
            for query in file.queries {
                try checkInterruption()
                reporter.report(.stepStarted("measure \(query.name)"))
                let known = before.first { $0.name == query.name }
                results.append(try compare(query, with: known, subject: "\(record.revision), \(query.name)"))
            }
            // What later revisions add is theirs to bound.
            if let bound = file.size, record == records.last {
                let known = before.first { $0.name.isEmpty }?.bytes
                results.append(try compareSize(bound, with: known, subject: "\(record.revision), size"))
            }
        }
        return results
    }

    private func compare(
        _ query: CheckFile.NamedQuery, with known: PerformanceRecord?, subject: String
    ) throws -> CheckResult {
        let before = known?.measurement
        var result = CheckResult(check: "performance", subject: subject, verdict: .exact, summary: "")
        do {
            guard let now = try QueryMeasurement.take(query.after, parameters: before?.parameters, backend) else {
                result.verdict = .skipped
                result.summary = "no row to ask for"
                return result
            }
            result.figures = ["buffers": now.buffers, "microseconds": now.microseconds]
            guard let before else {
                result.verdict = .information
                result.summary = "\(now.buffers.counted("buffer")); nothing was measured before the upgrade"
                return result
            }
            result.figures["buffersBefore"] = before.buffers
            result.figures["microsecondsBefore"] = before.microseconds
            result.differences = Self.differences(query, before: before, now: now)
        } catch let error as MigratorError where error.status == .failed {
            if known != nil, before == nil {
                result.verdict = .skipped
                result.summary = "cannot be asked here, nor could it before the upgrade: \(error.message)"
                return result
            }
            result.differences = [Difference(key: error.location?.description, message: error.message)]
        }
        result.differenceCount = result.differences.count
        result.verdict = result.differences.isEmpty ? .exact : .differences
        result.summary =
            "\(before?.buffers.counted("buffer") ?? "?") before, \((result.figures["buffers"] ?? 0).grouped) now"
        return result
    }

    /// A few pages more are no more than the height of an index.
    static let toleratedBuffers = 16

    private static func differences(
        _ query: CheckFile.NamedQuery, before: QueryMeasurement, now: QueryMeasurement
    ) -> [Difference] {
        var differences: [Difference] = []
        let place = query.location.description
        // A plan that reads everything, and no more pages than before, has lost nothing.
        if before.unserved.isEmpty, let scan = now.unserved.first, now.buffers > before.buffers + toleratedBuffers {
            differences.append(
                Difference(
                    key: place,
                    message: "the plan lost its index \(before.indexes.joined(separator: ", ")): \(scan)"))
        }
        if now.buffers > max(before.buffers * 2, before.buffers + toleratedBuffers) {
            differences.append(
                Difference(
                    key: place,
                    message: "\(now.buffers.counted("buffer")), more than twice the \(before.buffers.grouped) of before"
                ))
        }
        return differences
    }

    private func compareSize(
        _ bound: CheckFile.SizeBound, with before: Int?, subject: String
    ) throws -> CheckResult {
        let now = try bytesWithoutBackups()
        var result = CheckResult(
            check: "performance", subject: subject, verdict: .information,
            summary: "\(now.grouped) bytes; nothing was measured before the upgrade", figures: ["bytes": now])
        guard let before else { return result }
        result.figures["bytesBefore"] = before
        let limit = Int(Double(before) * bound.growth) + bound.plus
        result.summary = "\(before.grouped) bytes before, \(now.grouped) now, \(limit.grouped) allowed"
        result.verdict = now > limit ? .differences : .exact
        if now > limit {
            result.differences = [
                Difference(
                    key: bound.location.description,
                    message:
                        "the database has \(now.grouped) bytes, registered backups apart; the bound is \(limit.grouped)"
                )
            ]
            result.differenceCount = 1
        }
        return result
    }

    private func bytesWithoutBackups() throws -> Int {
        let session = backend.session
        let hasLedger = try backend.ledger.exists()
        switch session.dialect {
        case .postgresql:
            let all = try session.scalar("SELECT pg_database_size(current_database())").asInt ?? 0
            guard hasLedger else { return all }
            let backups =
                try session.scalar(
                    """
                    SELECT coalesce(sum(pg_total_relation_size(to_regclass(format('%I.%I', schema_name, name)))), 0)
                    FROM \(backend.ledger.table("backup")) WHERE removed_at IS NULL
                    """
                ).asInt ?? 0
            return all - backups
        case .sqlite:
            // Pages that are free are not the database's any more.
            let used =
                try session.scalar(
                    "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
                ).asInt ?? 0
            let page = try session.scalar("PRAGMA page_size").asInt ?? 0
            guard hasLedger else { return used * page }
            // Only where SQLite was built with it.
            let backups = try? session.scalar(
                """
                SELECT coalesce(sum(s.pgsize), 0) FROM dbstat('main') s
                WHERE s.name IN (SELECT b.name FROM migrator_backup b WHERE b.removed_at IS NULL)
                """
            ).asInt
            return used * page - (backups ?? 0)
        }
    }
}
