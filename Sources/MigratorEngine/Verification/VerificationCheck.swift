import MigratorScript

/// How much `verify` looks at.
public enum VerificationLevel: String, Sendable {
    /// Row counts, next ids, validity: fast.
    case counts
    case standard
    /// Leaves nothing out.
    case full
}

public enum Verdict: String, Sendable, Codable {
    case exact
    case differences
    /// The evidence itself has ended; the reason says how.
    case incomplete
    /// Nothing to judge: figures only.
    case information
    case skipped
}

/// One row, object or file that is not as it must be.
public struct Difference: Sendable, Equatable, Codable {
    /// What a column holds and what it should; only where values are asked for.
    public struct Value: Sendable, Equatable, Codable {
        public var column: String
        /// Nil for NULL.
        public var expected: String?
        public var found: String?
    }
    public var table: String?
    public var key: String?
    public var columns: [String]
    public var message: String
    public var values: [Value]

    public init(
        table: String? = nil, key: String? = nil, columns: [String] = [], message: String, values: [Value] = []
    ) {
        self.table = table
        self.key = key
        self.columns = columns
        self.message = message
        self.values = values
    }
}

public struct CheckResult: Sendable, Equatable, Codable {
    /// Kebab-case: `backups`, `orphans`, `next-ids`, ...
    public var check: String
    /// What was looked at: a table, a revision, a query's title.
    public var subject: String
    public var verdict: Verdict
    /// One sentence for people.
    public var summary: String
    /// Figures by name: rows, changedSince, addedSince, removedSince, unattributed, ...
    public var figures: [String: Int]
    /// At most ten; `differenceCount` is the total.
    public var differences: [Difference]
    public var differenceCount: Int

    public init(
        check: String, subject: String, verdict: Verdict, summary: String, figures: [String: Int] = [:],
        differences: [Difference] = [], differenceCount: Int? = nil
    ) {
        self.check = check
        self.subject = subject
        self.verdict = verdict
        self.summary = summary
        self.figures = figures
        self.differences = Array(differences.prefix(10))
        self.differenceCount = differenceCount ?? differences.count
    }
}

/// One thing that `migrator verify` looks at; a file each, listed by the backend.
public protocol VerificationCheck: Sendable {
    var name: String { get }
    /// The levels at which it runs.
    var levels: Set<VerificationLevel> { get }
    /// Whether it reads many rows: where several connections work, such checks come first.
    var readsRows: Bool { get }
    /// What it has to do; asked once, before any of it is done.
    func work(_ context: VerificationContext) throws -> [VerificationWork]
}

extension VerificationCheck {
    public var readsRows: Bool { false }
}

/// One subject of a check, in parts that several connections can do side by side.
public struct VerificationWork: Sendable {
    /// Called with the context of the connection that is free.
    public typealias Part = @Sendable (VerificationContext) throws -> [CheckResult]

    public var parts: [Part]
    /// What the parts' results, in their order, make together.
    public var combined: @Sendable ([[CheckResult]]) -> [CheckResult]

    public init(
        parts: [Part], combined: @escaping @Sendable ([[CheckResult]]) -> [CheckResult] = { $0.flatMap(\.self) }
    ) {
        self.parts = parts
        self.combined = combined
    }
}

/// A check in one part.
public protocol UndividedCheck: VerificationCheck {
    func results(_ context: VerificationContext) throws -> [CheckResult]
}

extension UndividedCheck {
    public func work(_ context: VerificationContext) throws -> [VerificationWork] {
        [VerificationWork(parts: [{ try results($0) }])]
    }
}

/// What the checks look at.
public struct VerificationContext {
    public var backend: any Backend
    public var level: VerificationLevel
    /// Applied and stamped revisions from base to the current one, with the scripts as they were applied.
    public var applied: [AppliedScript]
    /// Revisions whose file changed or is missing, and other disagreements of ledger and folder.
    public var drift: [Difference]
    /// Whether differences tell what the columns hold.
    public var showsValues: Bool
    /// Asked between one stretch of rows and the next.
    public var isInterrupted: @Sendable () -> Bool

    public init(
        backend: any Backend, level: VerificationLevel, applied: [AppliedScript], drift: [Difference],
        showsValues: Bool = false, isInterrupted: @escaping @Sendable () -> Bool = { false }
    ) {
        self.backend = backend
        self.level = level
        self.applied = applied
        self.drift = drift
        self.showsValues = showsValues
        self.isInterrupted = isInterrupted
    }

    func checkInterruption() throws {
        if isInterrupted() { throw MigratorError.interrupted }
    }
}

/// A revision of the ledger with its parsed script.
public struct AppliedScript: Sendable {
    public var record: RevisionRecord
    public var script: Script

    public init(record: RevisionRecord, script: Script) {
        self.record = record
        self.script = script
    }
}
