import ArgumentParser
import MigratorEngine
import MigratorPlan
import MigratorScript

struct RebaseCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebase",
        abstract: "Put one of two heads behind the other, by editing the header of its branch's first script.",
        discussion: """
            Where two files have the same id, name the one that is to move by its file's name: it gets the next id. \
            A database that has already run the moved revision refuses the edited file until it is downgraded.
            """)

    @Argument(help: "A revision of the branch that moves, or its file's name.")
    var revision: String
    @Option(help: "The head that it gets behind, where there are several others.")
    var onto: String?
    @OptionGroup var dialect: DialectOption
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let source = invocation.scriptSource(try Setup(global))
        let name = revision.hasSuffix(".sql") ? String(revision.dropLast(4)) : revision
        let folders = try source.scriptsByDialect(dialect.dialect)
        if let format = invocation.format, format != .migrator {
            throw MigratorError(
                "usage", .usage,
                "\"\(source.folder)\" holds scripts of \(format.rawValue), whose order is their names'",
                hint: "give the script a number behind the others")
        }
        let next = NewScript.nextNumber(after: folders.flatMap { $0.scripts.map(\.revision) })
        var rebases: [Rebase] = []
        var refusal: MigratorError?
        for folder in folders {
            do {
                rebases.append(
                    try worded { () throws(PlanError) in
                        try Rebase(name, onto: onto, in: folder.scripts, nextID: next)
                    })
            } catch let error as MigratorError {
                // The other dialect may be in order, or not have it.
                guard ["one-head", "unknown-revision"].contains(error.code) else { throw error }
                refusal = refusal.flatMap { $0.code == "one-head" ? $0 : nil } ?? error
            }
        }
        if rebases.isEmpty, let refusal { throw refusal }
        for rebase in rebases { try write(rebase) }
        invocation.finish(.object(["rebased": .array(rebases.map(json))])) {
            for rebase in rebases {
                invocation.console.print(
                    "\(path(rebase)): \(rebase.revision ?? rebase.script.revision) revises \(rebase.parent)"
                        + (rebase.revision.map { _ in ", was \(rebase.script.location.file)" } ?? ""))
            }
        }
        return .done
    }

    private func path(_ rebase: Rebase) -> String {
        Files.folder(of: rebase.script.location.file) + "/" + rebase.fileName
    }

    private func write(_ rebase: Rebase) throws {
        let old = rebase.script.location.file
        guard let bytes = Files.read(old) else {
            throw MigratorError("unreadable-file", .failed, "\"\(old)\" cannot be read: \(Files.reason)")
        }
        // A new file first, then the name: a crash in between leaves a whole script.
        let new = old + ".rebased"
        guard Files.create(new, rebase.applied(to: bytes)) else {
            throw MigratorError("unwritable-file", .failed, "\"\(new)\" cannot be written: \(Files.reason)")
        }
        guard path(rebase) == old || !Files.exists(path(rebase)), Files.rename(new, to: path(rebase)) else {
            Files.remove(new)
            throw MigratorError("unwritable-file", .failed, "\"\(path(rebase))\" cannot be written: \(Files.reason)")
        }
        if path(rebase) != old { Files.remove(old) }
    }

    private func json(_ rebase: Rebase) -> JSONValue {
        .object([
            "path": .string(path(rebase)), "revision": .string(rebase.revision ?? rebase.script.revision),
            "revises": .string(rebase.parent),
        ])
    }
}
