import Glibc
import MigratorDatabase
import MigratorEngine
import MigratorScript

/// What options, environment variables and configuration come to.
struct Setup {
    var workingFolder: String
    var configuration: Configuration?
    /// The environment whose settings apply.
    var environment: String?
    /// As it is shown: relative to where people stand.
    var migrations: String
    /// The tool that the scripts were written for, where that is said.
    var format: ScriptFormat?
    var schema: String?
    var ledgerSchema: String
    /// Values of the scripts' variables: `-x`, the environment's, the file's.
    var variables: [String: String]
    /// Those of `-x`.
    var givenVariables: [String]
    private var options: GlobalOptions

    init(_ options: GlobalOptions) throws {
        self.options = options
        workingFolder = Files.workingFolder
        configuration = try Configuration.find(named: options.config, workingFolder: workingFolder)
        try EnvironmentFile.load(
            named: options.envFile, folders: [configuration?.folder, workingFolder].compactMap(\.self),
            workingFolder: workingFolder)

        var settings = Configuration.Settings()
        if let name = options.env {
            guard let configuration else {
                throw MigratorError(
                    "no-configuration", .configuration,
                    "there is no migrator.toml that could hold the environment \"\(name)\"",
                    hint: "run `migrator init`, or name the database with --database")
            }
            guard let found = configuration.environments[name] else {
                throw MigratorError(
                    "unknown-environment", .configuration, "unknown environment \"\(name)\"",
                    hint: configuration.environments.isEmpty
                        ? "add [environments.\(name)] to migrator.toml"
                        : "choose one of: " + configuration.environments.keys.sorted().joined(separator: ", ")
                )
            }
            environment = name
            settings = found
        } else if options.database == nil, Self.variable("DATABASE_URL") == nil,
            let configuration, let name = configuration.defaultEnvironment
        {
            environment = name
            settings = configuration.environments[name] ?? settings
        }

        let common = configuration?.common ?? Configuration.Settings()
        if let given = options.migrations {
            migrations = given
        } else if let configuration {
            let path = settings.migrations ?? common.migrations ?? "migrations"
            migrations = Files.shown(
                Files.absolute(path, relativeTo: configuration.folder), in: workingFolder)
        } else {
            migrations = "migrations"
        }
        format = options.format ?? settings.format ?? common.format
        schema = options.schema ?? settings.schema ?? common.schema
        ledgerSchema = settings.ledgerSchema ?? common.ledgerSchema ?? "migrator"
        let given = try Self.given(options.variables)
        givenVariables = given.keys.sorted()
        let file = configuration.map { Files.shown($0.file, in: Files.workingFolder) } ?? ""
        let configured = common.variables.merging(settings.variables) { $1 }
        variables = try configured.mapValues { try Self.expanded($0, at: ScriptLocation(file: file, line: 1)) }
            .merging(given) { $1 }
        if schema?.isEmpty == true || migrations.isEmpty {
            throw MigratorError("usage", .usage, "an empty name is given for the schema or the folder")
        }
    }

    /// `NAME=VALUE`, several times; the last one of a name counts.
    private static func given(_ texts: [String]) throws -> [String: String] {
        var values: [String: String] = [:]
        for text in texts {
            guard let sign = text.firstIndex(of: "="), sign > text.startIndex else {
                throw MigratorError(
                    "usage", .usage, "-x takes NAME=VALUE", hint: "for example -x TENANT=acme")
            }
            values[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        return values
    }

    /// A variable that is set to something.
    static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    static var isContinuousIntegration: Bool { variable("CI") != nil }

    /// Which database is meant, and the environment's name where that named it.
    func database() throws -> (locator: DatabaseLocator, environment: String?) {
        if let given = options.database {
            return (try DatabaseLocator.parse(given, relativeTo: workingFolder), nil)
        }
        if options.env == nil, let given = Self.variable("DATABASE_URL") {
            return (try DatabaseLocator.parse(given, relativeTo: workingFolder), nil)
        }
        if options.env == nil, Self.isContinuousIntegration {
            throw MigratorError(
                "no-database", .configuration, "no database is named, and in CI none is assumed",
                hint: "name it with --database, DATABASE_URL or --env")
        }
        guard let environment, let configuration else {
            throw MigratorError(
                "no-database", .configuration, "no database is named",
                hint: "name it with --database URL or DATABASE_URL, or run `migrator init`")
        }
        guard let text = configuration.environments[environment]?.database else {
            throw MigratorError(
                "no-database", .configuration, "the environment \"\(environment)\" names no database",
                hint: "add database = \"…\" to [environments.\(environment)]",
                location: ConfigurationReader.locationOfDatabase(
                    in: configuration, environment: environment, workingFolder: workingFolder))
        }
        let location = ConfigurationReader.locationOfDatabase(
            in: configuration, environment: environment, workingFolder: workingFolder)
        let url = try Self.expanded(text, at: location)
        do throws(LocatorError) {
            return (try DatabaseLocator.parse(url, relativeTo: configuration.folder), environment)
        } catch {
            throw MigratorError(
                "bad-database-url", .configuration, error.message, hint: error.hint, location: location)
        }
    }
}
