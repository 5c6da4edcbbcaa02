import Glibc
import MigratorDatabase

extension SQLiteBackend {
    /// Beside the file itself, symbolic links followed, so that two names of one file share one lock.
    var migrationLockPath: String {
        guard let resolved = realpath(path, nil) else { return path + ".migrator-lock" }
        defer { free(resolved) }
        return String(cString: resolved) + ".migrator-lock"
    }

    public func acquireMigrationLock(options: RunOptions, reporter: any Reporter) throws {
        guard migrationLock == nil else { return }
        let start = ContinuousClock.now
        var hasReported = false
        while true {
            switch SQLiteMigrationLock.attempt(migrationLockPath, owner: Self.owner) {
            case .taken(let lock):
                migrationLock = lock
                return try waitForWriters(options: options, reporter: reporter)
            case .failed(let reason):
                throw MigratorError(
                    "lock-file", .unavailable,
                    "the lock file \"\(migrationLockPath)\" cannot be used: \(reason)",
                    hint: "make the database's folder writable")
            case .held(let owner):
                guard let wait = options.wait, ContinuousClock.now - start < wait else {
                    throw MigratorError(
                        "migrator-running", .locked,
                        "another migrator works on this database: \(owner.isEmpty ? "unknown" : owner)",
                        hint: "wait for it, or run again with --wait")
                }
                if !hasReported { reporter.report(.waiting("another migrator: \(owner)")) }
                hasReported = true
                usleep(50_000)
            }
        }
    }

    /// The ledger is written first, in moments: a writer who is at work then is waited for as by every other step.
    private func waitForWriters(options: RunOptions, reporter: any Reporter) throws {
        guard !(session is RecordingSession) else { return }
        try beginPatiently(options: options, reporter: reporter)
        session.rollback()
    }

    public func releaseMigrationLock() {
        migrationLock?.release()
        migrationLock = nil
    }

    /// `pid 4711 on host db1: migrator upgrade head`; what follows `--database` is left out.
    private static var owner: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let command = CommandLine.arguments.dropFirst().filter { !$0.contains(":") && !$0.contains("=") }
        return "pid \(getpid()) on host \(host): migrator \(command.joined(separator: " "))"
    }
}
