/// Is told of each statement that a session sends; for looking at locks and times, never for changing anything.
/// It must not use the session that calls it.
public protocol StatementTrace: AnyObject {
    /// - Parameter isInTransaction: whether a transaction block is open before the statement.
    func begins(_ sql: String, isInTransaction: Bool)
    /// - Parameter isInTransaction: whether a transaction block is open after it; on SQLite, whether it has written.
    func ended(isInTransaction: Bool)
}
