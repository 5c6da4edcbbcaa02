import MigratorEngine

/// A run as its reports show it: revisions, their steps, and the phases of those, in the order of time.
struct RunView {
    struct Step {
        var item: Int
        var kind: String
        var title: String
        var outcome: ActivityRecord.Outcome
        /// Since the run's beginning; nil where the ledger does not say.
        var started: Int?
        var milliseconds: Int
        var rows: Int?
        var details: [String]
        var phases: [ActivityRecord] = []
        var samples: [SampleRecord] = []

        /// What a phase has written or compared; nil where nothing was sampled of it.
        func rows(of phase: ActivityRecord) -> Int? {
            let end = phase.startedMilliseconds + phase.milliseconds
            let own = samples.filter {
                $0.phase == phase.phase && $0.atMilliseconds >= phase.startedMilliseconds && $0.atMilliseconds <= end
            }
            guard let first = own.first, let last = own.last, own.count > 1 else { return nil }
            return max(0, last.rows - first.rows)
        }

        /// A statement that only describes what a switch reaches in another way.
        var isDeclaration: Bool { details == ["declaration"] }
    }

    struct Revision {
        var revision: String
        var direction: Direction
        var message: String
        /// `online` or `window`; nil where the ledger does not say.
        var mode: String?
        /// Where it leads to; empty for base, nil where the ledger does not say.
        var to: String?
        var outcome: ActivityRecord.Outcome
        var started: Int?
        var milliseconds: Int
        var steps: [Step]

        var title: String { "\(direction.rawValue) \(revision)" }
    }

    let details: RunDetails
    let revisions: [Revision]
    /// As it is shown anywhere else.
    let database: String

    var run: RunRecord { details.run }

    init(_ details: RunDetails, database: String) {
        self.details = details
        self.database = database
        revisions = Self.revisions(of: details)
    }

    private static func revisions(of details: RunDetails) -> [Revision] {
        var keys: [(revision: String, direction: Direction)] = []
        func note(_ revision: String, _ direction: Direction) {
            if !keys.contains(where: { $0 == (revision, direction) }) { keys.append((revision, direction)) }
        }
        for step in details.steps { note(step.revision, step.direction) }
        for activity in details.activities { note(activity.revision, activity.direction) }
        return keys.map { key in
            let activities = details.activities.filter { $0.revision == key.revision && $0.direction == key.direction }
            let whole = activities.last { $0.isRevision }
            let steps = Self.steps(of: key, details: details, activities: activities)
            return Revision(
                revision: key.revision, direction: key.direction, message: whole?.title ?? "", mode: whole?.mode,
                to: whole?.to,
                outcome: whole?.outcome ?? (steps.contains { $0.outcome == .failed } ? .failed : .done),
                started: whole?.startedMilliseconds,
                milliseconds: whole?.milliseconds ?? steps.map(\.milliseconds).reduce(0, +), steps: steps)
        }.sorted { ($0.started ?? .max) < ($1.started ?? .max) }
    }

    private static func steps(
        of key: (revision: String, direction: Direction), details: RunDetails, activities: [ActivityRecord]
    ) -> [Step] {
        var steps: [Step] = []
        for record in details.steps where record.revision == key.revision && record.direction == key.direction {
            let activity = activities.last { $0.isStep && $0.item == record.item && $0.outcome == .done }
            steps.append(
                Step(
                    item: record.item, kind: record.kind, title: record.title, outcome: .done,
                    started: activity?.startedMilliseconds,
                    // A query's row in `step` does not know its time.
                    milliseconds: max(activity?.milliseconds ?? 0, record.duration.milliseconds), rows: record.rows,
                    details: record.details))
        }
        for activity in activities where activity.isStep && activity.outcome != .done {
            steps.append(
                Step(
                    item: activity.item, kind: activity.kind, title: activity.title, outcome: activity.outcome,
                    started: activity.startedMilliseconds, milliseconds: activity.milliseconds, rows: nil, details: []))
        }
        for index in steps.indices {
            let step = steps[index]
            steps[index].phases = activities.filter { $0.phase != nil && $0.item == step.item }
            steps[index].samples = details.samples.filter {
                $0.revision == key.revision && $0.direction == key.direction && $0.item == step.item
            }
        }
        return steps.enumerated().sorted { left, right in
            switch (left.element.started, right.element.started) {
            case (let a?, let b?) where a != b: a < b
            default: left.offset < right.offset
            }
        }.map(\.element)
    }

