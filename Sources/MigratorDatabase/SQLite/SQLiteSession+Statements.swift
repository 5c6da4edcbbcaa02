import CSQLite

extension SQLiteSession {
    public func execute(_ sql: String) throws(DatabaseError) {
        try forEachStatement(sql) { () throws(DatabaseError) in
            try FailPoint.enter()
        } after: { (passage) throws(DatabaseError) in
            try passage?.leave()
        }
    }

    public func query(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> [Row] {
        let passage = try FailPoint.enter()
        var rows: [Row] = []
        try withStatement(sql, parameters) { (statement) throws(DatabaseError) in
            var columns: [String]?
            while try self.advance(statement, sql) {
                let names = columns ?? Self.columnNames(statement)
                columns = names
                rows.append(Self.row(statement, names))
            }
        }
        try passage?.leave()
        return rows
    }

    @discardableResult
    public func run(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> Int {
        let passage = try FailPoint.enter()
        let before = connection.map { sqlite3_total_changes64($0) }
        try withStatement(sql, parameters) { (statement) throws(DatabaseError) in
            while try self.advance(statement, sql) {}
        }
        var affected = 0
        // What does not change rows leaves the number of the statement before it.
        if let connection, sqlite3_total_changes64(connection) != before {
            affected = Int(sqlite3_changes64(connection))
        }
        try passage?.leave()
        return affected
    }

    public func forEachRow(
        _ sql: String, _ parameters: [SQLValue], _ body: (Row) throws -> Void
    ) throws {
        let passage = try FailPoint.enter()
        var bodyError: (any Error)?
        try withStatement(sql, parameters) { (statement) throws(DatabaseError) in
            var columns: [String]?
            while bodyError == nil, try self.advance(statement, sql) {
                let names = columns ?? Self.columnNames(statement)
                columns = names
                do { try body(Self.row(statement, names)) } catch { bodyError = error }
            }
        }
        if let bodyError { throw bodyError }
        try passage?.leave()
    }

    /// The names of the columns that a statement would return; it is analysed, not run.
    public func describe(_ sql: String) throws(DatabaseError) -> [String] {
        let statement = try prepare(sql)
        defer { sqlite3_finalize(statement) }
        return Self.columnNames(statement)
    }

    // MARK: Preparing and stepping

    /// As `execute`, without counting: what opening and closing need.
    func step(_ sql: String) throws(DatabaseError) {
        try forEachStatement(sql) { () throws(DatabaseError) in
            nil
        } after: { (_) throws(DatabaseError) in
        }
    }

    private func forEachStatement(
        _ sql: String, before: () throws(DatabaseError) -> FailPoint.Passage?,
        after: (FailPoint.Passage?) throws(DatabaseError) -> Void
    ) throws(DatabaseError) {
        try refuseNUL(sql)
        let connection = try open()
        let text = Array(sql.utf8CString)
        var offset = 0
        while offset < text.count - 1 {
            var statement: OpaquePointer?
            var consumed = 0
            let code = text.withUnsafeBufferPointer { buffer in
                guard let start = buffer.baseAddress.map({ $0 + offset }) else { return SQLITE_NOMEM }
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v2(connection, start, -1, &statement, &tail)
                consumed = tail.map { $0 - start } ?? 0
                return code
            }
            guard code == SQLITE_OK else { throw lastError(code, in: sql, skipping: offset) }
            // Nothing but blanks and comments.
            guard let statement else { return }
            defer { sqlite3_finalize(statement) }
            let passage = try before()
            trace?.begins(sql, isInTransaction: isWriting)
            while try advance(statement, sql, skipping: offset) {}
            trace?.ended(isInTransaction: isWriting)
            try after(passage)
            offset += consumed
        }
    }

    func withStatement(
        _ sql: String, _ parameters: [SQLValue],
        _ body: (OpaquePointer) throws(DatabaseError) -> Void
    ) throws(DatabaseError) {
        let statement: OpaquePointer
        if let known = statements.take(sql) { statement = known } else { statement = try prepare(sql) }
        trace?.begins(sql, isInTransaction: isWriting)
        defer { trace?.ended(isInTransaction: isWriting) }
        do throws(DatabaseError) {
            try bind(parameters, to: statement)
            try body(statement)
        } catch {
            sqlite3_finalize(statement)
            throw error
        }
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
        statements.put(statement, for: sql)
    }

    func prepare(_ sql: String) throws(DatabaseError) -> OpaquePointer {
        try refuseNUL(sql)
        let connection = try open()
        var statement: OpaquePointer?
        var rest = ""
        let code = sql.withCString { text in
            var tail: UnsafePointer<CChar>?
            let code = sqlite3_prepare_v2(connection, text, -1, &statement, &tail)
            if let tail { rest = String(cString: tail) }
            return code
        }
        guard code == SQLITE_OK else { throw lastError(code, in: sql) }
        guard let statement else {
            throw DatabaseError(kind: .statement, message: "the text holds no statement")
        }
        // SQLite would run the first statement and leave the others out, in silence.
        if holdsStatement(rest) {
            sqlite3_finalize(statement)
            throw DatabaseError(kind: .statement, message: "the text holds more than one statement")
        }
        return statement
    }

    private func holdsStatement(_ text: String) -> Bool {
        guard text.contains(where: { !$0.isWhitespace }) else { return false }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        return sqlite3_prepare_v2(connection, text, -1, &statement, nil) != SQLITE_OK || statement != nil
    }

    /// `$1` is bound by its name, so that it may occur several times and in any order.
    private func bind(_ parameters: [SQLValue], to statement: OpaquePointer) throws(DatabaseError) {
        for (index, parameter) in parameters.enumerated() {
            let position = sqlite3_bind_parameter_index(statement, "$\(index + 1)")
            guard position > 0 else {
                throw DatabaseError(
                    kind: .statement, message: "the statement has no parameter $\(index + 1)")
            }
            let code =
                switch parameter {
                case .null: sqlite3_bind_null(statement, position)
                case .integer(let value): sqlite3_bind_int64(statement, position, value)
                case .real(let value): sqlite3_bind_double(statement, position, value)
                case .text(let value): bindText(value, statement, position)
                case .blob(let bytes): bindBlob(bytes, statement, position)
                }
            guard code == SQLITE_OK else { throw lastError(code) }
        }
        guard sqlite3_bind_parameter_count(statement) == Int32(parameters.count) else {
            throw DatabaseError(
                kind: .statement,
                message: "the statement has \(sqlite3_bind_parameter_count(statement)) parameters, "
                    + "\(parameters.count) are given")
        }
    }

    private func bindText(_ value: String, _ statement: OpaquePointer, _ position: Int32) -> Int32 {
        var value = value
        return value.withUTF8 { buffer in
            // An empty buffer may have no address, which SQLite would take for NULL.
            guard let start = buffer.baseAddress, !buffer.isEmpty else {
                return sqlite3_bind_text64(
                    statement, position, "", 0, migrator_sqlite_transient(), UInt8(SQLITE_UTF8))
            }
            return start.withMemoryRebound(to: CChar.self, capacity: buffer.count) {
                sqlite3_bind_text64(
                    statement, position, $0, UInt64(buffer.count), migrator_sqlite_transient(),
                    UInt8(SQLITE_UTF8))
            }
        }
    }

    private func bindBlob(_ bytes: [UInt8], _ statement: OpaquePointer, _ position: Int32) -> Int32 {
        guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(statement, position, 0) }
        return bytes.withUnsafeBytes {
            sqlite3_bind_blob64(
                statement, position, $0.baseAddress, UInt64($0.count), migrator_sqlite_transient())
        }
    }

    /// True when there is a row, false when the statement is done.
    func advance(
        _ statement: OpaquePointer, _ sql: String, skipping: Int = 0
    ) throws(DatabaseError) -> Bool {
        canceller.statementStarts()
        let code = sqlite3_step(statement)
        canceller.statementEnds()
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw lastError(code, in: sql, skipping: skipping)
        }
    }

