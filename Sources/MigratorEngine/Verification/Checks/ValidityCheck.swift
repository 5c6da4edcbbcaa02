import MigratorScript

/// Indexes valid, constraints validated, triggers on (SQLite: the integrity check).
///
/// What a revision knowingly left so (a constraint `NOT VALID` that a later one validates) is information.
struct ValidityCheck: UndividedCheck {
    let name = "validity"
    let levels: Set<VerificationLevel> = [.counts, .standard, .full]

    func results(_ context: VerificationContext) throws -> [CheckResult] {
        // SQLite's integrity check reads the whole file.
        guard context.level != .counts || context.backend.session.dialect == .postgresql else { return [] }
        let touched = try context.touchedTables()
        let found = try context.backend.invalidObjects().filter { difference in
            context.level == .full || difference.table.map(touched.contains) ?? true
        }
        let definitions = try context.lastDefinitions()
        let known = found.filter { isKnown($0, definitions) }
        let differences = found.filter { !isKnown($0, definitions) }
        let result = CheckResult(
            check: name, subject: "indexes, constraints, triggers",
            verdict: differences.isEmpty ? .exact : .differences,
            summary: differences.isEmpty ? "all in force" : "not all in force", differences: differences)
        return [result]
            + known.map {
                CheckResult(
                    check: name, subject: $0.table ?? "schema", verdict: .information,
                    summary: "\($0.message), as the revisions left it")
            }
    }

    private func isKnown(_ difference: Difference, _ definitions: [String: [String]]) -> Bool {
        guard let table = difference.table, let name = difference.message.split(separator: "\"").dropFirst().first
        else { return false }
        // As the server writes it, which quotes what has to be.
        let names = [String(name), String(name).quotedIdentifier]
        func isOff(_ fact: String) -> Bool {
            ["disabled", "replica"].contains {
                fact.hasSuffix(" \($0)") || fact.firstRange(of: " \($0) comment: ") != nil
            }
        }
        return definitions.contains { relation, facts in
            relation.hasSuffix(".\(table)")
                && facts.contains { fact in
                    names.contains { name in
                        fact.hasPrefix("constraint \(name) ") && fact.firstRange(of: " NOT VALID") != nil
                            || fact.hasPrefix("trigger ") && isOff(fact) && fact.firstRange(of: " \(name) ") != nil
                    }
                }
        }
    }
}
