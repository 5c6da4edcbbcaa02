import MigratorDatabase
import MigratorPlan
import MigratorScript

/// A session whose statements run in one transaction that somebody else rolls back, and are written down.
///
/// Its own transactions are savepoints of that one. Of what is sent, only what changes something is written down;
/// what was undone is taken out again; what was only counted becomes a guard.
/// Without a session below it nothing runs: every question has an empty answer.
final class RecordingSession: Session {
    let base: (any Session)?
    let script: SQLScript
    let dialect: Dialect
    private let ledger: Ledger
    var literals: RecordedLiterals
    /// Guards that stand in the first transaction.
    var opening: ((SQLScript) -> Void)?
    /// Guards that a revision's transaction begins with.
    var guardsOfRows: ((PlannedRevision) throws -> Void)?
    /// Where the open transaction begins in the script.
    private var transactionMark: Int?
    private var savepoints: [(name: String, mark: Int)] = []

    init(_ base: (any Session)?, script: SQLScript, ledgerSchema: String, literals: RecordedLiterals) {
        self.base = base
        self.script = script
        dialect = script.dialect
        self.literals = literals
        // For the tables' names.
        ledger = Ledger(session: base ?? NowhereSession(dialect: script.dialect), schema: ledgerSchema)
    }

    var isInTransaction: Bool { transactionMark != nil }
    var cancelHandle: any CancelHandle { base?.cancelHandle ?? NowhereSession.Handle() }
    var onNotice: ((String) -> Void)? {
        get { base?.onNotice }
        set { base?.onNotice = newValue }
    }
    func close() { base?.close() }

    // MARK: Transactions

    private static let savepoint = "migrator_recorded"

    func begin() throws(DatabaseError) {
        try base?.execute("SAVEPOINT \(Self.savepoint)")
        transactionMark = script.mark
        script.add(dialect == .sqlite ? "BEGIN IMMEDIATE" : "BEGIN")
    }

    func commit() throws(DatabaseError) {
        if dialect == .postgresql {
            // As a commit does: what is deferred is looked at now.
            try base?.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            let temporary =
                try base?.query(
                    """
                    SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_my_temp_schema()
                    AND c.relname IN ('migrator_keys', 'migrator_value')
                    """
                ).compactMap { $0[0].asText } ?? []
            for name in temporary { try base?.execute("DROP TABLE pg_temp.\(name.quotedIdentifier)") }
        }
        try base?.execute("RELEASE SAVEPOINT \(Self.savepoint)")
        end { mark in
            if script.mark == mark + 1 { script.cut(to: mark) } else { script.add("COMMIT") }
        }
    }

    func commit(after statements: String) throws(DatabaseError) {
        try base?.execute(statements)
        try commit()
    }

    func rollback() {
        guard isInTransaction else { return }
        try? base?.execute("ROLLBACK TO SAVEPOINT \(Self.savepoint); RELEASE SAVEPOINT \(Self.savepoint)")
        end { script.cut(to: $0) }
    }

    private func end(_ body: (Int) -> Void) {
        if let transactionMark { body(transactionMark) }
        transactionMark = nil
        savepoints = []
    }

    // MARK: Statements

    func execute(_ sql: String) throws(DatabaseError) {
        if let rest = try beginning(sql) {
            if !rest.isEmpty { try execute(rest) }
            return
        }
        if sql == "DROP TABLE IF EXISTS temp.migrator_violations", isInTransaction { guardKeys() }
        try base?.execute(sql)
        if followsSavepoint(sql) || sql.hasPrefix("PREPARE migrator_") { return }
        note(sql)
    }

