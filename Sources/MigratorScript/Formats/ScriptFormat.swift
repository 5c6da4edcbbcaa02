/// Who a folder of scripts was written for. The raw value is its name on the command line.
public enum ScriptFormat: String, Sendable, Hashable, CaseIterable {
    case migrator
    case golangMigrate = "golang-migrate"
    case goose
    case dbmate
    case flyway
    case diesel
    case sqlx
    case prisma
    case sqitch

    /// How the tools that read these folders do it; one line each. The first that recognises a folder has it.
    static let readers: [any FormatReader.Type] = [
        SqitchFormat.self, PrismaFormat.self, DieselFormat.self, FlywayFormat.self, GooseFormat.self,
        DbmateFormat.self, SQLxFormat.self, GolangMigrateFormat.self,
    ]

    var reader: (any FormatReader.Type)? { Self.readers.first { $0.format == self } }
}

/// Where a script of another tool comes from.
public struct ScriptOrigin: Sendable, Equatable {
    public enum Role: Sendable, Equatable {
        case versioned
        /// Runs again whenever its file has changed, after all versions.
        case repeatable
        /// Stands for all versions up to its own in an empty database.
        case baseline
    }

    public var format: ScriptFormat
    /// As the tool's own table names it.
    public var version: String
    public var role: Role
    /// As the tool's own table has it, where it keeps one.
    public var checksum: String?

    public init(format: ScriptFormat, version: String, role: Role = .versioned, checksum: String? = nil) {
        self.format = format
        self.version = version
        self.role = role
        self.checksum = checksum
    }
}

/// Reads a folder as one tool reads it.
protocol FormatReader: SendableMetatype {
    static var format: ScriptFormat { get }
    /// What gives the format away, such as a file's name; nil where the folder is not of this format.
    static func evidence(in folder: ForeignFolder) throws(ScriptError) -> String?
    /// The revisions in the order in which the tool runs them.
    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision]
}

/// One migration as another tool has it.
struct ForeignRevision {
    /// As this tool calls it: letters, digits, `_` and `.`.
    var revision: String
    var message: String
    var origin: ScriptOrigin
    var upgrade: ForeignPart
    /// Nil where there is no way back.
    var downgrade: ForeignPart?
    /// Why there is none, as a sentence's end.
    var irreversibleReason: String
    /// Files that say how it runs.
    var settings: [SourceText] = []
    /// The files as they stand, where values have been put into what is read.
    var originals: [SourceText]?

    init(
        _ revision: String, _ message: String, _ format: ScriptFormat, version: String,
        role: ScriptOrigin.Role = .versioned, upgrade: ForeignPart, downgrade: ForeignPart?,
        irreversibleReason: String
    ) {
        self.revision = revision.asRevision
        self.message = message
        origin = ScriptOrigin(format: format, version: version, role: role)
        self.upgrade = upgrade
        self.downgrade = downgrade
        self.irreversibleReason = irreversibleReason
    }
}

/// A section of a file.
struct ForeignPart {
    var source: SourceText
    var range: Range<Int>
    var isTransactional = true
    /// Where the section's mark stands; 0 for a whole file.
    var start = 0

    init(_ source: SourceText, range: Range<Int>? = nil, isTransactional: Bool = true, start: Int = 0) {
        self.source = source
        self.range = range ?? 0..<source.bytes.count
        self.isTransactional = isTransactional
        self.start = start
    }
}
