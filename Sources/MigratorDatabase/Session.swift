import MigratorScript

/// One connection. Not Sendable: it stays on the thread that made it; only its cancel handle leaves.
///
/// Parameters are written `$1`, `$2`, ... on both databases and bound by that number.
public protocol Session: AnyObject {
    var dialect: Dialect { get }

    /// True between `begin` and `commit` or `rollback`, also when the transaction has failed.
    var isInTransaction: Bool { get }

    /// Stops the statement that runs now, from any thread; does nothing while none runs.
    var cancelHandle: any CancelHandle { get }

    /// Receives notices and warnings of the server.
    var onNotice: ((String) -> Void)? { get set }

    /// Runs one or several statements without parameters and throws their results away.
    /// PostgreSQL: the simple protocol, one round trip, an implicit transaction where none is open.
    func execute(_ sql: String) throws(DatabaseError)

    /// Runs one statement and returns all its rows. For results that are small.
    func query(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> [Row]

    /// Runs several statements without parameters, on PostgreSQL in one round trip, and returns the rows of each that
    /// has columns. On SQLite they must be one.
    func queryAll(_ sql: String) throws(DatabaseError) -> [[Row]]

    /// Runs one statement and returns the number of rows it inserted, updated or deleted.
    @discardableResult
    func run(_ sql: String, _ parameters: [SQLValue]) throws(DatabaseError) -> Int

    /// Runs one statement and hands over its rows one after the other, in bounded memory.
    /// An error thrown by `body` ends the statement and is thrown on.
    func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (Row) throws -> Void) throws

    /// The names of the columns that one SELECT yields; nothing is read.
    func describe(_ sql: String) throws(DatabaseError) -> [String]

    /// PostgreSQL: BEGIN. SQLite: BEGIN IMMEDIATE.
    func begin() throws(DatabaseError)
    func commit() throws(DatabaseError)
    /// Runs statements without parameters, then commits; on PostgreSQL in one round trip.
    func commit(after statements: String) throws(DatabaseError)
    /// Does nothing where no transaction is open; never throws, since it runs on the way out of errors.
    func rollback()

    func close()
}

/// Stops a running statement from another thread.
public protocol CancelHandle: Sendable {
    func cancel()
}

extension Session {
    public func queryAll(_ sql: String) throws(DatabaseError) -> [[Row]] { [try query(sql)] }

    public func commit(after statements: String) throws(DatabaseError) {
        try execute(statements)
        try commit()
    }

    public func query(_ sql: String) throws(DatabaseError) -> [Row] { try query(sql, []) }

    @discardableResult
    public func run(_ sql: String) throws(DatabaseError) -> Int { try run(sql, []) }

    /// The first column of the first row; null where there is none.
    public func scalar(_ sql: String, _ parameters: [SQLValue] = []) throws(DatabaseError) -> SQLValue {
        try query(sql, parameters).first?[0] ?? .null
    }

    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
    @discardableResult
    public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try begin()
        do {
            let result = try body()
            try commit()
            return result
        } catch {
            rollback()
            throw error
        }
    }

    /// Opens a transaction that sees one snapshot and writes nothing.
    public func beginReading() throws(DatabaseError) {
        switch dialect {
        case .postgresql: try execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        case .sqlite: try execute("BEGIN DEFERRED")
        }
    }

    /// Runs `body` in a transaction that is always rolled back: to look, not to touch.
    @discardableResult
    public func discardingChanges<Result>(_ body: () throws -> Result) throws -> Result {
        try begin()
        defer { rollback() }
        return try body()
    }

    /// Runs `body` behind a savepoint of the open transaction; what it did is undone when it throws,
    /// and also when it returns where `keeping` is false.
    @discardableResult
    public func savepoint<Result>(keeping: Bool = true, _ body: () throws -> Result) throws -> Result {
        try execute("SAVEPOINT migrator")
        do {
            let result = try body()
            try execute(
                keeping
                    ? "RELEASE SAVEPOINT migrator"
                    : "ROLLBACK TO SAVEPOINT migrator; RELEASE SAVEPOINT migrator")
            return result
        } catch {
            try? execute("ROLLBACK TO SAVEPOINT migrator; RELEASE SAVEPOINT migrator")
            throw error
        }
    }
}

extension String {
    /// The string as a quoted identifier, on both databases.
    public var quotedIdentifier: String {
        doubling(UInt8(ascii: "\""))
    }

    /// The string as a string literal, on both databases (standard_conforming_strings is pinned on).
    public var quotedLiteral: String {
        doubling(UInt8(ascii: "'"))
    }

    /// Byte by byte: a quote that a combining mark follows is one character with it.
    private func doubling(_ quote: UInt8) -> String {
        let inner = utf8.contains(quote) ? utf8.flatMap { $0 == quote ? [quote, quote] : [$0] } : Array(utf8)
        return String(decoding: [quote] + inner + [quote], as: UTF8.self)
    }
}
