import MigratorDatabase
import MigratorScript

extension Executor {
    /// Records with the commit how the revision changed each relation, and keeps the known schema up to date.
    func recordFingerprints(work: RevisionWork) throws {
        let ledger = backend.ledger
        let revision = work.planned.script.revision
        let changes = try schemaChanges(work: work)
        ledger.writeLater(ledger.settings(of: changes, revision: revision))
        if ledger.journal != nil {
            ledger.writeLater(ledger.additions(ofChanges: changes, revision: revision, run: run.id))
        }
        for change in changes { knownSchema?[change.relation] = change.after }
    }

    /// The relations that differ from what was known before this transaction.
    private func schemaChanges(work: RevisionWork) throws -> [FingerprintRecord] {
        let known = knownSchema ?? [:]
        let now: SchemaSnapshot
        let candidates: Set<String>
        if !work.comparesEverything, let touched = try backend.touchedSchema() {
            now = touched.definitions
            candidates = touched.relations
        } else {
            // Those of other schemas that the revision has touched before.
            let own = try backend.schemaSnapshot(of: nil)
            let others = try backend.schemaSnapshot(of: Set(known.keys.filter { own[$0] == nil }))
            now = own.merging(others) { $1 }
            candidates = Set(known.keys).union(now.keys)
        }
        return candidates.sorted().compactMap { relation in
            known[relation] == now[relation]
                ? nil : FingerprintRecord(relation: relation, before: known[relation], after: now[relation])
        }
    }

    /// For the run's report.
    private func recordChanges(from known: SchemaSnapshot, to now: SchemaSnapshot, revision: String) {
        guard backend.ledger.journal != nil else { return }
        let changes = Set(known.keys).union(now.keys).sorted().filter { known[$0] != now[$0] }
        backend.ledger.writeLater(
            backend.ledger.additions(
                ofChanges: changes.map { FingerprintRecord(relation: $0, before: known[$0], after: now[$0]) },
                revision: revision, run: run.id))
    }

    /// After a downgrade the touched part of the schema must be what it was before the upgrade.
    /// What somebody had changed by hand before this downgrade began is told, not held against it.
    func compareFingerprints(work: RevisionWork) throws {
        let revision = work.planned.script.revision
        let records = try backend.ledger.fingerprints(revision: revision)
        let known = knownSchema ?? [:]
        let now = try backend.schemaSnapshot(of: nil)
        knownSchema = now
        recordChanges(from: known, to: now, revision: revision)
        guard !work.isUndo, work.recorded?.state == .applied, !work.planned.script.isRepeatable else { return }
        let moves = try work.planned.script.upgrade.flatItems.compactMap { item -> Move? in
            if case .switchTable(let move) = item.action { move } else { nil }
        }
        func drift(of relation: String) -> SchemaDifference {
            let record = records.first { $0.relation == relation }
            return SchemaDifference(from: record?.after ?? [], to: known[relation] ?? [])
        }
        var differences: [String] = []
        for record in records {
            var left = SchemaDifference(from: record.before ?? [], to: now[record.relation] ?? [])
                .without(drift(of: record.relation)).without(naming: work.leftNames).withoutShiftedColumns
            // What was changed on the new table has come along under the old name.
            for move in moves where record.relation == relationName(move.source) {
                left = left.without(
                    drift(of: relationName(move.target)), named: [move.source.name, move.target.name])
            }
            differences += left.lines.map { "\(record.relation): \($0)" }
        }
        guard differences.isEmpty else {
            throw MigratorError(
                "downgrade-differs", .difference,
                "the downgrade of revision \"\(revision)\" does not bring the schema back to what it was; "
                    + (work.isOnline ? "what it has done stands" : "nothing was committed"),
                hint: work.isOnline
                    ? "look at what differs; the same command again ends the downgrade and leaves it so"
                    : "mend the downgrade section of \(work.planned.script.downgradeLocation.file) and run the same command again",
                location: work.planned.script.downgradeLocation, details: SchemaDifference.shortened(differences))
        }
        if !records.isEmpty {
            try backend.ledger.add(
                ProofRecord(
                    runID: run.id, revision: revision, item: -1, check: "fingerprint",
                    subject: "\(records.count) relations", verdict: Verdict.exact.rawValue, detail: "{}"))
        }
    }

