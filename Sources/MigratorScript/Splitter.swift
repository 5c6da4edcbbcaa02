/// Cuts a script into its statements and directive lines, byte by byte as they stand.
///
/// A statement ends at a semicolon outside of quotes, comments, parentheses, and, in the statements that have
/// one, outside of a body: `BEGIN ATOMIC ... END` of PostgreSQL's routines, `BEGIN ... END` of SQLite's triggers.
/// Sources: PostgreSQL manual, CREATE FUNCTION and CREATE RULE; SQLite, CREATE TRIGGER and complete.c.
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

    /// - Parameter range: the bytes to read, where not all.
    init(_ source: SourceText, dialect: Dialect, range: Range<Int>? = nil) {
        self.source = source
        self.dialect = dialect
        lexer = Lexer(source, dialect: dialect, range: range)
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
                if let statement = try endedStatement(by: token) { pieces.append(.statement(statement)) }
            default: try take(token)
            }
        }
        if let open {
            try checkClosed(open)
            pieces.append(.statement(open.range))
        }
        return pieces
    }

    /// The statement that a semicolon ends; nil where it is empty or goes on.
    private mutating func endedStatement(by token: Token) throws(ScriptError) -> Range<Int>? {
        guard var statement = open else { return nil }
        if statement.parentheses > 0 {
            guard statement.kind == .rule else { throw unclosedParenthesis(statement) }
        } else if !statement.isInBody {
            open = nil
            return statement.range
        }
        statement.range = statement.range.lowerBound..<token.range.upperBound
        statement.previous = .semicolon
        open = statement
        return nil
    }

    private func directive(_ token: Token) throws(ScriptError) -> Piece? {
        let comment = source.bytes[token.range]
        let offset = token.range.lowerBound
        guard comment.starts(with: Splitter.prefix) else {
            // `--migrator:backup` would otherwise be passed over without a word.
            if Splitter.resemblesDirective(comment) {
                throw source.error(
                    "malformed-directive", "a directive begins with \"-- migrator:\" to the letter",
                    hint: "write two dashes, one space, migrator and a colon", at: offset)
            }
            return nil
        }
        if let open {
            try checkClosed(open)
            throw source.error(
                "directive-inside-statement", "a directive stands inside a statement",
                hint: "end the statement before it with a semicolon", at: offset)
        }
        guard isFirstOfLine(offset) else {
            throw source.error(
                "directive-not-alone", "a directive must stand on a line of its own",
                hint: "move it to the next line", at: offset)
        }
        return .directive(offset: offset, rest: offset + Splitter.prefix.count..<token.range.upperBound)
    }

    /// `--migrator:backup`, `-- Migrator:backup`
    static func resemblesDirective(_ comment: ArraySlice<UInt8>) -> Bool {
        let bare = comment.drop { $0 == UInt8(ascii: "-") || Lexer.isSpace($0) }
        let name = prefix.dropFirst(3)
        return bare.count >= name.count && zip(bare, name).allSatisfy { $0 == $1 || $0 | 0x20 == $1 }
    }

    private func isFirstOfLine(_ offset: Int) -> Bool {
        var before = offset
        while before > 0, source.bytes[before - 1] == 0x20 || source.bytes[before - 1] == 0x09 { before -= 1 }
        guard before > 0 else { return true }
        let last = source.bytes[before - 1]
        // PostgreSQL takes a carriage return alone for the end of a line.
        return last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") && dialect == .postgresql
    }

    private mutating func take(_ token: Token) throws(ScriptError) {
        let offset = token.range.lowerBound
        if token.kind == .backslash {
            throw source.error(
                "psql-command", "\"\(firstLine(at: offset))\" is a command of psql, not SQL",
                hint: "scripts hold SQL only: use INSERT or COPY from a file of the server", at: offset)
        }
        if open == nil, dialect == .sqlite, source.bytes[offset] == UInt8(ascii: ".") {
            throw source.error(
                "sqlite-dot-command",
                "\"\(firstLine(at: offset))\" is a command of the sqlite3 shell, not SQL",
                hint: "scripts hold SQL only", at: offset)
        }
        var statement = open ?? OpenStatement(range: token.range)
        statement.range = statement.range.lowerBound..<token.range.upperBound
        switch token.kind {
        case .leftParenthesis:
            if statement.parentheses == 0 { statement.parenthesis = offset }
            statement.parentheses += 1
        case .rightParenthesis: statement.parentheses = max(0, statement.parentheses - 1)
        default: break
        }
        statement.take(token.kind == .word ? source.keyword(token.range) : nil, dialect: dialect)
        open = statement
        if statement.kind == .copyFromClient {
            throw source.error(
                "copy-data", "COPY ... FROM STDIN needs data that a script cannot carry",
                hint: "write the rows as INSERT statements", at: statement.range.lowerBound)
        }
    }

    private func checkClosed(_ statement: OpenStatement) throws(ScriptError) {
        if statement.parentheses > 0 { throw unclosedParenthesis(statement) }
        guard statement.isInBody else { return }
        throw source.error(
            "unterminated-body", "the body of a \(dialect == .sqlite ? "trigger" : "routine") is not closed",
            hint: "end its last statement with a semicolon, then write END;", at: statement.range.lowerBound)
    }

    private func unclosedParenthesis(_ statement: OpenStatement) -> ScriptError {
        source.error(
            "unclosed-parenthesis", "a parenthesis is not closed before the statement's end",
            hint: "close it with )",
            at: statement.parenthesis)
    }

    private func firstLine(at offset: Int) -> String {
        var end = source.bytes[offset...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? source.bytes.count
        if end - offset > 40 {
            end = offset + 40
            // Not in the middle of a character.
            while source.bytes[end] & 0xC0 == 0x80 { end -= 1 }
        }
        return source.text(offset..<end)
    }
}
