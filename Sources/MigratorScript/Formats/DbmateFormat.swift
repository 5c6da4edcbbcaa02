/// `TIMESTAMP_name.sql` with `-- migrate:up` and `-- migrate:down`, each perhaps with `transaction:false`, in the order
/// of the files' names.
enum DbmateFormat: FormatReader {
    static let format = ScriptFormat.dbmate

    static func evidence(in folder: ForeignFolder) throws(ScriptError) -> String? {
        for name in folder.scriptNames {
            let source = try folder.read(name)
            if source.lines.contains(where: { mark("up", source, $0) != nil }) {
                return "\"-- migrate:up\" in \(name)"
            }
        }
        return nil
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        var revisions: [ForeignRevision] = []
        for name in folder.scriptNames {
            let version = name.leadingDigits
            // The tool passes over files without a number.
            if version.isEmpty { continue }
            let source = try folder.read(name)
            let (up, down) = try parts(of: source, dialect: folder.dialect)
            revisions.append(
                ForeignRevision(
                    version, String(name.dropLast(4).dropFirst(version.count)).asMessage, format, version: version,
                    upgrade: up, downgrade: down, irreversibleReason: "\(name) has no -- migrate:down"))
        }
        return revisions
    }

    private static func parts(
        of source: SourceText, dialect: Dialect
    ) throws(ScriptError) -> (up: ForeignPart, down: ForeignPart?) {
        var up: (line: Range<Int>, isTransactional: Bool)?
        var down: (line: Range<Int>, isTransactional: Bool)?
        for line in source.lines {
            if let options = mark("up", source, line) {
                guard up == nil, down == nil else { throw twice(source, line, "up") }
                up = (line, try isTransactional(options, source, line))
            } else if let options = mark("down", source, line) {
                guard down == nil else { throw twice(source, line, "down") }
                down = (line, try isTransactional(options, source, line))
            }
        }
        guard let up else {
            throw source.error(
                "missing-section", "the script has no \"-- migrate:up\"", hint: "add the line above its statements",
                at: 0)
        }
        try source.checkEmpty(0..<up.line.lowerBound, before: "-- migrate:up", dialect: dialect)
        let end = down?.line.lowerBound ?? source.bytes.count
        return (
            ForeignPart(
                source, range: up.line.upperBound..<end, isTransactional: up.isTransactional,
                start: up.line.lowerBound),
            down.map {
                ForeignPart(
                    source, range: $0.line.upperBound..<source.bytes.count, isTransactional: $0.isTransactional,
                    start: $0.line.lowerBound)
            }
        )
    }

    /// The words after the mark; nil where the line is none.
    private static func mark(_ way: String, _ source: SourceText, _ line: Range<Int>) -> [Substring]? {
        guard source.bytes[line].starts(with: "--".utf8), let comment = source.comment(line) else { return nil }
        let words = comment.split { $0 == " " || $0 == "\t" || $0 == "\r" }
        return words.first.map { $0 == "migrate:" + way } == true ? Array(words.dropFirst()) : nil
    }

    private static func isTransactional(
        _ options: [Substring], _ source: SourceText, _ line: Range<Int>
    ) throws(ScriptError) -> Bool {
        for option in options where option.hasPrefix("transaction:") {
            let value = option.dropFirst("transaction:".count)
            guard value == "true" || value == "false" else {
                throw source.error(
                    "malformed-mark", "\"\(option)\" is neither transaction:true nor transaction:false",
                    hint: "write one of them", at: line.lowerBound)
            }
            return value == "true"
        }
        return true
    }

    private static func twice(_ source: SourceText, _ line: Range<Int>, _ way: String) -> ScriptError {
        source.error(
            "misplaced-mark", "\"-- migrate:\(way)\" stands a second time, or behind \"-- migrate:down\"",
            hint: "a script has one up, then one down", at: line.lowerBound)
    }
}

extension SourceText {
    /// Refuses statements where only comments may stand.
    func checkEmpty(_ range: Range<Int>, before mark: String, dialect: Dialect) throws(ScriptError) {
        var lexer = Lexer(self, dialect: dialect, range: range)
        while let token = try lexer.next() {
            if token.isComment { continue }
            throw error(
                "statement-outside-section", "a statement stands above \"\(mark)\"", hint: "move it below the line",
                at: token.range.lowerBound)
        }
    }
}
