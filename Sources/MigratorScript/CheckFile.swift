/// What stands beside a revision, as `0002_name.check.sql`: scenarios of what the application does, and named queries
/// whose cost must not grow.
public struct CheckFile: Sendable, Equatable {
    /// Statements and assertions that are rolled back together.
    public struct Scenario: Sendable, Equatable {
        public var title: String
        public var location: ScriptLocation
        /// `through VIEW`: only while it stands.
        public var through: TableName?
        /// `given`: where one is not true, there is nothing to try.
        public var given: [Check] = []
        public var steps: [Step] = []

        public init(title: String, location: ScriptLocation) {
            self.title = title
            self.location = location
        }
    }

    public enum Step: Sendable, Equatable {
        case statement(Statement)
        /// `expect TITLE`: a SELECT that yields at least one row, and in each of them nothing but true.
        case expect(Check)
        /// `verify TITLE`: rows returned are violations.
        case verify(Check)
    }

    /// `query NAME`: how it is asked after the upgrade, and before it.
    public struct NamedQuery: Sendable, Equatable {
        public var name: String
        public var location: ScriptLocation
        public var after: Form
        /// `before`: the same question in the old shape; nil where the statement is the same.
        public var before: Form?
    }

    public struct Form: Sendable, Equatable {
        /// `parameters`: a SELECT of one row, whose values are $1, $2, ... of the query.
        public var parameters: Statement?
        public var query: Statement
    }

    /// `size growth=FACTOR plus=BYTES`: what the database may have grown to, backups apart.
    public struct SizeBound: Sendable, Equatable {
        public var growth: Double
        public var plus: Int
        public var location: ScriptLocation
    }

    public var location: ScriptLocation
    public var revision: String
    public var scenarios: [Scenario] = []
    public var queries: [NamedQuery] = []
    public var size: SizeBound?

    /// Parses the bytes of a file.
    /// - Parameter file: the path as people shall see it.
    /// - Throws: `ScriptError` with the line and column of what is malformed.
    public static func parse(bytes: [UInt8], file: String, dialect: Dialect) throws(ScriptError) -> CheckFile {
        var parser = try CheckParser(source: SourceText(bytes, file: file), dialect: dialect)
        return try parser.file()
    }
}
