/// How one relation differs from its fingerprint, in words: what is gone, what came, what is another now, each named.
struct SchemaChange {
    private(set) var differences: [Difference] = []

    /// - Parameters:
    ///   - expected: facts, a line each; nil where the relation must not be there.
    ///   - found: nil where it is not.
    init(_ relation: String, expected: [String]?, found: [String]?) {
        switch (expected, found) {
        case (nil, nil): break
        case (.some, nil): differences = [Difference(table: relation, message: "is gone")]
        case (nil, .some):
            differences = [Difference(table: relation, message: "is there again, though a revision took it away")]
        case (let expected?, let found?): compare(relation, expected, found)
        }
    }

    private mutating func compare(_ relation: String, _ expected: [String], _ found: [String]) {
        var change = SchemaDifference(from: expected, to: found)
        // With the owner go the privileges that an owner gives to itself.
        for owner in (change.missing + change.added).filter({ $0.hasPrefix("owner ") }).map({ $0.dropFirst(6) }) {
            let isOwn = { (fact: String) in
                fact.hasPrefix("grant to \(owner): ") && fact.hasSuffix(" by \(owner)")
            }
            change.missing.removeAll(where: isOwn)
            change.added.removeAll(where: isOwn)
        }
        var added = change.added
        func add(_ fact: String, _ message: String) {
            differences.append(Difference(table: relation, columns: Self.columns(of: fact), message: message))
        }
        for fact in change.missing {
            let subject = SchemaNotes.subject(of: fact)
            guard let index = added.firstIndex(where: { SchemaNotes.subject(of: $0) == subject }) else {
                add(fact, "missing: \(SchemaNotes.shown(fact))")
                continue
            }
            let now = added.remove(at: index)
            // Validated since: only better than it was left.
            if fact.hasSuffix(" NOT VALID"), now == fact.dropLast(" NOT VALID".count) { continue }
            // SQLite keeps a table's definition in one piece.
            if subject.hasPrefix("table "), let parts = TableDefinition.changes(from: fact, to: now) {
                differences += parts.map { Difference(table: relation, columns: $0.columns, message: $0.message) }
                continue
            }
            add(fact, "\(subject) differs\(Self.contrast(now, fact, of: subject))")
        }
        for fact in added { add(fact, "not expected: \(SchemaNotes.shown(fact))") }
        // The order of columns, and the table's definition as a whole, tell nothing new beside what has a name.
        if differences.count > 1 {
            let rest = differences.filter { !$0.message.hasPrefix("columns in order differs") }
            if !rest.isEmpty { differences = rest }
        }
    }

    private static func contrast(_ now: String, _ before: String, of subject: String) -> String {
        func rest(_ fact: String) -> String {
            let text = fact.hasPrefix(subject) ? String(fact.dropFirst(subject.count)) : fact
            let trimmed = text.drop { $0 == ":" || $0 == " " }
            return trimmed.isEmpty ? fact : String(trimmed)
        }
        // The end of long texts is where they mostly differ; the beginning says what they are.
        guard now.count <= SchemaNotes.lengthLimit, before.count <= SchemaNotes.lengthLimit else {
            let common = zip(rest(now), rest(before)).prefix { $0 == $1 }.count
            func part(_ fact: String) -> String {
                let text = rest(fact).dropFirst(max(0, common - 20))
                return (common > 20 ? "…" : "") + text.prefix(80) + (text.count > 80 ? "…" : "")
            }
            return ": it is \(part(now)), it was \(part(before))"
        }
        return ": it is \(rest(now)), it was \(rest(before))"
    }

    /// The column that a fact is about.
    private static func columns(of fact: String) -> [String] {
        for prefix in ["column ", "comment on column ", "grant on column "] where fact.hasPrefix(prefix) {
            let rest = fact.dropFirst(prefix.count)
            guard rest.first == "\"" else { return [String(rest.prefix { $0 != " " && $0 != ":" })] }
            return [String(rest.dropFirst().prefix { $0 != "\"" })]
        }
        return []
    }
}

/// A table as SQLite keeps it: the text of its CREATE statement, with single spaces.
private enum TableDefinition {
    /// What differs among the columns and constraints; nil where it is none of these.
    static func changes(from old: String, to new: String) -> [(columns: [String], message: String)]? {
        guard let before = parts(of: old), let after = parts(of: new) else { return nil }
        let missing = before.filter { !after.contains($0) }
        var added = after.filter { !before.contains($0) }
        var changes: [(columns: [String], message: String)] = []
        for part in missing {
            let column = column(of: part)
            if let column, let index = added.firstIndex(where: { self.column(of: $0) == column }) {
                let now = added.remove(at: index)
                changes.append(([column], "column \(column) differs: it is \(now), it was \(part)"))
            } else {
                changes.append((column.map { [$0] } ?? [], "missing: \(part)"))
            }
        }
        changes += added.map { part in (column(of: part).map { [$0] } ?? [], "not expected: \(part)") }
        return changes.isEmpty ? nil : changes
    }

    /// What stands between the outer parentheses, at its own commas.
    private static func parts(of definition: String) -> [String]? {
        var parts: [String] = []
        var part = ""
        var depth = 0
        var quote: Character?
        for character in definition {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == "(" {
                depth += 1
                if depth == 1 { continue }
            } else if character == ")" {
                depth -= 1
                if depth == 0 {
                    parts.append(part)
                    return parts.map(trimmed)
                }
            } else if character == ",", depth == 1 {
                parts.append(part)
                part = ""
                continue
            }
            if depth > 0 { part.append(character) }
        }
        return nil
    }

    private static func trimmed(_ part: String) -> String {
        part.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }

    private static func column(of part: String) -> String? {
        let word = String(part.prefix { $0 != " " })
        return ["constraint", "primary", "foreign", "unique", "check", ""].contains(word) ? nil : word
    }
}
