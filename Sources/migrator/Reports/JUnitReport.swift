import MigratorEngine

/// The run as test suites, for CI: one of the run itself, one of each revision's steps, one of the proofs.
struct JUnitReport {
    let view: RunView

    private struct Case {
        var name: String
        var className: String
        var milliseconds: Int?
        /// `failure`, `error` or `skipped`, with its message.
        var problem: (element: String, message: String)?
        var output: [String] = []
    }

    var text: String {
        var suites: [(name: String, milliseconds: Int?, cases: [Case])] = [
            ("run \(view.run.id)", view.run.milliseconds, [runCase])
        ]
        for revision in view.revisions {
            suites.append((revision.title, revision.milliseconds, revision.steps.map { stepCase($0, of: revision) }))
        }
        if !view.details.proofs.isEmpty {
            suites.append(("verification", nil, view.details.proofs.map { proofCase($0.record) }))
        }
        let cases = suites.flatMap(\.cases)
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>"]
        lines.append(
            "<testsuites name=\"\(escaped("migrator \(view.title)"))\" \(counts(cases))\(time(view.run.milliseconds))>")
        for suite in suites {
            lines.append(
                "  <testsuite name=\"\(escaped(suite.name))\" \(counts(suite.cases)) timestamp=\"\(timestamp)\"\(time(suite.milliseconds))>"
            )
            for test in suite.cases { lines += self.lines(test) }
            lines.append("  </testsuite>")
        }
        lines.append("</testsuites>")
        return lines.joined(separator: "\n") + "\n"
    }

    private var runCase: Case {
        let run = view.run
        var problem: (String, String)?
        switch run.outcome {
        case "done": break
        case "running": problem = ("error", "the run has not ended")
        case "killed": problem = ("error", "the run was killed")
        default: problem = ("failure", run.error ?? run.outcome)
        }
        return Case(
            name: view.title, className: "migrator", milliseconds: run.milliseconds, problem: problem,
            output: [run.command, "outcome: \(run.outcome)", "database: \(view.database)"])
    }

    private func stepCase(_ step: RunView.Step, of revision: RunView.Revision) -> Case {
        var problem: (String, String)?
        switch step.outcome {
        case .done: break
        case .failed: problem = ("failure", view.run.error ?? "the run ended in this step")
        case .rolledBack: problem = ("skipped", "taken back with its transaction")
        }
        var output = step.details
        if let rows = step.rows { output.insert(rows.counted("row"), at: 0) }
        return Case(
            name: "\(step.item): \(step.title)", className: revision.title.replacing(" ", with: "."),
            milliseconds: step.milliseconds, problem: problem, output: output)
    }

    private func proofCase(_ proof: ProofRecord) -> Case {
        var problem: (String, String)?
        switch proof.verdict {
        case "exact", "information": break
        case "incomplete", "skipped": problem = ("skipped", proof.verdict)
        default: problem = ("failure", proof.verdict)
        }
        return Case(
            name: "\(proof.check): \(proof.subject)", className: "verification.\(proof.revision)", milliseconds: nil,
            problem: problem, output: proof.figures.map { "\($0.name): \($0.value)" })
    }

    private func lines(_ test: Case) -> [String] {
        let head =
            "    <testcase name=\"\(escaped(test.name))\" classname=\"\(escaped(test.className))\"\(time(test.milliseconds ?? 0))"
        if test.problem == nil, test.output.isEmpty { return [head + "/>"] }
        var lines = [head + ">"]
        if let (element, message) = test.problem {
            lines.append(
                element == "skipped"
                    ? "      <skipped message=\"\(escaped(message))\"/>"
                    : "      <\(element) message=\"\(escaped(message))\" type=\"\(escaped(type(of: message)))\">\(escaped(message))</\(element)>"
            )
        }
        if !test.output.isEmpty {
            lines.append("      <system-out>\(escaped(test.output.joined(separator: "\n")))</system-out>")
        }
        lines.append("    </testcase>")
        return lines
    }

    /// The code of `code: message`.
    private func type(of message: String) -> String {
        let code = message.prefix { $0.isLetter || $0 == "-" }
        return message.dropFirst(code.count).hasPrefix(": ") ? String(code) : "migration"
    }

    private func counts(_ cases: [Case]) -> String {
        func count(_ element: String) -> Int { cases.filter { $0.problem?.element == element }.count }
        return
            "tests=\"\(cases.count)\" failures=\"\(count("failure"))\" errors=\"\(count("error"))\" skipped=\"\(count("skipped"))\""
    }

    private func time(_ milliseconds: Int?) -> String {
        milliseconds.map { " time=\"\(MetricsReport.seconds(milliseconds: $0))\"" } ?? ""
    }

    private var timestamp: String { String(view.run.startedAt.prefix(19)) }

    private func escaped(_ text: String) -> String {
        // A line feed in an attribute would be read as a space.
        ReportText.escaped(text)
    }
}