    func open() throws(DatabaseError) -> OpaquePointer {
        guard let connection else {
            throw DatabaseError(kind: .connectionLost, message: "the session is closed")
        }
        return connection
    }

    private func refuseNUL(_ sql: String) throws(DatabaseError) {
        guard sql.utf8.contains(0) else { return }
        throw DatabaseError(kind: .unsendable, message: "a statement cannot hold a NUL character")
    }

    // MARK: Rows

    static func columnNames(_ statement: OpaquePointer) -> [String] {
        (0..<sqlite3_column_count(statement)).map { index in
            sqlite3_column_name(statement, index).map { String(cString: $0) } ?? ""
        }
    }

    static func row(_ statement: OpaquePointer, _ columns: [String]) -> Row {
        Row(
            columns: columns,
            values: (0..<Int32(columns.count)).map { index in
                switch sqlite3_column_type(statement, index) {
                case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, index))
                case SQLITE_FLOAT: .real(sqlite3_column_double(statement, index))
                case SQLITE_TEXT: .text(text(statement, index))
                case SQLITE_BLOB: .blob(blob(statement, index))
                default: .null
                }
            })
    }

    private static func text(_ statement: OpaquePointer, _ index: Int32) -> String {
        guard let start = sqlite3_column_text(statement, index) else { return "" }
        // The length is asked for after the text: the text may have been converted. It may hold NUL.
        let count = Int(sqlite3_column_bytes(statement, index))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    private static func blob(_ statement: OpaquePointer, _ index: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(statement, index) else { return [] }
        let count = Int(sqlite3_column_bytes(statement, index))
        return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
}
