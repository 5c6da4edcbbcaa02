import Glibc
import MigratorEngine
import MigratorScript

/// `.env`: lines `NAME=value`, as shells and their tools read them. What the environment has already wins.
enum EnvironmentFile {
    static let fileName = ".env"

    /// Loads the file named, or `.env` beside `migrator.toml` or in the working folder; in CI only the one named.
    /// - Throws: `MigratorError`, status configuration, with the line.
    static func load(named name: String?, folders: [String], workingFolder: String) throws {
        let path: String
        if let name {
            path = Files.absolute(name, relativeTo: workingFolder)
            guard Files.exists(path), !Files.isFolder(path) else {
                throw MigratorError(
                    "no-env-file", .configuration, "there is no file \"\(name)\"", hint: "correct --env-file")
            }
        } else {
            guard !Setup.isContinuousIntegration,
                let found = folders.map({ $0 + "/" + fileName }).first(where: {
                    Files.exists($0) && !Files.isFolder($0)
                })
            else { return }
            path = found
        }
        let shown = Files.shown(path, in: workingFolder)
        guard let bytes = Files.read(path) else {
            throw MigratorError(
                "unreadable-env-file", .configuration, "\"\(shown)\" cannot be read: \(Files.reason)")
        }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw MigratorError(
                "broken-env-file", .configuration, "\"\(shown)\" is not UTF-8 text",
                location: ScriptLocation(file: shown, line: 1))
        }
        for (name, value) in try variables(in: text, shown: shown) { setenv(name, value, 0) }
    }

    /// Comments and empty lines aside; `export` may stand in front; a value in single quotes is taken as it stands, in
    /// double quotes `\n`, `\"`, `\\` and `\$` are known.
    static func variables(in text: String, shown: String) throws -> [(name: String, value: String)] {
        var variables: [(String, String)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var rest = line.drop(while: \.isWhitespace)
            if rest.isEmpty || rest.hasPrefix("#") { continue }
            if rest.hasPrefix("export "), let end = rest.firstIndex(of: " ") {
                rest = rest[end...].drop(while: \.isWhitespace)
            }
            let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            rest = rest.dropFirst(name.count)
            // The line may hold a password: it is not quoted.
            func broken(_ message: String) -> MigratorError {
                MigratorError(
                    "broken-env-file", .configuration, message, hint: "write NAME=value",
                    location: ScriptLocation(file: shown, line: index + 1))
            }
            guard !name.isEmpty, name.first?.isNumber == false, rest.first == "=" else {
                throw broken("the line does not name a variable")
            }
            rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
            guard let quote = rest.first, quote == "\"" || quote == "'" else {
                // A comment begins behind white space.
                var value = Substring(rest)
                for place in rest.indices where rest[place] == "#" && place > rest.startIndex {
                    guard rest[rest.index(before: place)].isWhitespace else { continue }
                    value = rest[..<place]
                    break
                }
                while value.last?.isWhitespace == true { value.removeLast() }
                variables.append((String(name), String(value)))
                continue
            }
            guard let value = quoted(rest.dropFirst(), quote) else { throw broken("the quotes are not closed") }
            variables.append((String(name), value))
        }
        return variables
    }

    private static func quoted(_ text: Substring, _ quote: Character) -> String? {
        var value = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                switch character {
                case "n": value += "\n"
                case "\"", "\\", "$": value.append(character)
                default: value += "\\\(character)"
                }
                isEscaped = false
            } else if character == quote {
                return value
            } else if character == "\\", quote == "\"" {
                isEscaped = true
            } else {
                value.append(character)
            }
        }
        return nil
    }
}

extension Setup {
    /// `${NAME}` in a value of `migrator.toml` is the environment's variable; `$$` is a dollar sign.
    /// - Throws: `MigratorError`, status configuration.
    static func expanded(_ text: String, at location: @autoclosure () -> ScriptLocation) throws -> String {
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$$") {
                result += "$"
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("${"), let end = rest.firstIndex(of: "}") {
                let name = String(rest[..<end].dropFirst(2))
                guard let value = variable(name) else {
                    throw MigratorError(
                        "variable-missing", .configuration, "the environment has no variable \"\(name)\"",
                        hint: "set it, or write it into .env", location: location())
                }
                result += value
                rest = rest[end...].dropFirst()
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }
}
