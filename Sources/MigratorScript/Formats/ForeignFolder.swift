/// A folder of another tool's scripts: its names, and its files' texts.
struct ForeignFolder {
    let path: String
    /// As it is called in messages.
    let shown: String
    let dialect: Dialect
    /// Values of the environment, where a format puts them in.
    let environment: @Sendable (String) -> String?
    /// What lies in it, hidden files aside, in the order of the bytes.
    let names: [String]
    private let root: String

    init(
        path: String, shown: String, dialect: Dialect, environment: @escaping @Sendable (String) -> String?
    ) throws(ScriptError) {
        self.path = path
        self.shown = shown
        self.dialect = dialect
        self.environment = environment
        root = ScriptFolder.realPath(path) ?? path
        names = try ScriptFolder.entries(of: path, shown: shown).filter { !$0.hasPrefix(".") }
    }

    var scriptNames: [String] { names.filter { $0.hasSuffix(".sql") } }

    /// Subfolders; what is called like a script is not looked at.
    var folders: [String] {
        names.filter { !$0.hasSuffix(".sql") && ScriptFolder.isFolder(path + "/" + $0) }
    }

    func has(_ name: String) -> Bool { ScriptFolder.isFile(path + "/" + name) }

    func read(_ name: String) throws(ScriptError) -> SourceText {
        let shown = shown + "/" + name
        return try SourceText(ScriptFolder.read(path + "/" + name, shown: shown, root: root), file: shown)
    }

    /// A file that may be absent.
    func readIfThere(_ name: String) throws(ScriptError) -> SourceText? {
        has(name) ? try read(name) : nil
    }

    /// Scripts here and in all folders below, as paths from here; a folder is read after the files beside it.
    func scriptsBelow(_ folder: String = "", depth: Int = 0) throws(ScriptError) -> [String] {
        guard depth < 16 else { return [] }
        let prefix = folder.isEmpty ? "" : folder + "/"
        var found: [String] = []
        var below: [String] = []
        for name in try ScriptFolder.entries(of: path + "/" + folder, shown: shown + "/" + folder)
        where !name.hasPrefix(".") {
            if name.hasSuffix(".sql") {
                found.append(prefix + name)
            } else if ScriptFolder.isFolder(path + "/" + prefix + name) {
                below.append(prefix + name)
            }
        }
        for name in below { found += try scriptsBelow(name, depth: depth + 1) }
        return found
    }

    func error(_ code: String, _ message: String, hint: String? = nil, in name: String) -> ScriptError {
        ScriptError(
            code: code, message: message, hint: hint,
            location: ScriptLocation(file: shown + "/" + name, line: 1))
    }
}

extension SourceText {
    /// The bytes of each line, its end left out.
    var lines: [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            lines.append(start..<end)
            start = end + 1
        }
        return lines
    }

    /// Without white space at its ends.
    func trimmed(_ range: Range<Int>) -> String {
        var range = range
        while let first = range.first, Lexer.isSpace(bytes[first]) { range.removeFirst() }
        while let last = range.last, Lexer.isSpace(bytes[last]) { range.removeLast() }
        return text(range)
    }

    /// The comment of a line that is nothing else, without its dashes and the space around it.
    func comment(_ line: Range<Int>) -> String? {
        let text = trimmed(line)
        guard text.hasPrefix("--") else { return nil }
        return String(text.dropFirst(2).drop { $0 == " " || $0 == "\t" })
    }
}

extension String {
    /// As an id of a revision: letters, digits, `_` and `.`, at most 64.
    var asRevision: String {
        let bytes = utf8.prefix(64).map { byte -> UInt8 in
            let isPlain = Lexer.isWord(byte) && byte < 0x80 && byte != UInt8(ascii: "$") || byte == UInt8(ascii: ".")
            return isPlain ? byte : UInt8(ascii: "_")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `add_users-table` reads as "add users table".
    var asMessage: String { split { $0 == "_" || $0 == "-" || $0 == " " }.joined(separator: " ") }

    var leadingDigits: String { String(prefix { $0.isASCII && $0.isNumber }) }

    /// Whether it comes before, as numbers of any length; equal numbers by their text.
    func isSmallerNumber(than other: String) -> Bool {
        let (left, right) = (drop { $0 == "0" }, other.drop { $0 == "0" })
        if left == right { return self < other }
        return left.count == right.count ? left < right : left.count < right.count
    }
}