    func query(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> [Row] {
        if let row = literals.answer(to: sql) { return [row] }
        let rows = try base?.query(sql, parameters) ?? []
        if writes(sql) { note(sql, parameters) } else { guardAnswer(to: sql, parameters, rows) }
        return rows
    }

    func queryAll(_ sql: String) throws(DatabaseError) -> [[Row]] {
        guard let rest = try beginning(sql) else { return try base?.queryAll(sql) ?? [] }
        let results = try base?.queryAll(rest) ?? []
        for part in rest.pieces(separatedBy: "; ") {
            if part.hasPrefix("SELECT") {
                guardAnswer(to: part, [], results.last ?? [])
            } else {
                note(part)
            }
        }
        return results
    }

    func run(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> Int {
        let affected = try base?.run(sql, parameters) ?? 0
        note(sql, parameters)
        return affected
    }

    func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (Row) throws -> Void) throws {
        try base?.forEachRow(sql, parameters, body)
        if writes(sql) { note(sql, parameters) }
    }

    func describe(_ sql: String) throws(DatabaseError) -> [String] { try base?.describe(sql) ?? [] }

    // MARK: What is written down

    private func note(_ sql: String, _ parameters: [SQLValue] = []) {
        if let opening, isInTransaction {
            self.opening = nil
            opening(script)
        }
        let text = SQLText.filled(sql, parameters) { literals.literal($0, base) }
        script.add(dialect == .sqlite ? text.withoutOwnFunctions : text.withoutResult)
        if let more = literals.statement(after: sql, ledger) { script.add(more) }
    }

    /// Opens a transaction where the text does so; gives what follows.
    private func beginning(_ sql: String) throws(DatabaseError) -> String? {
        guard sql.hasPrefix("BEGIN ISOLATION LEVEL ") || sql == "BEGIN DEFERRED" else { return nil }
        try begin()
        guard let end = sql.firstRange(of: "; ") else { return "" }
        return String(sql[end.upperBound...])
    }

    /// The engine's own savepoints leave no trace: what is undone behind one is taken out.
    private func followsSavepoint(_ sql: String) -> Bool {
        var isOwn = false
        for part in sql.pieces(separatedBy: "; ") {
            let words = part.split(separator: " ").map(String.init)
            guard let name = words.last, name.hasPrefix("migrator") else { continue }
            switch words.dropLast() {
            case ["SAVEPOINT"]: savepoints.append((name, script.mark))
            case ["RELEASE", "SAVEPOINT"]:
                if let index = savepoints.lastIndex(where: { $0.name == name }) { savepoints.removeSubrange(index...) }
            case ["ROLLBACK", "TO", "SAVEPOINT"]:
                if let known = savepoints.last(where: { $0.name == name }) { script.cut(to: known.mark) }
            default: continue
            }
            isOwn = true
        }
        return isOwn
    }

    private func writes(_ sql: String) -> Bool {
        let words = sql.prefix(4000).split { $0.isWhitespace || $0 == "(" }.map { $0.uppercased() }
        switch words.first {
        case "SELECT", "VALUES", "TABLE", "EXPLAIN", "EXECUTE", "PRAGMA", "SHOW", nil:
            return sql.firstRange(of: "setval(") != nil
        case "WITH": return words.contains { ["INSERT", "UPDATE", "DELETE"].contains($0) }
        default: return true
        }
    }

    /// What was decided by a number of rows, or by whose turn it is, must be so again.
    private func guardAnswer(to sql: String, _ parameters: [SQLValue], _ rows: [Row]) {
        guard isInTransaction, base != nil else { return }
        let text = SQLText.filled(sql, parameters) { literals.literal($0, base) }
        if sql.hasPrefix("SELECT 1 FROM \(ledger.table("fence"))") {
            script.addGuard("EXISTS (\(text))", "another migrator has taken over")
        } else if sql.hasPrefix("SELECT count(*) FROM "), rows.count == 1, let count = rows[0][0].asInt,
            sql.firstRange(of: "migrator_same(") == nil
        {
            script.addGuard(
                "(\(text)) = \(count)", "the rows are not those that this script was made for",
                hint: "make it again, with the database named by --database")
        }
    }

    /// The query returns nothing now, and must not then.
    func expectNone(_ query: String, _ message: String) {
        script.addGuard("NOT EXISTS (SELECT 1 FROM (\(query)\n) AS checked)", message)
    }

    /// The transaction of a revision is open, and its tables are locked.
    func began(_ planned: PlannedRevision) throws {
        note("")
        try guardsOfRows?(planned)
    }

    private func guardKeys() {
        script.addGuard(
            """
            NOT EXISTS (SELECT lower("table"), rowid, lower(parent) FROM pragma_foreign_key_check
            EXCEPT SELECT child, row, parent FROM temp.migrator_violations)
            """, "rows refer to rows that are not there")
    }
}

extension Session {
    /// What a recording stands on, or the session itself.
    var unwrapped: any Session { (self as? RecordingSession)?.base ?? self }
}

/// Only its dialect is asked for.
final class NowhereSession: Session {
    struct Handle: CancelHandle { func cancel() {} }

    let dialect: Dialect
    var isInTransaction: Bool { false }
    var cancelHandle: any CancelHandle { Handle() }
    var onNotice: ((String) -> Void)?

    init(dialect: Dialect) { self.dialect = dialect }

    func execute(_ sql: String) throws(DatabaseError) {}
    func query(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> [Row] { [] }
    func run(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> Int { 0 }
    func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (Row) throws -> Void) throws {}
    func describe(_ sql: String) throws(DatabaseError) -> [String] { [] }
    func begin() throws(DatabaseError) {}
    func commit() throws(DatabaseError) {}
    func rollback() {}
    func close() {}
}

extension String {
    func pieces(separatedBy separator: String) -> [String] {
        var pieces: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            pieces.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return pieces + [String(rest)]
    }

    /// A statement of PostgreSQL's that the shell prints no rows of.
    fileprivate var withoutResult: String {
        if hasSuffix(" RETURNING id"), hasPrefix("INSERT ") { return String(dropLast(" RETURNING id".count)) }
        guard hasPrefix("SELECT setval(") else { return self }
        return "DO " + SQLText.dollarQuoted(" BEGIN PERFORM \(dropFirst("SELECT ".count)); END ")
    }

    /// `migrator_same(a, b)`, which only the tool's own connections have, in SQLite's own words.
    var withoutOwnFunctions: String {
        guard let start = firstRange(of: "migrator_same(") else { return self }
        var depth = 1
        var comma: Index?
        var index = start.upperBound
        var quote: Character?
        while index < endIndex, depth > 0 {
            let character = self[index]
            if let open = quote {
                if character == open { quote = nil }
            } else {
                switch character {
                case "'", "\"": quote = character
                case "(": depth += 1
                case ")": depth -= 1
                case "," where depth == 1: comma = index
                default: break
                }
            }
            index = self.index(after: index)
        }
        guard depth == 0, let comma else { return self }
        let left = self[start.upperBound..<comma]
        let right = self[self.index(after: comma)..<self.index(before: index)]
        return self[..<start.lowerBound]
            + "(typeof(\(left)) = typeof(\(right)) AND (\(left)) COLLATE BINARY IS (\(right)))"
            + String(self[index...]).withoutOwnFunctions
    }
}
