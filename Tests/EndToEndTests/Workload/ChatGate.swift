import Foundation

/// Holds writers back between two operations.
final class ChatGate: @unchecked Sendable {
    // Sendable, since everything is behind the condition's lock.
    private let condition = NSCondition()
    private var closed: Set<ChatWriter.Side> = []
    private var writing: [ChatWriter.Side: Int] = [:]
    private var isEnding = false

    /// A writer comes; it counts as writing until it first passes.
    func enter(_ side: ChatWriter.Side) { change { writing[side, default: 0] += 1 } }

    func leave(_ side: ChatWriter.Side) { change { writing[side, default: 0] -= 1 } }

    /// Waits while the gate is closed.
    /// - Returns: false where the writer is to end.
    func pass(_ side: ChatWriter.Side) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        writing[side, default: 0] -= 1
        condition.broadcast()
        while closed.contains(side), !isEnding { condition.wait() }
        writing[side, default: 0] += 1
        return !isEnding
    }

    var ends: Bool { condition.withLock { isEnding } }

    /// Closes the gate and waits until nobody writes.
    /// - Returns: false where somebody still does after a minute.
    func close(_ sides: Set<ChatWriter.Side>) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        closed.formUnion(sides)
        return wait { sides.allSatisfy { writing[$0, default: 0] == 0 } }
    }

    func open(_ sides: Set<ChatWriter.Side>) { change { closed.subtract(sides) } }

    var closedSides: Set<ChatWriter.Side> { condition.withLock { closed } }

    /// Lets every writer end, and waits for it.
    func end() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        isEnding = true
        condition.broadcast()
        return wait { writing.values.allSatisfy { $0 == 0 } }
    }

    private func wait(until isSo: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: 60)
        while !isSo() { if !condition.wait(until: deadline) { return isSo() } }
        return true
    }

    private func change(_ body: () -> Void) {
        condition.withLock {
            body()
            condition.broadcast()
        }
    }
}
