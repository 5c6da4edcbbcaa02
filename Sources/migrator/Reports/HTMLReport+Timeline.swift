import MigratorEngine

/// What ran when: a row a step, its phases as shades of the bar; above them when writers had to wait.
extension HTMLReport {
    var timeline: String {
        guard !view.steps.isEmpty else {
            return "<p class=\"quiet\">The ledger holds no step of this run: nothing was committed.</p>"
        }
        var notes: [String] = []
        let places = placed()
        let span = max(1, places.map(\.end).max() ?? 1)
        if view.steps.contains(where: { $0.phases.count > 1 }) {
            notes.append("Shades within a bar are phases of the step.")
        }
        if view.steps.contains(where: { $0.started == nil && !$0.isDeclaration }) {
            notes.append(
                "The ledger does not say when \(view.details.isMeasured ? "some of these steps" : "these steps") began: each is drawn from the end of the one before."
            )
        }
        var rows = [axis(span)]
        if !view.details.sections.isEmpty { rows.append(waits(span)) }
        var index = 0
        for revision in view.revisions {
            rows.append(heading(revision))
            var plain: [(step: RunView.Step, start: Int)] = []
            for step in revision.steps {
                if step.kind == "statement", step.outcome == .done {
                    plain.append((step, places[index].start))
                } else {
                    rows.append(folded(plain, span: span))
                    plain = []
                    rows.append(row(step, from: places[index].start, span: span))
                }
                index += 1
            }
            rows.append(folded(plain, span: span))
        }
        let details = view.steps.contains { !$0.details.isEmpty } ? stepDetails : ""
        return """
            <div class="timeline">
            \(rows.joined(separator: "\n"))
            </div>
            \(notes.map { "<p class=\"quiet\">\($0)</p>" }.joined())
            \(details)
            """
    }

    /// Plain statements in a row are one line, which opens.
    private func folded(_ steps: [(step: RunView.Step, start: Int)], span: Int) -> String {
        let rows = steps.map { row($0.step, from: $0.start, span: span) }.joined(separator: "\n")
        guard steps.count > 3, let first = steps.first else { return rows }
        let end = steps.map { $0.start + $0.step.milliseconds }.max() ?? first.start
        let spent = steps.map(\.step.milliseconds).reduce(0, +)
        return """
            <details class="fold"><summary><div class="row plain"><div class="name">\(steps.count) statements</div>
            <div class="track"><b class="bar" style="left:\(percent(first.start, of: span));width:\(percent(end - first.start, of: span))"></b></div>
            <div class="figure">\(escaped(ReportText.time(milliseconds: spent)))</div></div></summary>
            \(rows)
            </details>
            """
    }

    /// Where each step is drawn: as measured, else behind the one before.
    private func placed() -> [(start: Int, end: Int)] {
        var places: [(start: Int, end: Int)] = []
        for step in view.steps {
            let start = step.started ?? places.last?.end ?? 0
            places.append((start, start + step.milliseconds))
        }
        return places
    }

    private func axis(_ span: Int) -> String {
        let ticks = Self.ticks(upTo: span).map { tick in
            "<span style=\"left:\(percent(tick, of: span))\">\(escaped(ReportText.time(milliseconds: tick).replacing(".0 s", with: " s")))</span>"
        }
        return
            "<div class=\"row axis\" aria-hidden=\"true\"><div></div><div class=\"track\">\(ticks.joined())</div><div></div></div>"
    }

    /// About four round figures from 0 on, none close to the end.
    static func ticks(upTo span: Int) -> [Int] {
        var step = 1
        let sizes = [1, 2, 5]
        var index = 0
        var power = 1
        while span / step > 5 {
            index += 1
            if index == 3 {
                index = 0
                power *= 10
            }
            step = sizes[index] * power
        }
        return Array(stride(from: 0, through: span - span / 10, by: max(step, 1)))
    }

    private func waits(_ span: Int) -> String {
        let marks = view.details.sections.map { section in
            let held = section.heldMicroseconds / 1000
            let text =
                "\(section.title): \(section.lockList.joined(separator: "; ")), held for \(ReportText.time(microseconds: section.heldMicroseconds))"
            return
                "<i class=\"hold\" style=\"left:min(\(percent(section.startedMilliseconds, of: span)),100% - 3px);width:\(percent(held, of: span))\" title=\"\(escaped(text))\"></i>"
        }
        let count = view.details.sections.count
        return """
            <div class="row waits"><div class="name">Locks held</div><div class="track">\(marks.joined())</div>
            <div class="figure">\(escaped("\(count.grouped)×"))</div></div>
            """
    }

    private func heading(_ revision: RunView.Revision) -> String {
        let mode = revision.mode.map { " <span class=\"mode\">\(escaped($0))</span>" } ?? ""
        let outcome = revision.outcome == .done ? "" : " " + badge(revision.outcome.rawValue)
        return """
            <h3><span class="verb">\(revision.direction.rawValue)</span> \(escaped(revision.revision))\(mode)\(outcome)
            <small>\(escaped(revision.message))</small></h3>
            """
    }

    private func row(_ step: RunView.Step, from start: Int, span: Int) -> String {
        let rows = step.rows.map { "<span class=\"rows\">\(data("step_rows", $0, $0.counted("row")))</span>" } ?? ""
        let mark = step.outcome == .done ? "" : badge(step.outcome.rawValue) + " "
        let phases = step.phases.filter { $0.milliseconds > 0 }.enumerated().map { index, phase in
            let left = percent(phase.startedMilliseconds - start, of: max(1, step.milliseconds))
            let width = percent(phase.milliseconds, of: max(1, step.milliseconds))
            let text = "\(phase.phase ?? ""): \(ReportText.time(milliseconds: phase.milliseconds))"
            return
                "<i class=\"phase\(index % 2 == 0 ? "" : " even")\" style=\"left:\(left);width:\(width)\" title=\"\(escaped(text))\"></i>"
        }
        return """
            <div class="row \(step.kind == "statement" ? "plain " : "")\(step.outcome.rawValue)"><div class="name">\(mark)\(escaped(step.title)) \(rows)</div>
            <div class="track"><b class="bar" style="left:min(\(percent(start, of: span)),100% - 3px);width:\(percent(step.milliseconds, of: span))">\(phases.joined())</b></div>
            <div class="figure">\(data("step_ms", step.milliseconds, ReportText.time(milliseconds: step.milliseconds)))</div></div>
            """
    }

    /// What the steps have told, and the times of their phases.
    private var stepDetails: String {
        let rows = view.revisions.flatMap { revision in
            revision.steps.compactMap { step -> [String]? in
                guard !step.details.isEmpty || !step.phases.isEmpty else { return nil }
                let lines = step.details.map { "<li>\(escaped($0))</li>" }.joined()
                let phases = step.phases.map { phase in
                    let time = data("phase_ms", phase.milliseconds, ReportText.time(milliseconds: phase.milliseconds))
                    let rows = step.rows(of: phase).map { ", \(data("phase_rows", $0, $0.counted("row")))" } ?? ""
                    return "<li>\(escaped(phase.phase ?? "")) \(time)\(rows)</li>"
                }
                return [
                    escaped(revision.revision), escaped(step.title),
                    phases.isEmpty ? "" : "<ul>\(phases.joined())</ul>", lines.isEmpty ? "" : "<ul>\(lines)</ul>",
                ]
            }
        }
        return """
            <details><summary>What the steps have to say</summary>
            \(table(["Revision", "Step", "Phases", "Told"], rows))
            </details>
            """
    }
}
