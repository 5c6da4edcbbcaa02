import MigratorDatabase
import MigratorScript

/// Definitions taken apart, so that a difference has a name.
extension SQLiteBackend {
    public func declaredFacts() throws -> SchemaSnapshot {
        var facts: SchemaSnapshot = [:]
        for (relation, lines) in try schemaSnapshot(of: nil) {
            let name = String(relation.dropFirst("main.".count))
            facts[relation] = try lines.flatMap { line in
                // `index name: definition`
                let kind = String(line.prefix { $0 != " " })
                let own = String(line.dropFirst(kind.count + 1).prefix { $0 != ":" })
                let definition = String(line.dropFirst(kind.count + own.count + 3))
                switch kind {
                case "table": return try tableFacts(name, definition: definition)
                case "view": return ["view " + definition]
                default: return ["\(kind) \(own.contains(" ") ? own.quotedIdentifier : own) \(definition)"]
                }
            }
        }
        return facts
    }

    private func tableFacts(_ name: String, definition: String) throws -> [String] {
        guard let table = try table(name) else { return [] }
        let shown = { (names: [String]) in "(" + names.map { $0.lowercased() }.joined(separator: ", ") + ")" }
        var kind = "table"
        if table.isAutoincrement { kind += " autoincrement" }
        if table.isWithoutRowid { kind += " without rowid" }
        if table.isStrict { kind += " strict" }
        var facts = [kind, "columns in order: " + shown(table.columns.map(\.name)), "definition " + definition]
        facts += table.columns.map(\.fact)
        if !table.primaryKey.isEmpty { facts.append("primary key " + shown(table.primaryKey)) }
        for index in try session.query(
            "SELECT name FROM pragma_index_list($1) WHERE origin = 'u'", [.text(table.name)])
        {
            let columns = try session.query(
                "SELECT name FROM pragma_index_info($1) ORDER BY seqno", [index[0]]
            ).compactMap { $0[0].asText }
            facts.append("unique " + shown(columns))
        }
        facts += try foreignKeyFacts(table.name)
        return facts + SQLiteTokens(table.sql).checks
    }

    private func foreignKeyFacts(_ table: String) throws -> [String] {
        let rows = try session.query(
            #"SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list($1) ORDER BY id, seq"#,
            [.text(table)])
        return Set(rows.compactMap { $0.int("id") }).sorted().map { id in
            let parts = rows.filter { $0.int("id") == id }
            let columns = parts.compactMap { $0.text("from")?.lowercased() }.joined(separator: ", ")
            let referenced = parts.compactMap { $0.text("to")?.lowercased() }.joined(separator: ", ")
            var fact = "foreign key (\(columns)) references \(parts[0].text("table")?.lowercased() ?? "")"
            if !referenced.isEmpty { fact += " (\(referenced))" }
            for (event, action) in [("update", "on_update"), ("delete", "on_delete")] {
                if let action = parts[0].text(action), action != "NO ACTION" {
                    fact += " on \(event) \(action.lowercased())"
                }
            }
            return fact
        }
    }
}

extension SQLiteColumn {
    /// `column id integer not null default 1`
    fileprivate var fact: String {
        let isPlain = name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        var fact = "column " + (isPlain ? name.lowercased() : name.lowercased().quotedIdentifier)
        if !type.isEmpty { fact += " " + type.lowercased() }
        if isNotNull { fact += " not null" }
        if let defaultSQL { fact += " default " + SQLiteTokens(defaultSQL).normalised }
        return fact + (isGenerated ? " generated" : "")
    }
}

extension SQLiteTokens {
    /// The CHECK constraints of a table's definition: `check ( a > 0 )`.
    fileprivate var checks: [String] {
        tokens.indices.compactMap { index in
            guard tokens[index] == .word("check"), index + 1 < tokens.count, tokens[index + 1] == .symbol("(") else {
                return nil
            }
            var depth = 0
            let rest = tokens[(index + 1)...]
            let end = rest.firstIndex { token in
                if token == .symbol("(") { depth += 1 }
                if token == .symbol(")") { depth -= 1 }
                return depth == 0
            }
            return "check " + tokens[(index + 1)...(end ?? rest.endIndex - 1)].map(\.text).joined(separator: " ")
        }
    }
}
