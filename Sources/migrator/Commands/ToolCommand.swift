import ArgumentParser
import MigratorEngine

/// A command that does its work by `perform`, with everything global at hand.
protocol ToolCommand: ParsableCommand {
    var global: GlobalOptions { get }
    func perform(_ invocation: Invocation) throws -> ExitStatus
}

struct MigratorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrator",
        abstract: "Moves a database from one shape to the next and back, and proves that no row was lost.",
        discussion: "Every command takes --help. --version prints the version.",
        subcommands: [
            UpgradeCommand.self, DowngradeCommand.self, VerifyCommand.self, CurrentCommand.self,
            HistoryCommand.self, HeadsCommand.self, ShowCommand.self, StatusCommand.self, PlanCommand.self,
            StampCommand.self, CheckCommand.self, RevisionCommand.self, EditCommand.self, RebaseCommand.self,
            ContractCommand.self,
            BackupsCommand.self, RehearseCommand.self, DoctorCommand.self, ReferencesCommand.self,
            ReportCommand.self, CICommand.self, AdoptCommand.self, ImportCommand.self,
            InitCommand.self,
        ])
}
