extension Script {
    /// Parses the bytes of a file.
    /// - Parameter file: the path as people shall see it; the name gives the revision that the header must state.
    /// - Throws: `ScriptError` with the line and column of what is malformed.
    public static func parse(bytes: [UInt8], file: String, dialect: Dialect) throws(ScriptError) -> Script {
        var parser = try ScriptParser(source: SourceText(bytes, file: file), dialect: dialect)
        return try parser.script()
    }

    /// Reads the header alone; what is malformed below it is found when a section is asked for.
    /// - Throws: `ScriptError` where the header is malformed. One that is laid out unusually is parsed with the rest.
    public static func read(bytes: [UInt8], file: String, dialect: Dialect) throws(ScriptError) -> Script {
        var parser = ScriptParser(headOf: SourceText(headOf: bytes, file: file), dialect: dialect)
        if let script = parser.headedScript() { return script }
        return try parse(bytes: bytes, file: file, dialect: dialect)
    }

    /// Parses a script as a ledger keeps it; the file that it came from may be called otherwise.
    public static func parse(recorded text: String, file: String, dialect: Dialect) throws(ScriptError) -> Script {
        var parser = try ScriptParser(source: SourceText(Array(text.utf8), file: file), dialect: dialect)
        parser.isFileNamed = false
        return try parser.script()
    }
}

/// Turns the pieces of a script into its revision, directives and statements.
struct ScriptParser {
    let source: SourceText
    let dialect: Dialect
    let pieces: [Splitter.Piece]
    /// The file's name without folders and ending.
    let fileStem: String
    var position = 0
    var header = Header()
    var upgrade: Section?
    var downgrade: Downgrade?
    /// The section being read, and the `when` block open in it.
    var items: [Item] = []
    var inSection: Direction?
    var block: (condition: Condition, offset: Int, items: [Item])?
    /// Whether the file's name must begin with the revision.
    var isFileNamed = true
    /// What variables stand for; nil leaves them as they are written.
    var values: [String: String]?
    /// Whether statements may lack values; mappings and queries never do.
    var isTolerant = false

    enum Direction: String { case upgrade, downgrade }

    struct Header {
        var revision: String?
        var revises: (parent: String?, location: ScriptLocation)?
        var message: String?
        var mode: MigrationMode?
        var isTransactional: Bool?
        var renames: [DeclaredRename] = []
        var origin: ScriptOrigin?
        var variables: [DeclaredVariable] = []
    }

    init(source: SourceText, dialect: Dialect) throws(ScriptError) {
        self.source = source
        self.dialect = dialect
        var splitter = Splitter(source, dialect: dialect)
        pieces = try splitter.pieces()
        fileStem = Self.stem(of: source.file)
    }

    init(headOf source: SourceText, dialect: Dialect) {
        self.source = source
        self.dialect = dialect
        pieces = []
        fileStem = Self.stem(of: source.file)
    }

    /// A section of a file, whose statements may begin and end transactions.
    init(section: Direction, of source: SourceText, dialect: Dialect, pieces: [Splitter.Piece]) {
        self.source = source
        self.dialect = dialect
        self.pieces = pieces
        fileStem = Self.stem(of: source.file)
        inSection = section
        header.isTransactional = false
    }

    mutating func script() throws(ScriptError) -> Script {
        while position < pieces.count {
            let piece = pieces[position]
            position += 1
            switch piece {
            case .statement(let range): try take(range)
            case .directive(let offset, let rest):
                var reader = DirectiveReader(source: source, offset: offset, rest: rest)
                try directive(&reader)
            }
        }
        try closeSection(at: source.bytes.count)
        return try finished()
    }

    private func finished() throws(ScriptError) -> Script {
        guard let revision = header.revision else {
            throw source.error(
                "missing-header", "the script has no \"-- migrator:revision\"",
                hint: "begin the file with -- migrator:revision \(fileRevision)", at: 0)
        }
        guard let revises = header.revises else {
            throw source.error(
                "missing-header", "the script has no \"-- migrator:revises\"",
                hint: "add -- migrator:revises PARENT (base for the first)", at: 0)
        }
        guard let upgrade else {
            throw source.error(
                "missing-section", "the script has no \"-- migrator:upgrade\"", hint: "add the section", at: 0
            )
        }
        guard let downgrade else {
            throw source.error(
                "missing-section", "the script has no \"-- migrator:downgrade\"",
                hint: "add the section, or -- migrator:irreversible REASON", at: 0)
        }
        return script(
            revision: revision, revises: revises, sections: .init(upgrade: upgrade, downgrade: downgrade))
    }

