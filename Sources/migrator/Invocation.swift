import Glibc
import MigratorDatabase
import MigratorEngine
import MigratorScript

/// What a command works with: the options, where output goes, and the way to scripts and database.
final class Invocation {
    let options: GlobalOptions
    let arguments: [String]
    let console: Console
    let reporter: ConsoleReporter
    private(set) var locator: DatabaseLocator?
    /// The environment that named the database.
    private(set) var environment: String?
    /// Whose scripts were read.
    private(set) var format: ScriptFormat?
    private var backend: (any Backend)?

    init(options: GlobalOptions, arguments: [String], console: Console) {
        self.options = options
        self.arguments = arguments
        self.console = console
        reporter = ConsoleReporter(console)
    }

    deinit { backend?.session.close() }

    /// Opens the database that is meant, and reads its scripts.
    /// - Parameters:
    ///   - withScripts: false where the ledger alone is asked, so that the folder need not be there.
    ///   - withChecks: also the check files beside them.
    ///   - readsHeadersOnly: for what parses each script that is not applied as it is before anything runs.
    func migrator(
        _ access: DatabaseOpening.Access, withScripts: Bool = true, withChecks: Bool = false,
        readsHeadersOnly: Bool = false
    ) throws -> Migrator {
        let setup = try Setup(options)
        let locator = try find(setup)
        let source = scriptSource(setup)
        let reading = BackgroundWork { [folder = source.folder, format = source.format, dialect = locator.dialect] in
            try withScripts
                ? ScriptSource.read(folder, format: format, dialect: dialect, readsHeadersOnly: readsHeadersOnly) : nil
        }
        // A server answers after a while, in which the scripts are read. What is wrong with them is said before a file
        // is opened, or even made, and before a server is waited for that may not answer for long.
        if locator.dialect == .sqlite || options.waitForDatabase != nil { _ = try reading.value() }
        let checkFiles = try withChecks ? source.checkFiles(of: locator.dialect) : []
        let migrator = try open(locator, setup, access) {
            guard let found = try reading.value() else { return [] }
            source.onRecognition(found.format)
            return found.scripts
        }
        migrator.checkFiles = checkFiles
        return migrator
    }

    /// The folder of the scripts; whose they are is said once where they are another tool's.
    func scriptSource(_ setup: Setup) -> ScriptSource {
        ScriptSource(folder: setup.migrations, format: setup.format, onRecognition: announce(setup.migrations))
    }

    /// Says once whose scripts a folder holds, where that was found out and is another tool.
    func announce(_ folder: String) -> (RecognisedFormat) -> Void {
        { [self] found in
            guard format == nil else { return }
            format = found.format
            if found.format != .migrator, !found.evidence.isEmpty, !console.mode.isQuiet {
                console.error("\(folder): scripts of \(found.format.rawValue), known by \(found.evidence)")
            }
        }
    }

    /// As `migrator`, for what needs no scripts.
    func doctor() throws -> [Finding] {
        let setup = try Setup(options)
        return try open(try find(setup), setup, .writing) { [] }.examine()
    }

    func find(_ setup: Setup) throws -> DatabaseLocator {
        let (locator, environment) = try setup.database()
        self.locator = locator
        self.environment = environment
        if let environment, !console.mode.isQuiet {
            console.error("environment \(environment): \(locator.shown.oneLine)")
        }
        return locator
    }

    func open(
        _ locator: DatabaseLocator, _ setup: Setup, _ access: DatabaseOpening.Access,
        scripts: () throws -> [Script]
    ) throws -> Migrator {
        let opening = Result {
            try waiting(for: options.waitForDatabase?.duration) {
                try DatabaseOpening.open(
                    locator, schema: setup.schema, ledgerSchema: setup.ledgerSchema, access: access)
            }
        }
        let scripts = try scripts()
        let backend = try opening.get()
        self.backend = backend
        Interruption.register(backend.session.cancelHandle)
        backend.session.onNotice = { [reporter] in reporter.report(.note($0)) }
        let migrator = Migrator(
            backend: backend, scripts: scripts, toolVersion: toolVersion, command: commandLine,
            reporter: reporter)
        if !scripts.isEmpty { try Migrator.checkVariables(named: setup.givenVariables, scripts: scripts) }
        migrator.variables = setup.variables
        migrator.isInterrupted = { Interruption.isRequested }
        migrator.watchSession = Interruption.register
        return migrator
    }

    /// A server that does not answer yet is asked again; one that answers no is not.
    private func waiting<Result>(for limit: Duration?, _ open: () throws -> Result) throws -> Result {
        let deadline = limit.map { ContinuousClock.now + $0 }
        var isSaid = false
        while true {
            do {
                return try open()
            } catch let error as MigratorError {
                guard let deadline, ContinuousClock.now < deadline, ConnectionProblem.mayPass(error),
                    !Interruption.isRequested
                else { throw error }
                if !isSaid { reporter.report(.waiting("waiting for the database: \(error.message)")) }
                isSaid = true
                usleep(250_000)
            }
        }
    }

    /// The command as it was given, without what names a database, and without the values of variables.
    var commandLine: String {
        var words: [String] = ["migrator"]
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--database" {
                _ = rest.popFirst()
            } else if word == "-x" {
                words.append("-x " + (rest.popFirst() ?? "").prefix { $0 != "=" })
            } else if word.hasPrefix("-x") {
                words.append("-x " + word.dropFirst(2).drop { $0 == "=" }.prefix { $0 != "=" })
            } else if !word.hasPrefix("--database="), !word.contains("://") {
                words.append(word)
            }
        }
        return words.joined(separator: " ")
    }

    /// Prints the result: the object of `--json`, or what `text` prints.
    func finish(_ json: @autoclosure () -> JSONValue, text: () -> Void) {
        guard console.mode.isJSON else { return text() }
        var json = json()
        if let locator { json["database"] = .string(locator.shown) }
        if locator != nil { json["environment"] = JSONValue(environment) }
        if let format, format != .migrator, json["format"] == nil { json["format"] = .string(format.rawValue) }
        if !reporter.warnings.isEmpty, json["warnings"] == nil {
            json["warnings"] = JSONValue(reporter.warnings)
        }
        if !reporter.notes.isEmpty, json["notes"] == nil { json["notes"] = JSONValue(reporter.notes) }
        console.print(json)
    }
}

extension DatabaseLocator {
    /// Of a SQLite database: whether it has been made.
    var isFileThere: Bool {
        if case .sqlite(let path) = self { Files.exists(path) } else { false }
    }

    var dialect: Dialect {
        switch self {
        case .postgresql: .postgresql
        case .sqlite: .sqlite
        }
    }
}
