import MigratorDatabase
import MigratorPlan
import MigratorScript

/// Writes what window mode would run, with the ledger's rows, for `psql` or `sqlite3`; runs nothing of it.
public struct ScriptWriter {
    let scripts: [Script]
    let dialect: Dialect
    /// Where the scripts' tables live; nil leaves it to the database.
    let schema: String?
    let ledgerSchema: String
    let toolVersion: String
    /// As the ledger is to know it.
    let command: String
    var options: RunOptions
    let reporter: any Reporter
    /// Values of the scripts' variables.
    public var variables: [String: String] = [:]

    public init(
        scripts: [Script], dialect: Dialect, schema: String?, ledgerSchema: String, toolVersion: String,
        command: String, options: RunOptions, reporter: any Reporter
    ) {
        self.scripts = scripts
        self.dialect = dialect
        self.schema = schema
        self.ledgerSchema = ledgerSchema
        self.toolVersion = toolVersion
        self.command = command
        self.options = options
        self.options.mode = .window
        self.reporter = reporter
    }

    /// - Parameters:
    ///   - current: the database's revision, where it was asked; nil is base.
    ///   - hasLedger: whether the database that the script is for has a ledger although it is at base.
    ///   - database: opens the database for what cannot be written without one.
    public func write(
        _ request: ScriptRequest, current: String?, hasLedger: Bool, database: () throws -> any Backend
    ) throws -> String {
        let plan = try request.plan(scripts, current: current, variables: variables)
        let script = SQLScript(dialect)
        let ends = "\(plan.from ?? "base") -> \(plan.to ?? "base")"
        guard !plan.steps.isEmpty else {
            script.addComment("migrator \(toolVersion): \(request.direction.rawValue) \(ends): nothing to do")
            return script.text
        }
        script.addComment("migrator \(toolVersion): \(request.direction.rawValue) \(ends)")
        script.addCommand(dialect == .postgresql ? #"\set ON_ERROR_STOP on"# : ".bail on")
        if let rows = try plan.steps.lazy.compactMap({ try $0.rowsDecide() }).first {
            let backend: any Backend
            do {
                backend = try database()
            } catch let error as MigratorError where error.code == "no-database" {
                throw MigratorError(
                    "needs-database", .configuration,
                    "revision \"\(rows.revision)\" cannot be written without a database: \(rows.reason)",
                    hint: "name one that is at \(plan.from ?? "base") with --database; nothing is changed in it",
                    location: rows.location)
            }
            try refuseOutside(plan, because: rows)
            try ScriptRecording(writer: self, plan: plan, script: script).record(on: backend)
        } else if dialect == .postgresql {
            try PostgreSQLScript(writer: self, plan: plan, script: script).write()
        } else {
            try SQLiteScriptScratch(writer: self, plan: plan, script: script, hasLedger: hasLedger).write()
        }
        return script.text
    }

    /// A recording is one transaction, in which such statements cannot run.
    private func refuseOutside(_ plan: Plan, because rows: RowsDecide) throws {
        for step in plan.steps {
            guard let statement = try step.statementOutside() else { continue }
            let isSame = step.script.revision == rows.revision
            throw MigratorError(
                "cannot-be-written", .refused,
                "revision \"\(step.script.revision)\" cannot be written: \(statement.title) cannot run in the transaction in which "
                    + (isSame ? "it" : "revision \"\(rows.revision)\"") + " is recorded",
                hint: isSame
                    ? "run it with `migrator \(plan.direction.rawValue) \(step.to.nonEmpty ?? "base")`"
                    : "write the two with a command each: \(step.from.nonEmpty ?? "base"):\(step.to.nonEmpty ?? "base") first",
                location: statement.location)
        }
    }

    func migrator(on backend: any Backend, reporter: (any Reporter)? = nil) -> Migrator {
        let migrator = Migrator(
            backend: backend, scripts: scripts, toolVersion: toolVersion, command: command,
            reporter: reporter ?? self.reporter)
        migrator.variables = variables
        return migrator
    }

    func run(_ plan: Plan, on backend: any Backend) throws {
        let migrator = migrator(on: backend)
        switch plan.direction {
        case .upgrade: _ = try migrator.upgrade(to: plan.to ?? "base", options: options)
        case .downgrade: _ = try migrator.downgrade(to: plan.to ?? "base", options: options)
        }
    }
}
