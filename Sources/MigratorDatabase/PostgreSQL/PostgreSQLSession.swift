import CLibPQ
import MigratorScript

/// One connection to a PostgreSQL server, by libpq. Results are in text format.
///
/// Source: PostgreSQL manual, chapter 34 "libpq - C Library".
public final class PostgreSQLSession: Session {
    public let dialect = Dialect.postgresql
    public let locator: PostgreSQLLocator

    /// nil after `close`.
    var connection: OpaquePointer?
    let canceller: PostgreSQLCancelHandle
    let notices: NoticeBox
    private(set) var redactor: Redactor
    /// Depth of statements under way: a row's receiver must not send another one.
    var isReadingResult = false

    /// Connects.
    /// - Parameter applicationName: shown in `pg_stat_activity` where the locator names no other.
    /// - Throws: `.connectionFailed`, with the SQLSTATE where the server gave one (28P01, 3D000, 53300).
    public init(
        _ locator: PostgreSQLLocator, applicationName: String = "migrator"
    ) throws(DatabaseError) {
        self.locator = locator
        var redactor = locator.redactor
        guard let (connection, failure) = Self.connect(locator, applicationName) else {
            throw DatabaseError(kind: .connectionFailed, message: "out of memory")
        }
        if let password = PQpass(connection) {
            redactor.add(String(cString: password), plain: locator.plainTexts)
        }
        if let failure {
            // A connection that was not made holds memory all the same.
            PQfinish(connection)
            throw redactor.redact(
                DatabaseError(
                    kind: .connectionFailed, message: failure.message, sqlState: failure.sqlState))
        }
        self.redactor = redactor
        self.connection = connection
        canceller = PostgreSQLCancelHandle(connection: connection)
        notices = NoticeBox(redactor: redactor)
        // The session retains the box until after PQfinish: libpq may report while it closes.
        PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, let result else { return }
                Unmanaged<NoticeBox>.fromOpaque(context).takeUnretainedValue().receive(result)
            }, Unmanaged.passUnretained(notices).toOpaque())
        // A backslash in a literal must mean itself, in the tool's own statements and in scripts.
        if parameterStatus("standard_conforming_strings") == "off" {
            _ = try drain(sending: "SET standard_conforming_strings = on")
        }
    }

    deinit {
        close()
    }

    public func close() {
        if let connection { PQfinish(connection) }
        connection = nil
    }

    public var cancelHandle: any CancelHandle { canceller }

    public var onNotice: ((String) -> Void)? {
        get { notices.receiver }
        set { notices.receiver = newValue }
    }

    public var isInTransaction: Bool {
        switch PQtransactionStatus(connection) {
        case PQTRANS_INTRANS, PQTRANS_INERROR: true
        // A statement under way (a row's receiver asks): what it was before is what counts, and the server
        // does not tell; a transaction block that this session opened is remembered.
        case PQTRANS_ACTIVE: hasOpenBlock
        default: false
        }
    }

    /// As of the last statement that ended.
    var hasOpenBlock = false

    /// Is told of each statement.
    public weak var trace: (any StatementTrace)?

    /// The text without what must not be shown.
    public func redacted(_ text: String) -> String { redactor.redact(text) }

    /// 150018 for 15.18.
    public var serverVersion: Int { Int(PQserverVersion(connection)) }

    /// The server process, as in `pg_stat_activity.pid`.
    public var backendPID: Int { Int(PQbackendPID(connection)) }

    /// As the server knows it, wherever its name came from.
    public var databaseName: String { PQdb(connection).map { String(cString: $0) } ?? "" }

    /// A setting that the server reports by itself: `server_version`, `in_hot_standby`, `TimeZone`.
    public func parameterStatus(_ name: String) -> String? {
        PQparameterStatus(connection, name).map { String(cString: $0) }
    }

    // MARK: Transactions

    public func begin() throws(DatabaseError) {
        try execute("BEGIN")
    }

    /// - Throws: `.statement` with SQLSTATE 25P02 where the transaction had failed: the server answers such
    ///   a COMMIT with ROLLBACK and no error.
    public func commit() throws(DatabaseError) { try finishTransaction("COMMIT") }

    /// Where one of the statements fails, the server does not go on to the COMMIT.
    public func commit(after statements: String) throws(DatabaseError) {
        try finishTransaction(statements + "; COMMIT")
    }

    private func finishTransaction(_ sql: String) throws(DatabaseError) {
        let passage = try FailPoint.enter(isCommit: true)
        let tag = try drain(sending: sql, passage: passage)
        guard tag != "ROLLBACK" else {
            throw DatabaseError(
                kind: .statement, message: "the transaction had failed and was rolled back",
                sqlState: "25P02")
        }
        try passage?.leave()
    }

    public func rollback() {
        guard connection != nil, isInTransaction else { return }
        let passage = FailPoint.enterIgnoringFailure()
        _ = try? drain(sending: "ROLLBACK")
        try? passage?.leave()
    }
}

