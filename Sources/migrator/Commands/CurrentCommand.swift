import ArgumentParser
import MigratorEngine
import MigratorScript

struct CurrentCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "current", abstract: "Print the database's revision; nothing where it has none.")

    @Flag(name: .customShort("v"), help: "Print the database, and the revision's parent, path and message.")
    var isDetailed = false
    @Flag(help: "Exit 3 where the database is not at the newest revision.")
    var checkHeads = false
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let migrator = try invocation.migrator(.reading)
        let report = try migrator.current()
        for difference in report.drift { invocation.console.warning(difference.message) }
        if let unfinished = report.unfinished {
            invocation.console.warning(
                "the \(unfinished.direction.rawValue) of revision \"\(unfinished.revision)\" is not finished")
        }
        let scripts = try migrator.arrangedScripts()
        invocation.finish(report.json) {
            show(report, scripts: scripts, invocation)
        }
        return checkHeads && !report.isHead ? .pending : .done
    }

    private func show(_ report: CurrentReport, scripts: [Script], _ invocation: Invocation) {
        let console = invocation.console
        let isVerbose = isDetailed || global.verbose
        if isVerbose, let locator = invocation.locator {
            console.print("Current revision(s) for \(locator.shown.oneLine):")
        }
        guard let revision = report.revision else { return }
        if isVerbose, let script = scripts.first(where: { $0.revision == revision }),
            let listed = try? ListedRevision(script: script, isHead: report.isHead)
        {
            console.print(listed.block)
        } else {
            console.print(revision.oneLine + (report.isHead ? " (head)" : ""))
        }
    }
}
