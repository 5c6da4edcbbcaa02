import ArgumentParser
import MigratorEngine

struct HeadsCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "heads", abstract: "Print the newest revision of the scripts.")

    @Flag(name: .customShort("v"), help: "Print each revision's parent, path and message.")
    var isDetailed = false
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let setup = try Setup(global)
        let listings = try invocation.scriptSource(setup).lineages(of: dialect.dialect).map {
            DialectListing(dialect: $0.dialect, revisions: $0.listed.filter(\.isHead))
        }
        invocation.finish(DialectListing.json(listings)) {
            DialectListing.show(
                listings, isVerbose: isDetailed || global.verbose, console: invocation.console, line: \.short)
        }
        return .done
    }
}
