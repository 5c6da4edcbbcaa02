import ArgumentParser
import MigratorEngine
import MigratorScript

struct InitCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Write migrator.toml and the folders of the scripts.")

    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let file = global.config ?? Configuration.fileName
        guard !Files.exists(file) else {
            throw MigratorError(
                "file-exists", .refused, "\"\(file)\" is there already",
                hint: "edit it, or remove it first")
        }
        let migrations = global.migrations ?? "migrations"
        guard !migrations.contains("\""), !migrations.contains("\\"), !migrations.contains("\n") else {
            throw MigratorError(
                "usage", .usage, "the folder's name holds a character that migrator.toml cannot hold as it is"
            )
        }
        var written: [String] = []
        for dialect in Dialect.allCases {
            let folder = "\(migrations)/\(dialect.rawValue)"
            guard Files.makeFolder(folder), let names = Files.names(in: folder) else { throw failure(folder) }
            if names.isEmpty {
                guard Files.create(folder + "/.gitkeep", "") else { throw failure(folder) }
            }
            written.append(folder)
        }
        guard Files.create(file, Self.text(migrations: migrations)) else { throw failure(file) }
        written.append(file)
        invocation.finish(.object(["paths": JSONValue(written)])) {
            for path in written { invocation.console.print(path) }
            if !global.quiet {
                invocation.console.note("write the first script with `migrator revision -m \"...\"`")
            }
        }
        return .done
    }

    private func failure(_ path: String) -> MigratorError {
        MigratorError("unwritable-file", .failed, "\"\(path)\" cannot be made: \(Files.reason)")
    }

    static func text(migrations: String) -> String {
        """
        # Which databases there are. Paths are relative to this file.
        # Passwords do not belong here: use PGPASSFILE, ~/.pgpass or DATABASE_URL.
        default_environment = "local"
        migrations = "\(migrations)"

        [environments.local]
        database = "sqlite:local.db"

        # [environments.production]
        # database = "postgresql://USER@HOST/DATABASE"

        """
    }
}
