import CLibPQ

/// A PostgreSQL database as libpq understands it: a URI or a keyword string.
/// Its description holds no secret.
public struct PostgreSQLLocator: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    /// For libpq alone: it may hold a password.
    let connectionString: String
    /// What the text itself says, by libpq's keywords; environment and service files are not consulted.
    private(set) var options: [String: String]
    /// The environment variables by which other programs of PostgreSQL are told the same; the password is among them.
    public private(set) var environment: [String: String] = [:]
    /// The name of another database of the same server.
    private(set) var replacedDatabase: String?

    public var user: String? { options["user"] }
    public var database: String? { options["dbname"] }

    /// - Throws: `LocatorError` without any part of the text.
    /// Source: PostgreSQL manual, 34.1.1 "Connection Strings".
    public init(_ text: String) throws(LocatorError) {
        var problem: UnsafeMutablePointer<CChar>?
        guard let list = PQconninfoParse(text, &problem) else {
            // libpq's own words may quote the text, with the password: they are dropped.
            PQfreemem(problem)
            throw Self.unreadable(text)
        }
        defer { PQconninfoFree(list) }
        var options: [String: String] = [:]
        var environment: [String: String] = [:]
        var entry = list
        while let keyword = entry.pointee.keyword {
            if let value = entry.pointee.val {
                options[String(cString: keyword)] = String(cString: value)
                if let name = entry.pointee.envvar { environment[String(cString: name)] = String(cString: value) }
            }
            entry += 1
        }
        self.connectionString = text
        self.options = options
        self.environment = environment
        try refuseMisplacedPassword()
    }

    /// `postgresql://user@host:port/database`, from these four alone.
    public var shown: String {
        let hosts = parts("host").isEmpty ? parts("hostaddr") : parts("host")
        let ports = parts("port")
        var result = "postgresql://"
        if let user { result += user + "@" }
        if hosts.contains(where: { $0.hasPrefix("/") || $0.hasPrefix("@") }) {
            // Folders of Unix sockets cannot stand where a host stands.
            result += "/" + (database ?? "") + "?host=" + hosts.joined(separator: ",")
            return ports.isEmpty ? result : result + "&port=" + ports.joined(separator: ",")
        }
        result += hosts.enumerated().map { index, host in
            let port = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
            return (host.contains(":") ? "[\(host)]" : host) + (port.isEmpty ? "" : ":" + port)
        }.joined(separator: ",")
        if hosts.isEmpty, let port = ports.first { result += ":" + port }
        return result + "/" + (database ?? "")
    }

    /// Another database of the same server, reached in the same way.
    public func database(named name: String) -> PostgreSQLLocator {
        var other = self
        other.replacedDatabase = name
        other.options["dbname"] = name
        other.environment["PGDATABASE"] = name
        return other
    }

    public var description: String { shown }
    public var debugDescription: String { shown }

    /// Hides the password, wherever the text or the environment gives it.
    public var redactor: Redactor {
        let given = ["password", "sslpassword"].compactMap { options[$0] }
        return Redactor(
            secrets: given + [environmentVariable("PGPASSWORD")].compactMap { $0 }, plain: plainTexts)
    }

    var plainTexts: [String] {
        [user, database].compactMap { $0 } + parts("host")
    }

    private func parts(_ keyword: String) -> [String] {
        guard let value = options[keyword], !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private var isURI: Bool { Self.isURI(connectionString) }

    private static func isURI(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    private static func unreadable(_ text: String) -> LocatorError {
        isURI(text)
            ? LocatorError(
                "the PostgreSQL URL cannot be read",
                hint: "write special characters of user and password as %XX, and options as ?name=value")
            : LocatorError(
                "the PostgreSQL keyword string cannot be read",
                hint: "write name=value pairs apart by spaces, values with spaces in single quotes")
    }

    /// An unencoded `@`, `/` or `:` in a password makes libpq take a part of it for the host, the port or
    /// the database, and these are shown: such a text is refused.
    private func refuseMisplacedPassword() throws(LocatorError) {
        let portsAreNumbers = parts("port").allSatisfy { port in
            port.utf8.allSatisfy { (48...57).contains($0) } && port.utf8.count <= 5
        }
        guard portsAreNumbers else { throw misplaced("the port is not a number") }
        let hosts = parts("host") + parts("hostaddr")
        if hosts.contains(where: { $0.contains("@") && !$0.hasPrefix("@") }) {
            throw misplaced("the host cannot be read")
        }
        if let database, database.contains("://") || database.contains("=") {
            throw misplaced("the database name cannot be read")
        }
        guard isURI, let start = connectionString.firstRange(of: "://") else { return }
        // As libpq reads it: what precedes the first "@" is user and password, unless a "/" comes earlier.
        var rest = connectionString[start.upperBound...]
        if let end = rest.firstIndex(where: { $0 == "@" || $0 == "/" }), rest[end] == "@" {
            rest = rest[rest.index(after: end)...]
        }
        if rest.prefix(while: { $0 != "?" }).contains("@") { throw misplaced("the host cannot be read") }
    }

    private func misplaced(_ what: String) -> LocatorError {
        LocatorError(
            "the PostgreSQL URL cannot be read: " + what,
            hint: "write special characters of the password as %XX: @ as %40, / as %2F, : as %3A")
    }
}
