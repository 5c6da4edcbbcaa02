import ArgumentParser
import MigratorEngine

struct UpgradeCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Upgrade the database to a revision.",
        discussion: "TARGET is head, +1, 0002, 0002+1, or the beginning of a revision's name.")

    @Argument(help: "The revision to go to.")
    var target: String
    @OptionGroup var script: ScriptArguments
    @OptionGroup var run: RunArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let options = try run.options()
        if script.sql {
            return try invocation.printScript(
                target, direction: .upgrade, dialect: script.dialect.dialect, options: options)
        }
        if run.dryRun {
            let report = try invocation.migrator(.reading).plan(target, direction: .upgrade, options: options)
            PlanOutput.show(report, invocation)
            return .done
        }
        let migrator = try invocation.migrator(.creating, withChecks: true, readsHeadersOnly: true)
        let report = try migrator.upgrade(to: target, options: options)
        return RunOutput.show(report, refusesExceptions: run.noExceptions, invocation)
    }
}

struct DowngradeCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "downgrade", abstract: "Bring the database back to an earlier revision.",
        discussion: "TARGET is -1, base, 0001, 0002-1, or the beginning of a revision's name.")

    @Argument(help: "The revision to go back to.")
    var target: String
    @Option(help: ArgumentHelp("Accept that exactly so many rows are lost.", valueName: "rows"))
    var acceptLoss: Int?
    @OptionGroup var script: ScriptArguments
    @OptionGroup var run: RunArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        var options = try run.options()
        if let acceptLoss, acceptLoss < 0 {
            throw MigratorError(
                "usage", .usage, "the number of rows \"\(acceptLoss)\" is negative",
                hint: "name the number that the refusal names")
        }
        options.acceptedLoss = acceptLoss
        if script.sql {
            return try invocation.printScript(
                target, direction: .downgrade, dialect: script.dialect.dialect, options: options)
        }
        if run.dryRun {
            let report = try invocation.migrator(.reading).plan(
                target, direction: .downgrade, options: options)
            PlanOutput.show(report, invocation)
            return .done
        }
        let report = try invocation.migrator(.writing, readsHeadersOnly: true).downgrade(to: target, options: options)
        return RunOutput.show(report, refusesExceptions: run.noExceptions, invocation)
    }
}

struct PlanCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Print what an upgrade or a downgrade would do; change nothing.")

    @Argument(help: "A target as for upgrade (head, +1, 0002) or downgrade (-1, base).")
    var target: String
    @Option(
        help: ArgumentHelp(
            "Exit 2 where writers would be stopped for longer, by the estimate.", valueName: "duration"))
    var maxDowntime: DurationArgument?
    @OptionGroup var run: RunArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let report = try invocation.migrator(.reading).plan(
            target, direction: nil, options: try run.options())
        return PlanOutput.show(report, maximalDowntime: maxDowntime?.duration, invocation)
    }
}

struct ContractCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "contract",
        abstract: "End the soak of a revision: its compatibility view goes, the backup stays.")

    @Argument(help: "An applied revision.")
    var revision: String
    @OptionGroup var locks: LockArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let report = try invocation.migrator(.writing).contract(revision, options: try locks.options())
        return RunOutput.show(report, refusesExceptions: false, invocation)
    }
}
