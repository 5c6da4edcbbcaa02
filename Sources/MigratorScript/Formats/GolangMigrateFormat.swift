/// `NNN_name.up.sql` and `NNN_name.down.sql`, in the order of the numbers.
///
/// A file is sent as a whole, which makes it one transaction. `-- morph:nontransactional` is the mark of morph, which
/// reads the same files.
enum GolangMigrateFormat: FormatReader {
    static let format = ScriptFormat.golangMigrate

    static func evidence(in folder: ForeignFolder) -> String? {
        folder.scriptNames.first { NumberedName($0)?.way != nil }
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        try folder.pairedRevisions(format) { source in
            !source.lines.contains { source.comment($0) == "morph:nontransactional" }
        }
    }
}
