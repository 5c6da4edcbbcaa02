import Glibc
import Synchronization

/// Work on a thread of its own, beside what this thread waits for.
final class BackgroundWork<Value: Sendable> {
    private let body: @Sendable () throws -> Value
    private let outcome: Outcome
    private var thread: pthread_t?

    private final class Outcome: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    init(_ body: @escaping @Sendable () throws -> Value) {
        let outcome = Outcome()
        self.body = body
        self.outcome = outcome
        thread = startThread {
            let result = Result(catching: body)
            outcome.result.withLock { $0 = result }
        }
    }

    /// Waits for the end of the work. Where no thread could be had, it is done now.
    func value() throws -> Value {
        if let thread { pthread_join(thread, nil) }
        thread = nil
        if let result = outcome.result.withLock({ $0 }) { return try result.get() }
        return try body()
    }
}

private final class ThreadStart: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// - Returns: nil where no thread could be had.
private func startThread(_ run: @escaping @Sendable () -> Void) -> pthread_t? {
    let start = Unmanaged.passRetained(ThreadStart(run))
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { @Sendable start in
            if let start { Unmanaged<ThreadStart>.fromOpaque(start).takeRetainedValue().run() }
            return nil
        }, start.toOpaque())
    if status != 0 { start.release() }
    return status == 0 ? thread : nil
}
