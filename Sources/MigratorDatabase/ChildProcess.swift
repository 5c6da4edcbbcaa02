import Glibc

/// A program that is run to its end, with its output in memory. What it must not show others, such as a password,
/// goes into its environment, never among its arguments.
public enum ChildProcess {
    public struct Output: Sendable {
        public var standardOutput: [UInt8]
        public var standardError: String
        /// The exit status; 128 + n where signal n ended the process.
        public var status: Int32
    }

    /// - Parameters:
    ///   - path: the program's file.
    ///   - environment: what is added to this process's own.
    /// - Returns: nil where it could not be started.
    public static func run(_ path: String, _ arguments: [String], environment: [String: String] = [:]) -> Output? {
        guard let output = pipe(), let errors = temporaryFile() else { return nil }
        defer { close(errors) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // A signal to the whole group ends this process's statement, not the child with half an answer; what this
        // process ignores or blocks, the child takes as usual.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var usual = sigset_t()
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let words = CStringArray([path] + arguments + [nil])
        let variables = CStringArray(variables(adding: environment) + [nil])
        var arguments = words.pointers.map { UnsafeMutablePointer(mutating: $0) }
        var settings = variables.pointers.map { UnsafeMutablePointer(mutating: $0) }
        var child: pid_t = 0
        let code = posix_spawn(&child, path, &actions, &attributes, &arguments, &settings)
        close(output.writing)
        guard code == 0 else {
            close(output.reading)
            return nil
        }
        let bytes = readAll(output.reading)
        close(output.reading)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        lseek(errors, 0, SEEK_SET)
        return Output(
            standardOutput: bytes, standardError: String(decoding: readAll(errors), as: UTF8.self),
            status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f))
    }

    private static func variables(adding additions: [String: String]) -> [String?] {
        var result: [String?] = additions.map { "\($0.key)=\($0.value)" }
        var entry = environ
        while let text = entry.pointee {
            let variable = String(cString: text)
            if additions[String(variable.prefix { $0 != "=" })] == nil { result.append(variable) }
            entry += 1
        }
        return result
    }

    private static func pipe() -> (reading: Int32, writing: Int32)? {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// Loses its name at once, and so is gone with the process.
    private static func temporaryFile() -> Int32? {
        var name = Array(((environmentVariable("TMPDIR") ?? "/tmp") + "/migrator-XXXXXX").utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else { return nil }
        unlink(name)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return result }
            result += buffer[..<count]
        }
    }
}
