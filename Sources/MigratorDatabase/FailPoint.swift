import Glibc
import Synchronization

/// Lets a test break the tool at one exact point; inert unless `MIGRATOR_FAIL_POINT` is set.
///
/// Grammar: `ACTION@WHEN`, or `count`. ACTION is `kill` (SIGKILL to itself), `stop` (SIGSTOP, so that a test
/// can look at the locks it holds) or `fail` (the session throws). WHEN is `before:N` or `after:N`, the N-th
/// statement sent by any session of the process, from 1; or `before-commit:N`, `during-commit:N` (sent and
/// flushed, the reply not read; on SQLite inside the commit hook) or `after-commit:N`, the N-th COMMIT.
/// A COMMIT is a statement too. What a session sends to open its connection is not counted.
public struct FailPoint: Sendable, Equatable {
    public enum Action: String, Sendable, CaseIterable { case kill, fail, stop }

    public enum Moment: String, Sendable, CaseIterable {
        case before, after
        case beforeCommit = "before-commit"
        case duringCommit = "during-commit"
        case afterCommit = "after-commit"
    }

    public var action: Action
    public var moment: Moment
    /// From 1.
    public var number: Int

    public init(action: Action, moment: Moment, number: Int) {
        self.action = action
        self.moment = moment
        self.number = number
    }

    /// Why a value of the variable cannot be used.
    public struct ValueError: Error, Sendable, Equatable {
        public var message: String
    }

    /// Reads a value of the variable; nil for `count`.
    public static func parse(_ text: String) throws(ValueError) -> FailPoint? {
        if text == "count" { return nil }
        let refusal = ValueError(
            message: "MIGRATOR_FAIL_POINT must be \"count\" or ACTION@WHEN:N, with ACTION kill, fail or stop "
                + "and WHEN before, after, before-commit, during-commit or after-commit")
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        guard halves.count == 2, let action = Action(rawValue: String(halves[0])) else { throw refusal }
        let parts = halves[1].split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let moment = Moment(rawValue: String(parts[0])),
            parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            let number = Int(parts[1]), number > 0
        else { throw refusal }
        return FailPoint(action: action, moment: moment, number: number)
    }
}

extension FailPoint {
    private struct Counts {
        var statements = 0
        var commits = 0
    }

    private static let counts = Mutex(Counts())

    private static let environment: Result<FailPoint?, ValueError>? = {
        guard let value = environmentVariable("MIGRATOR_FAIL_POINT"), !value.isEmpty else { return nil }
        return Result { () throws(ValueError) in try parse(value) }
    }()

    /// Refuses a malformed value of the variable; for the start of the program.
    public static func check() throws(ValueError) {
        _ = try environment?.get()
    }

    /// True where the variable asks for the numbers alone.
    public static var isCounting: Bool {
        guard case .success(nil) = environment else { return false }
        return true
    }

    /// `fail points: statements 12 commits 3`, of this process until now.
    public static var summary: String {
        let now = counts.withLock { ($0.statements, $0.commits) }
        return "fail points: statements \(now.0) commits \(now.1)"
    }

    /// Where in its life one statement stands, and which numbers it has.
    struct Passage {
        fileprivate var statement: Int
        fileprivate var commit: Int?
        fileprivate var point: FailPoint?
    }

    /// Counts a statement that is about to be sent.
    /// - Throws: `DatabaseError` where the variable says `fail` here.
    static func enter(isCommit: Bool = false) throws(DatabaseError) -> Passage? {
        guard let environment else { return nil }
        var point: FailPoint?
        if case .success(let found) = environment { point = found }
        let passage = counts.withLock { counts in
            counts.statements += 1
            if isCommit { counts.commits += 1 }
            return Passage(
                statement: counts.statements, commit: isCommit ? counts.commits : nil, point: point)
        }
        try passage.reach(.before, passage.statement)
        try passage.reach(.beforeCommit, passage.commit)
        return passage
    }

    /// As `enter`, for what must be done also where the variable says `fail`: a roll-back.
    static func enterIgnoringFailure() -> Passage? { try? enter() }
}

extension FailPoint.Passage {
    /// True where the process is to break between sending this COMMIT and reading the reply.
    var breaksDuringCommit: Bool { point?.moment == .duringCommit && point?.number == commit }

    func reachDuringCommit() throws(DatabaseError) { try reach(.duringCommit, commit) }

    /// Tells that the statement has succeeded.
    func leave() throws(DatabaseError) {
        try reach(.afterCommit, commit)
        try reach(.after, statement)
    }

    fileprivate func reach(_ moment: FailPoint.Moment, _ number: Int?) throws(DatabaseError) {
        guard let point, point.moment == moment, point.number == number else { return }
        switch point.action {
        case .kill: kill(getpid(), SIGKILL)
        case .stop: kill(getpid(), SIGSTOP)
        case .fail: throw DatabaseError(kind: .statement, message: "fail point reached")
        }
    }
}

/// The value of an environment variable; nil where it is not set.
func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    return String(cString: value)
}
