/// The schema that applied revisions touched against its fingerprint: drift.
struct FingerprintCheck: UndividedCheck {
    let name = "schema"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        // A later revision's definition of a relation supersedes an earlier one's.
        var expected: [String: [String]?] = [:]
        for applied in context.applied where applied.record.state == .applied {
            for record in try context.backend.ledger.fingerprints(revision: applied.record.revision) {
                expected[record.relation] = .some(record.after)
            }
        }
        guard !expected.isEmpty else { return [] }
        let now = try context.backend.schemaSnapshot(of: Set(expected.keys))
        var differences: [Difference] = []
        for (relation, definition) in expected.sorted(by: { $0.key < $1.key }) {
            differences += SchemaChange(relation, expected: definition ?? nil, found: now[relation]).differences
        }
        return [
            CheckResult(
                check: name, subject: "\(expected.count) relations",
                verdict: differences.isEmpty ? .exact : .differences,
                summary: differences.isEmpty ? "as the revisions left them" : "changed since",
                figures: ["relations": expected.count], differences: differences)
        ]
    }
}
