/// Indexes valid, constraints validated, triggers on (SQLite: the integrity check).
struct ValidityCheck: VerificationCheck {
    let name = "validity"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        // SQLite's integrity check reads the whole file.
        guard context.level != .counts || context.backend.session.dialect == .postgresql else { return [] }
        let touched = try context.touchedTables()
        let differences = try context.backend.invalidObjects().filter { difference in
            context.level == .full || difference.table.map(touched.contains) ?? true
        }
        return [
            CheckResult(
                check: name, subject: "indexes, constraints, triggers",
                verdict: differences.isEmpty ? .exact : .differences,
                summary: differences.isEmpty ? "all in force" : "not all in force", differences: differences)
        ]
    }
}
