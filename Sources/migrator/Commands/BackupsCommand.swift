import ArgumentParser
import Glibc
import MigratorEngine

struct BackupsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups", abstract: "List, verify, restore, prune or export the registered backups.",
        subcommands: [
            BackupsListCommand.self, BackupsVerifyCommand.self, BackupsRestoreCommand.self,
            BackupsPruneCommand.self, BackupsExportCommand.self,
        ])
}

struct BackupsListCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the registered backups, oldest first.")

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let backups = try invocation.migrator(.reading).backups()
        invocation.finish(.object(["backups": .array(backups.map(\.json))])) {
            for line in BackupsOutput.table(backups) { invocation.console.print(line) }
        }
        return .done
    }
}

struct BackupsVerifyCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare every backup with the hash that was recorded when it was made.")

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let results = try invocation.migrator(.reading).verifyBackups()
        let isDifferent = results.contains { $0.verdict == .differences }
        let status: ExitStatus = isDifferent ? .difference : .done
        invocation.finish(
            .object([
                "checks": .array(results.map(\.json)), "exit_status": .int(Int(status.rawValue)),
            ])
        ) {
            VerificationOutput.show(results, invocation.console)
        }
        return status
    }
}

struct BackupsRestoreCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring a backup back as a table.")

    @Argument(help: "The backup's name.")
    var name: String
    @Option(
        help: ArgumentHelp(
            "The new table, on PostgreSQL also SCHEMA.TABLE (default: the source's name).", valueName: "table"))
    var into: String?
    @OptionGroup var locks: LockArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let outcome = try invocation.migrator(.writing).restoreBackup(
            name, into: into, options: try locks.options())
        invocation.finish(
            .object([
                "name": .string(name), "into": JSONValue(into), "rows": JSONValue(outcome.rows),
                "details": JSONValue(outcome.details),
            ])
        ) {
            let rows = outcome.rows.map { ": \($0.counted("row"))" } ?? ""
            invocation.console.print("restored \(name.oneLine)\(rows)")
            for detail in outcome.details { invocation.console.print("  " + detail.oneLine) }
        }
        return .done
    }
}

struct BackupsPruneCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Drop backups: those named, or all of an age.")

    @Argument(help: "The backups' names.")
    var names: [String] = []
    @Option(help: ArgumentHelp("All that are at least so old, such as 7d.", valueName: "duration"))
    var olderThan: DurationArgument?
    @OptionGroup var locks: LockArguments
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        guard olderThan != nil || !names.isEmpty else {
            throw MigratorError(
                "usage", .usage, "which backups should go is not said",
                hint: "name them, or say how old: --older-than 7d")
        }
        let pruning = try invocation.migrator(.writing).pruneBackups(
            olderThan: olderThan?.duration, names: names, options: try locks.options())
        invocation.finish(
            .object([
                "pruned": .array(pruning.dropped.map(\.json)), "forgotten": .array(pruning.forgotten.map(\.json)),
                "kept": .array(pruning.kept.map(\.json)),
            ])
        ) {
            let console = invocation.console
            for backup in pruning.dropped {
                console.print("pruned \(backup.name.oneLine): \(backup.rows.counted("row"))")
            }
            for backup in pruning.forgotten {
                console.print("forgotten \(backup.name.oneLine): its table was not there any more")
            }
            for backup in pruning.kept {
                let revision = backup.revision.oneLine
                let reason =
                    backup.revision == pruning.unfinished
                    ? "revision \(revision), which is unfinished, rests on it"
                    : "the downgrade of \(revision) takes values from it; it goes when it is named"
                console.print("kept \(backup.name.oneLine): \(reason)")
            }
            if pruning.dropped.isEmpty, pruning.forgotten.isEmpty, pruning.kept.isEmpty {
                console.print("no backup is that old")
            }
        }
        return .done
    }
}

struct BackupsExportCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a file of SQL that restores the backups elsewhere.")

    @Argument(help: "The file, which must not be there yet.")
    var file: String
    @Argument(help: "The backups' names (default: all).")
    var names: [String] = []
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let migrator = try invocation.migrator(.reading)
        // Under another name until it is whole: what stands under the asked name is a whole export.
        let unfinished = "\(file).\(getpid()).unfinished"
        guard !Files.exists(file) else {
            throw MigratorError(
                "file-exists", .refused, "the file \"\(file)\" is there already",
                hint: "name another, or remove it")
        }
        // It holds what the tables hold: nobody else is to read it.
        guard let output = NewFile(unfinished, permissions: 0o600) else { throw failure(unfinished) }
        var exported: [BackupRecord] = []
        do {
            exported = try migrator.exportBackups(names: names) { piece in
                guard output.write(piece) else { throw failure(unfinished) }
            }
            guard output.close(), Files.rename(unfinished, to: file) else { throw failure(file) }
        } catch {
            Files.remove(unfinished)
            throw error
        }
        invocation.finish(
            .object(["file": .string(file), "backups": .array(exported.map(\.json))])
        ) {
            invocation.console.print(
                "\(file.oneLine): \(exported.count.counted("backup")), "
                    + exported.reduce(0) { $0 + $1.rows }.counted("row"))
        }
        return .done
    }

    private func failure(_ path: String) -> MigratorError {
        MigratorError("unwritable-file", .failed, "\"\(path)\" cannot be written: \(Files.reason)")
    }
}
