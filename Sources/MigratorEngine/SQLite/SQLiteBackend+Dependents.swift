import MigratorDatabase
import MigratorScript

/// What else in the schema has to do with a table that a switch takes out of its place.
extension SQLiteBackend {
    /// Looks at what would stop the tables' change of names, or would not follow it, before anything is done for it.
    func requireDependents(of name: String, context: StepContext) throws {
        guard let table = try table(name) else { return }
        try requireRenamable(table, context: context)
        try requireUnnamed(table, context: context)
    }

    /// SQLite reads every view and every trigger of the database again when it renames a table: one that has long been
    /// broken stops it.
    private func requireRenamable(_ table: SQLiteTable, context: StepContext) throws {
        do {
            try tryRename(of: table)
        } catch {
            guard error.kind == .statement, let name = Self.subject(of: error.message) else { throw error }
            // What the script itself mends is looked at when it has done so.
            guard !context.mentions(name) else { return }
            throw MigratorError(
                "schema-broken", .refused,
                "SQLite renames no table while a view or trigger of the database does not work: \(error.message)",
                hint: "repair \(name.quotedIdentifier) or drop it, then run the same command again")
        }
    }

    private func tryRename(of table: SQLiteTable) throws(DatabaseError) {
        let name = "migrator_try_\(table.name)"
        do throws(DatabaseError) {
            try session.execute("SAVEPOINT migrator_try")
            defer { try? session.execute("ROLLBACK TO SAVEPOINT migrator_try; RELEASE SAVEPOINT migrator_try") }
            try session.execute("ALTER TABLE \(table.qualified) RENAME TO \(name.quotedIdentifier)")
        } catch {
            guard error.kind == .readOnly else { throw error }
            // A plan can only read: views at least can be tried.
            let views = try session.query("SELECT name FROM main.sqlite_schema WHERE type = 'view' ORDER BY name")
            for view in views.compactMap({ $0[0].asText }) {
                do throws(DatabaseError) {
                    _ = try session.describe("SELECT * FROM \(main(view))")
                } catch {
                    throw DatabaseError(kind: error.kind, message: "error in view \(view): \(error.message)")
                }
            }
        }
    }

    /// `error in view NAME: no such table: main.t`, `error in trigger NAME after rename: …`.
    private static func subject(of message: String) -> String? {
        for kind in ["error in view ", "error in trigger "] where message.hasPrefix(kind) {
            let rest = message.dropFirst(kind.count)
            guard let end = rest.firstRange(of: ": ") else { return nil }
            let name = rest[..<end.lowerBound]
            return String(name.firstRange(of: " after ").map { name[..<$0.lowerBound] } ?? name)
        }
        return nil
    }

    /// Virtual tables that index what another table holds (`content=` of FTS5 and FTS4), and the tables in which virtual
    /// tables keep what they have: none of them holds rows of its own that a statement could take away.
    func derivedTables() throws -> Set<String> {
        let shadows = try session.query(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'"
        ).compactMap { $0[0].asText }
        let indexes = try session.query(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"
        ).compactMap { row in SQLiteTokens(row.text("sql") ?? "").hasContentElsewhere ? row.text("name") : nil }
        return Set(shadows + indexes)
    }

    /// A virtual table that has a table's name among its options (`content=` of FTS5) does not follow when that one is
    /// renamed: each search would fail, and nobody would know before.
    func requireUnnamed(_ table: SQLiteTable, isLast: Bool = false, context: StepContext) throws {
        let virtual = try session.query(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name"
        )
        for row in virtual {
            guard let name = row.text("name"), let sql = row.text("sql"),
                SQLiteTokens(sql).optionsName(table.name), isLast || !context.mentions(name)
            else { continue }
            throw MigratorError(
                "virtual-table-in-the-way", .refused,
                "the virtual table \(name.quotedIdentifier) reads \(table.name.quotedIdentifier) by its name, which it loses: searches would fail",
                hint:
                    "drop \(name.quotedIdentifier) and the triggers that fill it in the script before the switch, and make them again behind it with the new name (docs/sqlite.md)",
                details: [sql.split(whereSeparator: \.isWhitespace).joined(separator: " ")])
        }
    }
}

extension SQLiteBackend {
    /// What keeps rows apart in a table and not in the one that takes its place: `unique (a, b)`, `unique index "name"`.
    func lostUniqueKeys(
        of source: SQLiteTable, in target: SQLiteTable, record: SQLiteSwitchRecord
    ) throws -> [String] {
        let carried = Set((record.carried ?? []).map { $0.lowercased() })
        let kept = try uniqueKeys(of: target).map { Set($0.columns.map { $0.lowercased() }) }
        let plain = try uniqueKeys(of: source).map(\.columns).filter { columns in
            let names = Set(columns.map { $0.lowercased() })
            return !kept.contains { $0.isSubset(of: names) } && carried.isDisjoint(with: names)
        }
        let partial = try session.query(
            """
            SELECT i.name AS name FROM pragma_index_list($1) i WHERE i."unique" = 1
                AND (i.partial = 1 OR EXISTS (SELECT 1 FROM pragma_index_xinfo(i.name) WHERE key = 1 AND cid = -2))
            """, [.text(source.name)]
        ).compactMap { $0[0].asText }.filter { name in
            guard let index = record.indexes.first(where: { $0.name == name }) else { return false }
            let tokens = SQLiteTokens(index.sql)
            return !carried.contains { tokens.contains(word: $0) }
        }
        return plain.map { "unique (\($0.joined(separator: ", ")))" }
            + partial.map { "unique index \($0.quotedIdentifier)" }
    }
}

extension StepContext {
    /// Whether a statement of the script's section that runs names something.
    fileprivate func mentions(_ name: String) -> Bool {
        guard let script else { return false }
        let section: Section? =
            switch direction {
            case .upgrade: try? script.upgrade
            case .downgrade: if case .section(let section)? = try? script.downgrade { section } else { nil }
            }
        return section?.flatItems.contains { item in
            guard case .statement(let statement) = item.action else { return false }
            return SQLiteTokens(statement.text).contains(word: name.lowercased())
        } ?? false
    }
}

extension SQLiteTokens {
    /// `content='name'`, but not `content=''`, which keeps no content at all.
    fileprivate var hasContentElsewhere: Bool {
        tokens.indices.dropFirst(2).contains { index in
            tokens[index - 2] == .word("content") && tokens[index - 1] == .symbol("=")
                && !["", "''"].contains(tokens[index].text)
        }
    }

    /// `content='name'` and the like.
    fileprivate func optionsName(_ name: String) -> Bool {
        tokens.indices.dropFirst().contains { index in
            guard tokens[index - 1] == .symbol("=") else { return false }
            switch tokens[index] {
            case .word(let word): return isSameName(word, name)
            case .literal(let text): return isSameName(text, name.quotedLiteral)
            default: return false
            }
        }
    }
}
