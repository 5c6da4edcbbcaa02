import ArgumentParser
import MigratorEngine

struct StatusCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Print where the database is, what lies around, and what to do next."
    )

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let report = try invocation.migrator(.reading).status()
        invocation.finish(report.json) {
            if let locator = invocation.locator {
                invocation.console.print("database: \(locator.shown.oneLine)")
            }
            for line in StatusOutput.lines(report) { invocation.console.print(line) }
        }
        return .done
    }
}

struct CheckCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Exit 2 where scripts and database disagree, 3 where revisions are pending, else 0.")

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let migrator = try invocation.migrator(.reading, withChecks: true)
        try migrator.checkBelonging()
        let report = try migrator.current()
        let isPending = !report.pending.isEmpty || report.unfinished != nil
        let status: ExitStatus = !report.drift.isEmpty ? .difference : isPending ? .pending : .done
        var json = report.json
        json["exit_status"] = .int(Int(status.rawValue))
        invocation.finish(json) {
            let console = invocation.console
            for difference in report.drift {
                console.print("differs: " + VerificationOutput.line(difference))
            }
            if let unfinished = report.unfinished {
                console.print(
                    "unfinished: the \(unfinished.direction.rawValue) of \(unfinished.revision.oneLine)")
            }
            for revision in report.pending { console.print("pending: \(revision.oneLine)") }
            if status == .done { console.print("ok: nothing is pending, nothing differs") }
        }
        return status
    }
}
