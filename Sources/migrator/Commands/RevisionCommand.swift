import ArgumentParser
import MigratorEngine
import MigratorScript

struct RevisionCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "revision", abstract: "Write the next script, with a header and two empty sections.")

    @Option(name: .shortAndLong, help: "What the revision does.")
    var message: String
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let setup = try Setup(global)
        let source = invocation.scriptSource(setup)
        let folders = try source.foldersForNewScripts(of: dialect.dialect)
        // The number is the next one over all dialects, so that the chains keep the same names.
        let lineages = try source.existingLineages()
        if let format = invocation.format, format != .migrator {
            throw MigratorError(
                "usage", .usage, "\"\(setup.migrations)\" holds scripts of \(format.rawValue)",
                hint: "write the next one as \(format.rawValue) has it, or convert the folder with `migrator import`")
        }
        let number = NewScript.nextNumber(after: lineages.flatMap { $0.listed.map(\.script.revision) })
        var written: [String] = []
        for (dialect, folder) in folders {
            let lineage =
                lineages.first { $0.dialect == dialect } ?? (folders.count == 1 ? lineages.first : nil)
            let heads = lineage?.heads ?? []
            guard heads.count < 2 else {
                throw MigratorError(
                    "two-heads", .malformedScripts,
                    "the scripts have several heads: "
                        + heads.map { "\"\($0.revision)\"" }.joined(separator: ", "),
                    hint: "run `migrator rebase \(heads[1].revision)`", location: heads.last?.location)
            }
            let script = NewScript(number: number, message: message.oneLine, revises: heads.first?.revision)
            written.append(folder + "/" + script.fileName)
            try write(script, to: folder)
        }
        invocation.finish(
            .object(["revision": .string(number), "paths": JSONValue(written)])
        ) {
            for path in written { invocation.console.print(path) }
        }
        return .done
    }

    private func write(_ script: NewScript, to folder: String) throws {
        let path = folder + "/" + script.fileName
        guard Files.makeFolder(folder), Files.create(path, script.text) else {
            throw MigratorError("unwritable-file", .failed, "\"\(path)\" cannot be written: \(Files.reason)")
        }
    }
}

/// The text of a script that is about to be written.
struct NewScript {
    var number: String
    var message: String
    var revises: String?

    /// One more than the highest, as wide as the others, at least four digits.
    static func nextNumber(after revisions: [String]) -> String {
        let digits = revisions.map { $0.prefix { $0.isASCII && $0.isNumber } }
        let highest = digits.compactMap { Int($0) }.max() ?? 0
        let width = max(digits.filter { Int($0) != nil }.map(\.count).max() ?? 4, 1)
        let text = String(highest + 1)
        return String(repeating: "0", count: max(width - text.count, 0)) + text
    }

    var fileName: String { "\(number)_\(slug).sql" }

    /// Letters, digits and underscores of the message, at most 40 of them.
    var slug: String {
        var slug = ""
        for byte in message.lowercased().utf8 {
            let isWord = (48...57).contains(byte) || (97...122).contains(byte)
            if isWord {
                slug.unicodeScalars.append(Unicode.Scalar(byte))
            } else if !slug.isEmpty, !slug.hasSuffix("_") {
                slug += "_"
            }
        }
        slug = String(slug.prefix(40))
        while slug.hasSuffix("_") { slug.removeLast() }
        return slug.isEmpty ? "revision" : slug
    }

    var text: String {
        """
        -- migrator:revision \(number)
        -- migrator:revises \(revises ?? "base")
        -- migrator:message \(message)

        -- migrator:upgrade

        -- migrator:downgrade

        """
    }
}
