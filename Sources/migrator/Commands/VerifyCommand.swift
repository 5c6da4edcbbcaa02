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
    @Flag(help: "Say what the columns hold that differ; they may be anybody's messages.")
    var showValues = false
    @Flag(help: "Also play the scenarios beside the revisions; all of it is rolled back.")
    var functional = false
    @Flag(help: "Also compare the named queries beside the revisions with what they cost before the upgrade.")
    var performance = false
    @Option(help: ArgumentHelp("Connections that work at once on PostgreSQL, 1 to 16 (default: 2).", valueName: "n"))
    var jobs = 2
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        if counts, full {
            throw MigratorError(
                "usage", .usage, "--counts and --full exclude each other", hint: "name one of them")
        }
        guard (1...16).contains(jobs) else {
            throw MigratorError("usage", .usage, "--jobs \(jobs) is not a number from 1 to 16")
        }
        var options = VerificationOptions()
        options.level = counts ? .counts : full ? .full : .standard
        options.unchanged = unchanged
        options.showsValues = showValues
        options.connections = jobs
        options.isFunctional = functional
        options.comparesPerformance = performance
        let report = try invocation.migrator(
            functional ? .writing : .reading, withChecks: functional || performance
        ).verify(options)
        let status: ExitStatus = report.isDifference ? .difference : .done
        if report.verdict == .incomplete, status == .done {
            invocation.reporter.report(
                .warning("the evidence is incomplete: \(report.reasons.joined(separator: "; "))"))
        }
        var json = report.json
        json["exit_status"] = .int(Int(status.rawValue))
        invocation.finish(json) { VerificationOutput.show(report, invocation.console) }
        return status
    }
}
