import ArgumentParser
import MigratorEngine

struct StampCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "stamp",
        abstract: "Record that the database is at a revision, without running anything.",
        discussion: "What differs from the scripts is printed as notes.")

    @Argument(help: "A revision, head or base.")
    var revision: String
    @Flag(help: "Exit 2 where anything differs from the scripts.")
    var strict = false
    @Flag(help: "Forget all recorded revisions first.")
    var purge = false
    @Option(help: "A word that the ledger keeps with the command.")
    var tag: String?
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let report = try invocation.migrator(.creating).stamp(revision, purge: purge)
        let status: ExitStatus = strict && !report.notes.isEmpty ? .difference : .done
        for note in report.notes { invocation.reporter.report(.note(note)) }
        invocation.finish(
            .object([
                "from": JSONValue(report.from), "to": JSONValue(report.to), "notes": JSONValue(report.notes),
                "exit_status": .int(Int(status.rawValue)),
            ])
        ) {
            if !global.quiet {
                invocation.console.error("Running stamp_revision \(report.from ?? "") -> \(report.to ?? "")")
            }
        }
        return status
    }
}
