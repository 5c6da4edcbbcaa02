import CLibPQ
import Glibc

extension PostgreSQLSession {
    public func execute(_ sql: String) throws(DatabaseError) {
        let passage = try FailPoint.enter()
        _ = try drain(sending: sql)
        try passage?.leave()
    }

    public func query(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> [Row] {
        let passage = try FailPoint.enter()
        var rows: [Row] = []
        _ = try statement(sql, parameters) { rows = Self.rows($0) }
        try passage?.leave()
        return rows
    }

    public func queryAll(_ sql: String) throws(DatabaseError) -> [[Row]] {
        let passage = try FailPoint.enter()
        try refuseNUL(sql)
        let connection = try open()
        canceller.statementStarts()
        guard PQsendQuery(connection, sql) == 1 else { throw sendFailure() }
        var results: [[Row]] = []
        try finish { result in
            if PQnfields(result) > 0 { results.append(Self.rows(result)) }
        }
        try passage?.leave()
        return results
    }

    @discardableResult
    public func run(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> Int {
        let passage = try FailPoint.enter()
        var affected = 0
        _ = try statement(sql, parameters) { result in
            // "SELECT 3" counts too, but nothing was inserted, updated or deleted.
            let tag = String(cString: PQcmdStatus(result))
            if tag.hasPrefix("SELECT") && PQnfields(result) > 0 { return }
            affected = Int(String(cString: PQcmdTuples(result))) ?? 0
        }
        try passage?.leave()
        return affected
    }

    public func forEachRow(
        _ sql: String, _ parameters: [SQLValue], _ body: (Row) throws -> Void
    ) throws {
        let passage = try FailPoint.enter()
        let connection = try open()
        try send(sql, parameters)
        PQsetSingleRowMode(connection)
        var columns: [String]?
        var bodyError: (any Error)?
        try finish { result in
            guard bodyError == nil, PQresultStatus(result) == PGRES_SINGLE_TUPLE else { return }
            let names = columns ?? Self.columnNames(result)
            columns = names
            do {
                try body(Self.row(result, 0, names))
            } catch {
                bodyError = error
                self.canceller.cancel()
            }
        } ignoringErrors: {
            bodyError != nil
        }
        if let bodyError { throw bodyError }
        try passage?.leave()
    }

    /// The names of the columns that a statement would return; it is analysed, not run.
    public func describe(_ sql: String) throws(DatabaseError) -> [String] {
        let passage = try FailPoint.enter()
        try refuseNUL(sql)
        let connection = try open()
        // The unnamed statement: it is replaced by the next one and needs no DEALLOCATE.
        canceller.statementStarts()
        guard PQsendPrepare(connection, "", sql, 0, nil) == 1 else { throw sendFailure() }
        try finish { _ in }
        canceller.statementStarts()
        guard PQsendDescribePrepared(connection, "") == 1 else { throw sendFailure() }
        var names: [String] = []
        try finish { names = Self.columnNames($0) }
        try passage?.leave()
        return names
    }

    // MARK: Sending and receiving

    /// Sends by the simple protocol, throws all results away; gives the last command tag.
    func drain(sending sql: String, passage: FailPoint.Passage? = nil) throws(DatabaseError) -> String {
        try refuseNUL(sql)
        let connection = try open()
        trace?.begins(sql, isInTransaction: hasOpenBlock)
        canceller.statementStarts()
        guard PQsendQuery(connection, sql) == 1 else { throw sendFailure() }
        if let passage, passage.breaksDuringCommit {
            _ = PQflush(connection)
            do throws(DatabaseError) {
                try passage.reachDuringCommit()
            } catch {
                // The reply never comes: what a broken connection looks like.
                shutdown(PQsocket(connection), Int32(SHUT_RDWR))
                canceller.statementEnds()
                close()
                throw DatabaseError(kind: .connectionLost, message: error.message)
            }
        }
        var tag = ""
        try finish { tag = String(cString: PQcmdStatus($0)) }
        return tag
    }

    private func statement(
        _ sql: String, _ parameters: [SQLValue], _ receive: (OpaquePointer) -> Void
    ) throws(DatabaseError) {
        try send(sql, parameters)
        try finish(receive)
    }

    /// Sends one statement by the extended protocol.
    func send(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) {
        try refuseNUL(sql)
        var texts: [String?] = []
        for parameter in parameters {
            let text = parameter.asText
            // libpq would cut the text there, in silence.
            if let text { try refuseNUL(text) }
            texts.append(text)
        }
        let connection = try open()
        let values = CStringArray(texts)
        trace?.begins(sql, isInTransaction: hasOpenBlock)
        canceller.statementStarts()
        let sent = PQsendQueryParams(
            connection, sql, Int32(texts.count), nil, values.pointers, nil, nil, 0)
        guard sent == 1 else { throw sendFailure() }
    }

    /// Receives until the server is ready for the next statement.
    /// - Throws: the first error; `.connectionLost` where the connection did not outlive the statement.
    func finish(
        _ receive: (OpaquePointer) -> Void, ignoringErrors: () -> Bool = { false }
    ) throws(DatabaseError) {
        let connection = try open(reading: true)
        isReadingResult = true
        var failure: DatabaseError?
        while let result = PQgetResult(connection) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
                if failure == nil { failure = ServerError(result).error }
            case PGRES_COPY_IN, PGRES_COPY_BOTH:
                // PQgetResult would say COPY_IN for ever.
                let reason = "COPY FROM STDIN needs data, which a script cannot give"
                if PQputCopyEnd(connection, reason) != 1, failure == nil { failure = connectionFailure() }
            case PGRES_COPY_OUT:
                var buffer: UnsafeMutablePointer<CChar>?
                while PQgetCopyData(connection, &buffer, 0) > 0 { PQfreemem(buffer) }
            default:
                if failure == nil { receive(result) }
            }
            if PQstatus(connection) == CONNECTION_BAD { break }
        }
        isReadingResult = false
        canceller.statementEnds()
        let status = PQtransactionStatus(connection)
        hasOpenBlock = status == PQTRANS_INTRANS || status == PQTRANS_INERROR
        trace?.ended(isInTransaction: status == PQTRANS_INTRANS)
        if PQstatus(connection) == CONNECTION_BAD {
            var lost = failure ?? connectionFailure()
            lost.kind = .connectionLost
            throw redactor.redact(lost)
        }
        guard var failure, !ignoringErrors() else { return }
        // statement_timeout has the same SQLSTATE as a request; only what was asked for here is a request.
        if failure.kind == .cancelled, !canceller.wasRequested { failure.kind = .statement }
        throw redactor.redact(failure)
    }

