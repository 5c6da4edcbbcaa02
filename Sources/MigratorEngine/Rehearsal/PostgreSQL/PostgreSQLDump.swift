import Glibc
import MigratorDatabase

/// PostgreSQL's own pg_dump, which writes the schema of the scratch copy. The connection, with its password, is told
/// by the environment alone.
struct PostgreSQLDump {
    var path: String
    /// `pg_dump 15.14`
    var version: String

    /// - Parameters:
    ///   - named: the one to use; nil looks in `PATH` and where packages put it, `none` does without.
    ///   - major: of the server: an older pg_dump refuses it.
    /// - Returns: nil where none is found that can read the server: the server's own version first, then newer ones.
    static func find(named: String?, major: Int) throws -> PostgreSQLDump? {
        if named == "none" { return nil }
        if let named {
            guard let found = look(at: named) else {
                throw MigratorError(
                    "pg-dump-unusable", .usage, "\"\(named)\" cannot be run as pg_dump",
                    hint: "name the file of a pg_dump, or leave --pg-dump out")
            }
            guard found.major >= major else {
                throw MigratorError(
                    "pg-dump-unusable", .usage,
                    "\"\(named)\" is \(found.dump.version), and the server is PostgreSQL \(major)",
                    hint: "name a pg_dump of version \(major) or newer")
            }
            return found.dump
        }
        var best: (major: Int, dump: PostgreSQLDump)?
        for path in candidates(major: major) {
            guard let found = look(at: path), found.major >= major else { continue }
            if found.major == major { return found.dump }
            if best == nil || found.major < best?.major ?? 0 { best = found }
        }
        return best?.dump
    }

    private static func candidates(major: Int) -> [String] {
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
        // Debian and Ubuntu, PGDG's packages for Fedora and its kin, Alpine, Homebrew.
        let versions = [major] + (major + 1..<major + 8)
        let packaged = versions.flatMap { version in
            [
                "/usr/lib/postgresql/\(version)/bin", "/usr/pgsql-\(version)/bin",
                "/usr/libexec/postgresql\(version)", "/opt/homebrew/opt/postgresql@\(version)/bin",
            ]
        }
        var seen: Set<String> = []
        return (folders + packaged).map { $0 + "/pg_dump" }.filter { seen.insert($0).inserted && access($0, X_OK) == 0 }
    }

    private static func look(at path: String) -> (major: Int, dump: PostgreSQLDump)? {
        // `pg_dump (PostgreSQL) 15.14 (Debian …)`
        guard access(path, X_OK) == 0, let output = ChildProcess.run(path, ["--version"]), output.status == 0 else {
            return nil
        }
        let words = String(decoding: output.standardOutput, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count >= 3, words[0] == "pg_dump",
            let major = Int(words[2].prefix { $0.isNumber })
        else { return nil }
        return (major, PostgreSQLDump(path: path, version: "pg_dump \(words[2])"))
    }

    enum Part: String {
        /// Types, functions, tables without keys: what rows need.
        case beforeRows = "pre-data"
        /// Indexes, keys, triggers, rules.
        case afterRows = "post-data"
    }

    /// A part of the schema as statements.
    /// - Parameter withOwners: also who owns what, and who may use it.
    func schema(
        _ part: Part, of session: PostgreSQLSession, snapshot: String?, withOwners: Bool
    ) throws -> String {
        var arguments = [
            "--section=\(part.rawValue)", "--no-password", "--no-tablespaces", "--no-subscriptions", "--encoding=UTF8",
        ]
        if let snapshot { arguments.append("--snapshot=\(snapshot)") }
        if !withOwners { arguments += ["--no-owner", "--no-privileges"] }
        var environment = session.locator.environment
        environment["PGDATABASE"] = session.databaseName
        environment["PGCONNECT_TIMEOUT"] = environment["PGCONNECT_TIMEOUT"] ?? "10"
        guard let output = ChildProcess.run(path, arguments, environment: environment) else {
            throw MigratorError("pg-dump-failed", .failed, "\"\(path)\" cannot be run")
        }
        guard output.status == 0 else {
            let lines = session.redacted(output.standardError).split(separator: "\n").map(String.init)
            throw MigratorError(
                "pg-dump-failed", .failed, "\(version) could not read the schema (exit status \(output.status))",
                hint: "look at what it says; a role that may read every table is needed",
                details: Array(lines.prefix(10)))
        }
        return Self.withoutShellCommands(String(decoding: output.standardOutput, as: UTF8.self))
    }

    /// Commands of psql itself (`\restrict`), and a setting that only servers newer than this one know.
    private static func withoutShellCommands(_ text: String) -> String {
        var isHead = true
        var lines: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("\\restrict ") || line.hasPrefix("\\unrestrict ") { continue }
            if isHead, line.hasPrefix("SET transaction_timeout") { continue }
            if line.hasPrefix("CREATE ") || line.hasPrefix("ALTER ") { isHead = false }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    /// What to install, by the systems that people have.
    static func missing(major: Int) -> MigratorError {
        MigratorError(
            "pg-dump-missing", .unavailable,
            "there is no pg_dump of version \(major) or newer, which writes the schema of the copy, and the server "
                + "copies a database by itself only while nobody else is connected to it",
            hint: "install postgresql-client-\(major) (Debian, Ubuntu), postgresql\(major) (Fedora, RHEL) or "
                + "postgresql\(major)-client (Alpine), or name the program with --pg-dump FILE")
    }
}
