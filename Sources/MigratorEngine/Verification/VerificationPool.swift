import Glibc
import MigratorDatabase
import Synchronization

/// Runs checks on several connections that see one snapshot: the one at hand, and a thread for each further one.
final class VerificationPool: Sendable {
    private struct Work {
        /// Positions in the list of checks that nobody has taken yet.
        var waiting: [Int]
        var results: [Int: [CheckResult]] = [:]
        var failure: (any Error)?
    }

    private let checks: [any VerificationCheck]
    private let work: Mutex<Work>
    /// Told of each check that begins, one thread at a time.
    private let started: @Sendable (String) -> Void

    /// - Parameter checks: in the order in which their results are wanted; those that read rows begin first.
    init(_ checks: [any VerificationCheck], started: @escaping @Sendable (String) -> Void) {
        self.checks = checks
        self.started = started
        work = Mutex(
            Work(
                waiting: checks.indices.filter { checks[$0].readsRows }
                    + checks.indices.filter { !checks[$0].readsRows }))
    }

    /// - Returns: the results of all checks, in the checks' order.
    /// - Throws: the first error of any of them; the others end what they are at.
    func run(_ own: VerificationContext, beside contexts: [VerificationContext]) throws -> [CheckResult] {
        let threads = contexts.compactMap { context in Worker(pool: self, context: context).start() }
        perform(own)
        for thread in threads { pthread_join(thread, nil) }
        return try work.withLock { work in
            if let failure = work.failure { throw failure }
            return checks.indices.flatMap { work.results[$0] ?? [] }
        }
    }

    fileprivate func perform(_ context: VerificationContext) {
        while let index = next() {
            do {
                try context.checkInterruption()
                let results = try checks[index].results(context)
                work.withLock { $0.results[index] = results }
            } catch {
                work.withLock { work in
                    if work.failure == nil { work.failure = error }
                    work.waiting = []
                }
            }
        }
    }

    private func next() -> Int? {
        work.withLock { work in
            guard !work.waiting.isEmpty else { return nil }
            let index = work.waiting.removeFirst()
            started(checks[index].name)
            return index
        }
    }
}

/// One thread with a connection of its own.
///
/// Sendable without the compiler's proof: made by one thread, which never looks at it again once it has started the
/// other, and waits for that one's end.
private final class Worker: @unchecked Sendable {
    private let pool: VerificationPool
    private let context: VerificationContext

    init(pool: VerificationPool, context: VerificationContext) {
        self.pool = pool
        self.context = context
    }

    /// Nil where the system has no thread to give: then the others do the work.
    func start() -> pthread_t? {
        var thread = pthread_t()
        let own = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { @Sendable argument in
                guard let argument else { return nil }
                let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
                worker.pool.perform(worker.context)
                return nil
            }, own.toOpaque())
        guard status == 0 else {
            own.release()
            return nil
        }
        return thread
    }
}
