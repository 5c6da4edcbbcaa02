import MigratorEngine

/// Turns what happens into lines on standard error.
final class ConsoleReporter: Reporter {
    private let console: Console
    private var lastLive = ContinuousClock.now - .seconds(1)
    private var lastPlain = ContinuousClock.now
    /// Between two lines of progress where no terminal replaces the line before.
    static let plainInterval: Duration = .seconds(5)
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
            lastPlain = .now
        case .stepProgress(let progress):
            show("  " + progress.line)
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

    /// On a terminal a line that the next one replaces, else a line now and then.
    private func show(_ progress: String) {
        if console.isLive { return live(progress) }
        guard ContinuousClock.now - lastPlain >= Self.plainInterval else { return }
        lastPlain = .now
        line(progress)
    }

    /// At most ten times a second.
    private func live(_ text: String, isNew: Bool = false) {
        let now = ContinuousClock.now
        guard isNew || now - lastLive > .milliseconds(100) else { return }
        lastLive = now
        console.live(text)
    }
}

extension StepProgress {
    /// `copy a to b, backfill: 2,000,000 of about 5,000,000 rows (40 %), 90,000 rows/s, 33.3 s left, batches of 5,000`
    var line: String {
        var parts: [String] = []
        if let total, total > 0 {
            parts.append("\(rows.grouped) of \(total.counted("row")) (\(min(rows * 100 / total, 100)) %)")
        } else {
            parts.append(rows.counted("row"))
        }
        if let rowsPerSecond { parts.append("\(Int(rowsPerSecond).grouped) rows/s") }
        if let remaining, rows < total ?? 0 { parts.append("about \(remaining.short) left") }
        if let batchRows { parts.append("batches of \(batchRows.grouped)") }
        if let replayLag { parts.append("replicas \(replayLag.short) behind") }
        if paused > .zero { parts.append("paused for \(paused.short)") }
        return title.oneLine + (phase.map { ", \($0)" } ?? "") + ": " + parts.joined(separator: ", ")
    }
}

extension String {
    /// Every further line behind a margin.
    func indented(_ margin: String) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n" + margin)
    }
}
