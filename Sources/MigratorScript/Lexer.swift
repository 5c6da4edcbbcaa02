/// A piece of a script: what it is and which bytes it takes.
struct Token: Equatable {
    enum Kind: Equatable {
        /// A keyword or an unquoted identifier.
        case word
        case quotedIdentifier
        /// Every kind of string constant, dollar-quoted ones too.
        case string
        case number
        case semicolon
        case leftParenthesis
        case rightParenthesis
        case lineComment
        case blockComment
        /// A backslash outside of quotes: a psql command.
        case backslash
        case other
    }

    var kind: Kind
    var range: Range<Int>

    var isComment: Bool { kind == .lineComment || kind == .blockComment }
}

/// Cuts the bytes of a script into tokens, in either dialect.
/// Source: PostgreSQL manual, 4.1 "Lexical Structure"; SQLite, "SQLite Keywords" and tokenize.c's documentation.
struct Lexer {
    let source: SourceText
    let dialect: Dialect
    private var position: Int
    private let end: Int

    /// - Parameter range: the bytes to read, where not all; it must not cut a token.
    init(_ source: SourceText, dialect: Dialect, range: Range<Int>? = nil) {
        self.source = source
        self.dialect = dialect
        position = range?.lowerBound ?? 0
        end = range?.upperBound ?? source.bytes.count
    }

    mutating func next() throws(ScriptError) -> Token? {
        let bytes = source.bytes
        while position < end, Lexer.isSpace(bytes[position]) { position += 1 }
        guard position < end else { return nil }
        let start = position
        let kind = try kind(of: bytes[position])
        return Token(kind: kind, range: start..<position)
    }

    private mutating func kind(of byte: UInt8) throws(ScriptError) -> Token.Kind {
        let start = position
        switch byte {
        case UInt8(ascii: ";"): return single(.semicolon)
        case UInt8(ascii: "("): return single(.leftParenthesis)
        case UInt8(ascii: ")"): return single(.rightParenthesis)
        case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
            skipLine()
            return .lineComment
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
            try skipBlockComment()
            return .blockComment
        case UInt8(ascii: "'"):
            try skipQuoted(UInt8(ascii: "'"), escapes: false, code: "unterminated-quote", from: start)
            return .string
        case UInt8(ascii: "\""):
            try skipQuoted(UInt8(ascii: "\""), escapes: false, code: "unterminated-identifier", from: start)
            return .quotedIdentifier
        case UInt8(ascii: "`") where dialect == .sqlite:
            try skipQuoted(UInt8(ascii: "`"), escapes: false, code: "unterminated-identifier", from: start)
            return .quotedIdentifier
        case UInt8(ascii: "[") where dialect == .sqlite:
            try skipBracketed()
            return .quotedIdentifier
        case UInt8(ascii: "$") where dialect == .postgresql:
            return try skipDollar()
        case UInt8(ascii: "\\") where dialect == .postgresql: return single(.backslash)
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            skipNumber()
            return .number
        default:
            return Lexer.startsWord(byte) ? try word(from: start) : single(.other)
        }
    }

    /// To the end of the line. A carriage return before the line feed is no part of it; one that stands alone ends
    /// the line in PostgreSQL, not in SQLite.
    private mutating func skipLine() {
        let start = position
        while let byte = peek(0), byte != UInt8(ascii: "\n") {
            if byte == UInt8(ascii: "\r"), dialect == .postgresql { return }
            position += 1
        }
        while position > start, source.bytes[position - 1] == UInt8(ascii: "\r") { position -= 1 }
    }

    /// In PostgreSQL a number may be followed by a dollar quote at once.
    private mutating func skipNumber() {
        while let byte = peek(0), Lexer.isWord(byte) || byte == UInt8(ascii: ".") {
            if byte == UInt8(ascii: "$"), dialect == .postgresql { return }
            position += 1
        }
    }

    private func peek(_ distance: Int) -> UInt8? {
        let index = position + distance
        return index < end ? source.bytes[index] : nil
    }

    private mutating func single(_ kind: Token.Kind) -> Token.Kind {
        position += 1
        return kind
    }

