import CSQLite

extension SQLiteSession {
    /// The connection's last error, as data.
    /// - Parameters:
    ///   - sql: the text in which the error is; its position is looked up.
    ///   - skipping: bytes of a longer text that stand before `sql`'s prepared part.
    func lastError(_ code: Int32, in sql: String? = nil, skipping: Int = 0) -> DatabaseError {
        let message =
            connection.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) }
            ?? String(cString: sqlite3_errstr(code))
        var error = DatabaseError(kind: Self.kind(of: code), message: message, sqliteCode: code)
        // An ALTER TABLE whose own inner statement was interrupted ends with another code, and says so at the end.
        if error.kind == .lockNotAvailable || code & 0xff == SQLITE_ERROR, canceller.wasRequested {
            error.kind = .cancelled
        }
        if message.hasSuffix(": interrupted") { error.kind = .cancelled }
        if let sql, let connection {
            let offset = Int(sqlite3_error_offset(connection))
            if offset >= 0 {
                let before = sql.utf8.prefix(skipping + offset)
                error.position = Substring(before).unicodeScalars.count + 1
            }
        }
        Self.nameColumns(&error)
        return error
    }

    /// Source: sqlite.org/rescode.html.
    static func kind(of code: Int32) -> DatabaseError.Kind {
        switch code & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED: .lockNotAvailable
        case SQLITE_INTERRUPT: .cancelled
        case SQLITE_FULL: .diskFull
        case SQLITE_READONLY: .readOnly
        case SQLITE_NOTADB: .notADatabase
        case SQLITE_CANTOPEN: .connectionFailed
        default: .statement
        }
    }

    /// `UNIQUE constraint failed: t.a, t.b` names a table and columns, `CHECK constraint failed: name` a name.
    private static func nameColumns(_ error: inout DatabaseError) {
        guard let code = error.sqliteCode, code & 0xff == SQLITE_CONSTRAINT,
            let separator = error.message.firstRange(of: " constraint failed: ")
        else { return }
        let subject = error.message[separator.upperBound...]
        if error.message.hasPrefix("CHECK") {
            error.constraint = String(subject)
            return
        }
        let parts = subject.split(separator: ",")[0].split(separator: ".", maxSplits: 1)
        guard parts.count == 2 else { return }
        error.table = String(parts[0])
        if !subject.contains(",") { error.column = String(parts[1]) }
    }
}
