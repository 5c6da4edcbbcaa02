import MigratorEngine

/// The run as a summary of a CI step: GitHub's Markdown.
struct MarkdownReport {
    let view: RunView

    var text: String {
        let run = view.run
        var lines = ["## \(mark(run.outcome)) \(escaped(view.title))", ""]
        lines.append(
            "Run \(run.id), \(run.outcome)\(run.milliseconds.map { " in \(ReportText.time(milliseconds: $0))" } ?? ""), "
                + "on \(escaped(view.database)), begun \(ReportText.moment(run.startedAt)) with migrator \(escaped(run.toolVersion))."
        )
        lines.append("")
        if let error = run.error { lines += ["> " + escaped(error), ""] }
        lines += figures
        for revision in view.revisions { lines += self.lines(revision) }
        lines += sections + proofs + backups + exceptions
        return lines.joined(separator: "\n") + "\n"
    }

    private var figures: [String] {
        var rows: [(String, String)] = []
        if view.rows > 0 { rows.append(("Rows written, moved or kept", view.rows.grouped)) }
        if view.details.isMeasured {
            rows.append(("Locks that writers wait for, held", view.details.sections.count.counted("time")))
            if let longest = view.longestHold {
                rows.append(
                    (
                        "Longest of them",
                        "\(ReportText.time(microseconds: longest.heldMicroseconds)), \(escaped(longest.title))"
                    ))
                rows.append(("Waited for locks", ReportText.time(microseconds: view.waitedMicroseconds)))
            }
        }
        if !view.details.proofs.isEmpty {
            rows.append(("Proofs", "\(view.exactProofs) of \(view.details.proofs.count) exact"))
        }
        if let before = view.size(.database, .before), let after = view.size(.database, .after) {
            rows.append(
                (
                    "Database size",
                    "\(ReportText.size(before)) before, \(ReportText.size(after)) after (\(ReportText.change(from: before, to: after)))"
                ))
        }
        return rows.isEmpty ? [] : table(["Figure", "Value"], rows.map { [$0.0, $0.1] }) + [""]
    }

    private func lines(_ revision: RunView.Revision) -> [String] {
        let mode = revision.mode.map { ", \($0)" } ?? ""
        let message = revision.message.isEmpty ? "" : ": \(escaped(revision.message))"
        return ["### \(escaped(revision.title))\(message)", ""]
            + ["\(ReportText.time(milliseconds: revision.milliseconds))\(mode)", ""]
            + table(
                ["", "Step", "Rows", "Time"],
                revision.steps.map { step in
                    [
                        mark(step.outcome), escaped(step.title), step.rows?.grouped ?? "",
                        ReportText.time(milliseconds: step.milliseconds),
                    ]
                }, right: [2, 3]) + [""]
    }

    private var sections: [String] {
        guard !view.details.sections.isEmpty else { return [] }
        return ["### Locks that writers wait for", ""]
            + table(
                ["Step", "Locks", "Waited", "Held"],
                view.details.sections.map { section in
                    [
                        escaped(section.title) + (section.outcome == .committed ? "" : " (rolled back)"),
                        section.lockList.isEmpty
                            ? "those of its statements" : section.lockList.map(escaped).joined(separator: "; "),
                        ReportText.time(microseconds: section.waitedMicroseconds),
                        ReportText.time(microseconds: section.heldMicroseconds),
                    ]
                }, right: [2, 3]) + [""]
    }

    private var proofs: [String] {
        guard !view.details.proofs.isEmpty else { return [] }
        return ["### Verification", ""]
            + table(
                ["", "Check", "Subject", "Verdict"],
                view.details.proofs.map(\.record).map { proof in
                    [
                        proof.verdict == "exact" ? "✅" : "❌", escaped(proof.check), escaped(proof.subject),
                        escaped(proof.verdict),
                    ]
                }) + [""]
    }

    private var backups: [String] {
        guard !view.details.backups.isEmpty else { return [] }
        return ["### Backups", ""]
            + table(
                ["Backup", "Of", "Rows"],
                view.details.backups.map { [escaped($0.name), escaped($0.source), $0.rows.grouped] }, right: [2])
            + [""]
    }

    private var exceptions: [String] {
        guard !view.details.exceptions.isEmpty else { return [] }
        return ["### Rows that no mapping could place", ""]
            + table(
                ["Revision", "Table", "Reason", "Rows"],
                view.details.exceptions.map {
                    [escaped($0.revision), escaped($0.table), escaped($0.reason), $0.rows.grouped]
                }, right: [3]) + [""]
    }

    // MARK: Markup

    private func table(_ heading: [String], _ rows: [[String]], right: Set<Int> = []) -> [String] {
        let rule = heading.indices.map { right.contains($0) ? "---:" : "---" }
        return [heading, rule].map(line) + rows.map(line)
    }

    private func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }

    private func mark(_ outcome: String) -> String {
        switch outcome {
        case "done": "✅"
        case "running": "⏳"
        default: "❌"
        }
    }

    private func mark(_ outcome: ActivityRecord.Outcome) -> String {
        switch outcome {
        case .done: "✅"
        case .failed: "❌"
        case .rolledBack: "↩️"
        }
    }

    /// On one line, with nothing that Markdown or HTML would act on.
    private func escaped(_ text: String) -> String {
        var result = ""
        for character in text.printable.oneLine {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "|", "\\", "`", "*", "_", "[", "]", "~", "#", "!": result += "\\\(character)"
            case "@": result += "&#64;"
            default: result.append(character)
            }
        }
        return result
    }
}
