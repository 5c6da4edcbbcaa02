import Foundation
import MigratorDatabase
import Synchronization

/// A real PostgreSQL server for the tests of this process: on a Unix socket, `fsync` off, user `postgres`
/// without a password. A role that is a member of `needs_password` must give one. It ends with the process,
/// also when that crashes.
///
/// `MIGRATOR_TEST_PG_BIN` names the folder of another version's programs, `MIGRATOR_TEST_PG_USER` the
/// unprivileged user that runs it where the tests run as root.
public final class PostgreSQLServer: Sendable {
    public let installation: PostgreSQLInstallation
    public let port: Int
    public let listensOnTCP: Bool
    private let folder: TemporaryFolder
    /// Open as long as this process lives; its end is the watchdog's signal.
    private let lifeline: Int32
    private let watchdog: pid_t
    private let isStopped = Mutex(false)
    private let databases = Mutex(0)

    private static let sharedServer = Result { try PostgreSQLServer() }

    /// The server of this test process, started by the first who asks.
    public static func shared() throws -> PostgreSQLServer { try sharedServer.get() }

    /// The folder of the Unix socket.
    public var socketFolder: String { folder.path + "/s" }
    public var log: String { (try? folder.read("log")) ?? "" }
    /// 15 for 15.18.
    public var majorVersion: Int { versionNumber / 10_000 }
    public let versionNumber: Int

    /// - Parameters:
    ///   - tcp: listens on 127.0.0.1 too, where everybody needs a password.
    ///   - settings: further lines of postgresql.conf.
    ///   - primary: the server whose hot standby this one is to be.
    public init(
        tcp: Bool = false, settings: [String: String] = [:], standbyOf primary: PostgreSQLServer? = nil
    ) throws {
        installation = try PostgreSQLInstallation.find()
        listensOnTCP = tcp
        folder = try TemporaryFolder()
        port = try Self.freePort()
        if let primary {
            try installation.copy(primary.url(), into: folder)
        } else {
            try installation.initialise(folder)
        }

        var all = [
            "listen_addresses": tcp ? "127.0.0.1" : "", "port": "\(port)",
            "unix_socket_directories": folder.path + "/s", "fsync": "off", "wal_level": "logical",
            "max_connections": "100", "max_prepared_transactions": "10", "timezone": "UTC",
            "lc_messages": "C", "shared_buffers": "64MB",
        ]
        all.merge(settings) { $1 }
        let arguments = all.flatMap { ["-c", "\($0.key)=\($0.value)"] }

        // The watchdog waits for the lifeline's end: its last writer is this process, and only it.
        let script = """
            "$@" </dev/null >>"$FOLDER/log" 2>&1 &
            server=$!
            read never
            kill -QUIT $server
            wait $server
            rm -rf "$FOLDER"
            """
        let command = installation.command("postgres", ["-D", folder.path + "/data"] + arguments)
        let environment = installation.environment.merging(["FOLDER": folder.path]) { $1 }
        (lifeline, watchdog) = try spawning.withLock {
            let pipe = try Pipe.make()
            let processID = try Self.spawn(
                ["/bin/sh", "-c", script, "sh"] + command, environment: environment,
                standardInput: pipe.reading)
            return (pipe.writing, processID)
        }
        versionNumber = try Self.waitUntilReady(folder: folder, port: port)
        if primary == nil { try run("psql", ["-Xq", url(), "-c", "CREATE ROLE needs_password"]).checked() }
    }

    deinit {
        stop()
    }

    /// Ends the server at once, as a crash would.
    public func stop() {
        let wasStopped = isStopped.withLock { stopped in
            defer { stopped = true }
            return stopped
        }
        guard !wasStopped else { return }
        close(lifeline)
        var status: Int32 = 0
        waitpid(watchdog, &status, 0)
    }

    /// By the Unix socket: `postgresql:///name?host=/tmp/…&port=…&user=postgres`.
    public func url(database: String = "postgres", user: String = "postgres") -> String {
        Self.url(folder, port, database, user)
    }

    private static func url(
        _ folder: TemporaryFolder, _ port: Int, _ database: String, _ user: String
    ) -> String {
        "postgresql:///\(database)?host=\(folder.path)/s&port=\(port)&user=\(user)"
    }

    public func session(
        database: String = "postgres", user: String = "postgres"
    ) throws -> PostgreSQLSession {
        try PostgreSQLSession(PostgreSQLLocator(url(database: database, user: user)))
    }

    /// A new, empty database; dropped when the object goes.
    public func createDatabase(template: String? = nil) throws -> TestDatabase {
        let number = databases.withLock {
            $0 += 1
            return $0
        }
        let name = "test_\(number)"
        let session = try session()
        defer { session.close() }
        try session.execute(
            "CREATE DATABASE \(name) TEMPLATE \((template ?? "template0").quotedIdentifier)")
        return TestDatabase(server: self, name: name)
    }

    /// The path of one of the version's own programs.
    public func bin(_ tool: String) -> String { installation.folder + "/" + tool }

    /// Runs one of the version's own programs.
    @discardableResult
    public func run(
        _ tool: String, _ arguments: [String], standardInput: String = "",
        timeout: Duration = .seconds(300)
    ) throws -> CommandResult {
        try MigratorTestSupport.run(
            bin(tool), arguments, environment: installation.environment, standardInput: standardInput,
            timeout: timeout)
    }

    // MARK: Starting

    private static func waitUntilReady(folder: TemporaryFolder, port: Int) throws -> Int {
        let locator = try PostgreSQLLocator(url(folder, port, "postgres", "postgres"))
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do {
                let session = try PostgreSQLSession(locator)
                defer { session.close() }
                return session.serverVersion
            } catch {
                guard ContinuousClock.now < deadline else {
                    throw CommandError(
                        message:
                            "the server did not start: \(error.message)\n\((try? folder.read("log")) ?? "")")
                }
                usleep(20_000)
            }
        }
    }

    private static func spawn(
        _ command: [String], environment: [String: String], standardInput: Int32
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
        // Whoever runs the tests waits for the end of their output: the watchdog must not hold it.
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // Its own group: a Ctrl-C that ends the tests must not end the watchdog before its work.
        var attributes = spawnAttributes()
        defer { posix_spawnattr_destroy(&attributes) }
        var argv = command.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var processID: pid_t = 0
        let code = posix_spawn(&processID, command[0], &actions, &attributes, &argv, &envp)
        close(standardInput)
        guard code == 0 else {
            throw CommandError(message: "\(command[0]): \(String(cString: strerror(code)))")
        }
        return processID
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard code else { throw CommandError(message: "no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// One database of the test server.
public final class TestDatabase: Sendable {
    public let server: PostgreSQLServer
    public let name: String

    init(server: PostgreSQLServer, name: String) {
        self.server = server
        self.name = name
    }

    deinit {
        drop()
    }

    public var url: String { server.url(database: name) }

    public func url(user: String) -> String { server.url(database: name, user: user) }

    public func session(user: String = "postgres") throws -> PostgreSQLSession {
        try server.session(database: name, user: user)
    }

    /// Runs a script with psql, which is not the code under test.
    @discardableResult
    public func psql(_ script: String) throws -> String {
        try server.run(
            "psql", ["-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-", url], standardInput: script
        ).checked().standardOutput
    }

    /// Drops the database, with whoever is connected.
    public func drop() {
        guard let session = try? server.session() else { return }
        defer { session.close() }
        try? session.execute("DROP DATABASE IF EXISTS \(name.quotedIdentifier) WITH (FORCE)")
    }
}
