import CSQLite

/// Prepared statements by their text, so that a statement that runs often is analysed once.
/// A statement is taken out while it runs: the same text may run again inside its own rows.
struct SQLiteStatementCache {
    private var statements: [String: OpaquePointer] = [:]
    private let capacity = 64

    mutating func take(_ sql: String) -> OpaquePointer? { statements.removeValue(forKey: sql) }

    /// Takes over a statement that is reset and has no parameters bound.
    mutating func put(_ statement: OpaquePointer, for sql: String) {
        if statements.count >= capacity { removeAll() }
        if let former = statements.updateValue(statement, forKey: sql) { sqlite3_finalize(former) }
    }

    mutating func removeAll() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements.removeAll()
    }
}
