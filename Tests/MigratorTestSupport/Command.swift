import Foundation

public struct CommandError: Error, CustomStringConvertible, Sendable {
    public var message: String
    public var description: String { message }
    public init(message: String) { self.message = message }
}

/// What a finished process left.
public struct CommandResult: Sendable {
    public var standardOutput: String
    public var standardError: String
    /// The exit status; 128 + n where signal n ended the process.
    public var status: Int32
    public var wasTimedOut: Bool

    /// The result itself, or an error with all output where the status is not 0.
    @discardableResult
    public func checked() throws -> CommandResult {
        guard status == 0, !wasTimedOut else {
            throw CommandError(
                message:
                    "status \(status)\(wasTimedOut ? ", timed out" : "")\n\(standardOutput)\(standardError)")
        }
        return self
    }
}

/// Runs a program to its end.
/// - Parameter environment: all of it; nil gives the test process's own.
public func run(
    _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil,
    standardInput: String = "", workingFolder: String? = nil, timeout: Duration = .seconds(300)
) throws -> CommandResult {
    try RunningCommand(
        executable, arguments, environment: environment, standardInput: standardInput,
        workingFolder: workingFolder
    ).wait(timeout: timeout)
}

/// A program that runs beside the test.
public final class RunningCommand: @unchecked Sendable {
    // Sendable, since what the reading threads write is behind the lock, and the rest never changes.
    public let processID: pid_t
    private let lock = NSLock()
    private var output = Data()
    private var errors = Data()
    private let readers = DispatchGroup()
    private var collected: CommandResult?

    public init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil,
        standardInput: String = "", workingFolder: String? = nil
    ) throws {
        spawning.lock()
        defer { spawning.unlock() }
        let input = try Pipe.make(), output = try Pipe.make(), errors = try Pipe.make()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The copies lose close-on-exec, which the originals have: other children never inherit them.
        posix_spawn_file_actions_adddup2(&actions, input.reading, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)

        var attributes = spawnAttributes()
        defer { posix_spawnattr_destroy(&attributes) }

        let environment = environment ?? ProcessInfo.processInfo.environment
        let folderChange = workingFolder.map { ["/usr/bin/env", "-C", $0] } ?? []
        let words = folderChange + [executable] + arguments
        var argv = words.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var processID: pid_t = 0
        let code = posix_spawnp(&processID, words[0], &actions, &attributes, &argv, &envp)
        close(input.reading)
        close(output.writing)
        close(errors.writing)
        self.processID = processID
        guard code == 0 else {
            for descriptor in [input.writing, output.reading, errors.reading] { close(descriptor) }
            throw CommandError(message: "\(executable): \(String(cString: strerror(code)))")
        }
        collect(output.reading) { $0.output.append(contentsOf: $1) }
        collect(errors.reading) { $0.errors.append(contentsOf: $1) }
        Self.feed(standardInput, to: input.writing)
    }

    public func signal(_ number: Int32) { kill(processID, number) }

    /// False once the process has ended; it is still to be waited for.
    public var isRunning: Bool {
        var information = siginfo_t()
        let code = waitid(P_PID, id_t(processID), &information, WEXITED | WNOHANG | WNOWAIT)
        return code == 0 && information.si_signo == 0
    }

    /// True once standard error holds the text; false when the time is over or the process has ended.
    public func waitForStandardError(_ text: String, timeout: Duration = .seconds(30)) -> Bool {
        let deadline = ContinuousClock.now + timeout
        while ContinuousClock.now < deadline {
            if standardErrorNow.contains(text) { return true }
            usleep(5_000)
        }
        return false
    }

    public var standardErrorNow: String { lock.withLock { String(decoding: errors, as: UTF8.self) } }

    /// Waits until the process is stopped (SIGSTOP), as a fail point does it.
    public func waitUntilStopped(timeout: Duration = .seconds(30)) -> Bool {
        let deadline = ContinuousClock.now + timeout
        while ContinuousClock.now < deadline {
            let status = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)
            if let status, let end = status.lastIndex(of: ")"),
                status[status.index(after: end)...].hasPrefix(" T")
            {
                return true
            }
            usleep(5_000)
        }
        return false
    }

    /// Waits for the end; after `timeout` the process group is killed.
    public func wait(timeout: Duration = .seconds(300)) throws -> CommandResult {
        if let collected { return collected }
        let deadline = ContinuousClock.now + timeout
        var status: Int32 = 0
        var isTimedOut = false
        var pause: UInt32 = 1_000
        while true {
            let ended = waitpid(processID, &status, WNOHANG)
            if ended == processID { break }
            guard ended == 0 || errno == EINTR else { throw CommandError(message: "waitpid: errno \(errno)") }
            if !isTimedOut, ContinuousClock.now > deadline {
                isTimedOut = true
                kill(-processID, SIGKILL)
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
        _ = readers.wait(timeout: .now() + 10)
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        let result = lock.withLock {
            CommandResult(
                standardOutput: String(decoding: output, as: UTF8.self),
                standardError: String(decoding: errors, as: UTF8.self), status: code,
                wasTimedOut: isTimedOut)
        }
        collected = result
        return result
    }

    private func collect(
        _ descriptor: Int32, _ append: @escaping @Sendable (RunningCommand, ArraySlice<UInt8>) -> Void
    ) {
        readers.enter()
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                lock.withLock { append(self, buffer[..<count]) }
            }
            close(descriptor)
            readers.leave()
        }
    }

    private static func feed(_ text: String, to descriptor: Int32) {
        guard !text.isEmpty else {
            close(descriptor)
            return
        }
        Foundation.signal(SIGPIPE, SIG_IGN)
        Thread.detachNewThread {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
            close(descriptor)
        }
    }
}

/// Held from the making of pipes until the child has been made: between a pipe's creation and its
/// close-on-exec mark, a child of another thread would inherit it and keep it open.
let spawning = NSLock()

/// A process group of its own, so that a time-out ends the children too, and signals as a shell gives them:
/// the test threads block most of them, and a child would inherit that.
func spawnAttributes() -> posix_spawnattr_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    posix_spawnattr_setflags(&attributes, Int16(flags))
    posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    return attributes
}

/// A pipe whose ends no child inherits.
struct Pipe {
    var reading: Int32
    var writing: Int32

    static func make() throws -> Pipe {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw CommandError(message: "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return Pipe(reading: ends[0], writing: ends[1])
    }
}
