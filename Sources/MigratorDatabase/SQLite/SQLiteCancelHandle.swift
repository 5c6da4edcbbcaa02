import CSQLite
import Glibc
import Synchronization

/// Stops what a SQLite session runs, from any thread, also while it waits for another writer.
///
/// `@unchecked Sendable`, since: the connection pointer is only used behind the mutex, and the session takes
/// it away there before it closes the connection; sqlite3_interrupt may be called from another thread as long
/// as the connection is open (sqlite.org/c3ref/interrupt.html).
final class SQLiteCancelHandle: CancelHandle, @unchecked Sendable {
    private struct State: @unchecked Sendable {
        var connection: OpaquePointer?
        var isRunning = false
        var wasRequested = false
    }

    private let state = Mutex(State())

    func cancel() {
        state.withLock { state in
            guard state.isRunning, let connection = state.connection else { return }
            state.wasRequested = true
            sqlite3_interrupt(connection)
        }
    }

    func opened(_ connection: OpaquePointer) { state.withLock { $0.connection = connection } }

    func closed() { state.withLock { $0 = State() } }

    func statementStarts() {
        state.withLock {
            $0.isRunning = true
            $0.wasRequested = false
        }
    }

    func statementEnds() { state.withLock { $0.isRunning = false } }

    /// True when `cancel` met the statement that ran last.
    var wasRequested: Bool { state.withLock { $0.wasRequested } }
}

/// How long a statement waits for another connection's lock; SQLite's own waiting cannot be interrupted.
final class BusyWait {
    var limit = Duration.seconds(5)
    private let canceller: SQLiteCancelHandle
    private var start = ContinuousClock.now

    init(canceller: SQLiteCancelHandle) {
        self.canceller = canceller
    }

    /// Sleeps a little.
    /// - Parameter attempt: from 0 for every lock that is waited for.
    /// - Returns: false when the waiting is over and SQLITE_BUSY shall be the answer.
    func wait(attempt: Int32) -> Bool {
        if attempt == 0 { start = .now }
        guard !canceller.wasRequested, ContinuousClock.now - start < limit else { return false }
        usleep(attempt < 5 ? 1_000 : 10_000)
        return true
    }
}
