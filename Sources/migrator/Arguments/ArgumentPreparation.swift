/// Rewrites what people type into what the parser reads: global options before the command, negative
/// targets, `-r-3:current`, `--wait` and `--wait-for-database` with and without a duration.
enum ArgumentPreparation {
    // Lists, which cost nothing at the start of the program.
    private static let globalValueOptions = [
        "--database", "--migrations", "--schema", "--config", "--env", "--env-file", "--color", "--dialect", "-x",
    ]
    private static let globalFlags = ["--json", "--quiet", "--verbose"]
    private static let ownValueOptions = [
        "--mode", "--lock-timeout", "--accept-loss", "--into", "--older-than", "--message", "-m", "--range", "--tag",
        "--onto", "--revision",
    ]
    private static let backupsSubcommands = ["list", "verify", "restore", "prune", "export"]

    /// The word that stands where a command is expected.
    static func command(of arguments: [String]) -> String? {
        splitGlobals(arguments).rest.first { !$0.hasPrefix("-") }
    }

    static func prepare(_ arguments: [String]) -> [String] {
        var (globals, rest) = splitGlobals(arguments)
        guard let command = rest.first, !command.hasPrefix("-") else { return rest + globals }
        var path = [rest.removeFirst()]
        if command == "backups" {
            let (more, remaining) = splitGlobals(rest)
            globals += more
            rest = remaining
            if let next = rest.first, backupsSubcommands.contains(next) { path.append(rest.removeFirst()) }
        }
        return path + globals + body(rest, command: command)
    }

    /// Global options at the beginning, and what follows them.
    private static func splitGlobals(_ arguments: [String]) -> (globals: [String], rest: [String]) {
        var globals: [String] = []
        var rest = arguments[...]
        while let first = rest.first {
            let name = first.split(separator: "=", maxSplits: 1).first.map(String.init) ?? first
            if globalFlags.contains(first) || (globalValueOptions.contains(name) && name != first) {
                globals.append(rest.removeFirst())
            } else if first == waitForDatabase || first.hasPrefix(waitForDatabase + "=") {
                globals.append(withDuration(rest.removeFirst(), &rest))
            } else if globalValueOptions.contains(first) {
                globals.append(rest.removeFirst())
                // The value is glued on, so that it may begin with a dash.
                if let value = rest.popFirst() { globals[globals.count - 1] += "=" + value }
            } else {
                break
            }
        }
        return (globals, Array(rest))
    }

    private static let waitForDatabase = "--wait-for-database"

    /// The option with the duration that follows it, else with the usual one.
    private static func withDuration(_ option: String, _ rest: inout ArraySlice<String>) -> String {
        guard option == waitForDatabase else { return option }
        guard let next = rest.first, DurationArgument(argument: next) != nil else { return option + "=60s" }
        return option + "=" + rest.removeFirst()
    }

    private static func body(_ arguments: [String], command: String) -> [String] {
        var result: [String] = []
        var negatives: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                return result + ["--"] + negatives + rest
            } else if command == "history", argument == "-r" || argument == "--rev-range" {
                result.append("--range=" + (rest.popFirst() ?? ""))
            } else if command == "history", argument.hasPrefix("--rev-range=") {
                result.append("--range=" + argument.dropFirst("--rev-range=".count))
            } else if command == "history", argument.hasPrefix("-r") {
                result.append("--range=" + argument.dropFirst(argument.hasPrefix("-r=") ? 3 : 2))
            } else if argument == "--wait" {
                if let next = rest.first, DurationArgument(argument: next) != nil {
                    result.append("--wait=" + rest.removeFirst())
                } else {
                    result.append("--wait=" + WaitArgument.unlimitedText)
                }
            } else if argument == waitForDatabase {
                result.append(withDuration(argument, &rest))
            } else if takesValue(argument), let value = rest.first, isNegativeNumber(value) {
                result += [argument + "=" + rest.removeFirst()]
            } else if takesValue(argument), let value = rest.popFirst() {
                result += [argument, value]
            } else if isNegativeNumber(argument) {
                negatives.append(argument)
            } else {
                result.append(argument)
            }
        }
        return negatives.isEmpty ? result : result + ["--"] + negatives
    }

    private static func takesValue(_ option: String) -> Bool {
        globalValueOptions.contains(option) || ownValueOptions.contains(option)
    }

    /// `-1`, `-12`: a target, not an option.
    private static func isNegativeNumber(_ text: String) -> Bool {
        text.utf8.count > 1 && text.hasPrefix("-")
            && text.utf8.dropFirst().allSatisfy { (48...57).contains($0) }
    }
}
