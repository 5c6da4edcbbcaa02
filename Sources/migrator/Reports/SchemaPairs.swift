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

    /// Pairs each relation with itself, and a table that went with the one that came in its stead and has most of its
    /// columns.
    static func pairs(of details: RunDetails) -> [SchemaPair] {
        // Of several revisions' changes the first side of the first and the last side of the last.
        var changes: [FingerprintRecord] = []
        for entry in details.changes {
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
        // A table that passes its role on.
        for index in left.indices {
            guard let old = left[index].outline, old.kind == .table, right[index].outline?.kind != .table
            else { continue }
            let heirs = right.indices.filter {
                right[$0].outline?.kind == .table && left[$0].outline?.kind != .table
                    && likeness(old, right[$0].outline) >= 0.6
            }
            guard let heir = heirs.max(by: { likeness(old, right[$0].outline) < likeness(old, right[$1].outline) })
            else { continue }
            add(old, right[heir].outline, left[index].change.before, right[heir].change.after)
            left[index].outline = nil
            left[index].change.before = nil
            right[heir].outline = nil
            right[heir].change.after = nil
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

    private static func likeness(_ old: RelationOutline, _ new: RelationOutline?) -> Double {
        guard let new, !old.columns.isEmpty else { return 0 }
        let names = Set(new.columns.map(\.name))
        return Double(old.columns.filter { names.contains($0.name) }.count) / Double(old.columns.count)
    }
}
