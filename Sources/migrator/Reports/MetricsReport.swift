import MigratorEngine

/// The run in Prometheus' text format, for node_exporter's textfile collector or a push gateway.
struct MetricsReport {
    let view: RunView

    var text: String {
        let run = view.run
        let id = [("run", "\(run.id)")]
        var metrics: [String] = []
        func add(_ name: String, _ help: String, _ samples: [([(String, String)], String)]) {
            guard !samples.isEmpty else { return }
            metrics.append("# HELP \(name) \(help)")
            metrics.append("# TYPE \(name) gauge")
            metrics += samples.map { labels, value in "\(name){\(Self.labels(id + labels))} \(value)" }
        }
        add(
            "migrator_run_info", "What the run was; always 1.",
            [
                (
                    [
                        ("direction", run.direction?.rawValue ?? "none"), ("from", run.from ?? "base"),
                        ("to", run.to ?? ""), ("outcome", run.outcome), ("version", run.toolVersion),
                    ], "1"
                )
            ])
        add("migrator_run_success", "Whether the run is done.", [([], run.outcome == "done" ? "1" : "0")])
        add(
            "migrator_run_start_timestamp_seconds", "When the run began.",
            ReportText.seconds(run.startedAt).map { [([], Self.number($0))] } ?? [])
        add(
            "migrator_run_duration_seconds", "From the run's beginning to its end.",
            run.milliseconds.map { [([], Self.seconds(milliseconds: $0))] } ?? [])
        add("migrator_run_rows", "Rows that the run's steps have written, moved or kept.", [([], "\(view.rows)")])
        add(
            "migrator_run_exceptions", "Rows that no mapping could place.", [([], "\(view.exceptions)")])
        let steps = view.revisions.flatMap { revision in
            revision.steps.map { step in
                (
                    step,
                    [
                        ("revision", revision.revision), ("direction", revision.direction.rawValue),
                        ("step", "\(step.item)"), ("kind", step.kind), ("title", step.title),
                        ("outcome", step.outcome.rawValue),
                    ]
                )
            }
        }
        add(
            "migrator_step_duration_seconds", "What a step took.",
            steps.map { ($1, Self.seconds(milliseconds: $0.milliseconds)) })
        add(
            "migrator_step_rows", "Rows that a step has written, moved or kept.",
            steps.compactMap { step, labels in step.rows.map { (labels, "\($0)") } })
        if view.details.isMeasured {
            addMeasurements(add)
        }
        add(
            "migrator_backup_rows", "Rows of the backups that the run made.",
            view.details.backups.map { ([("backup", $0.name), ("id", "\($0.id)")], "\($0.rows)") })
        let verdicts = Set(view.details.proofs.map(\.record.verdict)).union(["exact", "differences"]).sorted()
        add(
            "migrator_run_proofs", "Proofs in the ledger, by verdict.",
            verdicts.map { verdict in
                ([("verdict", verdict)], "\(view.details.proofs.filter { $0.record.verdict == verdict }.count)")
            })
        return metrics.joined(separator: "\n") + "\n"
    }

    private func addMeasurements(_ add: (String, String, [([(String, String)], String)]) -> Void) {
        add(
            "migrator_lock_wait_seconds", "What the run waited for locks, all together.",
            [([], Self.seconds(microseconds: view.waitedMicroseconds))])
        add(
            "migrator_critical_section_longest_seconds",
            "The longest that the run held locks which writers wait for.",
            [([], Self.seconds(microseconds: view.longestHold?.heldMicroseconds ?? 0))])
        add(
            "migrator_critical_sections", "How often the run held locks which writers wait for.",
            [([], "\(view.details.sections.count)")])
        add(
            "migrator_pause_seconds", "What the run's batches waited for signals and pause files.",
            [([], Self.seconds(milliseconds: view.pausedMilliseconds))])
        add(
            "migrator_database_size_bytes", "The database's size before and after the run.",
            view.details.sizes.filter { $0.kind == .database }.map { ([("moment", $0.moment.rawValue)], "\($0.bytes)") }
        )
        add(
            "migrator_table_size_bytes", "Sizes of tables, with their indexes, before and after the run.",
            view.details.sizes.filter { $0.kind == .table || $0.kind == .backup }.map {
                ([("table", $0.name), ("kind", $0.kind.rawValue), ("moment", $0.moment.rawValue)], "\($0.bytes)")
            })
    }

    // MARK: Text

    private static func labels(_ labels: [(String, String)]) -> String {
        labels.map { name, value in "\(name)=\"\(escaped(value))\"" }.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            .replacing("\r", with: " ")
    }

    static func seconds(milliseconds: Int) -> String { decimal(milliseconds, digits: 3) }
    static func seconds(microseconds: Int) -> String { decimal(microseconds, digits: 6) }

    private static func number(_ value: Double) -> String { decimal(Int((value * 1000).rounded()), digits: 3) }

    /// A whole number of units, each a negative power of ten.
    private static func decimal(_ units: Int, digits: Int) -> String {
        let text = String(units.magnitude)
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        return (units < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}
