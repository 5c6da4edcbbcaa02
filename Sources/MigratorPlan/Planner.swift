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
        let end: Int
        if target.anchor == .head && target.offset == 0 {
            throw PlanError(code: "target-ahead", message: "\"head\" is where an upgrade goes", hint: "name a revision below the current one")
        }
        end = try line.resolve(target, applied: applied.count)
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
            direction: .downgrade, from: current, to: end == 0 ? nil : applied[end - 1].revision, steps: steps)
    }

    public func script(toUndo revision: AppliedRevision) -> Script {
        guard let position = chain.position(of: revision.revision) else { return revision.script }
        let file = chain.scripts[position]
        return file.checksum == revision.checksum || onlyDowngradeChanged(revision, file) ? file : revision.script
    }

    /// What is applied followed by what is pending: targets of a downgrade are found among the scripts too.
    private func lineOfApplied() -> Chain {
        let known = Set(applied.map(\.revision))
        let rest = chain.scripts.filter { !known.contains($0.revision) }
        return Chain(ordered: applied.map(\.script) + rest)
    }

    private func onlyDowngradeChanged(_ revision: AppliedRevision, _ file: Script) -> Bool {
        Planner.onlyDowngradeChanged(revision, file)
    }

    private static func onlyDowngradeChanged(_ revision: AppliedRevision, _ file: Script) -> Bool {
        revision.script.revises == file.revises && revision.script.upgrade.texts == file.upgrade.texts
    }

    /// Edits that leave the upgrade as it was applied do not stand in the way of a downgrade.
    public var driftForDowngrade: [Drift] {
        drift.filter { drift in
            guard drift.code == "checksum-mismatch",
                let revision = applied.first(where: { $0.revision == drift.revision }),
                let position = chain.position(of: drift.revision)
            else { return drift.code == "checksum-mismatch" }
            return !onlyDowngradeChanged(revision, chain.scripts[position])
        }
    }

    private static func drift(chain: Chain, applied: [AppliedRevision]) -> [Drift] {
        var drift: [Drift] = []
        for revision in applied {
            guard let position = chain.position(of: revision.revision) else {
                let isAhead = applied.last?.revision == revision.revision || revision.revises == chain.head?.revision
                drift.append(
                    Drift(
                        code: isAhead ? "database-ahead" : "missing-script", revision: revision.revision,
                        message: isAhead
                            ? "the database is at revision \"\(revision.revision)\", which these scripts do not have"
                            : "revision \"\(revision.revision)\" is applied, but its script is missing",
                        hint: isAhead
                            ? "use the scripts of the release that migrated it" : "bring the script back",
                        location: nil))
                continue
            }
            let script = chain.scripts[position]
            if script.checksum != revision.checksum {
                drift.append(
                    Drift(
                        code: "checksum-mismatch", revision: revision.revision,
                        message: "revision \"\(script.location.fileName)\" changed after it was applied",
                        hint: "restore the file, or add a new revision", location: script.location))
            }
        }
        let known = Set(applied.map(\.revision))
        if let last = applied.last, let position = chain.position(of: last.revision) {
            for script in chain.scripts[..<position] where !known.contains(script.revision) {
                drift.append(
                    Drift(
                        code: "pending-below-current", revision: script.revision,
                        message: "revision \"\(script.revision)\" is not applied, though the later \"\(last.revision)\" is",
                        hint: "let it revise \"\(chain.head?.revision ?? last.revision)\" instead", location: script.location))
            }
        }
        return drift
    }
}

extension ScriptLocation {
    /// The file's name without folders and ending.
    public var fileName: String {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        return name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
    }
}

extension Section {
    /// The actions without their places in the file, for telling whether anything but layout changed.
    var texts: [String] {
        items.map { item in
            WithoutLocations.describe(item.action)
        }
    }
}

/// An action as text without locations, so that an edit elsewhere in the file does not count.
private enum WithoutLocations {
    static func describe(_ action: Action) -> String {
        func text(_ statement: Statement?) -> String { statement?.text ?? "by name" }
        switch action {
        case .statement(let statement): return statement.text
        case .leftovers(let tables): return "leftovers \(tables)"
        case .backup(let table): return "backup \(table)"
        case .archive(let tables): return "archive \(tables)"
        case .switchTable(let move), .copy(let move):
            let view = move.view.map(\.description) ?? ""
            let strategy = move.strategy?.rawValue ?? ""
            return "move \(move.source) \(move.target) \(move.key) \(view) \(strategy) \(text(move.mapping))"
        case .sync(let sync):
            let back = sync.back.map { "\($0.yields) \(text($0.mapping))" } ?? ""
            return "sync \(sync.source) \(sync.target) \(sync.key) \(text(sync.mapping)) \(back)"
        case .unsync(let source, let target): return "unsync \(source) \(target)"
        case .ensure(let ensure):
            let raise = ensure.raise.map { "\($0.column) \($0.order)" } ?? ""
            return "ensure \(ensure.source) \(ensure.target) \(ensure.on) \(ensure.owner ?? "") \(raise) \(ensure.mapping.text)"
        case .fill(let fill): return "fill \(fill.table) \(fill.key) \(fill.mapping.text)"
        case .exceptions(let exceptions):
            return "exceptions \(exceptions.table) \(exceptions.key) \(exceptions.mapping.text)"
        case .verify(let check): return "verify \(check.title) \(check.query.text)"
        case .when(let condition, let items):
            return "when \(condition) " + items.map { describe($0.action) }.joined(separator: "\n")
        }
    }
}
