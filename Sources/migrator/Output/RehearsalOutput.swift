import MigratorEngine

/// Stages lap by lap, then the locks that writers feel, then the verdict.
enum RehearsalOutput {
    static func show(_ report: RehearsalReport, _ console: Console) {
        let copy = report.copy
        console.print("copy: \(copy.shown.oneLine), by \(copy.method.oneLine)")
        console.print(
            "      \(copy.tables.counted("table")), \(copy.rows.counted("row")), \(copy.bytes.size) in \(copy.duration.short)"
        )
        for table in copy.sampledTables {
            console.print("      \(table.oneLine): a sample, with all that it refers to")
        }
        for name in report.removedLeftovers { console.print("      removed: \(name.oneLine), of a killed rehearsal") }
        var lap = 0
        for stage in report.stages {
            if stage.lap != lap, report.stages.count > 1 {
                lap = stage.lap
                console.print("")
                console.print(title(ofLap: lap))
            }
            show(stage, console)
        }
        show(report.locks, console)
        if !report.notes.isEmpty { console.print("") }
        for note in report.notes { console.print("note: " + note.oneLine) }
        console.print("")
        let place = "\(report.from ?? "base") to \(report.to ?? "base")".oneLine
        if report.isExact {
            console.print(
                console.styled("exact", .good, descriptor: 1) + ": \(place), rehearsed in \(report.duration.short)")
        } else {
            let count = report.stages.reduce(0) { $0 + $1.differences.count }
            console.print(
                console.styled("NOT EXACT", .bad, descriptor: 1)
                    + ": \(place), \(count.counted("difference")), rehearsed in \(report.duration.short)")
        }
    }

    private static func title(ofLap lap: Int) -> String {
        switch lap {
        case 1: "up and down, nothing written between:"
        case 2: "up and down, with writes in the old shape and the new:"
        default: "up again:"
        }
    }

    private static func show(_ stage: RehearsalReport.Stage, _ console: Console) {
        let kind = stage.kind + String(repeating: " ", count: max(9 - stage.kind.count, 0))
        let revision = stage.revision.isEmpty ? "base" : stage.revision.oneLine
        var line = "\(mark(stage.result, console))  \(kind)  \(revision)"
        if stage.result != .notRun, stage.result != .irreversible {
            var facts = ["in \(stage.duration.short)"]
            if let bytes = stage.bytes { facts.append(bytes.size) }
            if let bytes = stage.backupBytes, bytes > 0 { facts.append("backups \(bytes.size)") }
            if let bytes = stage.walBytes { facts.append("WAL \(bytes.size)") }
            line += "  " + facts.joined(separator: ", ")
        }
        console.print(line)
        for detail in stage.details { console.print("              " + detail.oneLine) }
        for step in stage.steps where console.mode.isVerbose && step.duration >= .milliseconds(1) {
            let rows = step.rows.map { ", \($0.counted("row"))" } ?? ""
            console.print(
                console.styled(
                    "              \(step.title.oneLine): \(step.duration.short)\(rows)", .faint, descriptor: 1))
        }
        for difference in stage.differences {
            console.print("              " + VerificationOutput.line(difference))
        }
    }

    /// Those that make writers wait; all of them with `--verbose`, step by step, and in `--json`.
    private static func show(_ locks: [RehearsalReport.Lock], _ console: Console) {
        guard !console.mode.isVerbose else {
            console.print("")
            console.print("locks taken, the longest of each:")
            for lock in locks {
                let place = lock.stage + (lock.step.isEmpty ? "" : ", " + lock.step)
                console.print("  \(place.oneLine)")
                console.print("      \(line(lock))")
                console.print(console.styled("      by \(lock.statement.oneLine)", .faint, descriptor: 1))
            }
            return
        }
        let felt = longest(locks)
        guard !felt.isEmpty else { return }
        console.print("")
        console.print("locks that keep writers waiting, the longest of each:")
        var stage = ""
        for lock in felt {
            if lock.stage != stage { console.print("  " + lock.stage.oneLine) }
            stage = lock.stage
            console.print("      \(line(lock)), by \(lock.statement.oneLine)")
        }
    }

