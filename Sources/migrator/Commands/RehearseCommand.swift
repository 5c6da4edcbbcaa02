import ArgumentParser
import MigratorDatabase
import MigratorEngine
import MigratorScript

struct RehearseCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract: "Upgrade and downgrade a scratch copy of the database, and see whether everything comes back.",
        discussion: "The database itself is only read. Exit 2 where anything is not exact.")

    @Argument(help: "The revision to go to.")
    var target = "head"
    @Option(
        help: ArgumentHelp("About how many rows of a table are copied (PostgreSQL).", valueName: "rows"))
    var rows = 100_000
    @Flag(help: "Copy every row.")
    var full = false
    @Option(
        help: ArgumentHelp(
            "Where the copy is made: a database of another PostgreSQL server, or sqlite:FOLDER.", valueName: "url"))
    var scratchURL: String?
    @Option(help: ArgumentHelp("The pg_dump to use, or none (default: the server's version).", valueName: "file"))
    var pgDump: String?
    @Option(help: "window: under a lock, all or nothing; online: while the application writes.")
    var mode: MigrationMode?
    @Flag(help: "Rename unregistered tables that are in the way instead of refusing.")
    var setAside = false
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if rows < 1 { throw ValidationError("--rows takes a number from 1") }
    }

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        var options = RehearsalOptions()
        options.target = target
        options.rowsPerTable = full ? nil : rows
        options.pgDump = pgDump
        options.run.mode = mode
        options.run.setsAside = setAside
        // What else the server does is no reason for a copy to wait.
        options.run.ignoredSignals = Set(LoadSignal.allCases)
        if let scratchURL {
            options.scratch = try DatabaseLocator.parse(scratchURL, relativeTo: Files.workingFolder)
        }
        options.register = Interruption.register
        let report = try Rehearsal.run(try invocation.migrator(.reading, withChecks: true), options: options)
        let status: ExitStatus = report.isExact ? .done : .difference
        var json = report.json
        json["exit_status"] = .int(Int(status.rawValue))
        invocation.finish(json) { RehearsalOutput.show(report, invocation.console) }
        return status
    }
}
