import Glibc
import MigratorEngine

/// The only place that writes: results to standard output, progress and errors to standard error.
final class Console {
    struct Mode {
        var isJSON = false
        var isQuiet = false
        var isVerbose = false
        var color = ColorMode.auto

        init(isJSON: Bool) { self.isJSON = isJSON }

        init(_ options: GlobalOptions) {
            isJSON = options.json
            isQuiet = options.quiet
            isVerbose = options.verbose
            color = options.color
        }
    }

    var mode: Mode
    /// The revision and step that run now, for the message of an interruption.
    var place: String?
    private var output: [UInt8] = []
    private var liveWidth = 0
    private let errorIsTerminal = isatty(2) == 1

    init(mode: Mode) { self.mode = mode }

    // MARK: Standard output

    /// One line, or several, of the result. What it holds of scripts and databases is made harmless.
    func print(_ text: String) {
        output += Array(text.printable.utf8)
        output.append(10)
        if output.count > 65_536 { flush() }
    }

    /// A whole file, as it is: whoever made it has made it harmless.
    func printExactly(_ text: String) {
        output += Array(text.utf8)
        if output.count > 65_536 { flush() }
    }

    /// The one object of `--json`.
    func print(_ json: JSONValue) {
        var json = json
        json["schema_version"] = .int(1)
        output += Array(json.text.utf8)
        output.append(10)
    }

    func finish() {
        clearLiveLine()
        flush()
    }

    private func flush() {
        Self.write(output, to: 1)
        output = []
    }

    // MARK: Standard error

    /// One line, or several, on standard error.
    func error(_ text: String) {
        clearLiveLine()
        Self.write(Array((text.printable + "\n").utf8), to: 2)
    }

    /// Whether lines of standard error can be replaced by the next one.
    var isLive: Bool { errorIsTerminal && !mode.isJSON }

    /// A line that the next one replaces; on a terminal only.
    func live(_ text: String) {
        guard isLive, !mode.isQuiet else { return }
        let shown = String(text.printable.prefix(max(columns - 1, 20)))
        clearLiveLine()
        liveWidth = shown.count
        Self.write(Array(shown.utf8), to: 2)
    }

    private func clearLiveLine() {
        guard liveWidth > 0 else { return }
        Self.write(Array(("\r" + String(repeating: " ", count: liveWidth) + "\r").utf8), to: 2)
        liveWidth = 0
    }

    /// The width of the terminal: `COLUMNS`, then what the terminal says.
    private var columns: Int {
        if let named = Setup.variable("COLUMNS").flatMap({ Int($0) }), named > 0 { return named }
        var size = winsize()
        guard ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    // MARK: Colours

    enum Style: String {
        case bad = "31"
        case careful = "33"
        case good = "32"
        case faint = "2"
    }

    /// The text in a colour, for the stream that it goes to; the escape sequences are put in by `printable`'s
    /// marks, so that nothing else can bring any.
    func styled(_ text: String, _ style: Style, descriptor: Int32) -> String {
        guard isColored(descriptor) else { return text }
        return "\(String.styleStart)\(style.rawValue)m\(text)\(String.styleEnd)"
    }

    private func isColored(_ descriptor: Int32) -> Bool {
        switch mode.color {
        case .always: true
        case .never: false
        case .auto:
            isatty(descriptor) == 1 && Setup.variable("NO_COLOR") == nil && Setup.variable("TERM") != "dumb"
        }
    }

    /// A stream that nobody reads any more is no error of the migration.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        bytes.withUnsafeBytes { buffer in
            while done < buffer.count {
                let count = Glibc.write(
                    descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                done += count
            }
        }
    }
}