    func script(
        revision: String, revises: (parent: String?, location: ScriptLocation), sections: Script.Sections?
    ) -> Script {
        Script(
            source: source, dialect: dialect, revision: revision, revises: revises.parent,
            revisesLocation: revises.location, message: header.message ?? fileMessage(after: revision),
            mode: header.mode, isTransactional: header.isTransactional ?? true, renames: header.renames,
            origin: header.origin, variables: header.variables, sections: sections)
    }

    // MARK: Statements

    private mutating func take(_ range: Range<Int>) throws(ScriptError) {
        let offset = range.lowerBound
        guard inSection != nil else {
            throw source.error(
                "statement-outside-section", "a statement stands outside of the sections",
                hint: "put it below -- migrator:upgrade or -- migrator:downgrade", at: offset)
        }
        if header.isTransactional != false, controlsTransaction(range) {
            throw source.error(
                "transaction-control", "a script does not begin or end transactions itself",
                hint:
                    "take the statement away: each revision runs in one transaction; or say -- migrator:transaction off",
                at: offset)
        }
        add(.statement(try statement(range, isNeeded: !isTolerant)), at: offset)
    }

    private func controlsTransaction(_ range: Range<Int>) -> Bool {
        StatementTraits.controlsTransaction(
            Words(source, range, dialect: dialect, limit: StatementTraits.transactionWords))
    }

    mutating func add(_ action: Action, at offset: Int) {
        let item = Item(location: source.location(offset), action: action)
        if block != nil { block?.items.append(item) } else { items.append(item) }
    }

    /// The statement that follows a directive which needs one.
    mutating func nextStatement(after reader: DirectiveReader, _ directive: String) throws(ScriptError)
        -> Statement
    {
        guard position < pieces.count, case .statement(let range) = pieces[position] else {
            throw reader.error(
                "missing-statement", "\"\(directive)\" must be followed by its SELECT",
                hint: "write the statement on the next line")
        }
        position += 1
        let statement = try statement(range)
        guard StatementTraits(statement, dialect: dialect).isQuery else {
            throw source.error(
                "not-a-query", "the statement of \"\(directive)\" must be a SELECT", hint: "write a SELECT",
                at: range.lowerBound)
        }
        return statement
    }

    mutating func closeSection(at offset: Int) throws(ScriptError) {
        if let block {
            throw source.error(
                "unclosed-block", "the block \"when \(block.condition)\" is not closed",
                hint: "add -- migrator:end", at: block.offset)
        }
        switch inSection {
        case .upgrade: upgrade = Section(items: items)
        case .downgrade: downgrade = .section(Section(items: items))
        case nil: break
        }
        items = []
        inSection = nil
    }

    // MARK: The file's name

    private static func stem(of file: String) -> String {
        let name = file.utf8.lastIndex(of: UInt8(ascii: "/")).map { file[file.utf8.index(after: $0)...] } ?? file[...]
        return String(name.hasSuffix(".sql") ? name.dropLast(4) : name)
    }

    var fileRevision: String { String(fileStem.prefix { $0 != "_" }) }

    /// `0002_direct_messages` reads as "direct messages".
    private func fileMessage(after revision: String) -> String {
        let bytes = fileStem.utf8
        let underscore = UInt8(ascii: "_")
        let rest =
            bytes.count == revision.utf8.count
            ? bytes.drop { $0 != underscore } : bytes.dropFirst(revision.utf8.count)
        return String(decoding: Array(rest.split(separator: underscore).joined(separator: [0x20])), as: UTF8.self)
    }

    func fitsFile(_ revision: String) -> Bool {
        !isFileNamed
            || fileStem.utf8.starts(with: revision.utf8)
                && fileStem.utf8.dropFirst(revision.utf8.count).first ?? UInt8(ascii: "_") == UInt8(ascii: "_")
    }
}
