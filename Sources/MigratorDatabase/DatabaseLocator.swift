/// Why a text does not name a database. The texts never hold any of it but the scheme: it may have a password.
public struct LocatorError: Error, Sendable, Equatable {
    public var message: String
    public var hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// Which database is meant: what `--database`, `DATABASE_URL` or the configuration says.
public enum DatabaseLocator: Sendable, Equatable {
    case postgresql(PostgreSQLLocator)
    /// The file's absolute path.
    case sqlite(path: String)

    /// The locator as it may be shown to anybody: made of what is known to be harmless, never of the rest.
    public var shown: String {
        switch self {
        case .postgresql(let locator): locator.shown
        case .sqlite(let path): "sqlite:" + path
        }
    }

    /// Reads `postgresql://…`, `postgres://…`, a libpq keyword string, or `sqlite:PATH`.
    /// A driver as SQLAlchemy writes it (`postgresql+asyncpg://`) is dropped.
    /// - Parameter base: the folder that a relative path is relative to.
    public static func parse(_ text: String, relativeTo base: String) throws(LocatorError) -> DatabaseLocator {
        let text = text.trimmed
        guard !text.isEmpty else {
            throw LocatorError("the database URL is empty", hint: hint)
        }
        if text.utf8.contains(0) { throw LocatorError("the database URL holds a NUL character") }
        guard let colon = text.firstIndex(of: ":"), isScheme(text[..<colon]) else {
            if text.contains("=") { return .postgresql(try PostgreSQLLocator(text)) }
            throw LocatorError("the database is not given as a URL", hint: hint)
        }
        let scheme = text[..<colon].lowercased()
        let rest = text[text.index(after: colon)...]
        let dialect = scheme.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)[0]
        switch dialect {
        case "postgresql", "postgres":
            guard rest.hasPrefix("//") else {
                throw LocatorError("the PostgreSQL URL lacks \"//\" after the scheme", hint: hint)
            }
            return .postgresql(try PostgreSQLLocator("postgresql:" + rest))
        case "sqlite", "sqlite3":
            return .sqlite(path: try sqlitePath(String(rest), base))
        default:
            throw LocatorError("unknown database URL scheme \"\(scheme)\"", hint: hint)
        }
    }

    private static let hint = "write postgresql://USER@HOST/DATABASE or sqlite:PATH"

    /// RFC 3986, 3.1.
    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (65...90).contains(first) || (97...122).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || $0 == 43 || $0 == 45 || $0 == 46
        }
    }

    private static func sqlitePath(_ rest: String, _ base: String) throws(LocatorError) -> String {
        var path = rest
        if path.hasPrefix("//") {
            path.removeFirst(2)
            guard path.hasPrefix("/") else {
                throw LocatorError(
                    "a SQLite URL names a file, not a host",
                    hint: "write sqlite:PATH, or sqlite:///PATH for an absolute path")
            }
        }
        if path.contains(":memory:") || path.isEmpty || path.allSatisfy({ $0 == "/" }) {
            throw LocatorError(
                path.contains(":memory:")
                    ? "a SQLite database in memory ends with the command and cannot be migrated"
                    : "the SQLite URL names no file",
                hint: "name a file: sqlite:PATH")
        }
        if path.contains("?") {
            throw LocatorError("a SQLite URL takes no options", hint: "write sqlite:PATH")
        }
        let absolute = path.hasPrefix("/") ? path : base + "/" + path
        return normalised(absolute)
    }

    /// Without doubled slashes and `.`; `..` stays, since what it means depends on symbolic links.
    private static func normalised(_ path: String) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}

extension String {
    fileprivate var trimmed: String {
        var rest = self[...].utf8
        let spaces = " \n\t\r".utf8
        while let first = rest.first, spaces.contains(first) { rest.removeFirst() }
        while let last = rest.last, spaces.contains(last) { rest.removeLast() }
        return String(Substring(rest))
    }
}
