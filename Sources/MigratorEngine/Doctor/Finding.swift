/// One thing that `migrator doctor` has looked at.
public struct Finding: Sendable, Equatable {
    public enum Level: String, Sendable, CaseIterable {
        case ok
        /// Would make a migration slower, or wait.
        case warning
        /// A migration would be refused or fail.
        case problem
    }

    /// One word: `server`, `role`, `settings`.
    public var subject: String
    public var level: Level
    public var message: String
    /// What to do, one imperative sentence.
    public var hint: String?

    public init(_ subject: String, _ level: Level, _ message: String, hint: String? = nil) {
        self.subject = subject
        self.level = level
        self.message = message
        self.hint = hint
    }

    /// A connection that cannot be made is a finding like the others.
    public init(_ subject: String, _ error: MigratorError) {
        self.init(subject, .problem, ([error.message] + error.details).joined(separator: "; "), hint: error.hint)
    }
}

extension Migrator {
    /// What about the database and its server would hurt a migration. Writes nothing.
    /// - Parameter tables: of the scripts, whose sizes tell how much space a copy needs.
    public func examine() throws -> [Finding] {
        switch backend {
        case let backend as PostgreSQLBackend: try PostgreSQLDoctor(backend: backend).findings()
        case let backend as SQLiteBackend: try SQLiteDoctor(backend: backend).findings()
        default: []
        }
    }
}
