import ArgumentParser
import MigratorEngine
import MigratorPlan

struct HistoryCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the scripts' revisions, newest first.")

    @Flag(name: .customShort("v"), help: "Print each revision's parent, path and message.")
    var isDetailed = false
    @Flag(
        name: [.customShort("i"), .customLong("indicate-current")],
        help: "Mark the database's current revision.")
    var indicatesCurrent = false
    @Option(
        name: [.customShort("r"), .customLong("range")],
        help: ArgumentHelp(
            "From one revision to another: 0002:0004, 0002:, :head, -3:current.", valueName: "a:b"))
    var range: String?
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let range = try self.range.map { text in
            try worded { () throws(PlanError) in try HistoryRange(text) }
        }
        let isVerbose = isDetailed || global.verbose
        if indicatesCurrent || range?.namesCurrent == true {
            let migrator = try invocation.migrator(.reading)
            let current = try migrator.current().revision
            let lineage = try Lineage(
                dialect: migrator.backend.session.dialect, scripts: migrator.arrangedScripts())
            try show([lineage], range: range, current: current, isVerbose: isVerbose, invocation)
        } else {
            let setup = try Setup(global)
            let lineages = try invocation.scriptSource(setup).lineages(of: dialect.dialect)
            try show(lineages, range: range, current: nil, isVerbose: isVerbose, invocation)
        }
        return .done
    }

    private func show(
        _ lineages: [Lineage], range: HistoryRange?, current: String?, isVerbose: Bool,
        _ invocation: Invocation
    ) throws {
        let listings = try lineages.map { lineage in
            var revisions = lineage.listed
            if let range { revisions = Array(revisions[try lineage.bounds(of: range, current: current)]) }
            if indicatesCurrent {
                for index in revisions.indices where revisions[index].script.revision == current {
                    revisions[index].isCurrent = true
                }
            }
            return DialectListing(dialect: lineage.dialect, revisions: revisions.reversed())
        }
        invocation.finish(DialectListing.json(listings)) {
            DialectListing.show(
                listings, isVerbose: isVerbose, console: invocation.console, line: \.line)
        }
    }
}
