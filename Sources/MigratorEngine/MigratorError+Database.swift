import MigratorDatabase

extension MigratorError {
    /// What a database refused, in words.
    public init(_ error: DatabaseError) {
        if error.kind == .insufficientPrivilege, error.message.contains("row-level security") {
            self.init(
                "row-security", .unavailable, "row-level security would hide rows from migrator: \(error.message)",
                hint:
                    "run it as a role with BYPASSRLS, or as the owner after ALTER TABLE ... NO FORCE ROW LEVEL SECURITY"
            )
            return
        }
        let (code, status) = Self.classification(of: error.kind)
        self.init(code, status, Self.message(of: error), hint: Self.hint(for: error))
        if let detail = error.detail { details.append(detail) }
        if let constraint = error.constraint, !message.contains(constraint) {
            details.append(
                "constraint: \"\(constraint)\"" + (error.table.map { " of table \"\($0)\"" } ?? ""))
        }
        if let context = error.context { details.append("context: " + context) }
    }

    private static func classification(of kind: DatabaseError.Kind) -> (String, ExitStatus) {
        switch kind {
        case .connectionFailed: ("connection-failed", .unavailable)
        case .connectionLost: ("connection-lost", .failed)
        case .notADatabase: ("not-a-database", .unavailable)
        case .readOnly: ("read-only", .unavailable)
        case .insufficientPrivilege: ("insufficient-privilege", .unavailable)
        case .lockNotAvailable: ("lock-not-available", .locked)
        case .cancelled: ("cancelled", .interrupted)
        case .diskFull: ("disk-full", .failed)
        case .statement: ("sql-error", .failed)
        case .unsendable: ("unsendable-text", .failed)
        }
    }

    private static func message(of error: DatabaseError) -> String {
        let text = error.message
        let state = error.sqlState.map { " (SQLSTATE \($0))" } ?? ""
        switch error.kind {
        case .cancelled: return "the statement was cancelled; what was open has been rolled back"
        case .lockNotAvailable: return "a lock could not be had in time: \(text)" + state
        case .connectionLost: return "the connection to the database broke: \(text)"
        case .connectionFailed, .notADatabase, .readOnly, .insufficientPrivilege, .diskFull, .statement,
            .unsendable:
            return text + state
        }
    }

    private static func hint(for error: DatabaseError) -> String? {
        if let hint = error.hint { return hint }
        switch error.kind {
        case .connectionFailed: return "check that the database is there and that you may connect to it"
        case .connectionLost: return "run the same command again: it goes on from where the ledger says it is"
        case .notADatabase: return "name a SQLite database file"
        case .readOnly: return "use a database that can be written to"
        case .insufficientPrivilege:
            return error.message.hasPrefix("must be owner")
                ? "connect as the owner, or let an administrator grant its role to yours"
                : "let the owner grant what is missing"
        case .lockNotAvailable: return "run the same command again when the lock is free"
        case .cancelled: return "run the same command again: it goes on from where the ledger says it is"
        case .diskFull: return "make room, then run the same command again"
        case .statement, .unsendable: return nil
        }
    }
}
