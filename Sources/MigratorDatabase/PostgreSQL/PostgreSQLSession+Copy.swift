import CLibPQ

extension PostgreSQLSession {
    /// Runs `COPY … TO STDOUT` and hands over its data piece by piece, in bounded memory.
    /// An error thrown by `body` ends the statement and is thrown on.
    public func copyOut(_ sql: String, _ body: ([UInt8]) throws -> Void) throws {
        let passage = try FailPoint.enter()
        let connection = try startCopy(sql, PGRES_COPY_OUT)
        isReadingResult = true
        var bodyError: (any Error)?
        var buffer: UnsafeMutablePointer<CChar>?
        while true {
            let count = PQgetCopyData(connection, &buffer, 0)
            guard count > 0, let data = buffer else { break }
            defer { PQfreemem(data) }
            guard bodyError == nil else { continue }
            do {
                try body([UInt8](UnsafeRawBufferPointer(start: data, count: Int(count))))
            } catch {
                bodyError = error
                canceller.cancel()
            }
        }
        try finish({ _ in }, ignoringErrors: { bodyError != nil })
        if let bodyError { throw bodyError }
        try passage?.leave()
    }

    /// Runs `COPY … FROM STDIN` with the data that `source` gives until it gives nil.
    /// - Returns: the number of rows.
    @discardableResult
    public func copyIn(_ sql: String, source: () throws -> [UInt8]?) throws -> Int {
        let passage = try FailPoint.enter()
        let connection = try startCopy(sql, PGRES_COPY_IN)
        isReadingResult = true
        var sourceError: (any Error)?
        do {
            while let bytes = try source() {
                let sent = bytes.withUnsafeBytes {
                    PQputCopyData(connection, $0.bindMemory(to: CChar.self).baseAddress, Int32($0.count))
                }
                // The server's own reason comes with the result below.
                if sent != 1 { break }
            }
        } catch {
            sourceError = error
        }
        _ = PQputCopyEnd(connection, sourceError == nil ? nil : "the source of the data failed")
        var rows = 0
        try finish(
            { rows = Int(String(cString: PQcmdTuples($0))) ?? 0 },
            ignoringErrors: { sourceError != nil })
        if let sourceError { throw sourceError }
        try passage?.leave()
        return rows
    }

    /// Sends the COPY and waits until data may flow.
    func startCopy(
        _ sql: String, _ wanted: ExecStatusType
    ) throws(DatabaseError) -> OpaquePointer {
        try send(sql, [])
        let connection = try open()
        guard let result = PQgetResult(connection) else { throw sendFailure() }
        defer { PQclear(result) }
        let status = PQresultStatus(result)
        if status == wanted { return connection }
        let failure = status == PGRES_FATAL_ERROR ? ServerError(result).error : nil
        if status == PGRES_COPY_IN { _ = PQputCopyEnd(connection, "data flows the other way") }
        if status == PGRES_COPY_OUT {
            var buffer: UnsafeMutablePointer<CChar>?
            while PQgetCopyData(connection, &buffer, 0) > 0 { PQfreemem(buffer) }
        }
        try finish({ _ in }, ignoringErrors: { true })
        throw redactor.redact(
            failure ?? DatabaseError(kind: .statement, message: "the statement is not the expected COPY"))
    }
}