    // MARK: Figures

    var steps: [Step] { revisions.flatMap(\.steps) }
    /// What the ledger's steps say that they have written or moved.
    var rows: Int { steps.compactMap(\.rows).reduce(0, +) }
    var longestHold: CriticalSectionRecord? { details.sections.max { $0.heldMicroseconds < $1.heldMicroseconds } }
    var waitedMicroseconds: Int { details.sections.map(\.waitedMicroseconds).reduce(0, +) }
    /// The last figure of each step counts what came before.
    var pausedMilliseconds: Int {
        steps.map { $0.samples.map(\.pausedMilliseconds).max() ?? 0 }.reduce(0, +)
    }
    var exactProofs: Int { details.proofs.filter { $0.record.verdict == "exact" }.count }
    var exceptions: Int { details.exceptions.map(\.rows).reduce(0, +) }

    func size(_ kind: SizeRecord.Kind, _ moment: SizeRecord.Moment) -> Int? {
        details.sizes.first { $0.kind == kind && $0.moment == moment }?.bytes
    }

    /// `0002 → 0003`; of a run that is no migration, its command.
    var title: String {
        guard let direction = run.direction else { return run.command }
        return "\(direction.rawValue) \(run.from ?? "base") → \(reached)"
    }

    /// Where the run has come to; of one that is not done, the target as it was given.
    private var reached: String {
        guard run.outcome == "done", let last = revisions.last else { return run.to ?? "" }
        guard let to = last.to else { return last.direction == .upgrade ? last.revision : run.to ?? "" }
        return to.isEmpty ? "base" : to
    }
}

extension CriticalSectionRecord {
    /// The locks, by mode: `ACCESS EXCLUSIVE on messages, users`.
    var lockList: [String] {
        var modes: [(mode: String, tables: [String])] = []
        for line in locks.split(separator: "\n").map(String.init) {
            let parts = line.split(separator: " on ", maxSplits: 1).map(String.init)
            let (mode, table) = (parts[0], parts.count > 1 ? parts[1].unquoted : "")
            if let index = modes.firstIndex(where: { $0.mode == mode }) {
                modes[index].tables.append(table)
            } else {
                modes.append((mode, [table]))
            }
        }
        return modes.map { $0.tables == [""] ? $0.mode : "\($0.mode) on \($0.tables.joined(separator: ", "))" }
    }
}

extension String {
    /// Without the quotes of an identifier.
    var unquoted: String {
        guard count > 1, hasPrefix("\""), hasSuffix("\"") else { return self }
        return String(dropFirst().dropLast()).replacing("\"\"", with: "\"")
    }
}

extension ProofRecord {
    /// The figures of its detail, in their order: `rows 99,999`, `strategy rename`.
    var figures: [(name: String, value: String)] {
        JSONMembers(detail).members.map { name, value in
            // Numbers that count something; the others are names.
            (name, ["rows", "count", "compared"].contains(name) ? Int(value)?.grouped ?? value : value)
        }
    }
}

/// The members of a flat JSON object in the order in which they are written; nested values as their text.
struct JSONMembers {
    private(set) var members: [(String, String)] = []

    init(_ text: String) {
        var rest = Substring(text).drop { $0 != "{" }.dropFirst()
        while let name = Self.string(&rest) {
            rest = rest.drop { $0 == " " || $0 == ":" }
            let value: String
            if rest.first == "\"" {
                guard let text = Self.string(&rest) else { return }
                value = text
            } else {
                var depth = 0
                let end = rest.firstIndex { character in
                    if character == "{" || character == "[" { depth += 1 }
                    if character == "}" || character == "]" { depth -= 1 }
                    return depth < 0 || (depth == 0 && character == ",")
                }
                value = String(rest[..<(end ?? rest.endIndex)])
                rest = rest[(end ?? rest.endIndex)...]
            }
            members.append((name, value))
        }
    }

    private static func string(_ rest: inout Substring) -> String? {
        rest = rest.drop { $0 != "\"" }
        guard !rest.isEmpty else { return nil }
        rest = rest.dropFirst()
        var text = ""
        while let character = rest.popFirst(), character != "\"" {
            text.append(character == "\\" ? rest.popFirst() ?? "\\" : character)
        }
        return text
    }
}
