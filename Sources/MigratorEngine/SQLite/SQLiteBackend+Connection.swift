import MigratorDatabase
import MigratorScript

extension SQLiteBackend {
    public enum Access: Sendable {
        case reading
        case writing
        /// As writing; a missing file is created where its folder exists.
        case creating
    }

    /// Opens the database file.
    /// - Throws: `MigratorError` with status unavailable; the path is named in the text.
    public static func open(
        path: String, ledgerSchema: String = "main", access: DatabaseOpening.Access
    ) throws -> SQLiteBackend {
        do throws(DatabaseError) {
            let mode: SQLiteSession.Access =
                switch access {
                case .reading: .readOnly
                case .writing: .readWrite
                case .creating: .create
                }
            let session = try SQLiteSession(path: path, access: mode)
            return SQLiteBackend(session: session, ledger: Ledger(session: session), path: path)
        } catch {
            throw unavailable(error, path: path)
        }
    }

    private static func unavailable(_ error: DatabaseError, path: String) -> MigratorError {
        let message = "the database \"\(path)\" cannot be opened: \(error.message)"
        let (code, hint) =
            switch error.kind {
            case .connectionFailed:
                (
                    "database-missing",
                    "check the path; `upgrade` and `stamp` create a missing file in a folder that exists"
                )
            case .notADatabase: ("not-a-database", "name a SQLite database file")
            case .readOnly: ("database-read-only", "make the file and its folder writable")
            case .lockNotAvailable: ("database-busy", "end the program that holds the file")
            default: ("database-unavailable", "check the file with `PRAGMA integrity_check`")
            }
        return MigratorError(code, .unavailable, message, hint: hint)
    }

    /// FULL JOIN, STRICT and UPDATE FROM, and how ALTER TABLE repairs references, are as of this version.
    static let oldestVersion = [3, 40]

    public func checkServer(forWriting: Bool) throws {
        let version = try session.scalar("SELECT sqlite_version()").asText ?? ""
        let parts = version.split(separator: ".").compactMap { Int($0) }
        guard !parts.lexicographicallyPrecedes(Self.oldestVersion) else {
            throw MigratorError(
                "server-too-old", .unavailable, "SQLite \(version) is too old",
                hint: "use SQLite 3.40 or newer")
        }
        guard forWriting else { return }
        if try session.scalar("PRAGMA query_only").asBool {
            throw MigratorError(
                "database-read-only", .unavailable, "the database \"\(path)\" can only be read",
                hint: "make the file and its folder writable")
        }
    }

    public func prepareLedger() throws {
        guard let version = try ledger.storedFormatVersion() else {
            try session.transaction {
                if try !ledger.exists() { try ledger.createTables() }
            }
            return
        }
        guard version <= Ledger.formatVersion else {
            throw MigratorError(
                "ledger-too-new", .unavailable,
                "the ledger has version \(version), this tool knows \(Ledger.formatVersion)",
                hint: "use the newer migrator that wrote it")
        }
        if version < Ledger.formatVersion { try session.transaction { try ledger.upgrade(from: version) } }
    }
}
