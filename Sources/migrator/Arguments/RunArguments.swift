import ArgumentParser
import MigratorEngine
import MigratorScript

/// Options of `upgrade` and `downgrade`.
struct RunArguments: ParsableArguments {
    @Option(help: "window: under a lock, all or nothing; online: while the application writes.")
    var mode: MigrationMode?

    @Flag(help: "Print the plan and change nothing.")
    var dryRun = false

    @Flag(help: "Rename unregistered tables that are in the way instead of refusing.")
    var setAside = false

    @Flag(help: "Exit 2 where rows could not be placed by any mapping.")
    var noExceptions = false

    @Option(help: "A word that the ledger keeps with the command, such as a build's number.")
    var tag: String?

    @OptionGroup var locks: LockArguments

    @OptionGroup var pace: PaceArguments

    func options() throws -> RunOptions {
        var options = try locks.options()
        options.mode = mode
        options.setsAside = setAside
        pace.apply(to: &options)
        return options
    }
}

/// How an online migration shares the database with the application.
struct PaceArguments: ParsableArguments {
    @Option(help: ArgumentHelp("While this file is there, batches wait.", valueName: "file"))
    var pauseFile: String?

    @Option(help: ArgumentHelp("While this file is there, a switch waits before its cut-over.", valueName: "file"))
    var postponeCutOver: String?

    @Option(help: ArgumentHelp("The time that a batch is to take (default: 250ms).", valueName: "duration"))
    var batchTarget: DurationArgument?

    @Option(
        help: ArgumentHelp("Rest after each batch, as a multiple of its time (default: 0).", valueName: "factor"))
    var nice: Double?

    @Option(
        help: ArgumentHelp("Replicas further behind make batches wait (default: 1500ms).", valueName: "duration"))
    var maxLag: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "A query of one boolean column; while a row of it is true, batches wait.", valueName: "sql"))
    var throttleQuery: String?

    @Option(
        help: ArgumentHelp(
            "Do not wait because of this signal; may be given several times.", valueName: "signal"))
    var ignoreSignal: [LoadSignal] = []

    func validate() throws {
        if let nice, !(0...1000).contains(nice) {
            throw ValidationError("--nice takes a number from 0 to 1000")
        }
    }

    func apply(to options: inout RunOptions) {
        options.pauseFile = pauseFile
        options.postponeFile = postponeCutOver
        if let batchTarget { options.batchTarget = batchTarget.duration }
        if let nice { options.niceness = nice }
        if let maxLag { options.maximalLag = maxLag.duration }
        options.throttleQuery = throttleQuery
        options.ignoredSignals = Set(ignoreSignal)
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

extension LoadSignal: ExpressibleByArgument {}
