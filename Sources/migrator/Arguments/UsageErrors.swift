import ArgumentParser
import MigratorEngine

/// The parser's errors in the tool's own form.
enum UsageErrors {
    /// - Parameter arguments: as they were typed; those that may hold a password are not repeated.
    static func error(from error: any Error, arguments: [String]) -> MigratorError {
        if let error = error as? MigratorError { return error }
        var message = MigratorCommand.message(for: error)
        for secret in arguments.flatMap(mayHoldPassword) {
            message = message.replacing(secret, with: "***")
        }
        if message.contains("Internal error") { message = "the arguments cannot be read" }
        var lines = message.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        var first = lines.isEmpty ? "the arguments cannot be read" : lines.removeFirst()
        var hint = "see `migrator --help`"
        if let question = first.range(of: ". Did you mean '") {
            let suggestion = first[question.upperBound...].prefix { $0 != "'" }
            hint = "did you mean \"\(suggestion)\"?"
            first = String(first[..<question.lowerBound])
        } else if let command = ArgumentPreparation.command(of: arguments), commandNames.contains(command) {
            hint = "see `migrator \(command) --help`"
        }
        if let advice = first.range(of: ". Please provide ") {
            hint = "write " + first[advice.upperBound...].replacing("'", with: "\"")
            first = String(first[..<advice.lowerBound])
        } else if first.contains("is invalid for"), first.contains("<duration>") {
            hint = "write a duration such as 500ms, 30s, 5m, 2h or 7d"
        }
        if first.hasSuffix(".") { first.removeLast() }
        first = first.prefix(1).lowercased() + first.dropFirst()
        return MigratorError("usage", .usage, first.replacing("'", with: "\""), hint: hint)
    }

    /// Refuses a word that is no command, or the absence of one, in plain words.
    static func checkCommand(of arguments: [String]) throws {
        guard let word = ArgumentPreparation.command(of: arguments) else {
            if arguments.contains(where: {
                $0.hasPrefix("-h") || $0.hasPrefix("--h") || $0.hasPrefix("--gen")
            }) {
                return
            }
            throw MigratorError("usage", .usage, "no command is given", hint: "see `migrator --help`")
        }
        if word == "help" || commandNames.contains(word) { return }
        let shown = mayHoldPassword(word).isEmpty ? word : "***"
        throw MigratorError(
            "usage", .usage, "unknown command \"\(shown)\"",
            hint: "choose one of: " + commandNames.sorted().joined(separator: ", "))
    }

    private static var commandNames: Set<String> {
        Set(MigratorCommand.configuration.subcommands.map { $0._commandName })
    }

    /// The argument and its value, where they look like a database's address.
    private static func mayHoldPassword(_ argument: String) -> [String] {
        let lower = argument.lowercased()
        let isAddress = lower.contains("://") || lower.contains("password") || lower.contains("@")
        guard isAddress else { return [] }
        let value = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).last
        return [argument, value.map(String.init) ?? ""].filter { !$0.isEmpty }
    }
}

extension String {
    /// The first occurrence of a text.
    func range(of text: String) -> Range<String.Index>? { firstRange(of: text) }
}
