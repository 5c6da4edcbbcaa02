import ArgumentParser
import MigratorEngine
import MigratorPlan
import MigratorScript

struct ImportCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Write another tool's scripts as this tool's own, ids kept.",
        discussion: "A database that has run them goes on with the new folder as it is.")

    @Argument(help: "The folder of the other tool's scripts.")
    var folder: String
    @Option(help: ArgumentHelp("Where the new scripts go.", valueName: "folder"))
    var to: String
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let setup = try Setup(global)
        let source = ScriptSource(folder: folder, format: setup.format, onRecognition: invocation.announce(folder))
        let lineages = try source.lineages(of: dialect.dialect)
        guard let format = invocation.format, format != .migrator else {
            throw MigratorError(
                "own-scripts", .usage, "\"\(folder)\" holds no scripts of another tool that is known",
                hint: "name the tool with --format: "
                    + ScriptFormat.allCases.filter { $0 != .migrator }.map(\.rawValue).joined(separator: ", "))
        }
        var files: [(path: String, text: String)] = []
        for lineage in lineages {
            let folder = lineages.count > 1 ? "\(to)/\(lineage.dialect.rawValue)" : to
            for script in lineage.listed.map(\.script) {
                let imported = ImportedScript(script)
                try imported.check()
                files.append((folder + "/" + imported.fileName, imported.text))
                if script.origin?.role == .repeatable {
                    invocation.reporter.report(
                        .note("\(script.location.file) runs once now: a script of this tool's own is no repeatable one")
                    )
                }
            }
        }
        if let taken = files.first(where: { Files.exists($0.path) }) {
            throw MigratorError(
                "file-exists", .refused, "\"\(taken.path)\" is there already", hint: "name an empty folder with --to")
        }
        for (path, text) in files {
            guard Files.makeFolder(Files.folder(of: path)), Files.create(path, text) else {
                throw MigratorError("unwritable-file", .failed, "\"\(path)\" cannot be written: \(Files.reason)")
            }
        }
        invocation.finish(
            .object(["format": .string(format.rawValue), "paths": JSONValue(files.map(\.path))])
        ) {
            for file in files { invocation.console.print(file.path) }
        }
        return .done
    }
}

/// A script of another tool as a file of this one.
private struct ImportedScript {
    let script: Script
    let text: String

    init(_ script: Script) {
        self.script = script
        // What has no fixed place there has one here: it is a revision like any other.
        let isVersion = (script.origin?.role ?? .versioned) == .versioned
        text =
            isVersion
            ? script.text
            : script.text.split(separator: "\n", omittingEmptySubsequences: false)
                .filter { !$0.hasPrefix("-- migrator:origin ") }.joined(separator: "\n")
    }

    /// `000001_create_users.sql`
    var fileName: String {
        let name = script.message.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
            .joined(separator: "_")
        let short = name.prefix(60)
        return script.revision + (short.isEmpty || name == script.revision ? "" : "_" + short) + ".sql"
    }

    /// Read again it must be what it was made of.
    func check() throws {
        let again: Script
        do {
            again = try Script.parse(bytes: Array(text.utf8), file: fileName, dialect: script.dialect)
        } catch {
            throw unfaithful("\(error.message) (\(error.location))")
        }
        let (read, made) = (try again.sections(), try script.sections())
        guard read.upgrade.sameWords(as: made.upgrade), again.isTransactional == script.isTransactional else {
            throw unfaithful("its statements would not be the same")
        }
        if case .section(let one) = read.downgrade, case .section(let other) = made.downgrade {
            guard one.sameWords(as: other) else { throw unfaithful("its way back would not be the same") }
        } else if read.downgrade.isReversible != made.downgrade.isReversible {
            throw unfaithful("its way back would not be the same")
        }
    }

    private func unfaithful(_ why: String) -> MigratorError {
        MigratorError(
            "import-differs", .failed, "the script cannot be written as one of this tool's: \(why)",
            hint: "convert it by hand, or report it", location: script.location)
    }
}
