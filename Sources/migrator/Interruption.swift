import Glibc
import MigratorDatabase
import Synchronization

/// SIGINT and SIGTERM: the running statement is cancelled, the command rolls back and ends with 130.
enum Interruption {
    private struct State {
        var count = 0
        var handles: [any CancelHandle] = []
    }

    private static let state = Mutex(State())

    static var isRequested: Bool { state.withLock { $0.count > 0 } }

    /// What a signal cancels, besides what was registered before; without any there is nothing to roll back, and the process ends at once.
    static func register(_ handle: any CancelHandle) {
        state.withLock { $0.handles.append(handle) }
    }

    /// Blocks both signals for every thread that is made from now on, and starts the one that takes them.
    static func watch() {
        signal(SIGPIPE, SIG_IGN)
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        guard pthread_sigmask(SIG_BLOCK, &signals, nil) == 0 else { return }
        var thread = pthread_t()
        pthread_create(&thread, nil, { @Sendable _ in Interruption.takeSignals() }, nil)
    }

    /// The signals' own thread. A cancel that meets no running statement is lost, so it is repeated until
    /// the command has ended; what still stands after ten seconds, or at the third signal, is left to the
    /// database, which rolls back by itself when the connection closes.
    private static func takeSignals() -> UnsafeMutableRawPointer? {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        var number: Int32 = 0
        guard sigwait(&signals, &number) == 0 else { return nil }
        let deadline = ContinuousClock.now + .seconds(10)
        interrupt()
        while ContinuousClock.now < deadline {
            var pause = timespec(tv_sec: 0, tv_nsec: 500_000_000)
            let signal = sigtimedwait(&signals, nil, &pause)
            if signal > 0, state.withLock({ $0.count }) >= 2 { break }
            interrupt(isNew: signal > 0)
        }
        _exit(130)
    }

    private static func interrupt(isNew: Bool = true) {
        let handles = state.withLock { state in
            if isNew { state.count += 1 }
            return state.handles
        }
        guard !handles.isEmpty else {
            let text = Array("error[interrupted]: interrupted before anything was done\n".utf8)
            _ = text.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            _exit(130)
        }
        for handle in handles { handle.cancel() }
    }
}
