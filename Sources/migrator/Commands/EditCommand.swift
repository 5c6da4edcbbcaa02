import ArgumentParser
import Glibc
import MigratorEngine
import MigratorScript

struct EditCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit", abstract: "Open a revision's script in $VISUAL or $EDITOR.")

    @Argument(help: "A revision, head, or the beginning of a revision's name.")
    var revision: String
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let lineages = try invocation.scriptSource(try Setup(global)).lineages(of: dialect.dialect)
        let paths = try lineages.map { lineage in
            let index = try lineage.index(of: revision)
            guard index >= 0 else {
                throw MigratorError("usage", .usage, "base has no script", hint: "name a revision")
            }
            return lineage.listed[index].script.location.file
        }
        guard let editor = Setup.variable("VISUAL") ?? Setup.variable("EDITOR") else {
            throw MigratorError(
                "no-editor", .configuration, "neither VISUAL nor EDITOR names an editor",
                hint: "set EDITOR, or open \(paths.joined(separator: " ")) yourself")
        }
        let status = try Self.run(editor, paths)
        guard status == 0 else {
            throw MigratorError("editor-failed", .failed, "\"\(editor)\" ended with status \(status)")
        }
        invocation.finish(.object(["paths": JSONValue(paths)])) {
            for path in paths { invocation.console.print(path) }
        }
        return .done
    }

    /// The shell knows the words of `code --wait`; the paths are no part of its program.
    private static func run(_ editor: String, _ paths: [String]) throws -> Int32 {
        let words = ["sh", "-c", "\(editor) \"$@\"", "sh"] + paths
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var process = pid_t()
        let failure = posix_spawn(&process, "/bin/sh", nil, nil, arguments, environ)
        guard failure == 0 else {
            throw MigratorError(
                "editor-failed", .failed, "/bin/sh cannot be run: \(String(cString: strerror(failure)))")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }
}
