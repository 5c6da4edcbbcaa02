/// Folders with a `migration.sql`, in the order of their names; there is no way back.
enum PrismaFormat: FormatReader {
    static let format = ScriptFormat.prisma
    private static let file = "migration.sql"

    static func evidence(in folder: ForeignFolder) -> String? {
        folder.folders.first { folder.has($0 + "/" + file) }.map { $0 + "/" + file }
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        let names = folder.folders.filter { folder.has($0 + "/" + file) }
        // The timestamp is id enough, unless two folders have the same.
        let numbers = Dictionary(grouping: names, by: \.leadingDigits)
        var revisions: [ForeignRevision] = []
        for name in names {
            let number = name.leadingDigits
            let isOwn = !number.isEmpty && numbers[number]?.count == 1
            let source = try folder.read(name + "/" + file)
            var revision = ForeignRevision(
                isOwn ? number : name, String(name.dropFirst(number.count)).asMessage, format, version: name,
                upgrade: ForeignPart(source), downgrade: nil,
                irreversibleReason: "a migration of Prisma has no way back")
            revision.origin.checksum = ForeignChecksums.prisma(source)
            revisions.append(revision)
        }
        return revisions
    }
}
