import ArgumentParser
import MigratorEngine

struct VerifyCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Make again every proof that can be made again.")

    @Flag(help: "Look at counts, next ids and validity only.")
    var counts = false
    @Flag(help: "Leave nothing out.")
    var full = false
    @Flag(help: "Whatever was written since the switch is a difference, too.")
    var unchanged = false
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        if counts, full {
            throw MigratorError(
                "usage", .usage, "--counts and --full exclude each other", hint: "name one of them")
        }
        let level: VerificationLevel = counts ? .counts : full ? .full : .standard
        let report = try invocation.migrator(.reading).verify(level: level, unchanged: unchanged)
        let status: ExitStatus = report.isDifference ? .difference : .done
        if report.verdict == .incomplete, status == .done {
            invocation.reporter.report(.warning("the evidence is incomplete: not everything could be judged"))
        }
        var json = report.json
        json["exit_status"] = .int(Int(status.rawValue))
        invocation.finish(json) { VerificationOutput.show(report, invocation.console) }
        return status
    }
}