    func open(reading: Bool = false) throws(DatabaseError) -> OpaquePointer {
        guard let connection else {
            throw DatabaseError(kind: .connectionLost, message: "the session is closed")
        }
        if isReadingResult, !reading {
            throw DatabaseError(
                kind: .statement, message: "the rows of another statement are still being read")
        }
        return connection
    }

    func connectionFailure() -> DatabaseError {
        let text = PQerrorMessage(connection).map { String(cString: $0).withoutTrailingSpace } ?? ""
        let isLost = PQstatus(connection) == CONNECTION_BAD
        return DatabaseError(
            kind: isLost ? .connectionLost : .statement,
            message: text.isEmpty ? "the connection to the server was lost" : text)
    }

    func sendFailure() -> DatabaseError {
        canceller.statementEnds()
        return redactor.redact(connectionFailure())
    }

    private func refuseNUL(_ text: String) throws(DatabaseError) {
        guard text.utf8.contains(0) else { return }
        throw DatabaseError(kind: .unsendable, message: "PostgreSQL's text cannot hold a NUL character")
    }

    // MARK: Rows

    static func columnNames(_ result: OpaquePointer) -> [String] {
        (0..<PQnfields(result)).map { index in PQfname(result, index).map { String(cString: $0) } ?? "" }
    }

    private static func rows(_ result: OpaquePointer) -> [Row] {
        let columns = columnNames(result)
        return (0..<PQntuples(result)).map { row(result, $0, columns) }
    }

    static func row(_ result: OpaquePointer, _ index: Int32, _ columns: [String]) -> Row {
        var values: [SQLValue] = []
        values.reserveCapacity(columns.count)
        for column in 0..<Int32(columns.count) {
            if PQgetisnull(result, index, column) == 1 {
                values.append(.null)
            } else if let text = PQgetvalue(result, index, column) {
                let bytes = UnsafeRawBufferPointer(
                    start: text, count: Int(PQgetlength(result, index, column)))
                values.append(.text(String(decoding: bytes, as: UTF8.self)))
            } else {
                values.append(.text(""))
            }
        }
        return Row(columns: columns, values: values)
    }
}
