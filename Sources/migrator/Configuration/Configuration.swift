import MigratorEngine
import MigratorScript

/// What `migrator.toml` says.
struct Configuration: Equatable {
    struct Settings: Equatable {
        var database: String?
        var migrations: String?
        var format: ScriptFormat?
        var schema: String?
        var ledgerSchema: String?
        /// Values of the scripts' variables, as they are written: they may name environment variables.
        var variables: [String: String] = [:]
    }

    /// The file's absolute path.
    var file: String
    var defaultEnvironment: String?
    var common = Settings()
    var environments: [String: Settings] = [:]

    /// What relative paths in the file are relative to.
    var folder: String { Files.folder(of: file) }

    static let fileName = "migrator.toml"

    /// The configuration that applies: the one named, else the nearest in the folder or above; else nil.
    static func find(named name: String?, workingFolder: String) throws -> Configuration? {
        if let name {
            let path = Files.absolute(name, relativeTo: workingFolder)
            guard Files.exists(path), !Files.isFolder(path) else {
                throw MigratorError(
                    "no-configuration", .configuration, "the configuration \"\(name)\" is not a file",
                    hint: "name a migrator.toml, or run `migrator init`")
            }
            return try read(path, workingFolder: workingFolder)
        }
        var folder = workingFolder
        while true {
            let path = Files.absolute(fileName, relativeTo: folder)
            if Files.exists(path) { return try read(path, workingFolder: workingFolder) }
            if folder == "/" || folder == "." { return nil }
            folder = Files.folder(of: folder)
        }
    }

    private static func read(_ path: String, workingFolder: String) throws -> Configuration {
        let shown = Files.shown(path, in: workingFolder)
        guard let bytes = Files.isFolder(path) ? nil : Files.read(path) else {
            throw MigratorError(
                "unreadable-configuration", .configuration,
                "the configuration \"\(shown)\" cannot be read: "
                    + (Files.isFolder(path) ? "it is a folder" : Files.reason))
        }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw MigratorError(
                "broken-configuration", .configuration, "the configuration is not UTF-8 text",
                location: ScriptLocation(file: shown, line: 1))
        }
        return try ConfigurationReader(text: text, shownFile: shown).read(file: path)
    }
}
