import MigratorEngine
import MigratorScript

/// What `migrator ci` looked at, and what it found.
struct CIReport {
    enum Outcome: String {
        case ok
        case failed
        case skipped
    }

    struct Finding {
        var isError = true
        var message: String
        var hint: String?
        var location: ScriptLocation?

        init(_ message: String, isError: Bool = true, hint: String? = nil, location: ScriptLocation? = nil) {
            self.message = message
            self.isError = isError
            self.hint = hint
            self.location = location
        }

        init(_ error: MigratorError) {
            self.init(
                ([error.message] + error.details).joined(separator: "\n"), hint: error.hint, location: error.location)
        }
    }

    struct Check {
        /// `scripts`, `order`, `state`, `plan`, `rehearse`, `verify`
        var name: String
        var outcome = Outcome.ok
        /// One line.
        var summary = ""
        var findings: [Finding] = []
        var status = ExitStatus.done
        var duration = Duration.zero

        /// A finding that fails the check.
        mutating func fail(_ finding: Finding, _ status: ExitStatus) {
            findings.append(finding)
            outcome = .failed
            if self.status == .done { self.status = status }
        }
    }

    var checks: [Check] = []

    /// That of the first check that failed.
    var status: ExitStatus { checks.first { $0.outcome == .failed }?.status ?? .done }
    var isFailed: Bool { status != .done }

    /// Runs one check; what it throws is its finding.
    mutating func run(_ name: String, _ body: (inout Check) throws -> Void) throws {
        var check = Check(name: name)
        let start = ContinuousClock.now
        do {
            try body(&check)
        } catch {
            let error = MigratorError.from(error)
            guard error.status != .interrupted else { throw error }
            check.fail(Finding(error), error.status)
            if check.summary.isEmpty { check.summary = error.code }
        }
        check.duration = ContinuousClock.now - start
        checks.append(check)
    }

    mutating func skip(_ name: String, _ reason: String) {
        checks.append(Check(name: name, outcome: .skipped, summary: reason))
    }
}

// MARK: As text

extension CIReport {
    func show(_ console: Console) {
        let width = checks.map(\.name.count).max() ?? 0
        for check in checks {
            let (word, style): (String, Console.Style) =
                switch check.outcome {
                case .ok: ("ok     ", .good)
                case .failed: ("FAILED ", .bad)
                case .skipped: ("skipped", .faint)
                }
            let name = check.name + String(repeating: " ", count: width - check.name.count)
            console.print("\(console.styled(word, style, descriptor: 1))  \(name)  \(check.summary.oneLine)")
            for finding in check.findings {
                let place = finding.location.map { "\($0.description.oneLine): " } ?? ""
                let kind = finding.isError ? "" : "warning: "
                for (index, line) in finding.message.split(separator: "\n").enumerated() {
                    console.print("         " + (index == 0 ? kind + place : "  ") + String(line).oneLine)
                }
                if let hint = finding.hint { console.print("           hint: \(hint.oneLine)") }
            }
        }
        let failed = checks.filter { $0.outcome == .failed }.map(\.name)
        console.print("")
        console.print(
            isFailed
                ? console.styled("FAILED", .bad, descriptor: 1) + ": " + failed.joined(separator: ", ")
                : console.styled("ok", .good, descriptor: 1))
    }

    var json: JSONValue {
        .object([
            "exit_status": .int(Int(status.rawValue)),
            "checks": .array(
                checks.map { check in
                    .object([
                        "name": .string(check.name), "outcome": .string(check.outcome.rawValue),
                        "summary": .string(check.summary), "milliseconds": JSONValue(milliseconds: check.duration),
                        "findings": .array(check.findings.map(\.json)),
                    ])
                }),
        ])
    }
}

extension CIReport.Finding {
    fileprivate var json: JSONValue {
        var object: [String: JSONValue] = [
            "level": .string(isError ? "error" : "warning"), "message": .string(message), "hint": JSONValue(hint),
            "location": .null,
        ]
        if let location {
            object["location"] = .object([
                "file": .string(location.file), "line": .int(location.line), "column": .int(location.column),
            ])
        }
        return .object(object)
    }
}
