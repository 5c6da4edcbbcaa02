import CLibPQ
import Synchronization

/// Cancels what a PostgreSQL session runs, from any thread.
///
/// `@unchecked Sendable`, since: `request` is written once, in `init`, and freed in `deinit`, when nobody else
/// can hold it; libpq promises that PQcancel may be called on it from any thread (manual, 34.7 "Canceling
/// Queries in Progress"); all that changes is behind the mutex. The lock is held while PQcancel runs, so that
/// the session cannot go on to a next statement, which the request would then hit.
final class PostgreSQLCancelHandle: CancelHandle, @unchecked Sendable {
    private struct State {
        var isRunning = false
        var wasRequested = false
    }

    private let request: OpaquePointer?
    private let state = Mutex(State())

    init(connection: OpaquePointer) {
        request = PQgetCancel(connection)
    }

    deinit {
        PQfreeCancel(request)
    }

    func cancel() {
        state.withLock { state in
            guard state.isRunning, let request else { return }
            state.wasRequested = true
            // The reason of a failure is of no use: the statement then simply goes on.
            var reason = [CChar](repeating: 0, count: 256)
            _ = PQcancel(request, &reason, Int32(reason.count))
        }
    }

    func statementStarts() {
        state.withLock { $0 = State(isRunning: true) }
    }

    func statementEnds() {
        state.withLock { $0.isRunning = false }
    }

    /// True when `cancel` met the statement that ran last. Tells a request from statement_timeout, which
    /// has the same SQLSTATE.
    var wasRequested: Bool { state.withLock { $0.wasRequested } }
}
