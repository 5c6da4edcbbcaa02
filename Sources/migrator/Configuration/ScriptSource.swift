import MigratorEngine
import MigratorScript

/// The folder of the scripts as the commands see it.
struct ScriptSource {
    /// As it is shown: relative to where people stand.
    let folder: String
    /// The tool that they were written for, where that is said.
    let format: ScriptFormat?
    /// Is told what was found.
    let onRecognition: (RecognisedFormat) -> Void

    init(
        folder: String, format: ScriptFormat? = nil, onRecognition: @escaping (RecognisedFormat) -> Void = { _ in }
    ) {
        var folder = folder
        while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
        self.folder = folder
        self.format = format
        self.onRecognition = onRecognition
    }

    /// The scripts for one database; a folder that is not there, or that is for the other dialect, is refused.
    func scripts(of dialect: Dialect, readsHeadersOnly: Bool = false) throws -> [Script] {
        let found = try Self.read(folder, format: format, dialect: dialect, readsHeadersOnly: readsHeadersOnly)
        onRecognition(found.format)
        return found.scripts
    }

    /// The scripts, and whose they are; from any thread.
    static func read(
        _ folder: String, format: ScriptFormat?, dialect: Dialect, readsHeadersOnly: Bool
    ) throws -> (scripts: [Script], format: RecognisedFormat) {
        try ScriptFolder.load(
            folder, shown: folder, dialect: dialect, format: format, readsHeadersOnly: readsHeadersOnly,
            environment: { Setup.variable($0) })
    }

    /// The check files beside them.
    func checkFiles(of dialect: Dialect) throws -> [CheckFile] {
        try ScriptFolder.loadChecks(folder, shown: folder, dialect: dialect)
    }

    /// The chains of one dialect, or of all that are there; base first.
    func lineages(of dialect: Dialect?) throws -> [Lineage] {
        let dialects = try dialect.map { [$0] } ?? dialectsThere()
        return try dialects.map { try Lineage(dialect: $0, scripts: try scripts(of: $0).arranged(applied: [])) }
    }

    /// The scripts of one dialect, or of all that are there, whatever line they make.
    func scriptsByDialect(_ dialect: Dialect?) throws -> [(dialect: Dialect, scripts: [Script])] {
        try (dialect.map { [$0] } ?? dialectsThere()).map { ($0, try scripts(of: $0)) }
    }

    /// As `lineages`, for a project that may have none yet.
    func existingLineages() throws -> [Lineage] {
        try Files.isFolder(folder) ? lineages(of: nil) : []
    }

    /// The dialects' subfolders that there are. A folder without any is read in the first dialect: what the
    /// listing commands show does not depend on it.
    private func dialectsThere() throws -> [Dialect] {
        let subfolders = ScriptFolder.dialects(in: folder)
        guard subfolders.isEmpty else { return subfolders }
        // What only SQLite can read, such as a trigger's body, was written for it.
        func isReadable(_ dialect: Dialect) -> Bool {
            (try? ScriptFolder.load(folder, shown: folder, dialect: dialect, format: format)) != nil
        }
        return format != .migrator && !isReadable(.postgresql) && isReadable(.sqlite) ? [.sqlite] : [.postgresql]
    }

    /// Where a new script goes: one folder for each dialect, or the folder itself where it has no subfolders.
    func foldersForNewScripts(of dialect: Dialect?) throws -> [(Dialect, String)] {
        guard Files.isFolder(folder) else {
            throw MigratorError(
                "no-scripts-folder", .malformedScripts, "there is no folder \"\(folder)\"",
                hint: "run `migrator init`, or name the folder with --migrations")
        }
        let subfolders = ScriptFolder.dialects(in: folder)
        if let dialect {
            let hasOwnFolder = !subfolders.isEmpty || (Files.names(in: folder) ?? []).isEmpty
            return [(dialect, hasOwnFolder ? "\(folder)/\(dialect.rawValue)" : folder)]
        }
        if subfolders.isEmpty { return [(.postgresql, folder)] }
        return subfolders.map { ($0, "\(folder)/\($0.rawValue)") }
    }
}
