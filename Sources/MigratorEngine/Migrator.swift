import MigratorDatabase
import MigratorScript

/// One command's work on one database: what the command line calls.
///
/// Every command is a method that returns a value; nothing here prints.
public final class Migrator {
    public let backend: any Backend
    /// The scripts of the database's dialect, in no order.
    public let scripts: [Script]
    /// What stands beside them: scenarios and named queries.
    public var checkFiles: [CheckFile] = []
    /// Values of the scripts' variables.
    public var variables: [String: String] = [:]
    public let toolVersion: String
    /// The command as it was given, for the ledger; no database URL, no password.
    public let command: String
    let reporter: any Reporter
    /// Asked between steps; the running statement is cancelled by the session's cancel handle.
    public var isInterrupted: @Sendable () -> Bool = { false }
    /// Told how to cancel what runs on a connection that a command opens beside its own.
    public var watchSession: (any CancelHandle) -> Void = { _ in }

    public init(
        backend: any Backend, scripts: [Script], toolVersion: String, command: String,
        reporter: any Reporter
    ) {
        self.backend = backend
        self.scripts = scripts
        self.toolVersion = toolVersion
        self.command = command
        self.reporter = reporter
    }
}
