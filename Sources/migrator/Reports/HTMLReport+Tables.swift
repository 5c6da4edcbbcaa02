import MigratorEngine

/// Locks, proofs, sizes, backups and exceptions.
extension HTMLReport {
    // MARK: Locks

    var locks: String {
        let sections = view.details.sections
        var text = ""
        if sections.isEmpty {
            text = "<p class=\"quiet\">The run held no lock that writers wait for.</p>"
        } else {
            let waited = ReportText.time(microseconds: view.waitedMicroseconds)
            let rolledBack = sections.filter { $0.outcome == .rolledBack }.count
            text = """
                <p>\(escaped(explanation)) Until the locks were had the run waited for \(data("waited_us", view.waitedMicroseconds, waited)) in all.\(rolledBack > 0 ? escaped(" \(rolledBack.counted("time")) it was rolled back.") : "")</p>
                \(sectionTable(sections))
                """
        }
        return text + batchHolds
    }

    private var explanation: String {
        switch view.details.dialect {
        case .postgresql:
            "Each row is a transaction that held such a lock on a table that was there before; the time is from when its locks were had until its commit, so that a lock which a later statement took was held for less."
        case .sqlite:
            "Each row is a transaction that held the file's write lock. Readers go on meanwhile where the file is in WAL mode."
        }
    }

    private func sectionTable(_ sections: [CriticalSectionRecord]) -> String {
        let longest = max(1, sections.map(\.heldMicroseconds).max() ?? 1)
        let rows = sections.map { section in
            let tries = section.attempts > 1 ? " <small>\(section.attempts.grouped) tries</small>" : ""
            return [
                data(
                    "section_at_ms", section.startedMilliseconds,
                    ReportText.time(milliseconds: section.startedMilliseconds)),
                escaped(section.title) + (section.outcome == .committed ? "" : " " + badge(section.outcome.rawValue)),
                section.lockList.isEmpty
                    ? "<span class=\"quiet\">those of its statements</span>"
                    : "<span>\(section.lockList.map { "<span class=\"lock\">\(escaped($0))</span>" }.joined())</span>",
                data(
                    "section_waited_us", section.waitedMicroseconds,
                    ReportText.time(microseconds: section.waitedMicroseconds)) + tries,
                data(
                    "section_held_us", section.heldMicroseconds, ReportText.time(microseconds: section.heldMicroseconds)
                )
                    + "<span class=\"meter\" aria-hidden=\"true\"><i style=\"width:\(percent(section.heldMicroseconds, of: longest))\"></i></span>",
            ]
        }
        return table(["At", "Step", "Locks", "Waited", "Held"], figures: [0, 3, 4], rows)
    }

    /// On SQLite every batch holds the one lock there is; only the samples tell of it.
    private var batchHolds: String {
        guard view.details.dialect == .sqlite,
            let longest = view.details.samples.compactMap(\.batchMilliseconds).max()
        else { return "" }
        return
            "<p>Batches hold the write lock too: the longest of those sampled for \(data("batch_held_ms", longest, ReportText.time(milliseconds: longest))).</p>"
    }

    // MARK: Verification

    var verification: String {
        guard !view.details.proofs.isEmpty else {
            return "<p class=\"quiet\">The ledger holds no proof of this run.</p>"
        }
        let rows = view.details.proofs.map(\.record).map { proof in
            [
                badge(proof.verdict), escaped(proof.revision), escaped(proof.check), escaped(proof.subject),
                proof.figures.map { figure in
                    "<span class=\"pair\"><span>\(escaped(figure.name))</span> \(escaped(figure.value))</span>"
                }.joined(separator: " "),
            ]
        }
        return """
            <p>Compared before the commit or the cut-over, under the lock or in one snapshot. What must still hold today,
            <code>migrator verify</code> looks at again.</p>
            \(table(["Verdict", "Revision", "Check", "Of", "Evidence"], rows))
            """
    }

    // MARK: Sizes

    var sizes: String {
        let records = view.details.sizes
        var names: [(kind: SizeRecord.Kind, name: String)] = []
        let order: [SizeRecord.Kind] = [.database, .free, .table, .backup, .ledger]
        for kind in order {
            for record in records
            where record.kind == kind && !names.contains(where: { $0 == (record.kind, record.name) }) {
                names.append((record.kind, record.name))
            }
        }
        func bytes(_ entry: (kind: SizeRecord.Kind, name: String), _ moment: SizeRecord.Moment) -> Int? {
            records.first { $0.kind == entry.kind && $0.name == entry.name && $0.moment == moment }?.bytes
        }
        let hasMoment = { (moment: SizeRecord.Moment) in records.contains { $0.moment == moment } }
        let largest = max(1, records.map(\.bytes).max() ?? 1)
        let rows = names.map { entry in
            let before = bytes(entry, .before)
            let after = bytes(entry, .after)
            func cell(_ name: String, _ value: Int?, _ moment: SizeRecord.Moment) -> String {
                guard let value else { return hasMoment(moment) ? "–" : "not measured" }
                return data(name, value, ReportText.size(value))
                    + "<span class=\"meter \(moment.rawValue)\" aria-hidden=\"true\"><i style=\"width:\(percent(value, of: largest))\"></i></span>"
            }
            let isComparable = hasMoment(.before) && hasMoment(.after)
            return [
                escaped(entry.name), escaped(entry.kind == .free ? "part of the file" : entry.kind.rawValue),
                cell("size_before", before, .before), cell("size_after", after, .after),
                isComparable ? escaped(ReportText.change(from: before ?? 0, to: after ?? 0)) : "",
            ]
        }
        let note =
            view.details.dialect == .sqlite
            ? "Of the file; what single tables take, SQLite does not say without reading all of it."
            : "Tables with their indexes and out-of-line values; space that deleted rows held counts until it is vacuumed."
        return """
            <p>\(note)</p>
            \(table(["Name", "Kind", "Before", "After", "Change"], figures: [2, 3, 4], rows))
            """
    }

    // MARK: Backups, exceptions

    var backups: String {
        table(
            ["Backup", "Of", "Kind", "Rows", "Content hash"], figures: [3],
            view.details.backups.map { backup in
                [
                    escaped(backup.name), escaped(backup.source), escaped(backup.kind.rawValue),
                    data("backup_rows", backup.rows, backup.rows.grouped),
                    "<code class=\"hash\">\(escaped("\(backup.algorithm) \(backup.hash)"))</code>",
                ]
            })
    }

    var exceptions: String {
        table(
            ["Revision", "Table", "Reason", "Rows"], figures: [3],
            view.details.exceptions.map { exception in
                [
                    escaped(exception.revision), escaped(exception.table), escaped(exception.reason),
                    data("exception_rows", exception.rows, exception.rows.grouped),
                ]
            })
    }
}
