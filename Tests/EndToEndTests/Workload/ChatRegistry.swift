import Synchronization

/// What the writers of one workload know of each other.
final class ChatRegistry: Sendable {
    private struct State {
        /// Every id that was ever given out; those up to `last` were there before.
        var issued: Set<Int> = []
        var recent: [Int] = []
        var leaving: Set<Int> = []
        var cut: Set<Int> = []
    }

    private let state = Mutex(State())
    /// The highest id that the sequence had given out before the writers came, of a message there or deleted.
    let last: Int

    init(last: Int) { self.last = last }

    /// Notes an id that the server gave out.
    /// - Returns: false where it has been given out before.
    func issue(_ id: Int) -> Bool { id > last && state.withLock { $0.issued.insert(id).inserted } }

    /// Offers an acknowledged message to others, who reply to it.
    func publish(_ id: Int) {
        state.withLock { state in
            state.recent.append(id)
            if state.recent.count > 200 { state.recent.removeFirst(100) }
        }
    }

    func parent(using random: inout SeededRandom) -> Int? {
        let recent = state.withLock { $0.recent }
        return recent.randomElement(using: &random)
    }

    /// Tells, before the statement is sent, that a message may be gone.
    func leave(_ ids: [Int]) {
        state.withLock { state in
            state.leaving.formUnion(ids)
            let gone = Set(ids)
            state.recent.removeAll { gone.contains($0) }
        }
    }

    func mayBeGone(_ id: Int) -> Bool { state.withLock { $0.leaving.contains(id) } }

    /// Tells, before it is done, that the test cuts a connection.
    func cut(_ processID: Int) { _ = state.withLock { $0.cut.insert(processID) } }

    func wasCut(_ processID: Int) -> Bool { state.withLock { $0.cut.contains(processID) } }
}
