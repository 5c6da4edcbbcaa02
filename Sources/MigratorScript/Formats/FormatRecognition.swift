/// The format of a folder, and what gave it away.
public struct RecognisedFormat: Sendable, Equatable {
    public var format: ScriptFormat
    /// A file's name, or what stands in one; empty where the format was asked for.
    public var evidence: String
}

extension ScriptFolder {
    /// What a folder holds: this tool's scripts or another's.
    /// - Parameter format: what it is said to be; nil to find out.
    /// - Parameter readsHeadersOnly: of this tool's scripts.
    /// - Parameter environment: values that a format may put into scripts.
    public static func load(
        _ folder: String, shown: String, dialect: Dialect, format: ScriptFormat?, readsHeadersOnly: Bool = false,
        environment: @escaping @Sendable (String) -> String? = { _ in nil }
    ) throws(ScriptError) -> (scripts: [Script], format: RecognisedFormat) {
        func own() throws(ScriptError) -> (scripts: [Script], format: RecognisedFormat) {
            let scripts = try load(folder, shown: shown, dialect: dialect, readsHeadersOnly: readsHeadersOnly)
            return (scripts, RecognisedFormat(format: .migrator, evidence: ""))
        }
        if format == .migrator { return try own() }
        let (path, name) = try resolve(folder, shown: shown, dialect: dialect)
        let foreign = try ForeignFolder(path: path, shown: name, dialect: dialect, environment: environment)
        if let format, let reader = format.reader {
            let scripts = try ForeignScripts.scripts(reader.revisions(in: foreign), dialect: dialect)
            return (scripts, RecognisedFormat(format: format, evidence: ""))
        }
        if try !isOwn(foreign) {
            for reader in ScriptFormat.readers {
                guard let evidence = try reader.evidence(in: foreign) else { continue }
                let scripts = try ForeignScripts.scripts(reader.revisions(in: foreign), dialect: dialect)
                return (scripts, RecognisedFormat(format: reader.format, evidence: evidence))
            }
        }
        return try own()
    }

    /// Whether the folder's first script with anything in it is this tool's.
    private static func isOwn(_ folder: ForeignFolder) throws(ScriptError) -> Bool {
        for name in folder.scriptNames where !name.hasSuffix(".check.sql") {
            guard let source = try? folder.read(name) else { return true }
            for line in source.lines {
                guard let comment = source.comment(line) else { continue }
                if comment.hasPrefix("migrator:revision") { return true }
                if comment.hasPrefix("+goose") || comment.hasPrefix("migrate:up") { return false }
            }
            if !source.bytes.allSatisfy(Lexer.isSpace) { return false }
        }
        return false
    }
}
