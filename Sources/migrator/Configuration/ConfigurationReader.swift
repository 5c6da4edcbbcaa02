import MigratorEngine
import MigratorScript
import TOMLKit

/// Turns the text of a `migrator.toml` into a `Configuration`; every error names the line.
struct ConfigurationReader {
    var text: String
    var shownFile: String

    private static let settingKeys = ["database", "migrations", "schema", "ledger_schema"]
    private static let commonKeys = ["default_environment", "migrations", "schema", "ledger_schema"]

    func read(file: String) throws -> Configuration {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            // The parser quotes what it has read, which may be a password: its words are left out.
            throw broken(
                "the configuration is not valid TOML",
                ScriptLocation(
                    file: shownFile, line: max(error.source.begin.line, 1),
                    column: max(error.source.begin.column, 1)),
                hint: "mend the line: texts stand in double quotes, a section's name in brackets")
        }
        var configuration = Configuration(file: file)
        for key in table.keys.sorted() where key != "environments" {
            guard Self.commonKeys.contains(key) else { throw unknown(key, in: [], known: Self.commonKeys) }
        }
        configuration.defaultEnvironment = try string("default_environment", of: table, in: [])
        configuration.common = try settings(table, in: [])
        if let value = table["environments"] {
            guard let environments = value.table else {
                throw broken("\"environments\" must hold sections", location(of: "environments", in: []))
            }
            for name in environments.keys.sorted() {
                let section = ["environments", name]
                guard let environment = environments[name]?.table else {
                    throw broken(
                        "the environment \"\(name)\" must be a section",
                        location(of: name, in: ["environments"]),
                        hint: "write [environments.\(name)]")
                }
                for key in environment.keys.sorted() where !Self.settingKeys.contains(key) {
                    throw unknown(key, in: section, known: Self.settingKeys)
                }
                var settings = try settings(environment, in: section)
                settings.database = try string("database", of: environment, in: section)
                configuration.environments[name] = settings
            }
        }
        if let name = configuration.defaultEnvironment, configuration.environments[name] == nil {
            throw broken(
                "the default environment \"\(name)\" is not there",
                location(of: "default_environment", in: []),
                hint: "add [environments.\(name)], or name another")
        }
        return configuration
    }

    private func settings(_ table: TOMLTable, in section: [String]) throws -> Configuration.Settings {
        Configuration.Settings(
            migrations: try string("migrations", of: table, in: section),
            schema: try string("schema", of: table, in: section),
            ledgerSchema: try string("ledger_schema", of: table, in: section))
    }

    private func string(_ key: String, of table: TOMLTable, in section: [String]) throws -> String? {
        guard let value = table[key] else { return nil }
        guard let text = value.string, value.type == .string else {
            throw broken(
                "\"\(key)\" must be a text", location(of: key, in: section), hint: "put it in double quotes")
        }
        guard !text.isEmpty else {
            throw broken(
                "\"\(key)\" is empty", location(of: key, in: section), hint: "name it, or remove the line")
        }
        return text
    }

    private func unknown(_ key: String, in section: [String], known: [String]) -> MigratorError {
        broken(
            "unknown key \"\(key)\" in the configuration", location(of: key, in: section),
            hint: "use one of: " + known.joined(separator: ", "))
    }

    private func broken(_ message: String, _ location: ScriptLocation, hint: String? = nil) -> MigratorError {
        MigratorError("broken-configuration", .configuration, message, hint: hint, location: location)
    }

    /// Where a key stands. The parser keeps no positions, so the line is looked for; a key that is written
    /// in an unusual way is located at its section, or at the first line.
    private func location(of key: String, in section: [String]) -> ScriptLocation {
        var current: [String] = []
        var sectionLine = 1
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, line) in lines.enumerated() {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                current = Self.parts(line.dropFirst().prefix { $0 != "]" })
                if current == section || current == section + [key] { sectionLine = index + 1 }
            } else if let equals = line.firstIndex(of: "="),
                current + Self.parts(line[..<equals]) == section + [key]
            {
                return ScriptLocation(file: shownFile, line: index + 1)
            }
        }
        return ScriptLocation(file: shownFile, line: sectionLine)
    }

    private static func parts(_ text: Substring) -> [String] {
        text.split(separator: ".").map { part in
            String(part.filter { !" \t\"'".contains($0) })
        }
    }
}

extension ConfigurationReader {
    /// Where an environment's database is named.
    static func locationOfDatabase(
        in configuration: Configuration, environment: String, workingFolder: String
    ) -> ScriptLocation {
        let shown = Files.shown(configuration.file, in: workingFolder)
        let text = Files.read(configuration.file).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return ConfigurationReader(text: text, shownFile: shown)
            .location(of: "database", in: ["environments", environment])
    }
}
