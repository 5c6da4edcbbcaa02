import MigratorScript

/// A relation's columns and keys, read from the facts that a fingerprint consists of.
struct RelationOutline: Equatable {
    struct Column: Equatable {
        var name: String
        var type: String
        var isRequired: Bool
        var isKey = false
        /// The table that it refers to, unquoted and without schema.
        var refersTo: String?
        /// All that the fingerprint says of it, keys aside.
        var fact: String
    }

    enum Kind: String {
        case table, view, sequence, other
    }

    var name: String
    var kind: Kind
    var columns: [Column]

    /// - Parameter relation: `schema.name`.
    init?(relation: String, definition: [String]?, dialect: Dialect) {
        guard let definition else { return nil }
        name = String(relation.drop { $0 != "." }.dropFirst())
        kind = .other
        columns = []
        switch dialect {
        case .postgresql: readPostgreSQL(definition)
        case .sqlite: readSQLite(definition)
        }
    }

    // MARK: PostgreSQL

    /// `column id integer not null`, `constraint messages_pkey PRIMARY KEY (id)`, `columns in order: id, body`.
    private mutating func readPostgreSQL(_ definition: [String]) {
        var order: [String] = []
        for fact in definition {
            var words = Reader(fact)
            switch words.word() {
            case "table", "partitioned", "unlogged", "foreign": if kind == .other { kind = .table }
            case "view", "materialized": if kind == .other { kind = .view }
            case "sequence": if columns.isEmpty, kind == .other { kind = .sequence }
            case "columns" where fact.hasPrefix("columns in order: "):
                order = Reader(String(fact.dropFirst("columns in order: ".count))).list()
            case "column":
                let name = words.word()
                let rest = words.rest
                columns.append(
                    Column(
                        name: name, type: Self.type(in: rest), isRequired: rest.lowercased().contains(" not null"),
                        fact: rest))
            default: break
            }
        }
        for fact in definition where fact.hasPrefix("constraint ") {
            var words = Reader(fact)
            _ = words.word()
            _ = words.word()
            readKey(words.rest)
        }
        // A view's columns say nothing of NULL.
        if kind == .view { for index in columns.indices { columns[index].isRequired = true } }
        columns.sort { (order.firstIndex(of: $0.name) ?? .max) < (order.firstIndex(of: $1.name) ?? .max) }
    }

    // MARK: SQLite

    /// `table messages: CREATE TABLE messages (id INTEGER PRIMARY KEY, ...)`, on one line.
    private mutating func readSQLite(_ definition: [String]) {
        for fact in definition {
            if fact.hasPrefix("view ") { kind = .view }
            guard fact.hasPrefix("table "), let open = fact.firstIndex(of: "(") else { continue }
            kind = .table
            let parts = Reader(String(fact[fact.index(after: open)...])).list(keepsText: true)
            for part in parts {
                var words = Reader(part)
                let name = words.word()
                switch name.lowercased() {
                case "primary", "foreign": readKey(part)
                case "unique", "check": continue
                case "constraint":
                    _ = words.word()
                    readKey(words.rest)
                default:
                    let rest = words.rest
                    let folded = rest.lowercased()
                    let isKey = folded.contains("primary key")
                    columns.append(
                        Column(
                            name: name, type: Self.type(in: rest), isRequired: folded.contains("not null"),
                            isKey: isKey, fact: rest))
                    if let found = folded.range(of: "references ") {
                        var target = Reader(String(rest[found.upperBound...]))
                        columns[columns.count - 1].refersTo = target.word()
                    }
                }
            }
        }
    }

    /// `PRIMARY KEY (a, b)`, `FOREIGN KEY (a) REFERENCES t (b) ...`
    private mutating func readKey(_ text: String) {
        let folded = text.lowercased()
        guard let open = text.firstIndex(of: "(") else { return }
        let names = Reader(String(text[text.index(after: open)...])).list()
        if folded.hasPrefix("primary key") {
            for index in columns.indices where names.contains(columns[index].name) { columns[index].isKey = true }
        } else if folded.hasPrefix("foreign key"), let found = folded.range(of: " references ") {
            var target = Reader(String(text[found.upperBound...]))
            let table = target.word()
            for index in columns.indices where names.contains(columns[index].name) {
                columns[index].refersTo = table
            }
        }
    }

    /// The words before the first that begins a constraint.
    private static func type(in text: String) -> String {
        let ends: Set<String> = [
            "not", "null", "default", "primary", "references", "unique", "check", "collate", "generated", "identity",
            "storage", "compression", "statistics", "options", "inherited", "as", "constraint", "on",
        ]
        var words: [String] = []
        for word in text.split(separator: " ") {
            if ends.contains(word.lowercased()) { break }
            words.append(String(word))
        }
        return words.joined(separator: " ").replacing("character varying", with: "varchar")
            .replacing("timestamp with time zone", with: "timestamptz")
            .replacing("timestamp without time zone", with: "timestamp").replacing(" (", with: "(")
            .replacing("( ", with: "(").replacing(" )", with: ")")
    }

    /// Reads names and lists out of a definition.
    private struct Reader {
        private var text: Substring

        init(_ text: String) { self.text = Substring(text) }

        var rest: String { String(text.drop { $0 == " " }) }

        /// The next name, without its quotes; of a qualified one the last part.
        mutating func word() -> String {
            text = text.drop { $0 == " " }
            var word = ""
            if let quote = text.first, quote == "\"" || quote == "`" || quote == "[" {
                let end: Character = quote == "[" ? "]" : quote
                text = text.dropFirst()
                while let character = text.popFirst() {
                    if character == end {
                        guard text.first == end else { break }
                        text = text.dropFirst()
                    }
                    word.append(character)
                }
            } else {
                while let character = text.first, !" (),.".contains(character) {
                    word.append(character)
                    text = text.dropFirst()
                }
            }
            guard text.first == "." else { return word }
            text = text.dropFirst()
            return self.word()
        }

        /// The parts between commas, up to the closing parenthesis: names, or the texts as they stand.
        func list(keepsText: Bool = false) -> [String] {
            var parts: [String] = [""]
            var depth = 0
            var quote: Character?
            for character in text {
                if let open = quote {
                    if character == open { quote = nil }
                } else if character == "'" || character == "\"" {
                    quote = character
                } else if character == "(" {
                    depth += 1
                } else if character == ")" {
                    depth -= 1
                    if depth < 0 { break }
                } else if character == ",", depth == 0 {
                    parts.append("")
                    continue
                }
                parts[parts.count - 1].append(character)
            }
            return parts.map { part in
                let trimmed = String(part.drop { $0 == " " })
                var words = Reader(trimmed)
                return keepsText ? trimmed : words.word()
            }
        }
    }
}
