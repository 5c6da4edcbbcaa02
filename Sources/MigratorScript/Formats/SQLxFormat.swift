/// `TIMESTAMP_name.sql`, or pairs `TIMESTAMP_name.up.sql` and `.down.sql`, in the order of the numbers.
/// A file that begins with `-- no-transaction` runs outside of one.
enum SQLxFormat: FormatReader {
    static let format = ScriptFormat.sqlx
    private static let mark = "-- no-transaction"

    /// A pair of files may be golang-migrate's as well; a mark tells. Files that only go up are known by their
    /// timestamps.
    static func evidence(in folder: ForeignFolder) throws(ScriptError) -> String? {
        let names = folder.scriptNames
        let numbered = names.compactMap(NumberedName.init)
        guard !names.isEmpty, numbered.count == names.count else { return nil }
        if numbered.allSatisfy({ $0.way == nil }) {
            return numbered.allSatisfy { $0.number.count == 14 && !$0.name.isEmpty } ? names[0] : nil
        }
        for name in names where try folder.read(name).bytes.starts(with: mark.utf8) {
            return "\"\(mark)\" in \(name)"
        }
        return nil
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        try folder.pairedRevisions(format) { !$0.bytes.starts(with: mark.utf8) }.map { revision in
            var revision = revision
            revision.origin.checksum = ForeignChecksums.sqlx(revision.upgrade.source)
            return revision
        }
    }
}