extension PostgreSQLSession {
    /// Opens the connection with `connect_timeout` 10 s unless something else is said anywhere.
    /// - Returns: the connection, and what is to be said where it was not made.
    private static func connect(
        _ locator: PostgreSQLLocator, _ applicationName: String
    ) -> (connection: OpaquePointer, failure: ConnectionFailure?)? {
        var parameters: [(String, String)] = []
        // A later keyword wins over an earlier one, and every keyword over environment and service file.
        if environmentVariable("PGCONNECT_TIMEOUT") == nil, environmentVariable("PGSERVICE") == nil,
            locator.options["service"] == nil
        {
            parameters.append(("connect_timeout", "10"))
        }
        parameters.append(("dbname", locator.connectionString))
        // Only the first of these is read as a connection string; the last one wins.
        if let name = locator.replacedDatabase { parameters.append(("dbname", name)) }
        parameters.append(("fallback_application_name", applicationName))
        parameters.append(("client_encoding", "UTF8"))

        let keywords = CStringArray(parameters.map(\.0) + [nil])
        let values = CStringArray(parameters.map(\.1) + [nil])
        let clock = ContinuousClock()
        let start = clock.now
        guard let connection = PQconnectdbParams(keywords.pointers, values.pointers, 1) else { return nil }
        // libpq has no call for the SQLSTATE of a refused connection; the verbose text holds it, and the verbosity
        // can only be set on a connection object, which PQreset keeps. A server that refuses does so at once, and
        // may be asked again; one that cannot be reached has no SQLSTATE, and is not waited for twice.
        guard PQstatus(connection) == CONNECTION_BAD else { return (connection, nil) }
        let plain = ConnectionFailure(verboseMessage: String(cString: PQerrorMessage(connection)))
        guard clock.now - start < .seconds(1) else { return (connection, plain) }
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        PQreset(connection)
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
        guard PQstatus(connection) == CONNECTION_BAD else { return (connection, nil) }
        let verbose = ConnectionFailure(verboseMessage: String(cString: PQerrorMessage(connection)))
        return (connection, verbose.sqlState == nil ? plain : verbose)
    }
}

/// Texts as C wants them: an array of pointers, freed with the object.
final class CStringArray {
    private let copies: [UnsafeMutablePointer<CChar>?]
    var pointers: [UnsafePointer<CChar>?] { copies.map { UnsafePointer($0) } }

    init(_ texts: [String?]) {
        copies = texts.map { text in
            text.flatMap { text in
                let bytes = text.utf8CString
                let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
                for (index, byte) in bytes.enumerated() { copy[index] = byte }
                return copy
            }
        }
    }

    deinit {
        for copy in copies { copy?.deallocate() }
    }
}

/// What libpq's notice receiver points at.
final class NoticeBox {
    var receiver: ((String) -> Void)?
    private let redactor: Redactor

    init(redactor: Redactor) {
        self.redactor = redactor
    }

    func receive(_ result: OpaquePointer) {
        guard let receiver else { return }
        func field(_ code: Int) -> String? {
            PQresultErrorField(result, Int32(code)).map { String(cString: $0) }
        }
        guard let message = field(MIGRATOR_DIAG_MESSAGE_PRIMARY) else { return }
        let severity = field(MIGRATOR_DIAG_SEVERITY).map { $0 + ": " } ?? ""
        receiver(redactor.redact(severity + message))
    }
}
