import MigratorDatabase
import MigratorScript

/// What the ledger knows of a run.
extension Ledger {
    /// The newest runs first.
    /// - Parameter id: of one run only.
    func runs(id: Int? = nil, limit: Int? = nil) throws(DatabaseError) -> [RunRecord] {
        let elapsed =
            session.dialect == .postgresql
            ? "round(extract(epoch FROM finished_at - started_at) * 1000)::bigint"
            : "CAST(round((julianday(finished_at) - julianday(started_at)) * 86400000) AS INTEGER)"
        return try session.query(
            """
            SELECT id, command, direction, from_revision, to_revision, outcome, error, tool_version, user_name, host,
                   \(time("started_at")) AS started_at, \(time("finished_at")) AS finished_at, \(elapsed) AS elapsed
            FROM \(table("run")) \(id.map { "WHERE id = \($0)" } ?? "") ORDER BY id DESC
            \(limit.map { "LIMIT \($0)" } ?? "")
            """
        ).map { row in
            let outcome = row.text("outcome") ?? ""
            return RunRecord(
                id: row.int("id") ?? 0, command: row.text("command") ?? "",
                direction: row.text("direction").flatMap(Direction.init), from: row.text("from_revision"),
                to: row.text("to_revision"), outcome: outcome, error: row.text("error"),
                toolVersion: row.text("tool_version") ?? "", user: row.text("user_name"), host: row.text("host"),
                startedAt: row.text("started_at") ?? "", finishedAt: row.text("finished_at"),
                milliseconds: outcome == "killed" ? nil : row.int("elapsed"))
        }
    }

    /// In a snapshot that the caller has opened.
    func details(of run: RunRecord) throws(DatabaseError) -> RunDetails {
        let version = try storedFormatVersion() ?? 0
        let isMeasured = version < 2 ? false : try hasMeasurements(of: run)
        let steps = try doneSteps(run: run.id)
        let revisions = Set(steps.map(\.revision))
        return RunDetails(
            run: run, dialect: session.dialect, isMeasured: isMeasured, steps: steps,
            activities: isMeasured ? try activities(run: run.id) : [],
            samples: isMeasured ? try samples(run: run.id) : [],
            sections: isMeasured ? try sections(run: run.id) : [], sizes: isMeasured ? try sizes(run: run.id) : [],
            changes: isMeasured ? try schemaChanges(run: run.id) : try schemaChanges(ofRevisionsAppliedBy: run.id),
            proofs: try proofs(run: run.id), backups: try backups(run: run.id),
            exceptions: run.direction == .upgrade ? try exceptionCounts(of: revisions) : [])
    }

    private func hasMeasurements(of run: RunRecord) throws(DatabaseError) -> Bool {
        for name in Self.measurementTables {
            let row = try session.query("SELECT 1 FROM \(table(name)) WHERE run_id = $1 LIMIT 1", [SQLValue(run.id)])
            if !row.isEmpty { return true }
        }
        return false
    }

    private func rows(of name: String, run: Int, order: String) throws(DatabaseError) -> [Row] {
        try session.query("SELECT * FROM \(table(name)) WHERE run_id = $1 ORDER BY \(order)", [SQLValue(run)])
    }

    private func doneSteps(run: Int) throws(DatabaseError) -> [StepRecord] {
        try rows(of: "step", run: run, order: "id").filter { $0.text("state") == "done" }.map { row in
            StepRecord(
                runID: run, attempt: row.int("attempt") ?? run, revision: row.text("revision") ?? "",
                direction: row.direction, item: row.int("item") ?? 0, kind: row.text("kind") ?? "",
                title: row.text("title") ?? "", state: .done, rows: row.int("rows"),
                duration: .milliseconds(row.int("duration_ms") ?? 0),
                details: (row.text("detail") ?? "").split(separator: "\n").map(String.init))
        }
    }

    private func activities(run: Int) throws(DatabaseError) -> [ActivityRecord] {
        try rows(of: "activity", run: run, order: "started_ms, item").map { row in
            ActivityRecord(
                revision: row.text("revision") ?? "", direction: row.direction, item: row.int("item") ?? 0,
                phase: row.text("phase"), kind: row.text("kind") ?? "", title: row.text("title") ?? "",
                startedMilliseconds: row.int("started_ms") ?? 0, milliseconds: row.int("duration_ms") ?? 0,
                outcome: ActivityRecord.Outcome(rawValue: row.text("outcome") ?? "") ?? .failed,
                mode: row.text("mode"), to: row.text("to_revision"))
        }
    }

