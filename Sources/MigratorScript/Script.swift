import Crypto
import Synchronization

/// One migration script: a revision with its two sections.
public final class Script: Sendable {
    public struct Sections: Sendable, Equatable {
        public var upgrade: Section
        public var downgrade: Downgrade
    }

    public let location: ScriptLocation
    public let dialect: Dialect
    public let revision: String
    /// The parent; nil for the first (`revises base`).
    public let revises: String?
    /// Of the line that names the parent.
    public let revisesLocation: ScriptLocation
    public let message: String
    /// What the script asks for; `--mode` wins.
    public let mode: MigrationMode?
    /// False where the script says `transaction off`.
    public let isTransactional: Bool
    /// What `references` looks for beside the names of tables and columns.
    public let renames: [DeclaredRename]
    /// SHA-256 of the text in lower-case hex, a BOM and the difference of CRLF and LF aside.
    public let checksum: String
    /// Where another tool's script comes from; nil for this tool's own.
    public let origin: ScriptOrigin?
    /// What `-x` may give values to.
    public let variables: [DeclaredVariable]
    private let source: SourceText?
    /// Of another tool's script: as this tool would have it.
    private let translation: String?
    /// nil until they are asked for, in a script of which only the header was read.
    private let parsed: Mutex<Sections?>

    init(
        source: SourceText, dialect: Dialect, revision: String, revises: String?, revisesLocation: ScriptLocation,
        message: String, mode: MigrationMode?, isTransactional: Bool, renames: [DeclaredRename],
        origin: ScriptOrigin?, variables: [DeclaredVariable], sections: Sections?
    ) {
        location = ScriptLocation(file: source.file, line: 1)
        self.source = source
        translation = nil
        self.origin = origin
        self.variables = variables
        self.dialect = dialect
        self.revision = revision
        self.revises = revises
        self.revisesLocation = revisesLocation
        self.message = message
        self.mode = mode
        self.isTransactional = isTransactional
        self.renames = renames
        checksum = Self.checksum(of: source.normalized)
        parsed = Mutex(sections)
    }

    /// Another tool's script, translated.
    /// - Parameter checksum: of its files.
    init(
        location: ScriptLocation, dialect: Dialect, revision: String, revises: String?,
        revisesLocation: ScriptLocation, message: String, isTransactional: Bool, upgrade: Section,
        downgrade: Downgrade, checksum: String, text: String, origin: ScriptOrigin?
    ) {
        self.location = location
        self.dialect = dialect
        self.revision = revision
        self.revises = revises
        self.revisesLocation = revisesLocation
        self.message = message
        self.isTransactional = isTransactional
        self.checksum = checksum
        self.origin = origin
        mode = nil
        renames = []
        variables = []
        source = nil
        translation = text
        parsed = Mutex(Sections(upgrade: upgrade, downgrade: downgrade))
    }

    /// Both sections, parsed once.
    /// - Throws: `ScriptError` with the line and column of what is malformed; never of a script that was parsed whole.
    public func sections() throws(ScriptError) -> Sections {
        try parsed.withLock { known throws(ScriptError) in
            if let known { return known }
            guard let source else { return Sections(upgrade: Section(), downgrade: .section(Section())) }
            var parser = try ScriptParser(source: source.whole(), dialect: dialect)
            let sections = try parser.script().sections()
            known = sections
            return sections
        }
    }

    /// The same script, its variables filled in; of this tool's own only.
    func parsed(with values: [String: String], isTolerant: Bool = false) throws(ScriptError) -> Script {
        guard let source else { return self }
        var parser = try ScriptParser(source: source.whole(), dialect: dialect)
        parser.isFileNamed = false
        parser.values = values
        parser.isTolerant = isTolerant
        return try parser.script()
    }

    public var upgrade: Section {
        get throws(ScriptError) { try sections().upgrade }
    }

    public var downgrade: Downgrade {
        get throws(ScriptError) { try sections().downgrade }
    }

    /// The whole text, line endings as LF, without BOM: what the ledger keeps. Of another tool's script it is the
    /// script as this tool would have it.
    public var text: String {
        translation ?? source.map { String(decoding: $0.normalized, as: UTF8.self) } ?? ""
    }

    /// SHA-256 in lower-case hex.
    static func checksum(of bytes: [UInt8]) -> String {
        var hasher = SHA256()
        bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
        return hasher.finalize().withUnsafeBytes { digest in
            String(unsafeUninitializedCapacity: 2 * digest.count) { text in
                for (index, byte) in digest.enumerated() {
                    for (place, digit) in [byte >> 4, byte & 15].enumerated() {
                        text[2 * index + place] = digit + UInt8(ascii: digit < 10 ? "0" : "W")
                    }
                }
                return 2 * digest.count
            }
        }
    }
}

/// Scripts are equal where their files have the same name and text.
extension Script: Equatable {
    public static func == (left: Script, right: Script) -> Bool {
        left === right
            || left.location == right.location && left.dialect == right.dialect && left.checksum == right.checksum
    }
}

/// How switch and copy steps run: under a lock in one transaction, or while the application writes.
public enum MigrationMode: String, Sendable, Hashable, CaseIterable, Codable {
    case window
    case online
}
