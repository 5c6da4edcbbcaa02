import MigratorEngine

/// How the batches of each step went: rows a second and the size of a batch over time.
extension HTMLReport {
    /// A phase of a step, with what was sampled of it.
    private struct Series {
        var title: String
        var samples: [SampleRecord]

        /// Rows a second from one sample to the next, the beginning first.
        var rates: [Double] {
            zip(samples, samples.dropFirst()).map { before, after in
                let time = max(1, after.atMilliseconds - before.atMilliseconds)
                return Double(max(0, after.rows - before.rows)) * 1000 / Double(time)
            }
        }
    }

    private var series: [Series] {
        view.revisions.flatMap { revision in
            revision.steps.flatMap { step -> [Series] in
                var phases: [String] = []
                for sample in step.samples where !phases.contains(sample.phase) { phases.append(sample.phase) }
                return phases.map { phase in
                    Series(
                        title: "\(step.title), \(phase)", samples: step.samples.filter { $0.phase == phase })
                }
            }
        }.filter { $0.samples.count > 1 }
    }

    var batches: String { series.map(figure).joined(separator: "\n") }

    private func figure(_ series: Series) -> String {
        let samples = series.samples
        let start = samples[0].atMilliseconds
        let span = max(1, samples[samples.count - 1].atMilliseconds - start)
        let rates = series.rates
        let rows = samples[samples.count - 1].rows - samples[0].rows
        let overall = Int((Double(rows) * 1000 / Double(span)).rounded())
        var facts = [
            "\(rows.counted("row")) in \(ReportText.time(milliseconds: span))",
            "\(overall.grouped) rows/s on the whole",
        ]
        if let slowest = samples.compactMap(\.batchMilliseconds).max() {
            facts.append("slowest batch \(ReportText.time(milliseconds: slowest))")
        }
        let paused = samples.map(\.pausedMilliseconds).max() ?? 0
        if paused > 0 { facts.append("paused for \(ReportText.time(milliseconds: paused))") }
        // Each stretch lies between two samples.
        let times = samples.map { Double($0.atMilliseconds - start) / Double(span) }
        let sizes = samples.dropFirst().map { Double($0.batchRows ?? 0) }
        return """
            <figure>
            <figcaption>\(escaped(series.title)) <small>\(escaped(facts.joined(separator: " · ")))</small></figcaption>
            \(chart("rows/s", "rate", times: times, values: rates, pauses: pauses(samples, start: start, span: span)))
            \(chart("rows in the next batch", "batch", times: times, values: Array(sizes), pauses: []))
            <div class="span" aria-hidden="true"><span>\(escaped(ReportText.time(milliseconds: start)))</span><span>\(escaped(ReportText.time(milliseconds: start + span)))</span></div>
            \(samplesTable(series))
            </figure>
            """
    }

    /// The stretches in which time went by on a pause, as shares of the whole.
    private func pauses(_ samples: [SampleRecord], start: Int, span: Int) -> [(from: Double, to: Double)] {
        zip(samples, samples.dropFirst()).filter { $0.pausedMilliseconds < $1.pausedMilliseconds }.map {
            (
                Double($0.atMilliseconds - start) / Double(span),
                Double($1.atMilliseconds - start) / Double(span)
            )
        }
    }

    /// A stepped line over time. The shapes stretch with the page, the words around them do not.
    private func chart(
        _ title: String, _ kind: String, times: [Double], values: [Double], pauses: [(from: Double, to: Double)]
    ) -> String {
        let highest = Self.roundedUp(values.max() ?? 0)
        func y(_ value: Double) -> String { number(100 - value / highest * 100) }
        func x(_ share: Double) -> String { number(share * 1000) }
        var line = ""
        for (index, value) in values.enumerated() {
            line += "\(index == 0 ? "M" : "L")\(x(times[index])) \(y(value))H\(x(times[index + 1]))"
        }
        let area = "M\(x(times[0])) 100" + "L" + line.dropFirst() + "V100Z"
        let shades = pauses.map {
            "<rect class=\"pause\" x=\"\(x($0.from))\" y=\"0\" width=\"\(x($0.to - $0.from))\" height=\"100\"/>"
        }
        return """
            <div class="chart \(kind)"><span class="unit">\(escaped(title))\(pauses.isEmpty ? "" : " <em>shaded: paused</em>")</span><div class="scale"><span>\(escaped(Int(highest).grouped))</span><span>0</span></div>
            <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="\(escaped("\(title) over time, at most \(Int(values.max() ?? 0).grouped)"))">
            <path class="grid" d="M0 0H1000M0 50H1000M0 100H1000"/>\(shades.joined())
            <path class="area" d="\(area)"/><path class="line" d="\(line)"/></svg></div>
            """
    }

    private func samplesTable(_ series: Series) -> String {
        let rates = series.rates
        let rows = series.samples.enumerated().map { index, sample in
            [
                data("sample_at_ms", sample.atMilliseconds, ReportText.time(milliseconds: sample.atMilliseconds)),
                index == 0 ? "begin" : sample.batch.grouped,
                data("sample_rows", sample.rows, sample.rows.grouped),
                index == 0 ? "" : escaped(Int(rates[index - 1].rounded()).grouped),
                sample.batchMilliseconds.map {
                    data("sample_batch_ms", $0, ReportText.time(milliseconds: $0))
                } ?? "",
                sample.batchRows.map { data("sample_batch_rows", $0, $0.grouped) } ?? "",
            ]
        }
        return """
            <details><summary>The samples as a table</summary>
            \(table(["At", "Batch", "Rows so far", "Rows/s", "Took", "Next batch"], figures: [0, 1, 2, 3, 4, 5], rows))
            </details>
            """
    }

    /// A round figure, at least the value.
    static func roundedUp(_ value: Double) -> Double {
        var power = 1.0
        while power * 10 <= value { power *= 10 }
        return [1.0, 1.5, 2, 3, 4, 5, 6, 8, 10].map { $0 * power }.first { $0 >= value } ?? value
    }

    func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        let sign = tenths < 0 ? "-" : ""
        let rest = tenths.magnitude
        return rest % 10 == 0 ? "\(sign)\(rest / 10)" : "\(sign)\(rest / 10).\(rest % 10)"
    }
}
