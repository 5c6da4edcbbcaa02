import MigratorDatabase
import MigratorScript

/// A mapping as SQLite runs it: which target columns it yields, and whether single rows can be shadowed.
struct SQLiteMapping {
    var source: SQLiteTable
    /// nil: by name.
    var text: String?
    /// Target columns, in the order of the SELECTs below.
    var columns: [String]
    /// One SQL expression for each column, over the author's SELECT or the source.
    private var expressions: [String]
    /// nil for a row-local mapping.
    var obstacle: String?

    init(
        source: SQLiteTable, text: String?, columns: [String], expressions: [String], obstacle: String?
    ) {
        self.source = source
        self.text = text
        self.columns = columns
        self.expressions = expressions
        self.obstacle = obstacle
    }

    /// The whole mapping, unshadowed: what verification runs.
    var select: String {
        "SELECT \(list) FROM \(text.map { "(\($0)\n) AS author" } ?? source.qualified)"
    }

    /// The mapping over those rows of the source only that `tail` (WHERE, ORDER BY, LIMIT) leaves.
    func shadowed(_ tail: String) -> String {
        guard let text else { return "SELECT \(list) FROM (SELECT * FROM \(source.qualified) \(tail)) AS author" }
        return """
            SELECT \(list) FROM (
            WITH \(source.name.quotedIdentifier) AS (SELECT * FROM \(source.qualified) \(tail))
            SELECT * FROM (\(text)
            ) AS author) AS author
            """
    }

    private var list: String {
        zip(expressions, columns).map { "\($0) AS \($1.quotedIdentifier)" }.joined(separator: ", ")
    }
}

extension SQLiteBackend {
    /// - Parameter key: refused where the mapping does not yield it; nil where there is none (`ensure`).
    /// - Throws: `not-the-source` naming the columns that the mapping reads and the source lacks.
    func mapping(
        _ statement: Statement?, source: SQLiteTable, target: SQLiteTable, key: String?, forEnsure: Bool = false
    ) throws -> SQLiteMapping {
        guard let statement else { return try mappingByName(source: source, target: target, key: key) }
        let names: [String]
        do {
            names = try session.describe("SELECT * FROM (\(statement.text)\n) AS author")
        } catch {
            try refuseForeign(source, statement: statement, error: error)
            throw mappingFails(error, statement)
        }
        var columns: [String] = []
        var expressions: [String] = []
        for name in names {
            guard let column = target.column(name), !column.isGenerated else {
                throw MigratorError(
                    "mapping-column", .malformedScripts,
                    "the mapping yields \"\(name)\", which \"\(target.name)\" does not have",
                    hint: "name each output column as a column of the target", location: statement.location)
            }
            columns.append(column.name)
            expressions.append("author.\(name.quotedIdentifier)")
        }
        if !forEnsure { addVolatileDefaults(target, &columns, &expressions) }
        if let key, !columns.contains(where: { isSameName($0, key) }) {
            throw MigratorError(
                "mapping-column", .malformedScripts, "the mapping does not yield its key \"\(key)\"",
                hint: "add the key to its columns", location: statement.location)
        }
        var mapping = SQLiteMapping(
            source: source, text: statement.text, columns: columns, expressions: expressions, obstacle: nil)
        mapping.obstacle = try obstacle(in: statement.text, mapping: mapping, forEnsure: forEnsure)
        return mapping
    }

    private func mappingByName(source: SQLiteTable, target: SQLiteTable, key: String?) throws -> SQLiteMapping {
        let missing = target.writable.filter {
            source.column($0.name) == nil && ($0.isNotNull && $0.defaultSQL == nil || key.map($0.name.isSame) == true)
        }
        guard missing.isEmpty else { throw notTheSource(source, missing: missing.map(\.name)) }
        var columns = target.writable.filter { source.column($0.name) != nil }.map(\.name)
        var expressions = columns.map(\.quotedIdentifier)
        addVolatileDefaults(target, &columns, &expressions)
        return SQLiteMapping(
            source: source, text: nil, columns: columns, expressions: expressions, obstacle: nil)
    }

    /// A new column gets its constant default, or NULL, so that the result does not depend on when it was made.
    private func addVolatileDefaults(
        _ target: SQLiteTable, _ columns: inout [String], _ expressions: inout [String]
    ) {
        for column in target.writable
        where column.hasVolatileDefault && !column.isNotNull && !columns.contains(column.name) {
            columns.append(column.name)
            expressions.append("NULL")
        }
    }

    // MARK: Recognition

    func sourceMissing(_ name: TableName, context: StepContext) -> MigratorError {
        MigratorError(
            "source-missing", .refused, "there is no table \"\(name)\" in \"\(path)\"",
            hint: "where the change has been made already, run `migrator stamp \(context.revision)`")
    }

    private func notTheSource(_ source: SQLiteTable, missing: [String]) -> MigratorError {
        MigratorError(
            "not-the-source", .refused,
            "the table \"\(source.name)\" is not the one that this migration moves: it has no "
                + missing.map { "\"\($0)\"" }.joined(separator: ", "),
            hint: "rename that table, or run `migrator stamp` where the change has been made already")
    }

    /// Adds the columns that SQLite misses one after the other until the mapping is understood.
    func refuseForeign(_ source: SQLiteTable, statement: Statement, error: DatabaseError) throws {
        var missing: [String] = []
        var error = error
        while error.message.hasPrefix("no such column: "), missing.count < 100 {
            let name =
                error.message.dropFirst("no such column: ".count).split(separator: ".").last.map(String.init) ?? ""
            guard !name.isEmpty, !missing.contains(name), source.column(name) == nil else { break }
            missing.append(name)
            let added = missing.map { "NULL AS \($0.quotedIdentifier)" }.joined(separator: ", ")
            do {
                _ = try session.describe(
                    """
                    WITH \(source.name.quotedIdentifier) AS (SELECT *, \(added) FROM \(source.qualified))
                    SELECT * FROM (\(statement.text)
                    ) AS author
                    """)
                break
            } catch let next {
                error = next
            }
        }
        if !missing.isEmpty { throw notTheSource(source, missing: missing) }
    }

