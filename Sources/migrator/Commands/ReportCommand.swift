import ArgumentParser
import MigratorEngine

struct ReportCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Tell what a run did, how long it took and what was proved.",
        discussion: "Reads the ledger and writes nothing to the database. A FILE of - is standard output.")

    @Argument(help: "The number of a run (default: the newest).")
    var run: Int?
    @Flag(help: "List the runs instead.")
    var list = false
    @Option(help: ArgumentHelp("Write a page that needs nothing else.", valueName: "file"))
    var html: String?
    @Option(help: ArgumentHelp("Write a JUnit file for CI.", valueName: "file"))
    var junit: String?
    @Option(help: ArgumentHelp("Write a summary in Markdown.", valueName: "file"))
    var markdown: String?
    @Option(help: ArgumentHelp("Write figures in Prometheus' text format.", valueName: "file"))
    var metrics: String?
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let files = [html, junit, markdown, metrics].compactMap(\.self)
        if list {
            guard run == nil, files.isEmpty else {
                throw MigratorError(
                    "usage", .usage, "--list goes with neither a run nor a file",
                    hint: "leave --list away, or the rest of it")
            }
            return try showList(invocation)
        }
        guard files.filter({ $0 == "-" }).count <= 1, !(files.contains("-") && global.json) else {
            throw MigratorError(
                "usage", .usage, "standard output can take one report only", hint: "name a file for the others")
        }
        let details = try invocation.migrator(.reading, withScripts: false).details(ofRun: run)
        let view = RunView(details, database: invocation.locator?.shown ?? "")
        let texts: [(String?, () -> String)] = [
            (html, { HTMLReport(view: view).text }), (junit, { JUnitReport(view: view).text }),
            (markdown, { MarkdownReport(view: view).text }), (metrics, { MetricsReport(view: view).text }),
        ]
        for (file, text) in texts {
            guard let file else { continue }
            if file == "-" {
                invocation.console.printExactly(text())
            } else {
                try Self.write(text(), to: file)
            }
        }
        if !files.contains("-") {
            invocation.finish(view.json) {
                for line in ReportOutput.lines(view) { invocation.console.print(line) }
            }
        }
        return .done
    }

    private func showList(_ invocation: Invocation) throws -> ExitStatus {
        let runs = try invocation.migrator(.reading, withScripts: false).runs()
        invocation.finish(.object(["runs": .array(runs.map(\.json))])) {
            for line in ReportOutput.table(runs) { invocation.console.print(line) }
        }
        return .done
    }

    private static func write(_ text: String, to path: String) throws {
        guard Files.replace(path, text) else {
            throw MigratorError(
                "not-writable", .failed, "\"\(path)\" cannot be written: \(Files.reason)",
                hint: "name a file in a folder that is there and that you may write")
        }
    }
}
