import ArgumentParser
import MigratorEngine
import MigratorScript

/// Options of `upgrade` and `downgrade`.
struct RunArguments: ParsableArguments {
    @Option(help: "window (online is not available yet).")
    var mode: MigrationMode?

    @Flag(help: "Print the plan and change nothing.")
    var dryRun = false

    @Flag(help: "Rename unregistered tables that are in the way instead of refusing.")
    var setAside = false

    @Flag(help: "Exit 2 where rows could not be placed by any mapping.")
    var noExceptions = false

    @OptionGroup var locks: LockArguments

    func options() throws -> RunOptions {
        if mode == .online {
            throw MigratorError(
                "online-not-available", .usage, "mode online is not available yet",
                hint: "use --mode window, while the application does not write")
        }
        var options = try locks.options()
        options.mode = mode
        options.setsAside = setAside
        return options
    }
}

/// How long to wait for whom; for all commands that write.
struct LockArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How long a table's lock is tried for, such as 30s (default: 10m).", valueName: "duration"))
    var lockTimeout: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "Wait for another migrator; without a duration for as long as it takes.", valueName: "duration"))
    var wait: WaitArgument?

    func options() throws -> RunOptions {
        var options = RunOptions()
        if let lockTimeout { options.lockTimeout = lockTimeout.duration }
        options.wait = wait?.duration
        return options
    }
}

extension MigrationMode: ExpressibleByArgument {}
