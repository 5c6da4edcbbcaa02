import Foundation
import MigratorDatabase
import MigratorTestSupport

/// An application's connection that sends, replies, attaches, reads, edits and deletes, and remembers what the server
/// has acknowledged. Everybody writes to messages of their own alone, so that what must be there is known.
///
/// It connects as a role without any privilege but the application's, each with settings of its own.
final class ChatWriter: @unchecked Sendable {
    // Sendable, since only its own thread touches it, others only while the gate holds it.
    /// Which names the code knows.
    enum Side: String, Sendable, CaseIterable {
        /// `direct_messages`, be it a table or a view.
        case old
        /// `messages` where it is there, else the old name.
        case new
        /// `enhanced_messages`, `message_status` and `conversations`, from 0003 on.
        case enhanced
    }

    struct Report: Sendable {
        var acknowledged = 0
        /// Errors that a client may see and try again, by SQLSTATE.
        var retried: [String: Int] = [:]
        /// Connections that the test has cut.
        var lost = 0
        /// How long one attempt took at most, and what it sent last.
        var longest: Duration = .zero
        var longestStatement = ""
        /// Errors that must not be.
        var failures: [String] = []
    }

    let number: Int
    let side: Side
    let isolation: String
    let registry: ChatRegistry
    var random: SeededRandom
    var model = ChatModel()
    private(set) var report = Report()
    private let database: TestDatabase
    private let gate: ChatGate
    /// A snapshot from before a window's change sees nothing of what it brought over (ONLINE.md H13).
    private let toleratesOldSnapshots: Bool
    private var session: PostgreSQLSession?
    /// The server process of the session, also after it has gone.
    private var processID = 0
    private var sequence = 0
    /// What was sent last.
    private var statement = ""

    init(
        number: Int, side: Side, isolation: String, database: TestDatabase, registry: ChatRegistry, gate: ChatGate,
        toleratesOldSnapshots: Bool
    ) {
        self.number = number
        self.side = side
        self.isolation = isolation
        self.database = database
        self.registry = registry
        self.gate = gate
        self.toleratesOldSnapshots = toleratesOldSnapshots
        random = SeededRandom(seed: SeededRandom.seed &+ UInt64(number) &* 1_000_003)
    }

    func run() {
        while gate.pass(side) {
            let operation = nextOperation()
            sequence += 1
            perform(operation, token: "w\(number)-\(sequence)")
            usleep(UInt32.random(in: 200...6000, using: &random))
        }
        session?.close()
        session = nil
    }

    // MARK: One operation, until it is acknowledged or lost

    /// What an attempt may end with beside success.
    enum Interruption: Error {
        /// A statement found nothing where a row must be.
        case missing(String)
        case wrong(String)
    }

    private func perform(_ operation: Operation, token: String) {
        for _ in 0..<500 {
            if gate.ends { return }
            let start = ContinuousClock.now
            var attempt = Attempt(
                operation, token: token, isSingle: canBeSingle(operation) && Bool.random(using: &random))
            let end = attemptOnce(&attempt)
            let time = ContinuousClock.now - start
            if time > report.longest {
                report.longest = time
                report.longestStatement = statement
            }
            guard end == .again else { return }
            usleep(UInt32.random(in: 500...5000, using: &random))
        }
        report.failures.append("\(operation) could not be done in 500 attempts: \(report.retried)")
    }

    private enum End { case done, again }

    private func attemptOnce(_ attempt: inout Attempt) -> End {
        do {
            let session = try connected()
            let table = try tableName()
            if !attempt.isSingle { try execute("BEGIN") }
            try write(&attempt, table: table)
            if !attempt.isSingle {
                attempt.mayBeDone = true
                statement = "COMMIT of " + statement
                try session.commit()
            }
            for (id, message) in attempt.change.messages where message != nil && model.messages[id] == nil {
                registry.publish(id)
            }
            model.apply(attempt.change)
            report.acknowledged += 1
            return .done
        } catch {
            return judge(error, attempt)
        }
    }

    private func judge(_ error: any Error, _ attempt: Attempt) -> End {
        func fail(_ reason: String) -> End {
            report.failures.append("\(side), \(isolation), \(attempt.operation): \(reason) in \(statement)")
            return .done
        }
        func again(_ reason: String) -> End {
            report.retried[reason, default: 0] += 1
            return .again
        }
        guard let error = error as? DatabaseError else {
            session?.rollback()
            if case .missing? = error as? Interruption, toleratesOldSnapshots, isolation != "READ COMMITTED" {
                return again("old snapshot")
            }
            return fail("\(error)")
        }
        let state = error.sqlState ?? ""
        if [.connectionLost, .connectionFailed].contains(error.kind) || state == "57P01" {
            session?.close()
            session = nil
            guard registry.wasCut(processID) else {
                return fail("a connection was lost that nobody cut: \(state) \(error.message)")
            }
            report.lost += 1
            guard attempt.mayBeDone else { return .again }
            model.remember(uncertain: attempt.change)
            return .done
        }
        session?.rollback()
        switch state {
        case "40001", "40P01", "55P03": return again(state)
        // The name changes hands at the cut-over, and the new one is not the application's before: it looks again.
        case "42P01" where side == .new, "42501" where side == .new: return again(state)
        case "23503" where attempt.parent.map(registry.mayBeGone) ?? false: return again("parent gone")
        case "23503" where toleratesOldSnapshots && isolation != "READ COMMITTED": return again("old snapshot")
        default: return fail("\(state) \(error.message)\(error.context.map { " (\($0))" } ?? "")")
        }
    }

    // MARK: Statements

    private func connected() throws -> PostgreSQLSession {
        if let session { return session }
        statement = "connect"
        processID = 0
        let session = try PostgreSQLSession(
            PostgreSQLLocator(database.url(user: ChatWorkload.role)), applicationName: "writer \(number)")
        self.session = session
        processID = session.backendPID
        // Settings that a trigger must not inherit.
        let settings = [
            "SET TimeZone = 'Asia/Kolkata'; SET search_path = ''",
            "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = iso_8601",
            "SET TimeZone = 'America/New_York'; SET search_path = pg_catalog, pg_temp",
        ][number % 3]
        try execute("\(settings); SET default_transaction_isolation = '\(isolation.lowercased())'")
        return session
    }

    func execute(_ sql: String) throws {
        statement = sql
        try session?.execute(sql)
    }

    func query(_ sql: String, _ parameters: [SQLValue] = []) throws -> [Row] {
        statement = sql
        return try session?.query(sql, parameters) ?? []
    }

    private func tableName() throws -> String {
        guard side == .new else { return side == .old ? "public.direct_messages" : "public.enhanced_messages" }
        // Before the cut-over the new table is nobody's but the tool's.
        let isOld = try query(
            "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.direct_messages') AND relkind = 'r')"
        ).first?[0].asBool
        return isOld == true ? "public.direct_messages" : "public.messages"
    }
}
