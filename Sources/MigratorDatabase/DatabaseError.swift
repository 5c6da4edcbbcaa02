/// What a database or its client library refused, as data.
public struct DatabaseError: Error, Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// No connection could be made: unreachable, refused, wrong password, no such database or file.
        case connectionFailed
        /// The connection broke while in use; whether the last statement took effect is not known.
        case connectionLost
        /// A file that is not a SQLite database, or is a folder.
        case notADatabase
        /// A read-only file, a replica, a read-only transaction.
        case readOnly
        /// A privilege is missing (SQLSTATE 42501).
        case insufficientPrivilege
        /// lock_timeout, a deadlock, or SQLITE_BUSY.
        case lockNotAvailable
        /// The statement was cancelled on request (57014, SQLITE_INTERRUPT).
        case cancelled
        /// Disk full (53100, SQLITE_FULL).
        case diskFull
        /// Everything else that a statement can fail with.
        case statement
        /// Input that cannot be sent: text with NUL.
        case unsendable
    }

    public var kind: Kind
    public var message: String
    /// Five characters; nil on SQLite and where the connection is gone.
    public var sqlState: String?
    /// SQLite's extended result code.
    public var sqliteCode: Int32?
    public var detail: String?
    public var hint: String?
    /// Characters from 1 within the statement text that was sent.
    public var position: Int?
    public var schema: String?
    public var table: String?
    public var column: String?
    public var constraint: String?
    /// PostgreSQL's CONTEXT.
    public var context: String?

    public init(
        kind: Kind, message: String, sqlState: String? = nil, sqliteCode: Int32? = nil,
        detail: String? = nil, hint: String? = nil, position: Int? = nil, schema: String? = nil,
        table: String? = nil, column: String? = nil, constraint: String? = nil, context: String? = nil
    ) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.sqliteCode = sqliteCode
        self.detail = detail
        self.hint = hint
        self.position = position
        self.schema = schema
        self.table = table
        self.column = column
        self.constraint = constraint
        self.context = context
    }
}