    /// A word, or the string constant that a prefix such as `E` or `U&` opens.
    private mutating func word(from start: Int) throws(ScriptError) -> Token.Kind {
        while let byte = peek(0), Lexer.isWord(byte) { position += 1 }
        guard position - start == 1, let next = peek(0) else { return .word }
        let letter = source.bytes[start] | 0x20
        if next == UInt8(ascii: "'") {
            switch (dialect, letter) {
            case (.postgresql, UInt8(ascii: "e")):
                try skipQuoted(next, escapes: true, code: "unterminated-quote", from: start)
                return .string
            case (.postgresql, UInt8(ascii: "b")), (.postgresql, UInt8(ascii: "n")), (_, UInt8(ascii: "x")):
                try skipQuoted(next, escapes: false, code: "unterminated-quote", from: start)
                return .string
            default: return .word
            }
        }
        if dialect == .postgresql, letter == UInt8(ascii: "u"), next == UInt8(ascii: "&"),
            let quote = peek(1),
            quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
        {
            position += 1
            let isString = quote == UInt8(ascii: "'")
            try skipQuoted(
                quote, escapes: false, code: isString ? "unterminated-quote" : "unterminated-identifier",
                from: start)
            return isString ? .string : .quotedIdentifier
        }
        return .word
    }

    /// Moves behind the closing quote; a doubled quote stands for itself.
    private mutating func skipQuoted(
        _ quote: UInt8, escapes: Bool, code: String, from start: Int
    ) throws(ScriptError) {
        position += 1
        while let byte = peek(0) {
            if escapes && byte == UInt8(ascii: "\\") {
                position += 2
            } else if byte == quote {
                position += 1
                if peek(0) == quote {
                    position += 1
                } else if !escapes || !skipToContinuation() {
                    return
                }
            } else {
                position += 1
            }
        }
        throw source.error(
            code,
            code == "unterminated-quote"
                ? "a quoted string is not closed" : "a quoted identifier is not closed",
            hint: "close it with \(Character(Unicode.Scalar(quote)))", at: start)
    }

    /// Moves behind the quote that carries an escape string on: one on a later line with nothing but comments
    /// between, whose text has escapes too though it has no E of its own.
    /// Source: PostgreSQL manual, 4.1.2.1, and scan.l's `quotecontinue`.
    private mutating func skipToContinuation() -> Bool {
        let start = position
        var hasNewline = false
        while let byte = peek(0) {
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { hasNewline = true }
            if Lexer.isSpace(byte) {
                position += 1
            } else if byte == UInt8(ascii: "-"), peek(1) == UInt8(ascii: "-") {
                skipLine()
            } else if byte == UInt8(ascii: "'"), hasNewline {
                position += 1
                return true
            } else {
                break
            }
        }
        position = start
        return false
    }

    private mutating func skipBracketed() throws(ScriptError) {
        let start = position
        while let byte = peek(0) {
            position += 1
            if byte == UInt8(ascii: "]") { return }
        }
        throw source.error(
            "unterminated-identifier", "a quoted identifier is not closed", hint: "close it with ]", at: start
        )
    }

    /// PostgreSQL's block comments nest, SQLite's do not.
    private mutating func skipBlockComment() throws(ScriptError) {
        let start = position
        var depth = 0
        while let byte = peek(0) {
            if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*"), dialect == .postgresql || depth == 0 {
                depth += 1
                position += 2
            } else if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                depth -= 1
                position += 2
                if depth == 0 { return }
            } else {
                position += 1
            }
        }
        throw source.error(
            "unterminated-comment", "a block comment is not closed", hint: "close it with */", at: start)
    }

    /// `$tag$ ... $tag$`, or a parameter such as `$1`.
    private mutating func skipDollar() throws(ScriptError) -> Token.Kind {
        let start = position
        let bytes = source.bytes
        var tagEnd = position + 1
        if tagEnd < end, Lexer.startsWord(bytes[tagEnd]) {
            while tagEnd < end, Lexer.isWord(bytes[tagEnd]), bytes[tagEnd] != UInt8(ascii: "$") {
                tagEnd += 1
            }
        }
        guard tagEnd < end, bytes[tagEnd] == UInt8(ascii: "$") else {
            position += 1
            while let byte = peek(0), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
            return .other
        }
        let tag = bytes[start...tagEnd]
        position = tagEnd + 1
        while position + tag.count <= end {
            if bytes[position] == UInt8(ascii: "$"), bytes[position..<position + tag.count] == tag {
                position += tag.count
                return .string
            }
            position += 1
        }
        throw source.error(
            "unterminated-dollar-quote", "the dollar quote \(source.text(start..<tagEnd + 1)) is not closed",
            hint: "close it with \(source.text(start..<tagEnd + 1))", at: start)
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    static func startsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            0x80...0xFF:
            true
        default: false
        }
    }

    static func isWord(_ byte: UInt8) -> Bool {
        startsWord(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "$")
    }
}
