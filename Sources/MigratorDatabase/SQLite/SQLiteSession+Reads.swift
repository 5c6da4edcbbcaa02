import CSQLite

/// One column that a statement reads, as SQLite's authorizer reports it.
public struct SQLiteRead: Sendable, Hashable {
    public var table: String
    /// Empty where a table is referred to and no column of it is taken.
    public var column: String
    /// The innermost view, trigger or common table expression in whose definition the read stands.
    public var context: String?

    public init(table: String, column: String, context: String?) {
        self.table = table
        self.column = column
        self.context = context
    }
}

/// What SQLite says about a statement while it analyses it.
public struct SQLiteAnalysis: Sendable, Equatable {
    /// Each once, in the order of their first occurrence.
    public var reads: [SQLiteRead] = []
    /// Names as the statement writes them, in lower case.
    public var functions: Set<String> = []
    /// How many SELECTs, with sub-queries and expressions.
    public var selects = 0
    public var isRecursive = false
    /// Tables that the statement inserts into, updates or deletes from.
    public var writes: Set<String> = []
    public var columns: [String] = []
}

extension SQLiteSession {
    /// Every column that a statement reads; it is analysed, not run.
    public func readsOf(_ sql: String) throws(DatabaseError) -> [SQLiteRead] {
        try analysis(of: sql).reads
    }

    /// What a statement reads, calls and writes; it is analysed, not run.
    /// Source: sqlite.org/c3ref/set_authorizer.html, sqlite.org/c3ref/c_alter_table.html.
    public func analysis(of sql: String) throws(DatabaseError) -> SQLiteAnalysis {
        let connection = try open()
        let box = AnalysisBox()
        sqlite3_set_authorizer(
            connection,
            { context, action, first, second, _, innermost in
                guard let context else { return SQLITE_OK }
                func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
                Unmanaged<AnalysisBox>.fromOpaque(context).takeUnretainedValue().note(
                    action, text(first), text(second), text(innermost))
                return SQLITE_OK
            }, Unmanaged.passUnretained(box).toOpaque())
        // The box lives until the hook is gone.
        defer { withExtendedLifetime(box) { _ = sqlite3_set_authorizer(connection, nil, nil) } }
        let statement = try prepare(sql)
        box.analysis.columns = Self.columnNames(statement)
        sqlite3_finalize(statement)
        return box.analysis
    }
}

private final class AnalysisBox {
    var analysis = SQLiteAnalysis()
    private var seen: Set<SQLiteRead> = []

    func note(_ action: Int32, _ first: String?, _ second: String?, _ context: String?) {
        switch action {
        case SQLITE_READ:
            let read = SQLiteRead(table: first ?? "", column: second ?? "", context: context)
            if seen.insert(read).inserted { analysis.reads.append(read) }
        case SQLITE_FUNCTION: analysis.functions.insert((second ?? "").lowercased())
        case SQLITE_SELECT: analysis.selects += 1
        case SQLITE_RECURSIVE: analysis.isRecursive = true
        case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE: analysis.writes.insert(first ?? "")
        default: break
        }
    }
}
