import MigratorEngine

/// The end of an upgrade, a downgrade or a contract; its steps have been told as they went.
enum RunOutput {
    static func show(
        _ report: RunReport, refusesExceptions: Bool, _ invocation: Invocation
    ) -> ExitStatus {
        let isRefused = refusesExceptions && report.exceptions > 0
        if report.exceptions > 0 {
            invocation.reporter.report(
                .warning(
                    "\(report.exceptions.counted("row")) could not be placed by any mapping and "
                        + "\(report.exceptions == 1 ? "is" : "are") kept in the ledger"))
        }
        let status: ExitStatus = isRefused ? .difference : .done
        invocation.finish(json(report, status)) {}
        return status
    }

    private static func json(_ report: RunReport, _ status: ExitStatus) -> JSONValue {
        .object([
            "from": JSONValue(report.from), "to": JSONValue(report.to), "run": JSONValue(report.runID),
            "exceptions": .int(report.exceptions), "exit_status": .int(Int(status.rawValue)),
            "revisions": .array(report.revisions.map(json)),
        ])
    }

    private static func json(_ revision: RunReport.RevisionReport) -> JSONValue {
        .object([
            "revision": .string(revision.revision), "direction": .string(revision.direction.rawValue),
            "from": .string(revision.from), "to": .string(revision.to), "message": .string(revision.message),
            "duration_ms": JSONValue(milliseconds: revision.duration),
            "steps": .array(
                revision.steps.map { step in
                    .object([
                        "title": .string(step.title), "rows": JSONValue(step.rows),
                        "duration_ms": JSONValue(milliseconds: step.duration),
                        "details": JSONValue(step.details),
                    ])
                }),
        ])
    }
}
