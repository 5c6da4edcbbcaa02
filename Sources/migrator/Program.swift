import ArgumentParser
import Glibc
import MigratorDatabase
import MigratorEngine

/// One run of the program: arguments in, exit status out.
struct Program {
    var arguments: [String]

    func run() -> ExitStatus {
        let console = Console(mode: .init(isJSON: arguments.contains("--json")))
        let status: ExitStatus
        do {
            status = try perform(console)
        } catch {
            status = fail(error, console)
        }
        if FailPoint.isCounting { console.error(FailPoint.summary) }
        console.finish()
        return status
    }

    private static let describing = ["--generate-completion-script", "--experimental-dump-help"]

    private func perform(_ console: Console) throws -> ExitStatus {
        do throws(FailPoint.ValueError) {
            try FailPoint.check()
        } catch {
            throw MigratorError("bad-fail-point", .usage, error.message)
        }
        if arguments.isEmpty {
            console.error(MigratorCommand.helpMessage())
            return .usage
        }
        if isVersionAsked {
            console.print("migrator \(toolVersion)")
            return .done
        }
        if let first = arguments.first, Self.describing.contains(where: { first.hasPrefix($0) }) {
            // What the completions and the man pages are made from; it ends by an "error" that is the text.
            do {
                _ = try MigratorCommand.parseAsRoot(arguments)
            } catch {
                guard MigratorCommand.exitCode(for: error) == .success else {
                    throw UsageErrors.error(from: error, arguments: arguments)
                }
                console.print(MigratorCommand.fullMessage(for: error))
                return .done
            }
        }
        let command: any ParsableCommand
        do {
            command = try MigratorCommand.parseAsRoot(ArgumentPreparation.prepare(arguments))
        } catch {
            try UsageErrors.checkCommand(of: arguments)
            if MigratorCommand.exitCode(for: error) == .success {
                console.print(MigratorCommand.fullMessage(for: error))
                return .done
            }
            throw UsageErrors.error(from: error, arguments: arguments)
        }
        guard let command = command as? any ToolCommand else {
            try UsageErrors.checkCommand(of: arguments)
            return try showHelp(for: command, console)
        }
        console.mode = Console.Mode(command.global)
        return try command.perform(
            Invocation(options: command.global, arguments: arguments, console: console))
    }

    /// A command that only has subcommands, given without one: status 64; else the help that was asked for.
    private func showHelp(for command: any ParsableCommand, _ console: Console) throws -> ExitStatus {
        let isIncomplete = command is MigratorCommand || command is BackupsCommand
        var command = command
        do {
            try command.run()
        } catch {
            let text = MigratorCommand.fullMessage(for: error)
            if isIncomplete { console.error(text) } else { console.print(text) }
        }
        return isIncomplete ? .usage : .done
    }

    private var isVersionAsked: Bool {
        arguments.prefix { $0 != "--" }.contains("--version")
    }

    private func fail(_ error: any Error, _ console: Console) -> ExitStatus {
        var error = (error as? LocatorError).map(MigratorError.init) ?? MigratorError.from(error)
        if error.code == "cancelled" || error.status == .interrupted {
            error.status = Interruption.isRequested ? .interrupted : .failed
        }
        if error.code == "cancelled", Interruption.isRequested {
            // The same signal, whether it met a statement or not.
            error.code = MigratorError.interrupted.code
            error.message = MigratorError.interrupted.message
        }
        if Interruption.isRequested, error.status == .interrupted, let place = console.place {
            error.details.append("stopped in: \(place)")
        }
        console.show(error)
        return error.status
    }
}

extension MigratorError {
    fileprivate init(_ error: LocatorError) {
        self.init("bad-database-url", .usage, error.message, hint: error.hint)
    }
}
