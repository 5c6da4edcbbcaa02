import MigratorEngine
import MigratorScript
import MigratorTOML

/// Turns the text of a `migrator.toml` into a `Configuration`; every error names the line.
struct ConfigurationReader {
    var text: String
    var shownFile: String

    private static let settingKeys = ["database", "migrations", "format", "schema", "ledger_schema", "variables"]
    private static let commonKeys = [
        "default_environment", "migrations", "format", "schema", "ledger_schema", "variables",
    ]

    func read(file: String) throws -> Configuration {
        let table = try table()
        var configuration = Configuration(file: file)
        for key in table.keys where key != "environments" {
            guard Self.commonKeys.contains(key) else {
                throw unknown(key, table.place(of: [key]), known: Self.commonKeys)
            }
        }
        configuration.defaultEnvironment = try string("default_environment", of: table)
        configuration.common = try settings(table)
        if let value = table["environments"] {
            guard let environments = value.table else {
                throw broken("\"environments\" must hold sections", location(table.place(of: ["environments"])))
            }
            for name in environments.keys {
                guard let environment = environments[name]?.table else {
                    throw broken(
                        "the environment \"\(name)\" must be a section",
                        location(environments.place(of: [name])),
                        hint: "write [environments.\(name)]")
                }
                for key in environment.keys where !Self.settingKeys.contains(key) {
                    throw unknown(key, environment.place(of: [key]), known: Self.settingKeys)
                }
                var settings = try settings(environment)
                settings.database = try string("database", of: environment)
                configuration.environments[name] = settings
            }
        }
        if let name = configuration.defaultEnvironment, configuration.environments[name] == nil {
            throw broken(
                "the default environment \"\(name)\" is not there",
                location(table.place(of: ["default_environment"])),
                hint: "add [environments.\(name)], or name another")
        }
        return configuration
    }

    private func table() throws -> TOMLTable {
        do {
            return try TOMLReader.read(text)
        } catch {
            // A key may be part of a password whose quotes are missing: the reader's words are left out.
            throw broken(
                "the configuration is not valid TOML",
                ScriptLocation(file: shownFile, line: error.place.line, column: error.place.column),
                hint: "mend the line: texts stand in double quotes, a section's name in brackets")
        }
    }

    private func settings(_ table: TOMLTable) throws -> Configuration.Settings {
        Configuration.Settings(
            migrations: try string("migrations", of: table), format: try format(of: table),
            schema: try string("schema", of: table),
            ledgerSchema: try string("ledger_schema", of: table), variables: try variables(of: table))
    }

    private func variables(of table: TOMLTable) throws -> [String: String] {
        guard let value = table["variables"] else { return [:] }
        guard let section = value.table else {
            throw broken("\"variables\" must hold names and texts", location(table.place(of: ["variables"])))
        }
        var variables: [String: String] = [:]
        for name in section.keys {
            guard case .text(let text)? = section[name] else {
                throw broken(
                    "the variable \"\(name)\" must be a text", location(section.place(of: [name])),
                    hint: "put it in double quotes")
            }
            variables[name] = text
        }
        return variables
    }

    private func format(of table: TOMLTable) throws -> ScriptFormat? {
        guard let name = try string("format", of: table) else { return nil }
        guard let format = ScriptFormat(rawValue: name) else {
            throw broken(
                "there is no format \"\(name)\"", location(table.place(of: ["format"])),
                hint: "use one of: " + ScriptFormat.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return format
    }

    private func string(_ key: String, of table: TOMLTable) throws -> String? {
        guard let value = table[key] else { return nil }
        let location = location(table.place(of: [key]))
        guard case .text(let text) = value else {
            throw broken("\"\(key)\" must be a text", location, hint: "put it in double quotes")
        }
        guard !text.isEmpty else {
            throw broken("\"\(key)\" is empty", location, hint: "name it, or remove the line")
        }
        return text
    }

    private func unknown(_ key: String, _ place: TOMLPlace?, known: [String]) -> MigratorError {
        broken(
            "unknown key \"\(key)\" in the configuration", location(place),
            hint: "use one of: " + known.joined(separator: ", "))
    }

    private func broken(_ message: String, _ location: ScriptLocation, hint: String? = nil) -> MigratorError {
        MigratorError("broken-configuration", .configuration, message, hint: hint, location: location)
    }

    private func location(_ place: TOMLPlace?) -> ScriptLocation {
        ScriptLocation(file: shownFile, line: place?.line ?? 1, column: place?.column ?? 1)
    }
}

extension TOMLValue {
    fileprivate var table: TOMLTable? {
        if case .table(let table) = self { table } else { nil }
    }
}

extension ConfigurationReader {
    /// Where an environment's database is named; where it is not, the environment.
    static func locationOfDatabase(
        in configuration: Configuration, environment: String, workingFolder: String
    ) -> ScriptLocation {
        let text = Files.read(configuration.file).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let reader = ConfigurationReader(text: text, shownFile: Files.shown(configuration.file, in: workingFolder))
        let table = try? reader.table()
        let section = ["environments", environment]
        return reader.location(table?.place(of: section + ["database"]) ?? table?.place(of: section))
    }
}
