import ArgumentParser
import MigratorEngine
import MigratorScript

struct AdoptCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Take over a database that another tool has migrated, by that tool's version table.",
        discussion: "What the table says must fit the scripts; it is stamped, and nothing of them is run.")

    @Option(
        help: ArgumentHelp(
            "The tool (default: found out by its table): " + AdoptOptions.tools.joined(separator: ", ") + ".",
            valueName: "tool"))
    var from: String?
    @Option(help: ArgumentHelp("The tool's table, where it has another name.", valueName: "[schema.]name"))
    var versionTable: String?
    @Flag(help: "Accept scripts that differ from those that the tool has run.")
    var acceptChanged = false
    @Flag(help: "Keep alembic_version in step from now on, for what still reads it.")
    var keepAlembicVersion = false
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        var options = AdoptOptions()
        options.tool = from
        options.acceptsChanged = acceptChanged
        options.keepsAlembicVersion = keepAlembicVersion
        if let versionTable {
            let parts = versionTable.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard parts.count < 3, parts.allSatisfy({ !$0.isEmpty }) else {
                throw MigratorError(
                    "usage", .usage, "\"\(versionTable)\" is no table's name", hint: "write NAME or SCHEMA.NAME")
            }
            options.table = TableName(schema: parts.count == 2 ? parts[0] : nil, parts[parts.count - 1])
        }
        let report = try invocation.migrator(.writing).adopt(options)
        invocation.finish(
            .object([
                "tool": .string(report.tool), "table": .string(report.table), "to": JSONValue(report.to),
                "stamped": JSONValue(report.revisions), "pending": JSONValue(report.pending),
                "keeps_alembic_version": .bool(report.keepsAlembicVersion),
            ])
        ) { show(report, invocation.console) }
        return .done
    }

    private func show(_ report: AdoptReport, _ console: Console) {
        guard !global.quiet else { return }
        let place = report.to.map { "\"\($0)\"" } ?? "base"
        console.print(
            report.revisions.isEmpty
                ? "\(report.table) of \(report.tool) says \(place); nothing to stamp"
                : "\(report.table) of \(report.tool) says \(place): \(report.revisions.count) stamped")
        if report.keepsAlembicVersion { console.print("\(report.table) is kept in step from now on") }
        if !report.pending.isEmpty { console.print("pending: " + report.pending.joined(separator: ", ")) }
    }
}
