import MigratorDatabase

/// Words for a connection that could not be made.
public enum ConnectionProblem {
    /// Whether a server may let the same connection in a little later: it starts, or is not there yet.
    public static func mayPass(_ error: MigratorError) -> Bool {
        ["host-unreachable", "server-starting", "too-many-connections"].contains(error.code)
            || error.message.contains(nobodyListens)
    }

    private static let nobodyListens = "no server listens there"

    /// - Returns: status unavailable; libpq's own text, with no password in it, stands in the details.
    static func error(_ error: DatabaseError, database locator: PostgreSQLLocator) -> MigratorError {
        let (code, reason, hint) = words(error, locator)
        return MigratorError(
            code, .unavailable, "cannot connect to \(locator.shown): \(reason)", hint: hint,
            details: error.message.split(separator: "\n").map { line in
                String(line.drop(while: \.isWhitespace))
            })
    }

    private static func words(
        _ error: DatabaseError, _ locator: PostgreSQLLocator
    ) -> (code: String, reason: String, hint: String) {
        let text = error.message
        let user = locator.user.map { " \($0.quotedIdentifier)" } ?? ""
        let database = locator.database.map { " \($0.quotedIdentifier)" } ?? ""
        func says(_ words: String...) -> Bool { words.contains { text.contains($0) } }
        switch error.sqlState {
        case "28P01":
            return (
                "wrong-password", "the password of role\(user) is wrong, or there is no such role",
                "check the user and the password in the database URL, PGPASSWORD or the password file"
            )
        case "3D000":
            return (
                "database-missing", "the database\(database) does not exist",
                "create it with createdb, or name another one in the database URL"
            )
        case "28000" where says("does not exist"):
            return (
                "role-missing", "the role\(user) does not exist",
                "name a role that exists in the database URL, or create it with createuser"
            )
        case "28000" where says("encryption", "SSL"):
            return (
                "connection-refused", "the server does not accept this role without encryption, or with it",
                "set sslmode in the database URL as the server's pg_hba.conf asks"
            )
        case "28000":
            return (
                "connection-refused", "the server's pg_hba.conf does not let this role in from here",
                "add a line for the role, the database and this address to pg_hba.conf"
            )
        case "42501":
            return (
                "privilege-missing", "the role\(user) may not connect to this database",
                "let its owner run GRANT CONNECT ON DATABASE\(database) TO\(user)"
            )
        case "53300":
            return (
                "too-many-connections", "the server has no connection left",
                "end some connections, or raise max_connections"
            )
        case "57P03":
            return (
                "server-starting", "the server is starting up or shutting down",
                "wait until it accepts connections, and run the command again"
            )
        case .some:
            return (
                "connection-failed", "the server ends the connection", "see what it says, or look into its log"
            )
        case nil: break
        }
        if says("no password supplied") {
            return (
                "password-missing", "the server asks for a password and none is given",
                "set PGPASSWORD, or add the password to the password file"
            )
        }
        if says("could not translate host name", "Name or service not known") {
            return ("host-unknown", "the host's name cannot be resolved", "check the host in the database URL")
        }
        if says("timeout expired", "Connection timed out", "No route to host", "Network is unreachable") {
            return (
                "host-unreachable", "the host cannot be reached",
                "check host and port in the database URL, and any firewall between"
            )
        }
        if says("Connection refused", "No such file or directory") {
            return (
                "connection-refused", nobodyListens,
                "start the server, or check host and port in the database URL"
            )
        }
        if says("SSL", "certificate", "TLS") {
            return (
                "tls-failed", "no encrypted connection could be made",
                "check sslmode, sslrootcert, sslcert and sslkey"
            )
        }
        if says("definition of service") {
            return (
                "service-missing", "the service is not defined",
                "check the service name, and PGSERVICEFILE"
            )
        }
        return ("connection-failed", "the connection failed", "check the database URL")
    }
}
