import ArgumentParser
import MigratorEngine
import MigratorScript

struct ShowCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a revision and what its two sections do.")

    @Argument(help: "A revision, the beginning of one, head, or current.")
    var revision: String
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        var lineages: [Lineage]
        var name = revision
        if name == "current" {
            let migrator = try invocation.migrator(.reading)
            guard let current = try migrator.current().revision else {
                throw MigratorError(
                    "nothing-applied", .usage, "the database has no current revision",
                    hint: "run `migrator upgrade head`")
            }
            name = current
            lineages = [
                try Lineage(dialect: migrator.backend.session.dialect, scripts: migrator.arrangedScripts())
            ]
        } else {
            let setup = try Setup(global)
            lineages = try invocation.scriptSource(setup).lineages(of: dialect.dialect)
        }
        // With several dialects a revision may be missing in some, not in all.
        var found: [(Dialect, ListedRevision)] = []
        var failure: (any Error)?
        for lineage in lineages {
            do {
                let index = try lineage.index(of: name)
                if index >= 0 { found.append((lineage.dialect, lineage.listed[index])) }
            } catch {
                failure = error
            }
        }
        if found.isEmpty, let failure { throw failure }
        invocation.finish(json(found)) {
            for (dialect, revision) in found {
                if found.count > 1 { invocation.console.print("\(dialect.title):") }
                invocation.console.print(revision.block + outline(revision.sections))
            }
        }
        return .done
    }

    private func outline(_ sections: Script.Sections) -> String {
        var lines = ["    Upgrade:"] + SectionOutline.lines(sections.upgrade).map { "      " + $0.oneLine }
        switch sections.downgrade {
        case .section(let section):
            lines += ["    Downgrade:"] + SectionOutline.lines(section).map { "      " + $0.oneLine }
        case .irreversible(let reason, _):
            lines.append("    Irreversible: \(reason.oneLine)")
        }
        return "\n" + lines.joined(separator: "\n") + "\n"
    }

    private func json(_ found: [(Dialect, ListedRevision)]) -> JSONValue {
        .object([
            "dialects": .object(
                Dictionary(
                    found.map { dialect, revision in
                        var object = revision.json
                        object["upgrade"] = JSONValue(SectionOutline.lines(revision.sections.upgrade))
                        switch revision.sections.downgrade {
                        case .section(let section):
                            object["downgrade"] = JSONValue(SectionOutline.lines(section))
                        case .irreversible(let reason, _): object["irreversible"] = .string(reason)
                        }
                        return (dialect.rawValue, object)
                    }, uniquingKeysWith: { first, _ in first }))
        ])
    }
}
