import ArgumentParser
import MigratorDatabase
import MigratorEngine

struct DoctorCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what would hurt a migration: server, role, settings, space. Changes nothing.",
        discussion: "Exit 69 where a migration would be refused or fail, else 0.")

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let findings = try examine(invocation)
        let isProblem = findings.contains { $0.level == .problem }
        let status: ExitStatus = isProblem ? .unavailable : .done
        invocation.finish(
            .object([
                "findings": .array(findings.map(\.json)), "exit_status": .int(Int(status.rawValue)),
            ])
        ) {
            show(findings, invocation.console)
        }
        return status
    }

    /// A database that cannot be opened is what the doctor is asked about; a command line that cannot be understood
    /// is not.
    private func examine(_ invocation: Invocation) throws -> [Finding] {
        do {
            return try invocation.doctor()
        } catch let error as MigratorError {
            guard error.status == .unavailable else { throw error }
            return [Finding("connection", error)]
        }
    }

    private func show(_ findings: [Finding], _ console: Console) {
        let width = findings.map(\.subject.count).max() ?? 0
        for finding in findings {
            let subject = finding.subject + String(repeating: " ", count: width - finding.subject.count)
            let (text, style): (String, Console.Style) =
                switch finding.level {
                case .ok: ("ok     ", .good)
                case .warning: ("warning", .careful)
                case .problem: ("PROBLEM", .bad)
                }
            console.print("\(console.styled(text, style, descriptor: 1))  \(subject)  \(finding.message.oneLine)")
            if let hint = finding.hint {
                console.print(String(repeating: " ", count: 11 + width) + "hint: \(hint.oneLine)")
            }
        }
        let problems = findings.filter { $0.level == .problem }.count
        let warnings = findings.filter { $0.level == .warning }.count
        console.print("")
        let counts = [(problems, "problem"), (warnings, "warning")].filter { $0.0 > 0 }.map { $0.0.counted($0.1) }
        console.print(counts.isEmpty ? "nothing stands in the way of a migration" : counts.joined(separator: ", "))
    }
}

extension Finding {
    var json: JSONValue {
        .object([
            "subject": .string(subject), "level": .string(level.rawValue), "message": .string(message),
            "hint": JSONValue(hint),
        ])
    }
}
