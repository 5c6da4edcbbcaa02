import MigratorDatabase
import MigratorScript

/// SQL for `psql` or `sqlite3`, put together statement by statement.
final class SQLScript {
    let dialect: Dialect
    private var entries: [String] = []

    init(_ dialect: Dialect) { self.dialect = dialect }

    /// How far it has come; `cut` goes back there.
    var mark: Int { entries.count }
    func cut(to mark: Int) { entries.removeLast(max(0, entries.count - mark)) }

    /// A statement, or several, without the last semicolon.
    func add(_ sql: String) {
        var text = sql[...]
        while let last = text.last, last.isWhitespace || last == ";" { text = text.dropLast() }
        guard !text.isEmpty else { return }
        let lastLine = text.split(separator: "\n", omittingEmptySubsequences: false).last ?? text
        // A semicolon in a comment would end nothing.
        entries.append(text + (lastLine.firstRange(of: "--") == nil ? ";" : "\n;"))
    }

    func addComment(_ text: String) {
        entries.append(
            text.split(separator: "\n", omittingEmptySubsequences: false).map { "-- \($0)" }.joined(separator: "\n"))
    }

    func addBlank() { entries.append("") }

    /// A command of the shell itself, such as `.bail on`.
    func addCommand(_ line: String) { entries.append(line) }

    /// Stops everything where the condition does not hold.
    /// - Parameter condition: an SQL expression.
    func addGuard(_ condition: String, _ message: String, hint: String? = nil) {
        switch dialect {
        case .postgresql:
            let hint = hint.map { ", HINT = \($0.quotedLiteral)" } ?? ""
            let body = """
                 BEGIN
                    IF (\(condition)) IS NOT TRUE THEN
                        RAISE EXCEPTION USING MESSAGE = \(message.quotedLiteral)\(hint);
                    END IF;
                END
                """
            add("DO " + SQLText.dollarQuoted(body + " "))
        case .sqlite:
            // SQLite has no statement that fails on purpose, but for the constraint of a table.
            let text = hint.map { "\(message); \($0)" } ?? message
            add(
                "CREATE TEMP TABLE migrator_guard (holds INTEGER CONSTRAINT \(text.quotedIdentifier) CHECK (coalesce(holds, 0)))"
            )
            add("INSERT INTO temp.migrator_guard SELECT (\(condition))")
            add("DROP TABLE temp.migrator_guard")
        }
    }

    var text: String { entries.joined(separator: "\n") + "\n" }
}
