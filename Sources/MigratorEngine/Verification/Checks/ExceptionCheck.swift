/// Rows that no mapping could place, as the ledger recorded them: information, never silence.
struct ExceptionCheck: UndividedCheck {
    let name = "exceptions"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        let count = try context.backend.ledger.exceptionCount()
        guard count > 0 else { return [] }
        return [
            CheckResult(
                check: name, subject: "ledger", verdict: .information,
                summary: "\(count.counted("row")) could not be placed; the ledger lists them with their reasons",
                figures: ["exceptions": count])
        ]
    }
}
