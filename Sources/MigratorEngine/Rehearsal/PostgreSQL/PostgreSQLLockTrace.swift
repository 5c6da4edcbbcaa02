import Glibc
import MigratorDatabase
import MigratorScript
import Synchronization

/// Reads from a second connection, after each statement, which locks the first one holds (`pg_locks`).
///
/// What a statement outside of a transaction takes is gone when it ends: it is looked at meanwhile, from a thread.
/// Relations that the transaction has made itself are nobody else's yet, and the second connection does not see them.
final class PostgreSQLLockTrace: StatementTrace {
    private struct Open {
        var start: ContinuousClock.Instant
        var statement: String
        var stage: String
        var step: String
    }

    private let log: LockLog
    private let observer: PostgreSQLSession
    private let processID: Int
    private let ledgerSchema: String
    private var statement = ""
    private var open: [HeldLock: Open] = [:]
    private var poll: LockPoll?

    /// - Parameter ledgerSchema: its locks are the tool's own affair.
    init(log: LockLog, observer: PostgreSQLSession, processID: Int, ledgerSchema: String) {
        self.ledgerSchema = ledgerSchema
        self.log = log
        self.observer = observer
        self.processID = processID
    }

    func begins(_ sql: String, isInTransaction: Bool) {
        statement = sql.firstLine
        let first = sql.drop(while: \.isWhitespace).prefix { $0.isLetter }.uppercased()
        if !isInTransaction, ["CREATE", "DROP", "ALTER", "REINDEX", "VACUUM", "REFRESH", "CLUSTER"].contains(first) {
            poll = LockPoll(observer.locator, processID: processID, ledgerSchema: ledgerSchema)
        }
    }

    func ended(isInTransaction: Bool) {
        if let poll {
            self.poll = nil
            for (lock, held) in poll.finish() {
                log.add(
                    relation: lock.relation, mode: lock.mode, statement: statement, stage: log.stage, step: log.step,
                    held: held)
            }
        }
        if isInTransaction {
            let now = ContinuousClock.now
            for lock in HeldLock.all(of: processID, but: ledgerSchema, observer) where open[lock] == nil {
                open[lock] = Open(start: now, statement: statement, stage: log.stage, step: log.step)
            }
        } else if !open.isEmpty {
            let now = ContinuousClock.now
            for (lock, was) in open.sorted(by: { $0.value.start < $1.value.start }) {
                log.add(
                    relation: lock.relation, mode: lock.mode, statement: was.statement, stage: was.stage,
                    step: was.step, held: now - was.start)
            }
            open = [:]
        }
    }
}

/// A lock on a relation, as people name it.
struct HeldLock: Hashable, Sendable {
    var relation: String
    /// `ACCESS EXCLUSIVE`
    var mode: String

    /// The locks that a server process holds on tables, views and sequences, system catalogs aside.
    static func all(of processID: Int, but ledgerSchema: String, _ observer: PostgreSQLSession) -> [HeldLock] {
        let rows = try? observer.query(
            """
            SELECT n.nspname, c.relname, l.mode FROM pg_catalog.pg_locks l
            JOIN pg_catalog.pg_class c ON c.oid = l.relation
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE l.locktype = 'relation' AND l.granted AND l.pid = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', $2)
            """, [SQLValue(processID), .text(ledgerSchema)])
        return (rows ?? []).map { row in
            HeldLock(
                relation: "\(row.text("nspname") ?? "").\(row.text("relname") ?? "")",
                mode: words(row.text("mode") ?? ""))
        }
    }

    /// `AccessExclusiveLock` as the manual's ACCESS EXCLUSIVE (13.3.1).
    private static func words(_ mode: String) -> String {
        var result = ""
        for character in mode.hasSuffix("Lock") ? mode.dropLast(4) : mode[...] {
            if character.isUppercase, !result.isEmpty { result += " " }
            result += character.uppercased()
        }
        return result
    }
}

/// Looks at the locks of a server process every few milliseconds until it is told to end.
private final class LockPoll: Sendable {
    private struct State {
        var isEnded = false
        var seen: [HeldLock: (first: ContinuousClock.Instant, last: ContinuousClock.Instant)] = [:]
    }

    private let state = Mutex(State())
    private let locator: PostgreSQLLocator
    private let processID: Int
    private let ledgerSchema: String
    private let thread = Mutex<pthread_t?>(nil)

    init(_ locator: PostgreSQLLocator, processID: Int, ledgerSchema: String) {
        self.ledgerSchema = ledgerSchema
        self.locator = locator
        self.processID = processID
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { @Sendable context in
                guard let context else { return nil }
                Unmanaged<LockPoll>.fromOpaque(context).takeRetainedValue().look()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        let made = started == 0 ? thread : nil
        self.thread.withLock { $0 = made }
    }

    private func look() {
        guard let session = try? PostgreSQLSession(locator, applicationName: "migrator rehearse") else { return }
        defer { session.close() }
        while !state.withLock({ $0.isEnded }) {
            let now = ContinuousClock.now
            let locks = HeldLock.all(of: processID, but: ledgerSchema, session)
            state.withLock { state in
                for lock in locks { state.seen[lock] = (state.seen[lock]?.first ?? now, .now) }
            }
            usleep(2_000)
        }
    }

    func finish() -> [(HeldLock, Duration)] {
        state.withLock { $0.isEnded = true }
        if let thread = thread.withLock({ $0 }) { pthread_join(thread, nil) }
        return state.withLock { state in state.seen.map { ($0.key, $0.value.last - $0.value.first) } }
    }
}
