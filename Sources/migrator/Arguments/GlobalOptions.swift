import ArgumentParser
import MigratorScript

/// Options of every command; they stand before or after it.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The database: postgresql://…, a libpq keyword string, or sqlite:PATH (also DATABASE_URL).",
            valueName: "url"))
    var database: String?

    @Option(help: ArgumentHelp("The folder of the scripts (default: migrations).", valueName: "dir"))
    var migrations: String?

    @Option(
        help: ArgumentHelp(
            "The tool that the scripts were written for (default: found out): "
                + ScriptFormat.allCases.map(\.rawValue).joined(separator: ", ") + ".", valueName: "tool"))
    var format: ScriptFormat?

    @Option(help: ArgumentHelp("The schema in which the scripts' tables live.", valueName: "name"))
    var schema: String?

    @Option(
        help: ArgumentHelp(
            "The configuration (default: the nearest migrator.toml, here or above).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("An environment of the configuration.", valueName: "name"))
    var env: String?

    @Option(
        help: ArgumentHelp(
            "A file of variables (default: .env beside migrator.toml or here, not in CI).", valueName: "file"))
    var envFile: String?

    @Option(
        name: .customShort("x"),
        help: ArgumentHelp(
            "A value of a variable that scripts declare; may be given several times.", valueName: "name=value"))
    var variables: [String] = []

    @Option(
        help: ArgumentHelp(
            "Wait for a server that does not answer yet; without a duration for 60s.", valueName: "duration"))
    var waitForDatabase: DurationArgument?

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Print warnings and errors only.")
    var quiet = false

    @Flag(help: "Print the statements that are sent.")
    var verbose = false

    @Option(help: "Colours: auto, always or never.")
    var color: ColorMode = .auto
}

enum ColorMode: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
}

/// `--dialect`, for commands that need no database.
struct DialectOption: ParsableArguments {
    @Option(help: "postgresql or sqlite (default: all that are there).")
    var dialect: Dialect?
}

extension Dialect: ExpressibleByArgument {}
extension ScriptFormat: ExpressibleByArgument {}
