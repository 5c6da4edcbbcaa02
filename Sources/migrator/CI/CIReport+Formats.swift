import MigratorEngine

extension CIReport {
    /// Workflow commands of GitHub Actions, a line a finding.
    /// Source: docs.github.com, "Workflow commands for GitHub Actions".
    var annotations: [String] {
        checks.flatMap { check in
            check.findings.map { finding in
                var properties = [("title", "migrator: \(check.name)")]
                if let location = finding.location {
                    properties += [
                        ("file", location.file), ("line", String(location.line)), ("col", String(location.column)),
                    ]
                }
                let list = properties.map { "\($0.0)=\(Self.escaped($0.1, isProperty: true))" }.joined(separator: ",")
                let text = finding.message + (finding.hint.map { "\nhint: \($0)" } ?? "")
                return "::\(finding.isError ? "error" : "warning") \(list)::\(Self.escaped(text, isProperty: false))"
            }
        }
    }

    private static func escaped(_ text: String, isProperty: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "%": result += "%25"
            case "\r": result += "%0D"
            case "\n": result += "%0A"
            case ":" where isProperty: result += "%3A"
            case "," where isProperty: result += "%2C"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// A step summary: a table of the checks, the findings below it.
    var markdown: String {
        func cell(_ text: String) -> String {
            text.oneLine.replacing("\\", with: "\\\\").replacing("|", with: "\\|").replacing("<", with: "&lt;")
        }
        var lines = [
            "## migrator: \(isFailed ? "failed" : "ok")", "", "| check | | what | time |", "|---|---|---|---|",
        ]
        for check in checks {
            let mark =
                switch check.outcome {
                case .ok: "✅"
                case .failed: "❌"
                case .skipped: "➖"
                }
            let time = check.outcome == .skipped ? "" : check.duration.short
            lines.append("| \(check.name) | \(mark) | \(cell(check.summary)) | \(time) |")
        }
        for check in checks where !check.findings.isEmpty {
            lines += ["", "### \(check.name)", ""]
            for finding in check.findings {
                let place = finding.location.map { "`\($0.description.replacing("`", with: "'"))`: " } ?? ""
                lines.append("- \(finding.isError ? "" : "warning: ")\(place)\(cell(finding.message))")
                if let hint = finding.hint { lines.append("  <br>hint: \(cell(hint))") }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One test suite, a case a check: what GitLab, Jenkins and others read.
    var junit: String {
        func escaped(_ text: String) -> String {
            var result = ""
            for character in text.unicodeScalars {
                switch character {
                case "&": result += "&amp;"
                case "<": result += "&lt;"
                case ">": result += "&gt;"
                case "\"": result += "&quot;"
                case "\n": result += "&#10;"
                case _ where character.value < 32: result += " "
                default: result.unicodeScalars.append(character)
                }
            }
            return result
        }
        func seconds(_ duration: Duration) -> String {
            let text = String(duration.milliseconds % 1000)
            return "\(duration.milliseconds / 1000)." + String(repeating: "0", count: 3 - text.count) + text
        }
        let failures = checks.filter { $0.outcome == .failed }.count
        let skipped = checks.filter { $0.outcome == .skipped }.count
        let total = checks.reduce(Duration.zero) { $0 + $1.duration }
        let counts = "tests=\"\(checks.count)\" failures=\"\(failures)\" errors=\"0\" skipped=\"\(skipped)\""
        var lines = [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<testsuites name=\"migrator ci\" \(counts) time=\"\(seconds(total))\">",
            "  <testsuite name=\"migrator ci\" \(counts) time=\"\(seconds(total))\">",
        ]
        for check in checks {
            let head = "    <testcase classname=\"migrator\" name=\"\(check.name)\" time=\"\(seconds(check.duration))\""
            let warnings = check.findings.filter { !$0.isError }.map(\.message)
            var body: [String] = []
            switch check.outcome {
            case .ok: break
            case .skipped: body.append("      <skipped message=\"\(escaped(check.summary))\"/>")
            case .failed:
                let text = check.findings.filter(\.isError).map { finding in
                    (finding.location.map { "\($0): " } ?? "") + finding.message
                        + (finding.hint.map { "\nhint: \($0)" } ?? "")
                }.joined(separator: "\n")
                body.append("      <failure message=\"\(escaped(check.summary))\">\(escaped(text))</failure>")
            }
            if !warnings.isEmpty {
                body.append("      <system-out>\(escaped(warnings.joined(separator: "\n")))</system-out>")
            }
            lines += body.isEmpty ? [head + "/>"] : [head + ">"] + body + ["    </testcase>"]
        }
        return (lines + ["  </testsuite>", "</testsuites>"]).joined(separator: "\n") + "\n"
    }
}
