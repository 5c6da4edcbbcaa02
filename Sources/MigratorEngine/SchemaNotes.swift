/// What differs between the schema that scripts declare and the one that is there, in words.
///
/// Both are facts by relation, a line each: `column id bigint not null`, `index CREATE INDEX i ON t (a)`. Facts of the
/// same subject are one difference, not one that is missing and one that is too much.
struct SchemaNotes {
    /// A fact longer than this is only named.
    static let lengthLimit = 160

    private(set) var notes: [String] = []

    init(declared: SchemaSnapshot, actual: SchemaSnapshot) {
        for (relation, facts) in declared.sorted(by: { $0.key < $1.key }) {
            if let found = actual[relation] {
                compare(relation, declared: facts, actual: found)
            } else {
                notes.append("\"\(relation)\" is not there")
            }
        }
    }

    private mutating func compare(_ relation: String, declared: [String], actual: [String]) {
        let known = Set(declared)
        let seen = Set(actual)
        var missing = declared.filter { !seen.contains($0) }
        var added = actual.filter { !known.contains($0) }
        // PostgreSQL 18 keeps NOT NULL as a constraint, too: what the column's own fact tells already.
        let columns = Set((missing + added).map(Self.subject).filter { $0.hasPrefix("column ") })
        let isToldByColumn = { (fact: String) in
            let words = Self.words(of: fact)
            return words.count > 4 && words[0] == "constraint" && words[2...3] == ["NOT", "NULL"]
                && columns.contains("column \(words[4])")
        }
        missing.removeAll(where: isToldByColumn)
        added.removeAll(where: isToldByColumn)
        var lines: [String] = []
        var changed: Set<String> = []
        for fact in missing {
            let subject = Self.subject(of: fact)
            guard let index = added.firstIndex(where: { Self.subject(of: $0) == subject }) else { continue }
            changed.insert(fact)
            let now = added.remove(at: index)
            lines.append("\(subject) of \"\(relation)\" differs" + Self.contrast(now, fact, of: subject))
        }
        missing.removeAll(where: changed.contains)
        lines += missing.map { "\"\(relation)\" lacks: \(Self.shown($0))" }
        lines += added.map { "\"\(relation)\" also has: \(Self.shown($0))" }
        // The order of columns, and then a definition as a whole, tell nothing new beside what has a name of its own.
        for derived in ["definition of", "columns in order of"] where lines.count > 1 {
            lines.removeAll { $0.hasPrefix(derived) }
        }
        notes += lines
    }

    private static func contrast(_ now: String, _ declared: String, of subject: String) -> String {
        guard subject != "definition", now.count <= lengthLimit, declared.count <= lengthLimit else { return "" }
        let rest = { (fact: String) in
            fact.hasPrefix(subject) ? String(fact.dropFirst(subject.count).drop { $0 == ":" || $0 == " " }) : fact
        }
        return ": it is \(rest(now)), the scripts say \(rest(declared))"
    }

    static func shown(_ fact: String) -> String {
        fact.count <= lengthLimit ? fact : subject(of: fact)
    }

    /// What a fact is about; the whole of it where there may be several of its kind.
    static func subject(of fact: String) -> String {
        let words = words(of: fact)
        guard let first = words.first, words.count > 1 else { return fact }
        switch first {
        case "grant", "comment":
            // `grant to app: SELECT by owner` is one privilege of several; a comment is one.
            return first == "comment" ? fact.prefix { $0 != ":" }.description : fact
        case "column", "constraint", "policy", "publication": return "\(first) \(words[1])"
        case "index", "trigger", "statistics", "rule":
            // As the server writes it: CREATE UNIQUE INDEX i ON ...
            guard words[1] == "CREATE" else { return "\(first) \(words[1])" }
            let keyword = words.firstIndex(of: first.uppercased()) ?? 1
            return keyword + 1 < words.count ? "\(first) \(words[keyword + 1])" : fact
        case "options": return "options \(words[1].prefix { $0 != "=" })"
        case "columns": return "columns in order"
        case "owned": return "owner of"
        case "owner": return "owner"
        case "replica": return "replica identity"
        case "primary": return "primary key"
        case "definition", "sequence", "server", "view": return first
        case "table" where words[1].hasSuffix(":"): return "table \(words[1].dropLast())"
        case "unlogged", "temporary", "table", "partitioned", "materialized": return "kind"
        default: return fact
        }
    }

    /// The words of a fact; a quoted identifier is part of one.
    private static func words(of fact: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in fact {
            if character == "\"" { isQuoted.toggle() }
            if character == " ", !isQuoted {
                words.append(word)
                word = ""
            } else {
                word.append(character)
            }
        }
        return words + [word]
    }
}
