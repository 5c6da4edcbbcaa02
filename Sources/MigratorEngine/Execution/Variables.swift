import MigratorPlan
import MigratorScript

/// Values of the scripts' variables: the ledger keeps a digest of each, in the transaction that used it.
extension Executor {
    func recordVariables(work: RevisionWork) throws {
        let script = work.planned.script
        let kept = try backend.ledger.objects(revision: script.revision, kind: Migrator.variableKind).map(\.name)
        for variable in script.variables where !kept.contains(variable.name) {
            guard let value = variables[variable.name] ?? variable.defaultValue else { continue }
            try backend.ledger.add(
                ObjectRecord(
                    runID: run.id, revision: script.revision, item: -1, kind: Migrator.variableKind,
                    name: variable.name,
                    detail: Script.digest(ofVariable: variable.name, value: value, revision: script.revision)))
        }
    }
}

extension Migrator {
    static let variableKind = "variable"

    /// A way back with another value would take back something else than what was made.
    func checkVariables(of planned: PlannedRevision) throws {
        let needed = try planned.digestsForDowngrade(variables)
        guard !needed.isEmpty, !planned.isForgetOnly else { return }
        let kept = try backend.ledger.objects(revision: planned.script.revision, kind: Self.variableKind)
        for (name, digest) in needed where kept.last(where: { $0.name == name }).map({ $0.detail != digest }) ?? false {
            throw MigratorError(
                "variable-changed", .refused,
                "revision \"\(planned.script.revision)\" was upgraded with another value of the variable \"\(name)\"",
                hint: "give the value of then with -x \(name)=VALUE", location: planned.script.location)
        }
    }

    /// - Throws: `MigratorError`, status usage, for a name that no script declares.
    public static func checkVariables(named names: [String], scripts: [Script]) throws {
        let declared = Set(scripts.flatMap(\.variables).map(\.name))
        guard let unknown = names.sorted().first(where: { !declared.contains($0) }) else { return }
        throw MigratorError(
            "unknown-variable", .usage, "no script declares the variable \"\(unknown)\"",
            hint: declared.isEmpty
                ? "declare it in a script's header: -- migrator:variables \(unknown)"
                : "there are: " + declared.sorted().joined(separator: ", "))
    }
}

extension PlannedRevision {
    /// Of each variable that a downgrade uses, the digest that the ledger must hold, if any.
    func digestsForDowngrade(_ values: [String: String]) throws -> [(name: String, digest: String)] {
        guard direction == .downgrade, !script.variables.isEmpty, case .section(let section) = try script.downgrade
        else { return [] }
        let used = Set(section.flatItems.flatMap(\.statements).flatMap(\.replacements).map(\.name))
        return script.variables.filter { used.contains($0.name) }.compactMap { variable in
            (values[variable.name] ?? variable.defaultValue).map {
                (variable.name, Script.digest(ofVariable: variable.name, value: $0, revision: script.revision))
            }
        }
    }
}
