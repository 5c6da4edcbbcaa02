import ArgumentParser
import MigratorEngine
import MigratorScript

struct ReferencesCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "references",
        abstract: "Find where a source tree still uses names that a revision takes away.",
        discussion: """
            Tables and columns that an upgrade drops, renames or switches, and what its `renames` declares, in texts and \
            in file names. What .gitignore leaves out is left out, and lines that say migrator:ignore. Exit 2 while any \
            is left: `migrator references src && migrator contract 0002`.
            """)

    @Argument(help: "The application's source: a folder or a file.")
    var path: String
    @Option(help: "Only names that this revision takes away (default: all revisions).")
    var revision: String?
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let setup = try Setup(global)
        let search = try search(invocation.scriptSource(setup))
        var tree = SourceTree(root: path)
        tree.leftOut = [Files.absolute(setup.migrations, relativeTo: setup.workingFolder)]
        var findings: [ReferenceSearch.Finding] = []
        var files = 0
        try tree.forEachFile { file in
            files += 1
            findings += search.findings(in: file)
        }
        let status: ExitStatus = findings.isEmpty ? .done : .difference
        invocation.finish(
            .object([
                "files": .int(files), "findings": .array(findings.map(\.json)),
                "exit_status": .int(Int(status.rawValue)),
            ])
        ) {
            for finding in findings { invocation.console.print(finding.line(invocation.console)) }
            let held = Set(findings.map(\.file)).count
            invocation.console.print(
                findings.isEmpty
                    ? "no references in \(files.counted("file"))"
                    : "\(findings.count.counted("reference")) in \(held) of \(files.counted("file"))")
        }
        return status
    }

    private func search(_ source: ScriptSource) throws -> ReferenceSearch {
        let lineages = try source.lineages(of: dialect.dialect)
        var names: [ReferenceSearch.Name] = []
        for lineage in lineages {
            var found = try ReferenceSearch(scripts: lineage.listed.map(\.script)).names
            if let revision {
                let index = try lineage.index(of: revision)
                let wanted = index < 0 ? nil : lineage.listed[index].script.revision
                found.removeAll { $0.revision != wanted }
            }
            // The same name in both dialects' scripts is one name.
            names += found.filter { new in !names.contains { $0.shown == new.shown && $0.revision == new.revision } }
        }
        return ReferenceSearch(names: names)
    }
}

extension ReferenceSearch.Finding {
    fileprivate func line(_ console: Console) -> String {
        let place = [file, line.map(String.init), column.map(String.init)].compactMap(\.self).joined(separator: ":")
        let advice = successor.map { ", now \($0)" } ?? ", gone"
        let what = line == nil ? "the file's name holds \(name)" : name
        let head = "\(place): \(what) (revision \(revision)\(advice))".oneLine
        return excerpt.map { "\(head)\n    \($0.oneLine)" } ?? head
    }

    fileprivate var json: JSONValue {
        .object([
            "file": .string(file), "line": JSONValue(line), "column": JSONValue(column), "name": .string(name),
            "revision": .string(revision), "successor": JSONValue(successor), "excerpt": JSONValue(excerpt),
        ])
    }
}
