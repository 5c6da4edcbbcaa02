import MigratorEngine

/// Turns what happens into lines on standard error.
final class ConsoleReporter: Reporter {
    private let console: Console
    private var lastLive = ContinuousClock.now - .seconds(1)
    private var revision: String?
    /// For `--json`: they are part of the object, too.
    private(set) var warnings: [String] = []
    private(set) var notes: [String] = []

    init(_ console: Console) { self.console = console }

    func report(_ event: Event) {
        switch event {
        case .running(let direction, let from, let to, let message):
            revision = "\(direction.rawValue) \(from) -> \(to)"
            console.place = revision
            line("Running \(direction.rawValue) \(from) -> \(to), \(message.oneLine)")
        case .stepStarted(let title):
            console.place = [revision, title].compactMap { $0 }.joined(separator: ", ")
            live("  \(title.oneLine) …", isNew: true)
        case .stepProgress(let title, let rows, let total):
            var text = "  \(title.oneLine): \(rows.grouped)"
            if let total {
                text += " of \(total.counted("row"))"
                if total > 0 { text += " (\(min(rows * 100 / total, 100)) %)" }
            } else {
                text += rows == 1 ? " row" : " rows"
            }
            live(text)
        case .stepFinished(let title, let rows, let duration, let details):
            console.place = revision
            let figure = rows.map { ": \($0.counted("row"))" } ?? ":"
            line("  \(title.oneLine)\(figure) in \(duration.short)")
            for detail in details { line("    " + detail.oneLine) }
        case .note(let text):
            notes.append(text)
            console.note(text)
        case .warning(let text):
            warnings.append(text)
            console.warning(text)
        case .waiting(let text):
            line("waiting: " + text.oneLine)
        case .statement(let text):
            if console.mode.isVerbose, !console.mode.isQuiet {
                console.error("    | " + text.indented("    | "))
            }
        }
    }

    private func line(_ text: String) {
        if !console.mode.isQuiet { console.error(text) }
    }

    /// At most ten times a second.
    private func live(_ text: String, isNew: Bool = false) {
        let now = ContinuousClock.now
        guard isNew || now - lastLive > .milliseconds(100) else { return }
        lastLive = now
        console.live(text)
    }
}

extension String {
    /// Every further line behind a margin.
    func indented(_ margin: String) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n" + margin)
    }
}
