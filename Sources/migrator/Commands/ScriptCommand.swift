import ArgumentParser
import MigratorEngine
import MigratorScript

/// `--sql` of `upgrade` and `downgrade`.
struct ScriptArguments: ParsableArguments {
    @Flag(help: "Print the SQL that it would run, with the ledger's rows, and change nothing; the target is FROM:TO.")
    var sql = false

    @OptionGroup var dialect: DialectOption
}

extension Invocation {
    /// Prints SQL for `psql` or `sqlite3`. A database is opened only where the start or a revision's rows need one.
    func printScript(
        _ range: String, direction: Direction, dialect given: Dialect?, options: RunOptions
    ) throws -> ExitStatus {
        guard options.mode != .online else {
            throw MigratorError(
                "usage", .usage, "--sql writes what window mode runs",
                hint: "leave out --mode online, or run it without --sql")
        }
        let request = try ScriptRequest(range, direction: direction)
        let setup = try Setup(self.options)
        let isNamed = try isDatabaseNamed(setup, dialect: given)
        let dialect = try given ?? locator?.dialect ?? onlyDialect(in: setup.migrations)
        let scripts = try scriptSource(setup).scripts(of: dialect)
        var place = DatabasePlace()
        if isNamed, let locator, request.needsCurrent || locator.isFileThere {
            if locator.dialect == .postgresql || locator.isFileThere {
                place = try open(locator, setup, .reading) { scripts }.place()
            }
        } else if request.start == "current" || request.start == nil && direction == .downgrade {
            throw MigratorError(
                "no-database", .configuration, "no database says where the script is to begin",
                hint:
                    "write FROM:TO, such as \(direction == .upgrade ? "base:head" : "head:base"), or name the database")
        }
        try Migrator.checkVariables(named: setup.givenVariables, scripts: scripts)
        var writer = ScriptWriter(
            scripts: scripts, dialect: dialect, schema: setup.schema, ledgerSchema: setup.ledgerSchema,
            toolVersion: toolVersion, command: commandLine, options: options, reporter: reporter)
        writer.variables = setup.variables
        let text = try writer.write(request, current: place.revision, hasLedger: place.hasLedger) {
            guard isNamed, let locator else {
                throw MigratorError("no-database", .configuration, "no database is named")
            }
            return try open(locator, setup, .creating) { scripts }.backend
        }
        finish(.object(["sql": .string(text), "direction": .string(direction.rawValue)])) {
            console.printExactly(text)
        }
        return .done
    }

    /// False where none is, or one of another kind than the script is for.
    private func isDatabaseNamed(_ setup: Setup, dialect: Dialect?) throws -> Bool {
        do {
            if let dialect, try setup.database().locator.dialect != dialect { return false }
            _ = try find(setup)
            return true
        } catch let error as MigratorError where error.code == "no-database" {
            return false
        }
    }

    private func onlyDialect(in folder: String) throws -> Dialect {
        let dialects = ScriptFolder.dialects(in: folder)
        guard dialects.count == 1 else {
            throw MigratorError(
                "no-dialect", .usage, "neither a database nor an option says for which database the script is",
                hint: "add --dialect postgresql or --dialect sqlite")
        }
        return dialects[0]
    }
}
