import MigratorDatabase
import MigratorScript

/// The scripts' own `verify` queries, until a later revision has switched one of their tables away.
struct QueryCheck: VerificationCheck {
    let name = "queries"
    let levels: Set<VerificationLevel> = [.standard, .full]
    let readsRows = true

    func work(_ context: VerificationContext) throws -> [VerificationWork] {
        var work: [VerificationWork] = []
        for (index, applied) in context.applied.enumerated() where applied.record.state == .applied {
            let later = context.applied.dropFirst(index + 1)
            for item in try context.activeItems(of: applied) {
                guard case .verify(let check) = item.action else { continue }
                let successor = try Self.successor(of: check, in: later)
                work.append(
                    VerificationWork(parts: [
                        { context in
                            guard let successor else { return [try result(of: check, context)] }
                            return [
                                CheckResult(
                                    check: name, subject: check.title, verdict: .skipped,
                                    summary: "superseded by revision \(successor)")
                            ]
                        }
                    ]))
            }
        }
        return work
    }

    private static func successor(of check: Check, in later: ArraySlice<AppliedScript>) throws -> String? {
        let identifiers = StatementTraits(check.query, dialect: later.first?.script.dialect ?? .postgresql)
            .identifiers
        return try later.first { applied in
            try applied.script.upgrade.flatItems.contains { item in
                if case .switchTable(let move) = item.action {
                    identifiers.contains(move.source.name)
                } else {
                    false
                }
            }
        }?.record.revision
    }

    private func result(of check: Check, _ context: VerificationContext) throws -> CheckResult {
        do {
            let violations = try Violations(of: check.query, session: context.backend.session)
            return CheckResult(
                check: name, subject: check.title, verdict: violations.count == 0 ? .exact : .differences,
                summary: violations.count == 0 ? "holds" : "\(violations.count.counted("violation"))",
                differences: zip(violations.keys, violations.shown).map {
                    Difference(key: $0, message: $1)
                }, differenceCount: violations.count)
        } catch let error as DatabaseError where error.kind == .statement {
            return CheckResult(
                check: name, subject: check.title, verdict: .differences, summary: "cannot be run",
                differences: [Difference(message: error.message)])
        }
    }
}
