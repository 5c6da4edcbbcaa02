/// Folders with `up.sql` and `down.sql`, in the order of their versions; `run_in_transaction = false` in a
/// `metadata.toml`.
enum DieselFormat: FormatReader {
    static let format = ScriptFormat.diesel

    static func evidence(in folder: ForeignFolder) -> String? {
        folder.folders.first { folder.has($0 + "/up.sql") }.map { $0 + "/up.sql" }
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        var revisions: [ForeignRevision] = []
        for name in folder.folders where folder.has(name + "/up.sql") {
            let settings = try folder.readIfThere(name + "/metadata.toml")
            let isTransactional = try settings.map(isTransactional) ?? true
            let up = ForeignPart(try folder.read(name + "/up.sql"), isTransactional: isTransactional)
            let down = try folder.readIfThere(name + "/down.sql").map {
                ForeignPart($0, isTransactional: isTransactional)
            }
            // The part before the first underscore, its dashes aside: what the tool's own table holds.
            let version = name.prefix { $0 != "_" }.filter { $0 != "-" }
            var revision = ForeignRevision(
                version, String(name.drop { $0 != "_" }).asMessage, format, version: version, upgrade: up,
                downgrade: down, irreversibleReason: "there is no \(name)/down.sql")
            revision.settings = settings.map { [$0] } ?? []
            revisions.append(revision)
        }
        return revisions.sorted { $0.origin.version < $1.origin.version }
    }

    private static func isTransactional(_ settings: SourceText) throws(ScriptError) -> Bool {
        for line in settings.lines {
            let words = settings.trimmed(line).prefix { $0 != "#" }.split(separator: "=", maxSplits: 1)
                .map { $0.filter { $0 != " " && $0 != "\t" } }
            guard words.count == 2, words[0] == "run_in_transaction" else { continue }
            guard words[1] == "true" || words[1] == "false" else {
                throw settings.error(
                    "malformed-setting", "\"run_in_transaction\" is neither true nor false",
                    hint: "write run_in_transaction = false", at: line.lowerBound)
            }
            return words[1] == "true"
        }
        return true
    }
}
