import MigratorDatabase

/// What a run took, written in transactions that commit anyway.
extension Ledger {
    func additions(of activities: [ActivityRecord], run: Int) -> [LedgerWrite] {
        inserts(
            "activity",
            """
            run_id, revision, direction, item, phase, kind, title, started_ms, duration_ms, outcome, mode, to_revision
            """,
            activities.map {
                [
                    SQLValue(run), .text($0.revision), .text($0.direction.rawValue), SQLValue($0.item),
                    SQLValue($0.phase), .text($0.kind), .text($0.title), SQLValue($0.startedMilliseconds),
                    SQLValue($0.milliseconds), .text($0.outcome.rawValue), SQLValue($0.mode),
                    SQLValue($0.to),
                ]
            })
    }

    func additions(of samples: [SampleRecord], run: Int) -> [LedgerWrite] {
        inserts(
            "sample",
            """
            run_id, revision, direction, item, phase, batch, at_ms, rows, total, batch_rows, batch_ms, paused_ms
            """,
            samples.map {
                [
                    SQLValue(run), .text($0.revision), .text($0.direction.rawValue), SQLValue($0.item), .text($0.phase),
                    SQLValue($0.batch), SQLValue($0.atMilliseconds), SQLValue($0.rows), SQLValue($0.total),
                    SQLValue($0.batchRows), SQLValue($0.batchMilliseconds), SQLValue($0.pausedMilliseconds),
                ]
            })
    }

    /// Leaves every so manieth batch of a step; beginnings of phases stay.
    func thinSamples(of step: RunJournal.Step, every stride: Int, run: Int) throws(DatabaseError) {
        try session.run(
            """
            DELETE FROM \(table("sample"))
            WHERE run_id = $1 AND revision = $2 AND direction = $3 AND item = $4 AND batch % $5 <> 0
            """,
            [
                SQLValue(run), .text(step.revision), .text(step.direction.rawValue), SQLValue(step.item),
                SQLValue(stride),
            ])
    }

    func additions(of sections: [CriticalSectionRecord], run: Int) -> [LedgerWrite] {
        inserts(
            "critical_section",
            "run_id, revision, direction, title, locks, attempts, started_ms, waited_us, held_us, outcome",
            sections.map {
                [
                    SQLValue(run), .text($0.revision), .text($0.direction.rawValue), .text($0.title), .text($0.locks),
                    SQLValue($0.attempts), SQLValue($0.startedMilliseconds), SQLValue($0.waitedMicroseconds),
                    SQLValue($0.heldMicroseconds), .text($0.outcome.rawValue),
                ]
            })
    }

    func additions(of sizes: [SizeRecord], run: Int) -> [LedgerWrite] {
        inserts(
            "size", "run_id, moment, kind, name, bytes",
            sizes.map {
                [
                    SQLValue(run), .text($0.moment.rawValue), .text($0.kind.rawValue), .text($0.name),
                    SQLValue($0.bytes),
                ]
            })
    }

    /// How the run changed relations: unlike `fingerprint`, it outlives the revision's downgrade.
    func additions(ofChanges changes: [FingerprintRecord], revision: String, run: Int) -> [LedgerWrite] {
        inserts(
            "schema_change", "run_id, revision, relation, before_definition, after_definition",
            changes.map {
                [
                    SQLValue(run), .text(revision), .text($0.relation), SQLValue($0.before.map(Ledger.lines)),
                    SQLValue($0.after.map(Ledger.lines)),
                ]
            }, "ON CONFLICT (run_id, revision, relation) DO UPDATE SET after_definition = excluded.after_definition")
    }

    private func inserts(
        _ name: String, _ columns: String, _ rows: [[SQLValue]], _ conflict: String = ""
    ) -> [LedgerWrite] {
        // SQLite binds at most 32,766 values in one statement.
        stride(from: 0, to: rows.count, by: 500).map { start in
            var parameters: [SQLValue] = []
            var tuples: [String] = []
            for row in rows[start..<min(start + 500, rows.count)] {
                tuples.append("(" + row.indices.map { "$\(parameters.count + $0 + 1)" }.joined(separator: ", ") + ")")
                parameters += row
            }
            return LedgerWrite(
                "INSERT INTO \(table(name)) (\(columns)) VALUES \(tuples.joined(separator: ", ")) \(conflict)",
                parameters)
        }
    }
}
