import MigratorScript

/// A revision that the database has, as its ledger recorded it.
public struct AppliedRevision: Sendable, Equatable {
    public var revision: String
    public var revises: String?
    public var isStamped: Bool
    public var checksum: String
    /// The script as it was applied, for a way back whose file is gone.
    public var script: Script

    public init(revision: String, revises: String?, isStamped: Bool, checksum: String, script: Script) {
        self.revision = revision
        self.revises = revises
        self.isStamped = isStamped
        self.checksum = checksum
        self.script = script
    }
}

/// A disagreement of the ledger and the scripts.
public struct Drift: Sendable, Equatable {
    /// `checksum-mismatch`, `missing-script`, `database-ahead`, `pending-below-current`.
    public var code: String
    public var revision: String
    public var message: String
    public var hint: String
    public var location: ScriptLocation?
}

/// Holds the scripts against what is applied and says what leads to a target.
public struct Planner: Sendable {
    public let chain: Chain
    /// From base upwards.
    public let applied: [AppliedRevision]
    public let drift: [Drift]

    public init(chain: Chain, applied: [AppliedRevision]) {
        self.chain = chain
        self.applied = applied
        drift = Planner.drift(chain: chain, applied: applied)
    }

    public var current: String? { applied.last?.revision }

    /// Scripts above the current revision, in order.
    public var pending: [Script] {
        let known = Set(applied.map(\.revision))
        return chain.scripts.filter { !known.contains($0.revision) }
    }

    /// - Precondition: `drift` is empty, which the caller has made sure of.
    public func plan(upgradeTo target: Target) throws(PlanError) -> Plan {
        let end = try chain.resolve(target, applied: applied.count)
        guard end >= applied.count else {
            throw PlanError(
                code: "target-behind",
                message: "\"\(target.text)\" lies below the current revision \"\(current ?? "base")\"",
                hint: "to go back, use `migrator downgrade \(target.text)`")
        }
        let steps = chain.scripts[applied.count..<end].map { script in
            PlannedRevision(
                script: script, direction: .upgrade, from: script.revises ?? "", to: script.revision,
                isForgetOnly: false)
        }
        return Plan(direction: .upgrade, from: current, to: steps.last?.to ?? current, steps: steps)
    }

    /// Goes back by what was applied: a script that is gone is taken from the ledger; one whose downgrade alone
    /// was mended since is taken from its file.
    public func plan(downgradeTo target: Target) throws(PlanError) -> Plan {
        let line = lineOfApplied()
        let end = try line.resolve(target, applied: applied.count)
        guard end <= applied.count else {
            throw PlanError(
                code: "target-ahead",
                message: "\"\(target.text)\" lies above the current revision \"\(current ?? "base")\"",
                hint: "to go up, use `migrator upgrade \(target.text)`")
        }
        let steps = applied[end...].reversed().map { revision in
            PlannedRevision(
                script: script(toUndo: revision), direction: .downgrade, from: revision.revision,
                to: revision.revises ?? "", isForgetOnly: revision.isStamped)
        }
        return Plan(
            direction: .downgrade, from: current, to: end == 0 ? nil : applied[end - 1].revision, steps: steps
        )
    }

    public func script(toUndo revision: AppliedRevision) -> Script {
        guard let position = chain.position(of: revision.revision) else { return revision.script }
        let file = chain.scripts[position]
        return file.checksum == revision.checksum || onlyDowngradeChanged(revision, file)
            ? file : revision.script
    }

    /// What is applied followed by what is pending: targets of a downgrade are found among the scripts too.
    private func lineOfApplied() -> Chain {
        let known = Set(applied.map(\.revision))
        let rest = chain.scripts.filter { !known.contains($0.revision) }
        return Chain(ordered: applied.map(\.script) + rest)
    }

    private func onlyDowngradeChanged(_ revision: AppliedRevision, _ file: Script) -> Bool {
        guard revision.script.revises == file.revises, let applied = try? revision.script.upgrade,
            let upgrade = try? file.upgrade
        else { return false }
        return applied.withoutPlaces == upgrade.withoutPlaces
    }

    /// Edits that leave the upgrade as it was applied do not stand in the way of a downgrade.
    public var driftForDowngrade: [Drift] {
        drift.filter { drift in
            guard drift.code == "checksum-mismatch",
                let revision = applied.first(where: { $0.revision == drift.revision }),
                let position = chain.position(of: drift.revision)
            else { return false }
            return !onlyDowngradeChanged(revision, chain.scripts[position])
        }
    }

    private static func drift(chain: Chain, applied: [AppliedRevision]) -> [Drift] {
        var drift: [Drift] = []
        // What follows the last revision that the scripts know comes from a newer release.
        let known = applied.lastIndex { chain.position(of: $0.revision) != nil }.map { $0 + 1 } ?? 0
        for (index, revision) in applied.enumerated() {
            guard let position = chain.position(of: revision.revision) else {
                drift.append(
                    index < known ? missing(revision) : ahead(revision, isCurrent: index == applied.count - 1)
                )
                continue
            }
            let script = chain.scripts[position]
            // A folder that was converted says the same under another checksum.
            if script.checksum != revision.checksum, script.text != revision.script.text {
                drift.append(
                    Drift(
                        code: "checksum-mismatch", revision: revision.revision,
                        message: "revision \"\(script.location.fileName)\" changed after it was applied",
                        hint: "restore the file, or add a new revision", location: script.location))
            }
        }
        return drift + pendingBelow(chain: chain, applied: applied)
    }

    private static func missing(_ revision: AppliedRevision) -> Drift {
        Drift(
            code: "missing-script", revision: revision.revision,
            message: "revision \"\(revision.revision)\" is applied, but its script is missing",
            hint: "bring the script back", location: nil)
    }

    private static func ahead(_ revision: AppliedRevision, isCurrent: Bool) -> Drift {
        Drift(
            code: "database-ahead", revision: revision.revision,
            message: "the database \(isCurrent ? "is at" : "has") revision \"\(revision.revision)\", "
                + "which these scripts do not have",
            hint: "use the scripts of the release that migrated it", location: nil)
    }

    private static func pendingBelow(chain: Chain, applied: [AppliedRevision]) -> [Drift] {
        let known = Set(applied.map(\.revision))
        guard let last = applied.last(where: { chain.position(of: $0.revision) != nil }),
            let position = chain.position(of: last.revision)
        else { return [] }
        return chain.scripts[..<position].filter { !known.contains($0.revision) }.map { script in
            Drift(
                code: "pending-below-current", revision: script.revision,
                message:
                    "revision \"\(script.revision)\" is not applied, though the later \"\(last.revision)\" is",
                hint: script.origin == nil
                    ? "let it revise \"\(chain.head?.revision ?? last.revision)\" instead"
                    : "give it a number behind \"\(chain.head?.revision ?? last.revision)\"",
                location: script.location)
        }
    }
}

extension ScriptLocation {
    /// The file's name without folders and ending.
    public var fileName: String {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        return name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
    }
}