    /// As fingerprints name it.
    private func relationName(_ table: TableName) -> String { "\(table.schema ?? backend.schema).\(table.name)" }
}

/// Facts that one definition has and another has not.
struct SchemaDifference: Equatable {
    var missing: [String]
    var added: [String]

    init(from old: [String], to new: [String]) {
        let before = Set(old)
        let after = Set(new)
        missing = old.filter { !after.contains($0) }
        added = new.filter { !before.contains($0) }
        // The server's own change of spelling is none.
        for fact in missing {
            guard let same = added.firstIndex(where: { SQLiteQuotedStrings.areSame(fact, $0) }) else { continue }
            added.remove(at: same)
            missing.removeAll { $0 == fact }
        }
    }

    var isEmpty: Bool { missing.isEmpty && added.isEmpty }

    /// Leaves out facts that `other` names on either side.
    func without(_ other: SchemaDifference) -> SchemaDifference {
        let known = Set(other.missing + other.added)
        var rest = self
        rest.missing = missing.filter { !known.contains($0) }
        rest.added = added.filter { !known.contains($0) }
        return rest
    }

    /// Leaves out facts that `other` names on either side, whichever of these names its table has in them.
    func without(_ other: SchemaDifference, named names: [String]) -> SchemaDifference {
        let known = Set((other.missing + other.added).map { Self.unnamed($0, names) })
        var rest = self
        rest.missing = missing.filter { !known.contains(Self.unnamed($0, names)) }
        rest.added = added.filter { !known.contains(Self.unnamed($0, names)) }
        return rest
    }

    /// Leaves out facts that have one of these names in them.
    func without(naming names: Set<String>) -> SchemaDifference {
        guard !names.isEmpty else { return self }
        func isNamed(_ fact: String) -> Bool { Self.unnamed(fact, Array(names)) != Self.unnamed(fact, []) }
        var rest = self
        rest.missing.removeAll(where: isNamed)
        rest.added.removeAll(where: isNamed)
        return rest
    }

    /// A fact with one and the same mark in the place of each of the names.
    private static func unnamed(_ fact: String, _ names: [String]) -> String {
        var (result, word) = ("", "")
        func isWord(_ character: Character) -> Bool {
            character.isLetter || character.isNumber || "_$".contains(character)
        }
        var isQuoted = false
        for character in fact {
            if isQuoted ? character != "\"" : isWord(character) {
                word.append(character)
                continue
            }
            result += names.contains(word) ? "\u{1}" : word
            word = ""
            if character == "\"" { isQuoted.toggle() } else { result.append(character) }
        }
        return result + (names.contains(word) ? "\u{1}" : word)
    }

    /// Columns that came or went have facts of their own; the order says whether the others stand as they did.
    var withoutShiftedColumns: SchemaDifference {
        let label = "columns in order: "
        func columns(_ facts: [String]) -> [String]? {
            facts.first { $0.hasPrefix(label) }?.dropFirst(label.count).split(separator: ", ").map(String.init)
        }
        guard let old = columns(missing), let new = columns(added),
            old.filter(new.contains) == new.filter(old.contains)
        else { return self }
        var rest = self
        rest.missing.removeAll { $0.hasPrefix(label) }
        rest.added.removeAll { $0.hasPrefix(label) }
        return rest
    }

    /// The same change made to another state of the definition; nil where the relation is not there, or nothing is
    /// left of it.
    func applied(to definition: [String]?) -> [String]? {
        guard let definition else { return nil }
        let gone = Set(missing)
        let rest = definition.filter { !gone.contains($0) }
        let changed = (rest + added.filter { !rest.contains($0) }).sorted()
        return changed.isEmpty ? nil : changed
    }

    var lines: [String] { missing.map { "- \($0)" } + added.map { "+ \($0)" } }

    /// At most twenty lines, and how many more there are.
    static func shortened(_ lines: [String]) -> [String] {
        lines.count <= 20 ? lines : Array(lines.prefix(20)) + ["... and \(lines.count - 20) more"]
    }
}

extension Script {
    /// Another tool's way back may be a file of its own.
    fileprivate var downgradeLocation: ScriptLocation {
        if origin != nil, case .section(let section)? = try? downgrade, let first = section.items.first {
            first.location
        } else {
            location
        }
    }
}
