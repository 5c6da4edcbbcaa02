import CSQLite
import Glibc
import MigratorScript

/// One connection to a SQLite file. Values keep their storage class.
public final class SQLiteSession: Session {
    public enum Access: Sendable {
        case readOnly
        case readWrite
        /// As `readWrite`; a missing file is created where its folder exists.
        case create
    }

    public let dialect = Dialect.sqlite
    public let path: String
    public var onNotice: ((String) -> Void)?
    /// Is told of each statement.
    public weak var trace: (any StatementTrace)?

    /// nil after `close`.
    var connection: OpaquePointer?
    let canceller = SQLiteCancelHandle()
    private let busyWait: BusyWait
    private let commitBox = CommitBox()
    var statements = SQLiteStatementCache()

    /// How long a statement waits for another connection's lock: 5 s at first.
    public var busyTimeout: Duration {
        get { busyWait.limit }
        set { busyWait.limit = newValue }
    }

    /// Opens a file and reads its header.
    /// - Throws: `.connectionFailed` for a missing file or folder, `.notADatabase`, `.readOnly` where the file
    ///   or its folder may not be written, `.lockNotAvailable` where another process holds it for long.
    public init(path: String, access: Access) throws(DatabaseError) {
        self.path = path
        busyWait = BusyWait(canceller: canceller)
        try SQLiteFile(path: path).check(access)
        var flags =
            switch access {
            case .readOnly: SQLITE_OPEN_READONLY
            case .readWrite: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        flags |= SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_FULLMUTEX
        let code = sqlite3_open_v2(path, &connection, flags, nil)
        guard code == SQLITE_OK, let connection else {
            let error = lastError(code)
            close()
            throw error
        }
        canceller.opened(connection)
        // The session retains both boxes until after the connection is closed.
        sqlite3_busy_handler(
            connection,
            { context, attempt in
                guard let context else { return 0 }
                return Unmanaged<BusyWait>.fromOpaque(context).takeUnretainedValue().wait(attempt: attempt)
                    ? 1 : 0
            }, Unmanaged.passUnretained(busyWait).toOpaque())
        registerFunctions(connection)
        registerLiteral(connection)
        do throws(DatabaseError) {
            // The header is only read now. What opening needs is not counted as the tool's work.
            try readHeader()
            if access != .readOnly, sqlite3_db_readonly(connection, "main") == 1 {
                throw DatabaseError(kind: .readOnly, message: "the database file can only be read")
            }
        } catch {
            close()
            throw error
        }
    }

    /// Reads the schema. Where a program was killed in the middle of a write, its journal has to be rolled back before
    /// anybody can read: every reader of SQLite does that, but one who may only read cannot.
    private func readHeader() throws(DatabaseError) {
        do throws(DatabaseError) {
            try step("SELECT count(*) FROM sqlite_schema")
        } catch {
            // SQLITE_READONLY_RECOVERY, _ROLLBACK and _CANTINIT (sqlite.org/rescode.html).
            guard let code = error.sqliteCode, [1, 3, 5].contains(where: { code == SQLITE_READONLY | $0 << 8 })
            else { throw error }
            do throws(DatabaseError) {
                try SQLiteSession(path: path, access: .readWrite).close()
            } catch let refusal {
                throw DatabaseError(
                    kind: refusal.kind,
                    message: "a program ended in the middle of a write, which must be undone first: \(refusal.message)",
                    sqliteCode: refusal.sqliteCode)
            }
            try step("SELECT count(*) FROM sqlite_schema")
        }
    }

    deinit {
        close()
    }

    public func close() {
        canceller.closed()
        statements.removeAll()
        if let connection { sqlite3_close_v2(connection) }
        connection = nil
    }

    public var cancelHandle: any CancelHandle { canceller }

    public var isInTransaction: Bool {
        guard let connection else { return false }
        return sqlite3_get_autocommit(connection) == 0
    }

    /// Whether the connection holds the file's write lock.
    var isWriting: Bool {
        guard let connection else { return false }
        return sqlite3_txn_state(connection, "main") == SQLITE_TXN_WRITE
    }

    /// How often a page was asked for since the connection was opened, whether it was in memory or not.
    public var pageAccesses: Int {
        guard let connection else { return 0 }
        return [SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS].reduce(0) { sum, counter in
            var now: Int32 = 0
            var highest: Int32 = 0
            sqlite3_db_status(connection, counter, &now, &highest, 0)
            return sum + Int(now)
        }
    }

    // MARK: Transactions

    /// Takes the write lock at once, so that no later statement fails for it.
    public func begin() throws(DatabaseError) {
        try execute("BEGIN IMMEDIATE")
    }

    /// Takes no lock before the first statement: for reading in one snapshot.
    public func beginDeferred() throws(DatabaseError) {
        try execute("BEGIN DEFERRED")
    }

    public func commit() throws(DatabaseError) {
        let passage = try FailPoint.enter(isCommit: true)
        if let passage, passage.breaksDuringCommit, let connection {
            commitBox.passage = passage
            sqlite3_commit_hook(
                connection,
                { context in
                    guard let context else { return 0 }
                    return Unmanaged<CommitBox>.fromOpaque(context).takeUnretainedValue().reach()
                }, Unmanaged.passUnretained(commitBox).toOpaque())
        }
        defer { if let connection { sqlite3_commit_hook(connection, nil, nil) } }
        try step("COMMIT")
        try passage?.leave()
    }

    public func rollback() {
        guard isInTransaction else { return }
        let passage = FailPoint.enterIgnoringFailure()
        try? step("ROLLBACK")
        try? passage?.leave()
    }
}

/// What SQLite's commit hook points at.
private final class CommitBox {
    var passage: FailPoint.Passage?

