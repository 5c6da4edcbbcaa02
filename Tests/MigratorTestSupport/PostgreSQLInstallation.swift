import Foundation

/// The programs of one PostgreSQL version, and how they are run here.
public struct PostgreSQLInstallation: Sendable {
    /// Holds initdb, postgres, psql, pg_dump.
    public var folder: String
    /// The unprivileged user: initdb and postgres refuse root. nil where the tests do not run as root.
    public var user: String?

    static func find() throws -> PostgreSQLInstallation {
        let environment = ProcessInfo.processInfo.environment
        let user = getuid() == 0 ? try unprivilegedUser(environment["MIGRATOR_TEST_PG_USER"]) : nil
        for folder in candidates(environment) {
            if FileManager.default.isExecutableFile(atPath: folder + "/initdb") {
                return PostgreSQLInstallation(folder: folder, user: user)
            }
        }
        throw CommandError(
            message: "no PostgreSQL found: install the server, or name its programs' folder in "
                + "MIGRATOR_TEST_PG_BIN")
    }

    private static func candidates(_ environment: [String: String]) -> [String] {
        if let named = environment["MIGRATOR_TEST_PG_BIN"], !named.isEmpty { return [named] }
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .compactMap { Int($0) }.sorted(by: >)
        return (["15"] + versions.map(String.init)).map { "\(root)/\($0)/bin" }
    }

    private static func unprivilegedUser(_ named: String?) throws -> String {
        for name in [named ?? "postgres", "postgres", "nobody"] where getpwnam(name) != nil { return name }
        throw CommandError(message: "the tests run as root, and there is no user postgres or nobody")
    }

    /// Without PG* variables; builds from elsewhere find their libraries beside their programs.
    var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") }
        let libraries = ((folder as NSString).deletingLastPathComponent as NSString)
            .appendingPathComponent("lib")
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: libraries)) ?? []
        if entries.contains(where: { $0.hasPrefix("libpq.so") }) {
            environment["LD_LIBRARY_PATH"] = libraries
        }
        environment["LC_ALL"] = "C"
        return environment
    }

    /// The words that run a server program as the unprivileged user.
    func command(_ tool: String, _ arguments: [String]) -> [String] {
        asUser([folder + "/" + tool] + arguments)
    }

    /// The words that run any program so.
    public func asUser(_ words: [String]) -> [String] {
        guard let user, let account = getpwnam(user) else { return words }
        let ids = ["--reuid=\(account.pointee.pw_uid)", "--regid=\(account.pointee.pw_gid)"]
        return ["/usr/bin/setpriv"] + ids + ["--clear-groups", "--"] + words
    }

    /// Makes an empty `data`, and `s` for the socket, in the folder.
    private func makeFolders(_ root: TemporaryFolder) throws {
        let manager = FileManager.default
        try manager.createDirectory(atPath: root.file("s"), withIntermediateDirectories: false)
        try manager.createDirectory(atPath: root.file("data"), withIntermediateDirectories: false)
        try root.write("", to: "log")
        if let user, let account = getpwnam(user) {
            for path in [root.path, root.file("s"), root.file("data"), root.file("log")] {
                guard chown(path, account.pointee.pw_uid, account.pointee.pw_gid) == 0 else {
                    throw CommandError(message: "chown \(path): errno \(errno)")
                }
            }
        }
        chmod(root.file("data"), 0o700)
    }

    /// Makes a hot standby of the server in the folder.
    func copy(_ primary: String, into root: TemporaryFolder) throws {
        try makeFolders(root)
        let words = command(
            "pg_basebackup", ["-d", primary, "-D", root.file("data"), "-R", "-X", "stream", "-c", "fast", "--no-sync"])
        try run(
            words[0], Array(words.dropFirst()), environment: environment, workingFolder: root.path
        ).checked()
    }

    /// Makes a new cluster in the folder.
    func initialise(_ root: TemporaryFolder) throws {
        try makeFolders(root)
        let words = command(
            "initdb",
            ["-D", root.file("data"), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
                + ["--locale=C.UTF-8"])
        // initdb resolves the folder it is started in, which the user may not be allowed to enter.
        try run(
            words[0], Array(words.dropFirst()), environment: environment, workingFolder: root.path
        ).checked()
        try root.write(
            """
            local all +needs_password scram-sha-256
            local all all trust
            local replication all trust
            host all all 127.0.0.1/32 scram-sha-256

            """, to: "data/pg_hba.conf")
    }
}
