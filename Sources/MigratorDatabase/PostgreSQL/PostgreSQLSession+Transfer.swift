import CLibPQ

extension PostgreSQLSession {
    /// Brings the rows of a `COPY … TO STDOUT` into a `COPY … FROM STDIN` of another session, in bounded memory.
    /// - Returns: the number of rows.
    @discardableResult
    public func transfer(
        _ source: String, to target: PostgreSQLSession, _ sink: String
    ) throws(DatabaseError) -> Int {
        let reading = try startCopy(source, PGRES_COPY_OUT)
        let writing: OpaquePointer
        do {
            writing = try target.startCopy(sink, PGRES_COPY_IN)
        } catch {
            drainCopy(reading)
            throw error
        }
        isReadingResult = true
        target.isReadingResult = true
        var isAccepting = true
        var buffer: UnsafeMutablePointer<CChar>?
        while true {
            let count = PQgetCopyData(reading, &buffer, 0)
            guard count > 0, let data = buffer else { break }
            defer { PQfreemem(data) }
            // The target's own reason comes with its result below.
            if isAccepting { isAccepting = PQputCopyData(writing, data, count) == 1 }
        }
        var failure: DatabaseError?
        do {
            try finish({ _ in })
        } catch {
            failure = error
        }
        _ = PQputCopyEnd(writing, failure == nil ? nil : "the source of the data failed")
        var rows = 0
        do {
            try target.finish(
                { rows = Int(String(cString: PQcmdTuples($0))) ?? 0 }, ignoringErrors: { failure != nil })
        } catch {
            throw failure ?? error
        }
        if let failure { throw failure }
        return rows
    }

    private func drainCopy(_ connection: OpaquePointer) {
        isReadingResult = true
        var buffer: UnsafeMutablePointer<CChar>?
        while PQgetCopyData(connection, &buffer, 0) > 0 { PQfreemem(buffer) }
        try? finish({ _ in }, ignoringErrors: { true })
    }
}
