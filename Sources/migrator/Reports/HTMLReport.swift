import MigratorEngine

/// The run as one page that needs nothing else: no network, no scripts, inline styles and SVG. Every figure of the
/// ledger stands in a `data` element with its exact value.
struct HTMLReport {
    let view: RunView

    var text: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>\(escaped("Run \(view.run.id): \(view.title)"))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <main>
        \(header)
        \(tiles)
        \(sections.map { "<section id=\"\($0.id)\">\n<h2>\($0.title)</h2>\n\($0.body)\n</section>" }.joined(separator: "\n"))
        <footer>Every figure on this page stands in the database's own ledger, under run
        \(data("run", view.run.id, "\(view.run.id)")). Times are counted from the run's beginning by the clock of the
        machine that ran it. Made by migrator \(escaped(toolVersion)).</footer>
        </main>
        </body>
        </html>

        """
    }

    private var sections: [(id: String, title: String, body: String)] {
        var sections = [(id: "timeline", title: "Timeline", body: timeline)]
        if !batches.isEmpty { sections.append(("batches", "Batches", batches)) }
        if view.details.isMeasured { sections.append(("locks", "Locks that writers wait for", locks)) }
        sections.append(("verification", "Verification", verification))
        if !view.details.changes.isEmpty { sections.append(("schema", "Schema before and after", schema)) }
        if !view.details.sizes.isEmpty { sections.append(("sizes", "Sizes", sizes)) }
        if !view.details.backups.isEmpty { sections.append(("backups", "Backups made", backups)) }
        if !view.details.exceptions.isEmpty {
            sections.append(("exceptions", "Rows that no mapping could place", exceptions))
        }
        return sections
    }

    // MARK: Head

    private var header: String {
        let run = view.run
        var facts: [(String, String)] = [("Database", escaped(view.database))]
        facts.append(("Command", "<code>\(escaped(run.command))</code>"))
        facts.append(("Begun", escaped(ReportText.moment(run.startedAt))))
        if let finished = run.finishedAt {
            facts.append((run.outcome == "killed" ? "Found ended" : "Ended", escaped(ReportText.moment(finished))))
        }
        let people = [run.user, run.host].compactMap(\.self).joined(separator: " on ")
        if !people.isEmpty { facts.append(("By", escaped(people))) }
        facts.append(("Version", escaped("migrator \(run.toolVersion)")))
        var parts = [
            "<header>", "<p class=\"eyebrow\">Run \(run.id) \(badge(run.outcome))</p>",
            "<h1>\(escaped(view.title))</h1>",
            "<dl class=\"facts\">\(facts.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" }.joined())</dl>",
        ]
        if let error = run.error {
            let pieces = error.split(separator: ": ", maxSplits: 1).map(String.init)
            let code = pieces.count > 1 ? "<strong>\(escaped(pieces[0]))</strong> " : ""
            parts.append("<p class=\"problem\" role=\"note\">\(code)\(escaped(pieces.last ?? error))</p>")
        }
        if run.outcome == "running" {
            parts.append(
                "<p class=\"notice\">The run has not ended, or was killed: what is shown is what it has committed.</p>")
        } else if run.outcome == "killed" {
            parts.append("<p class=\"notice\">The run was killed: what is shown is what it has committed.</p>")
        }
        parts.append("</header>")
        return parts.joined(separator: "\n")
    }

    private var tiles: String {
        var tiles: [(name: String, figure: String, note: String)] = []
        if let milliseconds = view.run.milliseconds {
            let count = view.revisions.count
            tiles.append(
                (
                    "Duration", data("duration_ms", milliseconds, ReportText.time(milliseconds: milliseconds)),
                    count == 0 ? "" : count.counted("revision")
                ))
        }
        if !view.steps.isEmpty {
            tiles.append(
                (
                    "Rows", data("rows", view.rows, view.rows.grouped),
                    "written, moved or kept in \(view.steps.count.counted("step"))"
                ))
        }
        if view.details.isMeasured {
            let longest = view.longestHold
            tiles.append(
                (
                    "Longest lock",
                    data(
                        "longest_held_us", longest?.heldMicroseconds ?? 0,
                        longest.map { ReportText.time(microseconds: $0.heldMicroseconds) } ?? "none"),
                    longest == nil ? "" : "that writers wait for, of \(view.details.sections.count.grouped) in all"
                ))
        }
        if !view.details.proofs.isEmpty {
            tiles.append(
                (
                    "Verified",
                    data("exact", view.exactProofs, "\(view.exactProofs) of \(view.details.proofs.count)"),
                    "proofs are exact"
                ))
        }
        if let before = view.size(.database, .before), let after = view.size(.database, .after) {
            tiles.append(
                (
                    "Database size", data("size_after", after, ReportText.size(after)),
                    escaped(ReportText.change(from: before, to: after)) + " since before the run"
                ))
        }
        if view.exceptions > 0 {
            tiles.append(
                ("Exceptions", data("exceptions", view.exceptions, view.exceptions.grouped), "rows without a place"))
        }
        let cells = tiles.map {
            "<div class=\"tile\"><dt>\($0.name)</dt><dd>\($0.figure)</dd><dd class=\"aside\">\($0.note)</dd></div>"
        }
        return "<dl class=\"tiles\">\(cells.joined(separator: "\n"))</dl>"
    }

    // MARK: Pieces

    func escaped(_ text: String) -> String { ReportText.escaped(text) }

    /// A figure with its exact value.
    func data(_ name: String, _ value: Int, _ shown: String) -> String {
        "<data class=\"\(name)\" value=\"\(value)\">\(escaped(shown))</data>"
    }

    func badge(_ outcome: String) -> String {
        let (kind, sign) =
            switch outcome {
            case "done", "exact", "committed": ("good", "✓")
            case "running", "incomplete", "interrupted", "skipped", "rolled-back": ("careful", "!")
            case "information": ("plain", "i")
            default: ("bad", "✕")
            }
        let word = outcome.replacing("-", with: " ")
        return "<span class=\"badge \(kind)\"><span aria-hidden=\"true\">\(sign)</span> \(escaped(word))</span>"
    }

    /// - Parameter figures: columns that are set flush right.
    func table(_ heading: [String], figures: Set<Int> = [], _ rows: [[String]]) -> String {
        func cells(_ element: String, _ row: [String]) -> String {
            row.enumerated().map { index, cell in
                let style = figures.contains(index) ? " class=\"figure\"" : ""
                let label = element == "td" ? " data-label=\"\(heading[index])\"" : " scope=\"col\""
                return element == "th" || cell.isEmpty
                    ? "<\(element)\(style)\(label)>\(cell)</\(element)>"
                    : "<\(element)\(style)\(label)><div>\(cell)</div></\(element)>"
            }.joined()
        }
        let body = rows.map { "<tr>\(cells("td", $0))</tr>" }.joined(separator: "\n")
        return """
            <div class="scroll"><table><thead><tr>\(cells("th", heading))</tr></thead>
            <tbody>
            \(body)
            </tbody></table></div>
            """
    }

    /// A share of a whole for CSS, with two digits.
    func percent(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "0%" }
        let hundredths = Int((Double(part) / Double(whole) * 10_000).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)%"
    }
}
