import MigratorPlan
import MigratorScript

/// The scripts against the ledger, as the commands ask for it: the pure planner with errors as people read them.
struct Planning {
    let graph: ScriptGraph
    let planner: Planner
    /// By revision: the script as it was applied.
    private let recorded: [String: Script]
    /// Values of the scripts' variables.
    var variables: [String: String] = [:]

    /// - Parameter recordedText: the script of a revision as the ledger keeps it, for one whose file has changed or gone.
    /// - Throws: `ScriptError` also for what is malformed in a script that was read by its header only, unless it is
    ///   recorded as it is: then it was parsed when it was applied.
    init(
        scripts: [Script], records: [RevisionRecord], dialect: Dialect, recordedText: (String) throws -> String
    ) throws {
        let checksums = Dictionary(records.map { ($0.revision, $0.checksum) }, uniquingKeysWith: { $1 })
        for script in scripts where checksums[script.revision] != script.checksum { _ = try script.sections() }
        do {
            let files = Dictionary(scripts.map { ($0.revision, $0) }, uniquingKeysWith: { first, _ in first })
            var applied: [AppliedRevision] = []
            var recorded: [String: Script] = [:]
            for record in records {
                // An unchanged file spares reading the ledger's copy.
                var script = files[record.revision]
                if script?.checksum != record.checksum {
                    let text = try recordedText(record.revision)
                    script = try Script.parse(recorded: text, file: record.file, dialect: dialect)
                }
                guard let script else { continue }
                recorded[record.revision] = script
                applied.append(
                    AppliedRevision(
                        revision: record.revision, revises: record.revises,
                        isStamped: record.state == .stamped, checksum: record.checksum, script: script))
            }
            self.recorded = recorded
            graph = try ScriptGraph(scripts.arranged(applied: applied.map(\.script)))
            planner = Planner(chain: try Chain(graph), applied: applied)
        } catch let error as ChainError {
            throw MigratorError(
                error.code, .malformedScripts, error.message, hint: error.hint, location: error.location)
        }
    }

    /// The scripts as this database has run them and will run them.
    var scripts: [Script] { graph.scripts }
    var heads: [String] { graph.heads.map(\.revision) }
    var pending: [String] { planner.pending.map(\.revision) }

    var drift: [Difference] {
        planner.drift.map { drift in
            Difference(
                key: drift.revision, message: drift.message + (drift.location.map { " (\($0.file))" } ?? ""))
        }
    }

    /// The script that takes a revision back.
    func script(of record: RevisionRecord) throws -> Script {
        guard let applied = planner.applied.first(where: { $0.revision == record.revision }) else {
            return try recordedScript(of: record)
        }
        return try planner.script(toUndo: applied).filled(with: variables)
    }

    func recordedScript(of record: RevisionRecord) throws -> Script {
        if let script = recorded[record.revision] { return script }
        throw MigratorError(
            "missing-script", .difference, "the script of revision \"\(record.revision)\" is not recorded")
    }

    /// Refuses edited and missing scripts, and a database ahead of them.
    func checkDrift() throws { try refuse(planner.drift) }

    func upgrade(to target: String) throws -> Plan {
        try checkDrift()
        return try readable(worded { () throws(PlanError) in try planner.plan(upgradeTo: Target(target)) })
    }

    func downgrade(to target: String) throws -> Plan {
        try refuse(planner.driftForDowngrade)
        return try readable(worded { () throws(PlanError) in try planner.plan(downgradeTo: Target(target)) })
    }

    /// The plan, with every script of it parsed and its variables filled in: what is malformed or missing is found
    /// before anything runs.
    private func readable(_ plan: Plan) throws -> Plan {
        var plan = plan
        for index in plan.steps.indices {
            let script = plan.steps[index].script
            _ = try script.sections()
            if !plan.steps[index].isForgetOnly { plan.steps[index].script = try script.filled(with: variables) }
        }
        return plan
    }

    /// The scripts from base to the target, both included; none for base.
    func chain(upTo target: String) throws -> [Script] {
        try worded { () throws(PlanError) in
            let end = try planner.chain.resolve(Target(target), applied: planner.applied.count)
            return Array(planner.chain.scripts[..<end])
        }
    }

    /// Up, unless the target lies below the current revision.
    func direction(of target: String) throws -> Direction {
        try worded { () throws(PlanError) in
            let target = try Target(target)
            if target.anchor == .current { return target.offset < 0 ? .downgrade : .upgrade }
            return try planner.chain.resolve(target, applied: planner.applied.count) < planner.applied.count
                ? .downgrade : .upgrade
        }
    }

    private func refuse(_ drift: [Drift]) throws {
        guard let first = drift.first else { return }
        throw MigratorError(
            first.code, .difference, first.message, hint: first.hint, location: first.location,
            details: drift.dropFirst().map(\.message))
    }

    private func worded<Result>(_ body: () throws(PlanError) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw MigratorError(error.code, .usage, error.message, hint: error.hint)
        }
    }
}

extension Migrator {
    /// The scripts in the order in which this database has run them and will run them.
    public func arrangedScripts() throws -> [Script] {
        try scripts.contains { $0.origin != nil } ? planning(recordedRevisions()).scripts : scripts
    }

    func planning(_ records: [RevisionRecord]) throws -> Planning {
        var planning = try Planning(
            scripts: scripts, records: records, dialect: backend.session.dialect,
            recordedText: { try self.backend.ledger.script(of: $0) })
        planning.variables = variables
        return planning
    }
}