    /// 1 turns the COMMIT into a ROLLBACK.
    func reach() -> Int32 {
        do throws(DatabaseError) {
            try passage?.reachDuringCommit()
            return 0
        } catch {
            return 1
        }
    }
}

/// What can be said about a database file before SQLite opens it.
struct SQLiteFile {
    var path: String

    func check(_ access: SQLiteSession.Access) throws(DatabaseError) {
        // No file at all, and so no folder that must be writable.
        if path == ":memory:" { return }
        var status = stat()
        guard stat(path, &status) == 0 else {
            let reason = errno
            guard reason == ENOENT, access == .create else {
                throw DatabaseError(
                    kind: .connectionFailed,
                    message: reason == ENOENT
                        ? "there is no file \"\(path)\"" : "\"\(path)\": \(String(cString: strerror(reason)))"
                )
            }
            return try checkFolder(isNew: true)
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw DatabaseError(kind: .notADatabase, message: "\"\(path)\" is a folder")
        }
        guard access != .readOnly else { return }
        // The super user may write everywhere; what nobody else may write is taken as read-only all the same.
        let anyWrite = S_IWUSR | S_IWGRP | S_IWOTH
        guard status.st_mode & anyWrite != 0, Glibc.access(path, W_OK) == 0 else {
            throw DatabaseError(kind: .readOnly, message: "the file \"\(path)\" may not be written")
        }
        try checkFolder(isNew: false)
    }

    /// SQLite writes its journal beside the file.
    private func checkFolder(isNew: Bool) throws(DatabaseError) {
        let folder = self.folder
        var status = stat()
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw DatabaseError(kind: .connectionFailed, message: "there is no folder \"\(folder)\"")
        }
        let anyWrite = S_IWUSR | S_IWGRP | S_IWOTH
        guard status.st_mode & anyWrite != 0, Glibc.access(folder, W_OK) == 0 else {
            throw DatabaseError(kind: .readOnly, message: "the folder \"\(folder)\" may not be written")
        }
    }

    /// The folder in which the file itself lies, symbolic links followed.
    private var folder: String {
        var real = path
        if let resolved = realpath(path, nil) {
            real = String(cString: resolved)
            free(resolved)
        }
        guard let slash = real.lastIndex(of: "/") else { return "." }
        return slash == real.startIndex ? "/" : String(real[..<slash])
    }
}
