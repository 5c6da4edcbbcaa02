import MigratorEngine
import MigratorScript

/// A relation before the run beside what became of it.
struct SchemaPair {
    enum Mark: Equatable {
        case same, added, removed, changed
    }
    struct Row {
        var column: RelationOutline.Column
        var mark: Mark
    }

    var before: RelationOutline?
    var after: RelationOutline?
    /// Facts that are gone, and that are new, beside those of columns.
    var missing: [String]
    var added: [String]

    var isMoved: Bool {
        if let before, let after { before.name != after.name } else { false }
    }

    /// The columns of a side, each marked by what it is on the other.
    func rows(isBefore: Bool) -> [Row] {
        let own = isBefore ? before : after
        let other = isBefore ? after : before
        return (own?.columns ?? []).map { column in
            guard let twin = other?.columns.first(where: { $0.name == column.name }) else {
                return Row(column: column, mark: isBefore ? .removed : .added)
            }
            let isSame =
                twin.fact == column.fact && twin.isKey == column.isKey
                && twin.refersTo == column.refersTo
            return Row(column: column, mark: isSame ? .same : .changed)
        }
    }

    /// Pairs each relation with itself, and a table that passed its role on with the one that has it now.
    static func pairs(of details: RunDetails) -> [SchemaPair] {
        // Of several revisions' changes, in the order in which they ran, the first side of the first and the last side
        // of the last.
        var changes: [FingerprintRecord] = []
        let order =
            details.activities.filter(\.isRevision).sorted { $0.startedMilliseconds < $1.startedMilliseconds }
            .map(\.revision) + details.steps.map(\.revision)
        func place(_ entry: RunDetails.SchemaChange) -> Int { order.firstIndex(of: entry.revision) ?? order.count }
        let entries = details.changes.enumerated().sorted { left, right in
            (place(left.element), left.offset) < (place(right.element), right.offset)
        }.map(\.element)
        for entry in entries {
            if let index = changes.firstIndex(where: { $0.relation == entry.change.relation }) {
                changes[index].after = entry.change.after
            } else {
                changes.append(entry.change)
            }
        }
        changes.removeAll { $0.before == $0.after }
        func outline(_ change: FingerprintRecord, _ definition: [String]?) -> RelationOutline? {
            RelationOutline(relation: change.relation, definition: definition, dialect: details.dialect)
        }
        var left = changes.map { (change: $0, outline: outline($0, $0.before)) }
        var right = changes.map { (change: $0, outline: outline($0, $0.after)) }
        var pairs: [SchemaPair] = []
        func add(_ before: RelationOutline?, _ after: RelationOutline?, _ old: [String]?, _ new: [String]?) {
            pairs.append(
                SchemaPair(
                    before: before, after: after, missing: (old ?? []).filter { !(new ?? []).contains($0) },
                    added: (new ?? []).filter { !(old ?? []).contains($0) }))
        }
        for (from, to) in successions(of: details, left.map(\.outline), right.map(\.outline)) {
            add(left[from].outline, right[to].outline, left[from].change.before, right[to].change.after)
            left[from].outline = nil
            left[from].change.before = nil
            right[to].outline = nil
            right[to].change.after = nil
        }
        for index in left.indices {
            let (old, new) = (left[index].change.before, right[index].change.after)
            if old != nil || new != nil { add(left[index].outline, right[index].outline, old, new) }
        }
        return pairs.sorted { rank($0) < rank($1) }
    }

    /// Tables that stay first, then new ones, then those that go, then views and the rest; by name.
    private static func rank(_ pair: SchemaPair) -> (Int, String) {
        let kind = (pair.after ?? pair.before)?.kind ?? .other
        let name = (pair.after ?? pair.before)?.name ?? ""
        guard kind == .table else { return (kind == .view ? 3 : 4, name) }
        return (pair.before == nil ? 1 : pair.after == nil ? 2 : 0, name)
    }

    /// Which table passes its role on to which: by the run's switches, else by nearly the same columns.
    /// - Returns: positions among the relations before and those after, each once.
    private static func successions(
        of details: RunDetails, _ left: [RelationOutline?], _ right: [RelationOutline?]
    ) -> [(from: Int, to: Int)] {
        var found: [(from: Int, to: Int)] = []
        func isFree(_ from: Int, _ to: Int) -> Bool {
            !found.contains { $0.from == from || $0.to == to }
        }
        for step in details.steps where step.kind == "switch" {
            // `switch a to b`, perhaps with schemas.
            let words = step.title.split(separator: " ").map { String($0.split(separator: ".").last ?? $0).unquoted }
            guard words.count == 4, let from = left.firstIndex(where: { $0?.name == words[1] }),
                let to = right.firstIndex(where: { $0?.name == words[3] }), isFree(from, to)
            else { continue }
            found.append((from, to))
        }
        let gone = left.indices.filter { left[$0]?.kind == .table && right[$0]?.kind != .table }
        let new = right.indices.filter { right[$0]?.kind == .table && left[$0]?.kind != .table }
        let candidates = gone.flatMap { from in
            new.map { to in (from: from, to: to, likeness: likeness(left[from], right[to])) }
        }.filter { $0.likeness >= 0.8 }.sorted { $0.likeness > $1.likeness }
        for candidate in candidates where isFree(candidate.from, candidate.to) {
            found.append((candidate.from, candidate.to))
        }
        return found
    }

    /// The share of columns that both have.
    private static func likeness(_ old: RelationOutline?, _ new: RelationOutline?) -> Double {
        let (before, after) = (Set((old?.columns ?? []).map(\.name)), Set((new?.columns ?? []).map(\.name)))
        guard !before.isEmpty, !after.isEmpty else { return 0 }
        return Double(before.intersection(after).count) / Double(before.union(after).count)
    }
}
