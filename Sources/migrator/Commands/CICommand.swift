import ArgumentParser
import MigratorDatabase
import MigratorEngine
import MigratorScript

struct CICommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "ci",
        abstract: "Everything a pipeline should know before it merges or deploys, with one summary.",
        discussion: """
            Looks at the scripts, their order against the base branch, and, where a database is named, its state, the \
            plan, a rehearsal on a scratch copy, and verification. The database itself is only read. Under GitHub \
            Actions findings become annotations and a step summary. Ends with the status of the first check that failed.
            """)

    @Option(help: ArgumentHelp("The branch to merge into (default: what GitHub or GitLab names).", valueName: "ref"))
    var base: String?
    @Flag(help: "Leave the rehearsal out.")
    var noRehearse = false
    @Option(help: ArgumentHelp("About how many rows of a table are rehearsed (PostgreSQL).", valueName: "rows"))
    var rows = 10_000
    @Option(help: ArgumentHelp("Write the summary as JUnit's XML.", valueName: "file"))
    var junit: String?
    @Option(help: ArgumentHelp("Write the summary as Markdown.", valueName: "file"))
    var markdown: String?
    @OptionGroup var global: GlobalOptions

    func perform(_ invocation: Invocation) throws -> ExitStatus {
        let setup = try Setup(global)
        var report = CIReport()
        try checkScripts(invocation.scriptSource(setup), &report)
        if report.isFailed {
            for name in ["state", "plan", "rehearse", "verify"] { report.skip(name, "the scripts are not in order") }
        } else {
            try checkDatabase(setup, invocation, &report)
        }
        try write(report, invocation)
        invocation.finish(report.json) { report.show(invocation.console) }
        return report.status
    }

    // MARK: Without a database

    private func checkScripts(_ source: ScriptSource, _ report: inout CIReport) throws {
        try report.run("scripts") { check in
            let lineages = try source.lineages(of: nil)
            for lineage in lineages where lineage.heads.count > 1 {
                let names = lineage.heads.map { "\"\($0.revision)\" (\($0.location.file))" }
                check.fail(
                    .init(
                        "there are \(names.count) heads: \(names.joined(separator: ", "))",
                        hint: "run `migrator rebase \(lineage.heads[1].revision)`",
                        location: lineage.heads[1].location), .malformedScripts)
            }
            check.summary = lineages.map { lineage in
                let heads = lineage.heads.map(\.revision).joined(separator: ", ")
                return "\(lineage.dialect.rawValue): \(lineage.listed.count.counted("revision")), head \(heads)"
            }.joined(separator: "; ")
        }
        guard let name = BaseBranch.name(given: base) else {
            return report.skip("order", "no base branch is named")
        }
        try report.run("order") { check in
            let branch = BaseBranch(name: name, folder: source.folder)
            try branch.check(try source.scriptsByDialect(nil), &check)
        }
    }

    // MARK: With one

    private func checkDatabase(_ setup: Setup, _ invocation: Invocation, _ report: inout CIReport) throws {
        do {
            _ = try setup.database()
        } catch let error as MigratorError {
            guard error.code == "no-database" else { throw error }
            for name in ["state", "plan", "rehearse", "verify"] { report.skip(name, "no database is named") }
            return
        }
        var opened: Migrator?
        var current: CurrentReport?
        try report.run("state") { check in
            let migrator = try invocation.migrator(.reading)
            let found = try migrator.current()
            for difference in found.drift {
                check.fail(.init(VerificationOutput.line(difference)), .difference)
            }
            if let unfinished = found.unfinished {
                check.fail(
                    .init(
                        "the \(unfinished.direction.rawValue) of revision \"\(unfinished.revision)\" is not finished",
                        hint: "run it again, or take it back with `migrator downgrade -1`"), .failed)
            }
            check.summary =
                "at \(found.revision ?? "no revision"), "
                + (found.pending.isEmpty ? "nothing is pending" : "pending: \(found.pending.joined(separator: ", "))")
            (opened, current) = (migrator, found)
        }
        guard let migrator = opened, let current, !report.isFailed else {
            for name in ["plan", "rehearse", "verify"] { report.skip(name, "the state is not in order") }
            return
        }
        if current.pending.isEmpty {
            for name in ["plan", "rehearse"] { report.skip(name, "nothing is pending") }
        } else {
            try plan(migrator, &report)
            try rehearse(migrator, &report)
        }
        guard current.revision != nil else { return report.skip("verify", "nothing has been migrated here") }
        try verify(migrator, &report)
    }

    private func plan(_ migrator: Migrator, _ report: inout CIReport) throws {
        try report.run("plan") { check in
            let plan = try migrator.plan("head", direction: .upgrade, options: RunOptions())
            for warning in plan.warnings { check.findings.append(.init(warning, isError: false)) }
            for loss in plan.losses { check.findings.append(.init("would be lost: \(loss)", isError: false)) }
            let steps = plan.revisions.reduce(0) { $0 + $1.steps.count }
            check.summary =
                "\(plan.revisions.count.counted("revision")), \(steps.counted("step")), writers wait for about "
                + plan.estimate.exclusive.short
        }
    }

    private func rehearse(_ migrator: Migrator, _ report: inout CIReport) throws {
        if noRehearse { return report.skip("rehearse", "--no-rehearse") }
        try report.run("rehearse") { check in
            var options = RehearsalOptions()
            options.rowsPerTable = rows
            options.run.ignoredSignals = Set(LoadSignal.allCases)
            options.register = Interruption.register
            let rehearsal = try Rehearsal.run(migrator, options: options)
            for stage in rehearsal.stages where stage.result == .differences || stage.result == .failed {
                let lines = stage.details + stage.differences.prefix(10).map(VerificationOutput.line)
                check.fail(
                    .init(
                        (["\(stage.kind) \(stage.revision) is not exact"] + lines).joined(separator: "\n"),
                        hint: "run `migrator rehearse` for the whole story"), .difference)
            }
            check.summary =
                "\(rehearsal.stages.count.counted("stage")) on \(rehearsal.copy.rows.counted("row")): "
                + (rehearsal.isExact ? "every downgrade restored what was" : "not exact")
        }
    }

    private func verify(_ migrator: Migrator, _ report: inout CIReport) throws {
        try report.run("verify") { check in
            let verification = try migrator.verify(VerificationOptions())
            for result in verification.results where result.verdict == .differences {
                let lines = result.differences.map(VerificationOutput.line)
                check.fail(
                    .init((["\(result.check): \(result.subject): \(result.summary)"] + lines).joined(separator: "\n")),
                    .difference)
            }
            for reason in verification.reasons { check.findings.append(.init(reason, isError: false)) }
            check.summary =
                "\(verification.results.count.counted("check")), "
                + (verification.isDifference ? "differences" : "no differences")
        }
    }

    // MARK: Where it goes

    private func write(_ report: CIReport, _ invocation: Invocation) throws {
        if let junit { try write(report.junit, to: junit) }
        if let markdown { try write(report.markdown, to: markdown) }
        guard Setup.variable("GITHUB_ACTIONS") == "true" else { return }
        if !global.json {
            for annotation in report.annotations { invocation.console.print(annotation) }
        }
        if let summary = Setup.variable("GITHUB_STEP_SUMMARY"), !Files.append(summary, report.markdown) {
            invocation.console.warning("the step summary cannot be written: \(Files.reason)")
        }
    }

    private func write(_ text: String, to path: String) throws {
        guard Files.replace(path, text) else {
            throw MigratorError("unwritable-file", .failed, "\"\(path)\" cannot be written: \(Files.reason)")
        }
    }
}