    private func samples(run: Int) throws(DatabaseError) -> [SampleRecord] {
        try rows(of: "sample", run: run, order: "at_ms, batch").map { row in
            SampleRecord(
                revision: row.text("revision") ?? "", direction: row.direction, item: row.int("item") ?? 0,
                phase: row.text("phase") ?? "", batch: row.int("batch") ?? 0, atMilliseconds: row.int("at_ms") ?? 0,
                rows: row.int("rows") ?? 0, total: row.int("total"), batchRows: row.int("batch_rows"),
                batchMilliseconds: row.int("batch_ms"), pausedMilliseconds: row.int("paused_ms") ?? 0)
        }
    }

    private func sections(run: Int) throws(DatabaseError) -> [CriticalSectionRecord] {
        try rows(of: "critical_section", run: run, order: "started_ms").map { row in
            CriticalSectionRecord(
                revision: row.text("revision") ?? "", direction: row.direction, title: row.text("title") ?? "",
                locks: row.text("locks") ?? "", attempts: row.int("attempts") ?? 1,
                startedMilliseconds: row.int("started_ms") ?? 0, waitedMicroseconds: row.int("waited_us") ?? 0,
                heldMicroseconds: row.int("held_us") ?? 0,
                outcome: CriticalSectionRecord.Outcome(rawValue: row.text("outcome") ?? "") ?? .rolledBack)
        }
    }

    private func sizes(run: Int) throws(DatabaseError) -> [SizeRecord] {
        try rows(of: "size", run: run, order: "bytes DESC, name").compactMap { row in
            guard let moment = SizeRecord.Moment(rawValue: row.text("moment") ?? ""),
                let kind = SizeRecord.Kind(rawValue: row.text("kind") ?? "")
            else { return nil }
            return SizeRecord(
                moment: moment, kind: kind, name: row.text("name") ?? "", bytes: row.int("bytes") ?? 0)
        }
    }

    private func schemaChanges(run: Int) throws(DatabaseError) -> [RunDetails.SchemaChange] {
        try rows(of: "schema_change", run: run, order: "revision, relation").map { row in
            RunDetails.SchemaChange(
                revision: row.text("revision") ?? "",
                change: FingerprintRecord(
                    relation: row.text("relation") ?? "", before: row.text("before_definition").map(Ledger.split),
                    after: row.text("after_definition").map(Ledger.split)))
        }
    }

    /// Of a run that only the revisions' own fingerprints tell of.
    private func schemaChanges(ofRevisionsAppliedBy run: Int) throws(DatabaseError) -> [RunDetails.SchemaChange] {
        var changes: [RunDetails.SchemaChange] = []
        for record in try revisions() where record.runID == run && record.state == .applied {
            changes += try fingerprints(revision: record.revision).map {
                RunDetails.SchemaChange(revision: record.revision, change: $0)
            }
        }
        return changes
    }

    private func proofs(run: Int) throws(DatabaseError) -> [RunDetails.Proof] {
        try session.query(
            """
            SELECT run_id, revision, item, check_name, subject, verdict, detail, \(time("made_at")) AS made_at
            FROM \(table("proof")) WHERE run_id = $1 ORDER BY id
            """, [SQLValue(run)]
        ).map { row in
            RunDetails.Proof(
                record: ProofRecord(
                    runID: run, revision: row.text("revision") ?? "", item: row.int("item") ?? 0,
                    check: row.text("check_name") ?? "", subject: row.text("subject") ?? "",
                    // What SQLite's part wrote before 0.2.
                    verdict: row.text("verdict") == "proved" ? "exact" : row.text("verdict") ?? "",
                    detail: row.text("detail") ?? ""),
                madeAt: row.text("made_at") ?? "")
        }
    }

    private func exceptionCounts(of revisions: Set<String>) throws(DatabaseError) -> [RunDetails.ExceptionCount] {
        try session.query(
            """
            SELECT revision, table_name, reason, count(*) AS rows FROM \(table("exception"))
            GROUP BY revision, table_name, reason ORDER BY revision, table_name, reason
            """
        ).compactMap { row in
            guard let revision = row.text("revision"), revisions.contains(revision) else { return nil }
            return RunDetails.ExceptionCount(
                revision: revision, table: row.text("table_name") ?? "", reason: row.text("reason") ?? "",
                rows: row.int("rows") ?? 0)
        }
    }
}

extension Row {
    fileprivate var direction: Direction { text("direction").flatMap(Direction.init) ?? .upgrade }
}
