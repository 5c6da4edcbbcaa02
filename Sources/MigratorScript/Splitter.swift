/// Cuts a script into its statements and directive lines, byte by byte as they stand.
///
/// A statement ends at a semicolon outside of quotes, comments, parentheses, and, in the statements that have
/// one, outside of a body: `BEGIN ATOMIC ... END` of PostgreSQL's functions, `BEGIN ... END` of SQLite's triggers.
/// Sources: PostgreSQL manual, CREATE FUNCTION and CREATE RULE; SQLite, CREATE TRIGGER.
struct Splitter {
    enum Piece: Equatable {
        case statement(Range<Int>)
        /// A comment line that begins with `-- migrator:`; the range is of what follows it.
        case directive(offset: Int, rest: Range<Int>)
    }

    private let source: SourceText
    private let dialect: Dialect
    private var lexer: Lexer
    private var open: OpenStatement?

    /// What is known of the statement that is being read.
    private struct OpenStatement {
        var start: Int
        var end: Int
        /// The first words, folded, as far as they matter.
        var words: [String] = []
        var parentheses = 0
        var bodyDepth = 0
        var lastWord = ""
        var isCopy: Bool { words.first == "copy" }
    }

    init(_ source: SourceText, dialect: Dialect) {
        self.source = source
        self.dialect = dialect
        lexer = Lexer(source, dialect: dialect)
    }

    static let prefix = Array("-- migrator:".utf8)

    mutating func pieces() throws(ScriptError) -> [Piece] {
        var pieces: [Piece] = []
        while let token = try lexer.next() {
            switch token.kind {
            case .lineComment:
                if let directive = try directive(token) { pieces.append(directive) }
            case .blockComment: continue
            case .semicolon:
                guard let statement = open else { continue }
                if statement.parentheses == 0 && statement.bodyDepth == 0 {
                    pieces.append(.statement(statement.start..<statement.end))
                    open = nil
                } else {
                    open?.end = token.range.upperBound
                    open?.lastWord = ""
                }
            default: try take(token)
            }
        }
        if let statement = open { pieces.append(.statement(statement.start..<statement.end)) }
        return pieces
    }

    private func directive(_ token: Token) throws(ScriptError) -> Piece? {
        let comment = source.bytes[token.range]
        let offset = token.range.lowerBound
        guard comment.starts(with: Splitter.prefix) else {
            // `--migrator:backup` would otherwise be passed over without a word.
            let bare = comment.drop { $0 == UInt8(ascii: "-") || Lexer.isSpace($0) }
            if bare.starts(with: Splitter.prefix.dropFirst(3)) {
                throw source.error(
                    "malformed-directive", "a directive begins with \"-- migrator:\" to the letter",
                    hint: "write two dashes, one space, migrator and a colon", at: offset)
            }
            return nil
        }
        var before = offset
        while before > 0, source.bytes[before - 1] == 0x20 || source.bytes[before - 1] == 0x09 { before -= 1 }
        let isAlone = before == 0 || source.bytes[before - 1] == UInt8(ascii: "\n")
        if open != nil {
            throw source.error(
                "directive-inside-statement", "a directive stands inside a statement",
                hint: "end the statement before it with a semicolon", at: offset)
        }
        guard isAlone else {
            throw source.error(
                "directive-not-alone", "a directive must stand on a line of its own",
                hint: "move it to the next line", at: offset)
        }
        return .directive(offset: offset, rest: offset + Splitter.prefix.count..<token.range.upperBound)
    }

    private mutating func take(_ token: Token) throws(ScriptError) {
        if token.kind == .backslash {
            throw source.error(
                "psql-command", "\"\(firstLine(at: token.range.lowerBound))\" is a command of psql, not SQL",
                hint: "scripts hold SQL only: use INSERT or COPY from a file of the server", at: token.range.lowerBound)
        }
        if open == nil {
            if dialect == .sqlite, source.bytes[token.range.lowerBound] == UInt8(ascii: ".") {
                throw source.error(
                    "sqlite-dot-command",
                    "\"\(firstLine(at: token.range.lowerBound))\" is a command of the sqlite3 shell, not SQL",
                    hint: "scripts hold SQL only", at: token.range.lowerBound)
            }
            open = OpenStatement(start: token.range.lowerBound, end: token.range.upperBound)
        }
        open?.end = token.range.upperBound
        switch token.kind {
        case .leftParenthesis: open?.parentheses += 1
        case .rightParenthesis:
            if let depth = open?.parentheses, depth > 0 { open?.parentheses -= 1 }
        case .word: try takeWord(source.text(token.range).asciiLowercased, at: token.range.lowerBound)
        default: open?.lastWord = ""
        }
    }

    private mutating func takeWord(_ word: String, at offset: Int) throws(ScriptError) {
        guard var statement = open else { return }
        if statement.words.count < 5 { statement.words.append(word) }
        if statement.bodyDepth > 0 {
            if word == "case" { statement.bodyDepth += 1 }
            if word == "end" { statement.bodyDepth -= 1 }
        } else if statement.parentheses == 0 && opensBody(word, in: statement) {
            statement.bodyDepth = 1
        }
        if statement.isCopy, word == "stdin", statement.lastWord == "from", statement.parentheses == 0 {
            throw source.error(
                "copy-data", "COPY ... FROM STDIN needs data that a script cannot carry",
                hint: "write the rows as INSERT statements", at: statement.start)
        }
        statement.lastWord = word
        open = statement
    }

    private func opensBody(_ word: String, in statement: OpenStatement) -> Bool {
        guard statement.words.first == "create" else { return false }
        switch dialect {
        case .postgresql:
            guard word == "atomic", statement.lastWord == "begin" else { return false }
            let what = statement.words.dropFirst().first { $0 != "or" && $0 != "replace" }
            return what == "function" || what == "procedure"
        case .sqlite:
            guard word == "begin" else { return false }
            let what = statement.words.dropFirst().first { $0 != "temp" && $0 != "temporary" }
            return what == "trigger"
        }
    }

    private func firstLine(at offset: Int) -> String {
        let end = source.bytes[offset...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? source.bytes.count
        return source.text(offset..<min(end, offset + 40))
    }
}

extension String {
    /// Letters A to Z folded; others are left alone, as identifiers are in databases with UTF-8.
    var asciiLowercased: String {
        if !utf8.contains(where: { (65...90).contains($0) }) { return self }
        return String(decoding: utf8.map { (65...90).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
