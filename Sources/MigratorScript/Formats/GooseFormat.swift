/// `NNNNN_name.sql` with `-- +goose Up` and `-- +goose Down`, in the order of the numbers.
///
/// `StatementBegin` and `StatementEnd` are looked at for their balance only: where a statement ends is known without
/// them. `NO TRANSACTION` is for the whole file. `ENVSUB ON` puts values of the environment in for `${NAME}`.
enum GooseFormat: FormatReader {
    static let format = ScriptFormat.goose

    static func evidence(in folder: ForeignFolder) throws(ScriptError) -> String? {
        for name in folder.scriptNames {
            let source = try folder.read(name)
            if source.lines.contains(where: { command(source, $0) != nil }) { return "\"-- +goose\" in \(name)" }
        }
        return nil
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        for name in folder.names where name.hasSuffix(".go") && !name.hasSuffix("_test.go") {
            let number = name.leadingDigits
            if !number.isEmpty, name.dropFirst(number.count).first == "_" {
                throw folder.error(
                    "not-sql", "\"\(name)\" is a migration in Go, which cannot be run here",
                    hint: "write it in SQL, with the same number", in: name)
            }
        }
        var revisions: [ForeignRevision] = []
        for name in folder.scriptNames {
            let version = name.leadingDigits
            guard !version.isEmpty, name.dropFirst(version.count).first == "_" else {
                throw folder.error(
                    "unnumbered-script", "\"\(name)\" has no number at its beginning",
                    hint: "call it like 00001_name.sql, or move it elsewhere", in: name)
            }
            let original = try folder.read(name)
            let source = try substituted(original, folder)
            let (up, down) = try parts(of: source, dialect: folder.dialect)
            var revision = ForeignRevision(
                version, String(name.dropLast(4).dropFirst(version.count)).asMessage, format, version: version,
                upgrade: up, downgrade: down, irreversibleReason: "\(name) has no -- +goose Down")
            revision.originals = [original]
            revisions.append(revision)
        }
        return revisions.sorted { $0.origin.version.isSmallerNumber(than: $1.origin.version) }
    }

    /// What a line `-- +goose COMMAND` says.
    private static func command(_ source: SourceText, _ line: Range<Int>) -> String? {
        guard source.bytes[line].starts(with: "--".utf8), let comment = source.comment(line),
            comment.hasPrefix("+goose")
        else { return nil }
        return comment.dropFirst("+goose".count).split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }

    private static func parts(
        of source: SourceText, dialect: Dialect
    ) throws(ScriptError) -> (up: ForeignPart, down: ForeignPart?) {
        var up: Range<Int>?
        var down: Range<Int>?
        var open: Range<Int>?
        var isTransactional = true
        func refuse(_ message: String, _ hint: String, _ line: Range<Int>) -> ScriptError {
            source.error("misplaced-mark", message, hint: hint, at: line.lowerBound)
        }
        for line in source.lines {
            guard let command = command(source, line) else { continue }
            switch command.lowercased() {
            case "up":
                guard up == nil, down == nil else {
                    throw refuse(
                        "\"-- +goose Up\" stands a second time, or behind Down", "a script has one Up, then one Down",
                        line)
                }
                up = line
            case "down":
                guard up != nil, down == nil else {
                    throw refuse(
                        "\"-- +goose Down\" stands a second time, or without Up", "a script has one Up, then one Down",
                        line)
                }
                if let open {
                    throw refuse("\"-- +goose StatementBegin\" has no end", "add -- +goose StatementEnd", open)
                }
                down = line
            case "statementbegin":
                guard open == nil, up != nil else {
                    throw refuse(
                        "\"-- +goose StatementBegin\" stands in another one, or above Up",
                        "end the one before with StatementEnd", line)
                }
                open = line
            case "statementend":
                guard open != nil else {
                    throw refuse("\"-- +goose StatementEnd\" has no StatementBegin", "take it away", line)
                }
                open = nil
            case "no transaction": isTransactional = false
            case "envsub on", "envsub off": continue
            default:
                throw refuse(
                    "there is no \"-- +goose \(command)\"",
                    "there are: Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB ON, ENVSUB OFF", line)
            }
        }
        if let open { throw refuse("\"-- +goose StatementBegin\" has no end", "add -- +goose StatementEnd", open) }
        guard let up else {
            throw source.error(
                "missing-section", "the script has no \"-- +goose Up\"", hint: "add the line above its statements",
                at: 0)
        }
        try source.checkEmpty(0..<up.lowerBound, before: "-- +goose Up", dialect: dialect)
        let end = down?.lowerBound ?? source.bytes.count
        return (
            ForeignPart(
                source, range: up.upperBound..<end, isTransactional: isTransactional, start: up.lowerBound),
            down.map {
                ForeignPart(
                    source, range: $0.upperBound..<source.bytes.count, isTransactional: isTransactional,
                    start: $0.lowerBound)
            }
        )
    }

    // MARK: ENVSUB

    /// The file with the environment's values where it asks for them.
    private static func substituted(_ source: SourceText, _ folder: ForeignFolder) throws(ScriptError) -> SourceText {
        let lines = source.lines
        guard lines.contains(where: { command(source, $0)?.lowercased() == "envsub on" }) else { return source }
        var text = ""
        var isOn = false
        for line in lines {
            switch command(source, line)?.lowercased() {
            case "envsub on": isOn = true
            case "envsub off": isOn = false
            default: break
            }
            let content = source.text(line)
            text += isOn ? Placeholders.environment(content, folder.environment) : content
            text += "\n"
        }
        return try SourceText(Array(text.utf8), file: source.file)
    }
}

/// Names in a text that stand for values.
enum Placeholders {
    /// `${NAME}`, `${NAME:-otherwise}`, `${NAME-otherwise}` and `$NAME`; a name without a value is nothing. A dollar
    /// quote stays as it is.
    static func environment(_ text: String, _ value: (String) -> String?) -> String {
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "{", let end = rest.firstIndex(of: "}") {
                result += resolve(rest[rest.index(after: rest.startIndex)..<end], value)
                rest = rest[rest.index(after: end)...]
            } else {
                let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                let behind = rest.dropFirst(name.count)
                if let first = name.first, !first.isNumber, behind.first != "$" {
                    result += value(String(name)) ?? ""
                    rest = behind
                } else if name.isEmpty || behind.first != "$" {
                    result += "$"
                } else {
                    result += "$" + name + "$"
                    rest = behind.dropFirst()
                }
            }
        }
        return result + rest
    }

    private static func resolve(_ inner: Substring, _ value: (String) -> String?) -> String {
        let name = inner.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let found = value(String(name))
        let rest = inner.dropFirst(name.count)
        if rest.hasPrefix(":-") { return found.flatMap { $0.isEmpty ? nil : $0 } ?? String(rest.dropFirst(2)) }
        if rest.hasPrefix("-") { return found ?? String(rest.dropFirst()) }
        return found ?? ""
    }
}
