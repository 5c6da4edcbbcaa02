extension Statement {
    /// The statement with CONCURRENTLY where it makes or drops an index of a table in use and does not say so itself;
    /// nil where it may run as it stands.
    /// - Parameter newTables: tables that the same section creates: nobody waits for those.
    public func concurrentForm(dialect: Dialect, newTables: Set<String>) -> Statement? {
        guard dialect == .postgresql else { return nil }
        let traits = StatementTraits(self, dialect: dialect)
        guard traits.concurrentIndex == nil else { return nil }
        let bytes = Array(text.utf8)
        guard let source = try? SourceText(bytes, file: location.file) else { return nil }
        var lexer = Lexer(source, dialect: dialect)
        var words: [(word: String, end: Int)] = []
        while words.count < 3, let token = try? lexer.next() {
            if token.isComment { continue }
            guard token.kind == .word else { break }
            words.append((String(decoding: bytes[token.range], as: UTF8.self).lowercased(), token.range.upperBound))
        }
        let names = words.map(\.word)
        let isCreation =
            traits.definition?.kind == .createIndex
            && !newTables.contains(traits.definition?.table.name ?? "")
        let isDrop =
            names.starts(with: ["drop", "index"]) && !traits.identifiers.contains("cascade") && !namesSeveral(dialect)
        guard isCreation || isDrop, let place = names.firstIndex(of: "index") else { return nil }
        var changed = self
        changed.text =
            String(decoding: bytes[..<words[place].end], as: UTF8.self) + " CONCURRENTLY"
            + String(decoding: bytes[words[place].end...], as: UTF8.self)
        return changed
    }

    /// Whether a list of names follows: DROP INDEX CONCURRENTLY takes one.
    private func namesSeveral(_ dialect: Dialect) -> Bool {
        Words(text, dialect: dialect).items.contains(.other(","))
    }
}