    private static func line(_ lock: RehearsalReport.Lock) -> String {
        "\(lock.mode) on \(lock.relation.oneLine) for \(lock.held.short)"
            + (lock.count > 1 ? " (\(lock.count.grouped) times)" : "")
    }

    /// One entry for each stage, relation and mode, in the order of the stages.
    private static func longest(_ locks: [RehearsalReport.Lock]) -> [RehearsalReport.Lock] {
        let modes = ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE", "WRITE"]
        var result: [RehearsalReport.Lock] = []
        for lock in locks where modes.contains(lock.mode) {
            let index = result.firstIndex {
                $0.stage == lock.stage && $0.relation == lock.relation && $0.mode == lock.mode
            }
            guard let index else {
                result.append(lock)
                continue
            }
            let count = result[index].count + lock.count
            if lock.held > result[index].held { result[index] = lock }
            result[index].count = count
        }
        var stages: [String] = []
        for lock in result where !stages.contains(lock.stage) { stages.append(lock.stage) }
        return stages.flatMap { stage in result.filter { $0.stage == stage } }
    }

    private static func mark(_ result: RehearsalReport.Result, _ console: Console) -> String {
        let (text, style): (String, Console.Style) =
            switch result {
            case .exact: ("ok", .good)
            case .differences: ("DIFFERENT", .bad)
            case .failed: ("FAILED", .bad)
            case .irreversible: ("one way", .careful)
            case .notRun: ("not run", .faint)
            }
        return console.styled(text, style, descriptor: 1) + String(repeating: " ", count: 10 - text.count)
    }
}

extension Int {
    /// Bytes as people read them: `812 kB`, `25.3 MB`.
    fileprivate var size: String {
        if self < 1000 { return "\(self) B" }
        if self < 1_000_000 { return "\(self / 1000) kB" }
        let unit = self < 1_000_000_000 ? (100_000, "MB") : (100_000_000, "GB")
        let tenths = self / unit.0
        return "\(tenths / 10).\(tenths % 10) \(unit.1)"
    }
}

extension RehearsalReport {
    var json: JSONValue {
        .object([
            "from": JSONValue(from), "to": JSONValue(to), "verdict": .string(isExact ? "exact" : "differences"),
            "copy": .object([
                "name": .string(copy.shown), "method": .string(copy.method), "tables": .int(copy.tables),
                "rows": .int(copy.rows), "sampled_tables": JSONValue(copy.sampledTables),
                "duration_ms": JSONValue(milliseconds: copy.duration), "bytes": .int(copy.bytes),
            ]),
            "removed_leftovers": JSONValue(removedLeftovers), "notes": JSONValue(notes),
            "duration_ms": JSONValue(milliseconds: duration),
            "stages": .array(
                stages.map { stage in
                    .object([
                        "kind": .string(stage.kind), "lap": .int(stage.lap), "revision": .string(stage.revision),
                        "result": .string(stage.result.rawValue),
                        "duration_ms": JSONValue(milliseconds: stage.duration), "bytes": JSONValue(stage.bytes),
                        "backup_bytes": JSONValue(stage.backupBytes), "wal_bytes": JSONValue(stage.walBytes),
                        "details": JSONValue(stage.details), "differences": .array(stage.differences.map(\.json)),
                        "steps": .array(
                            stage.steps.map { step in
                                .object([
                                    "title": .string(step.title), "rows": JSONValue(step.rows),
                                    "duration_ms": JSONValue(milliseconds: step.duration),
                                ])
                            }),
                    ])
                }),
            "locks": .array(
                locks.map { lock in
                    .object([
                        "stage": .string(lock.stage), "step": .string(lock.step), "statement": .string(lock.statement),
                        "relation": .string(lock.relation), "mode": .string(lock.mode),
                        "held_ms": JSONValue(milliseconds: lock.held), "count": .int(lock.count),
                    ])
                }),
        ])
    }
}
