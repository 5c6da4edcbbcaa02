import CLibPQ

/// What the server said in one error result, before it is known whether the connection outlived it.
struct ServerError {
    var error: DatabaseError

    init(_ result: OpaquePointer) {
        func field(_ code: Int) -> String? {
            guard let text = PQresultErrorField(result, Int32(code)) else { return nil }
            return String(cString: text)
        }
        let state = field(MIGRATOR_DIAG_SQLSTATE)
        let message =
            field(MIGRATOR_DIAG_MESSAGE_PRIMARY)
            ?? PQresultErrorMessage(result).map { String(cString: $0).withoutTrailingSpace } ?? ""
        error = DatabaseError(
            kind: Self.kind(ofState: state),
            message: message.isEmpty ? "the server gave no reason" : message,
            sqlState: state,
            detail: field(MIGRATOR_DIAG_MESSAGE_DETAIL),
            hint: field(MIGRATOR_DIAG_MESSAGE_HINT),
            position: field(MIGRATOR_DIAG_STATEMENT_POSITION).flatMap { Int($0) },
            schema: field(MIGRATOR_DIAG_SCHEMA_NAME),
            table: field(MIGRATOR_DIAG_TABLE_NAME),
            column: field(MIGRATOR_DIAG_COLUMN_NAME),
            constraint: field(MIGRATOR_DIAG_CONSTRAINT_NAME),
            context: field(MIGRATOR_DIAG_CONTEXT))
    }

    /// Source: PostgreSQL manual, Appendix A "PostgreSQL Error Codes".
    static func kind(ofState state: String?) -> DatabaseError.Kind {
        switch state {
        // The server always gives one: these are libpq's own words about a connection that failed. PQstatus
        // does not tell: after a failed write it goes on to say CONNECTION_OK.
        case nil: .connectionLost
        case "42501": .insufficientPrivilege
        case "55P03", "40P01": .lockNotAvailable
        case "57014": .cancelled
        case "53100": .diskFull
        case "25006": .readOnly
        default: .statement
        }
    }
}

/// What libpq says about a connection that was not made.
/// The connection's verbosity must be PQERRORS_VERBOSE: only then the text holds the SQLSTATE.
struct ConnectionFailure {
    var message: String
    var sqlState: String?

    init(verboseMessage text: String) {
        let lines = text.split(separator: "\n").map(String.init)
        // The last line of a verbose report names a place in the server's source: `auth_failed, auth.c:335`.
        let kept = lines.filter { !$0.hasSourceLocation }
        var cleaned: [String] = []
        for line in kept {
            // `FATAL:  28P01: password authentication failed for user "x"`.
            guard let found = line.firstMatch(of: /:  ([0-9A-Z]{5}):[ ]/) else {
                cleaned.append(line)
                continue
            }
            sqlState = sqlState ?? String(found.output.1)
            cleaned.append(line.replacingCharacters(found.range, with: ": "))
        }
        message = cleaned.joined(separator: "\n").withoutTrailingSpace
        if message.isEmpty { message = "no connection to the server" }
    }
}

extension String {
    var withoutTrailingSpace: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }

    fileprivate var hasSourceLocation: Bool { wholeMatch(of: /\S+:\s+.*\.c:\d+/) != nil }

    fileprivate func replacingCharacters(_ range: Range<String.Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