    func mappingFails(_ error: DatabaseError, _ statement: Statement) -> MigratorError {
        MigratorError(
            "mapping-fails", .failed, "the mapping cannot be run: \(error.message)",
            hint: "correct the SELECT", location: statement.location)
    }

    // MARK: Row-local

    /// Why rows cannot be mapped one by one; nil where they can. When in doubt they cannot.
    ///
    /// SQLite's authorizer says under which name each column of the source is read: with the shadowing common
    /// table expression's, or without where the source is reached past it (a qualified name, a view). What it does
    /// not tell (grouping, limits, how often the shadow is named) is read from the statement's words, where
    /// an unfortunate column name only makes the answer stricter.
    private func obstacle(in text: String, mapping: SQLiteMapping, forEnsure: Bool) throws -> String? {
        let source = mapping.source
        let tokens = SQLiteTokens(text).tokens
        let words = Set(tokens.compactMap { if case .word(let word) = $0 { word } else { nil } })
        var forbidden: Set = ["group", "having", "intersect", "except", "over", "limit", "offset", "with"]
        if !forEnsure { forbidden.formUnion(["distinct", "union"]) }
        if let word = forbidden.intersection(words).sorted().first { return "it uses \(word.uppercased())" }
        let volatile: Set = ["current_timestamp", "current_date", "current_time"]
        if let word = volatile.intersection(words).sorted().first { return "\(word.uppercased()) changes" }
        // In a trigger no name has a schema (see SQLiteTriggerMapping).
        if let index = tokens.indices.dropLast(2).first(where: {
            tokens[$0] == .word("main") && tokens[$0 + 1] == .symbol(".")
        }) {
            return "it says main.\(tokens[index + 2].text), which a connection that has the file attached cannot read"
        }
        var arms: [[SQLiteTokens.Token]] = [[]]
        for token in tokens {
            if token == .word("union") { arms.append([]) } else { arms[arms.count - 1].append(token) }
        }
        let name = source.name.lowercased()
        for arm in arms {
            let references = arm.indices.filter { index in
                arm[index] == .word(name) && (index + 1 == arm.count || arm[index + 1] != .symbol("."))
            }.count
            guard references == 1 else { return "it names \"\(source.name)\" \(references) times" }
        }
        guard let session = session.unwrapped as? SQLiteSession else { return "it cannot be analysed" }
        let analysis: SQLiteAnalysis
        do {
            analysis = try session.analysis(of: mapping.shadowed(""))
        } catch {
            return "it does not work over single rows: \(error.message)"
        }
        // The key by which single rows are picked is read inside the shadow as well.
        for read in analysis.reads where isSameName(read.table, source.name) {
            guard let context = read.context, isSameName(context, source.name) else {
                return "it reads \"\(source.name)\" under a qualified name or through a view"
            }
        }
        if analysis.isRecursive { return "it is recursive" }
        let aggregates: Set = [
            "count", "sum", "total", "avg", "group_concat", "string_agg", "json_group_array",
            "json_group_object", "jsonb_group_array", "jsonb_group_object", "migrator_hash",
        ]
        if let name = aggregates.intersection(analysis.functions).sorted().first { return "it aggregates by \(name)()" }
        if !analysis.functions.isDisjoint(with: ["min", "max"]), Self.hasAggregateExtreme(tokens) {
            return "it aggregates by min() or max()"
        }
        let unstable: Set = [
            "random", "randomblob", "changes", "total_changes", "last_insert_rowid", "current_timestamp",
            "current_date", "current_time", "load_extension",
        ]
        if let name = unstable.intersection(analysis.functions).sorted().first { return "\(name)() changes" }
        let times: Set = ["date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff"]
        if !times.isDisjoint(with: analysis.functions) {
            let literals = tokens.compactMap { if case .literal(let text) = $0 { text.lowercased() } else { nil } }
            if literals.contains("'now'") || literals.contains("'localtime'") || Self.hasCallWithoutTime(tokens, times)
            {
                return "it depends on the current time"
            }
        }
        return nil
    }

    /// min and max with one argument are aggregates, with more they compare values of a row.
    private static func hasAggregateExtreme(_ tokens: [SQLiteTokens.Token]) -> Bool {
        tokens.indices.contains { index in
            guard tokens[index] == .word("min") || tokens[index] == .word("max"), index + 1 < tokens.count,
                tokens[index + 1] == .symbol("(")
            else { return false }
            var depth = 0
            for token in tokens[(index + 1)...] {
                if token == .symbol("(") { depth += 1 }
                if token == .symbol(")") { depth -= 1 }
                if depth == 0 { return true }
                if depth == 1, token == .symbol(",") { return false }
            }
            return true
        }
    }

    /// `datetime()` and `strftime('%s')` mean now.
    private static func hasCallWithoutTime(_ tokens: [SQLiteTokens.Token], _ names: Set<String>) -> Bool {
        tokens.indices.contains { index in
            guard case .word(let name) = tokens[index], names.contains(name), index + 2 < tokens.count,
                tokens[index + 1] == .symbol("(")
            else { return false }
            if tokens[index + 2] == .symbol(")") { return true }
            return name == "strftime" && index + 3 < tokens.count && tokens[index + 3] == .symbol(")")
        }
    }
}

extension String {
    func isSame(_ other: String) -> Bool { isSameName(self, other) }
}
