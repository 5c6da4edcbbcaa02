/// The ledger against the scripts: files edited or missing, a database ahead of them, unfinished revisions.
struct LedgerCheck: UndividedCheck {
    let name = "ledger"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        let unfinished = context.applied.filter { !$0.record.isFinished }.map {
            Difference(
                message:
                    "revision \"\($0.record.revision)\" has been \($0.record.state == .upgrading ? "upgraded" : "downgraded") only in part; run the same command again"
            )
        }
        let differences = context.drift + unfinished
        return [
            CheckResult(
                check: name, subject: "scripts", verdict: differences.isEmpty ? .exact : .differences,
                summary: differences.isEmpty
                    ? "\(context.applied.count.counted("revision")) as in the scripts"
                    : "the ledger and the scripts disagree",
                figures: ["revisions": context.applied.count], differences: differences)
        ]
    }
}
