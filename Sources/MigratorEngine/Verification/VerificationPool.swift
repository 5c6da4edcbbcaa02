import Glibc
import MigratorDatabase
import Synchronization

/// Runs checks on several connections that see one snapshot: the one at hand, and a thread for each further one. Each
/// takes the next part of a check when it is free.
final class VerificationPool: Sendable {
    /// Of one check's work.
    private struct Part {
        var check: Int
        var work: Int
        var part: Int
    }

    private struct State {
        /// Parts that nobody has taken yet.
        var waiting: [Part] = []
        /// By check, work and part.
        var results: [[[[CheckResult]]]] = []
        var started: Set<Int> = []
        var failure: (any Error)?
    }

    private let checks: [any VerificationCheck]
    private let state = Mutex(State())
    /// Told of each check that begins, one thread at a time.
    private let started: @Sendable (String) -> Void

    /// - Parameter checks: in the order in which their results are wanted; those that read rows begin first.
    init(_ checks: [any VerificationCheck], started: @escaping @Sendable (String) -> Void) {
        self.checks = checks
        self.started = started
    }

    /// - Returns: the results of all checks, in the checks' order.
    /// - Throws: the first error of any of them; the others end what they are at.
    func run(_ own: VerificationContext, beside contexts: [VerificationContext]) throws -> [CheckResult] {
        let work = try checks.map { try $0.work(own) }
        let parts = work.enumerated().flatMap { check, works in
            works.enumerated().flatMap { index, work in
                work.parts.indices.map { Part(check: check, work: index, part: $0) }
            }
        }
        state.withLock { state in
            state.waiting =
                parts.filter { checks[$0.check].readsRows } + parts.filter { !checks[$0.check].readsRows }
            state.results = work.map { $0.map { Array(repeating: [], count: $0.parts.count) } }
        }
        let threads = contexts.compactMap { context in Worker(pool: self, context: context, work: work).start() }
        perform(work, own)
        for thread in threads { pthread_join(thread, nil) }
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            return zip(work, state.results).flatMap { works, results in
                zip(works, results).flatMap { $0.combined($1) }
            }
        }
    }

    fileprivate func perform(_ work: [[VerificationWork]], _ context: VerificationContext) {
        while let next = next() {
            do {
                try context.checkInterruption()
                let results = try work[next.check][next.work].parts[next.part](context)
                state.withLock { $0.results[next.check][next.work][next.part] = results }
            } catch {
                state.withLock { state in
                    if state.failure == nil { state.failure = error }
                    state.waiting = []
                }
            }
        }
    }

    private func next() -> Part? {
        state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let part = state.waiting.removeFirst()
            if state.started.insert(part.check).inserted { started(checks[part.check].name) }
            return part
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
    private let work: [[VerificationWork]]

    init(pool: VerificationPool, context: VerificationContext, work: [[VerificationWork]]) {
        self.pool = pool
        self.context = context
        self.work = work
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
                worker.pool.perform(worker.work, worker.context)
                return nil
            }, own.toOpaque())
        guard status == 0 else {
            own.release()
            return nil
        }
        return thread
    }
}
