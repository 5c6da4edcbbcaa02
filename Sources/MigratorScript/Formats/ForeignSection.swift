/// A section of another tool's script as this tool's items, and as the text that this tool would have for it.
struct ForeignSection {
    private(set) var section = Section()
    private(set) var text = ""

    /// What becomes of one piece.
    private enum Role {
        case plain
        case boundary(TransactionBoundary)
        /// What this tool does by itself.
        case omitted
    }

    private let source: SourceText
    private let dialect: Dialect
    private let isTransactional: Bool
    private let pieces: [Splitter.Piece]
    private var roles: [Role] = []

    init(
        _ part: ForeignPart, _ direction: ScriptParser.Direction, dialect: Dialect, format: ScriptFormat
    ) throws(ScriptError) {
        source = part.source
        self.dialect = dialect
        isTransactional = part.isTransactional
        var splitter = Splitter(source, dialect: dialect, range: part.range)
        pieces = try splitter.pieces()
        roles = try classified()
        section = try parsed(direction, format)
        write(part.range)
    }

    // MARK: Transactions

    /// What begins and ends transactions becomes their boundaries; one pair around everything is this tool's own.
    private func classified() throws(ScriptError) -> [Role] {
        var roles: [Role] = []
        var statements: [Int] = []
        var open: Int?
        var boundaries: [Int] = []
        for (index, piece) in pieces.enumerated() {
            guard case .statement(let range) = piece else {
                roles.append(.plain)
                continue
            }
            statements.append(index)
            let words = Words(source, range, dialect: dialect, limit: StatementTraits.transactionWords)
            guard StatementTraits.controlsTransaction(words) else {
                roles.append(isKeySwitch(range) && (isTransactional || open != nil) ? .omitted : .plain)
                continue
            }
            switch words.word(0) {
            case "begin", "start":
                roles.append(open == nil ? .boundary(.begin) : .omitted)
                if open == nil { boundaries.append(index) }
                open = open ?? range.lowerBound
            case "commit" where words.word(1) != "prepared", "end":
                roles.append(.boundary(.commit))
                boundaries.append(index)
                open = nil
            default:
                throw source.error(
                    "transaction-control", "the script rolls a transaction back, or prepares one",
                    hint: "take the statement away: what fails is rolled back by itself", at: range.lowerBound)
            }
        }
        if let open {
            throw source.error(
                "unclosed-transaction", "the transaction that begins here is never committed",
                hint: "add COMMIT; at its end, or take BEGIN away", at: open)
        }
        if isTransactional, let first = statements.first, let last = statements.last, first != last,
            boundaries == [first, last]
        {
            roles[first] = .omitted
            roles[last] = .omitted
        }
        return roles
    }

    /// SQLite's `PRAGMA foreign_keys`, which does nothing in a transaction: keys are checked when it ends.
    private func isKeySwitch(_ range: Range<Int>) -> Bool {
        guard dialect == .sqlite else { return false }
        var words = Words(source, range, dialect: dialect, limit: 6).cursor
        return words.take("pragma") && words.parts().last == "foreign_keys"
    }

    // MARK: Items

    private func parsed(_ direction: ScriptParser.Direction, _ format: ScriptFormat) throws(ScriptError) -> Section {
        var parser = ScriptParser(section: direction, of: source, dialect: dialect, pieces: pieces)
        while parser.position < pieces.count {
            let index = parser.position
            parser.position += 1
            switch (pieces[index], roles[index]) {
            case (_, .omitted): continue
            case (.statement(let range), .boundary(let boundary)):
                parser.add(.transaction(boundary), at: range.lowerBound)
            case (.statement(let range), .plain):
                parser.add(.statement(try parser.statement(range)), at: range.lowerBound)
            case (.directive(let offset, let rest), _):
                var reader = DirectiveReader(source: source, offset: offset, rest: rest)
                let name = DirectiveReader(source: source, offset: offset, rest: rest).firstWord
                guard !(ScriptParser.headerDirectives + ScriptParser.sectionDirectives).contains(name) else {
                    throw reader.error(
                        "misplaced-directive", "\"\(name)\" has no place in a script of \(format.rawValue)",
                        hint: "say it as \(format.rawValue) says it, or convert the folder with `migrator import`")
                }
                try parser.directive(&reader)
            }
        }
        let items = parser.items
        try parser.closeSection(at: source.bytes.count)
        return Section(items: items)
    }

    // MARK: Text

    /// The author's text with his comments, each statement ended by a semicolon.
    private mutating func write(_ range: Range<Int>) {
        var end = range.lowerBound
        for (piece, role) in zip(pieces, roles) {
            switch piece {
            case .statement(let range):
                writeGap(end..<range.lowerBound)
                switch role {
                case .plain: text += source.text(range) + ";"
                case .boundary(let boundary): writeLine("-- migrator:\(boundary.rawValue)")
                case .omitted: writeLine("-- left to migrator: \(oneLine(range))")
                }
                end = range.upperBound
            case .directive(let offset, let rest):
                writeGap(end..<offset)
                writeLine(source.text(offset..<rest.upperBound))
                end = rest.upperBound
            }
        }
        writeGap(end..<range.upperBound)
        text = text.withUnixLines.trimmedLines
    }

    private mutating func writeLine(_ line: String) {
        if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
        text += line + "\n"
    }

    private func oneLine(_ range: Range<Int>) -> String {
        source.text(range).split { $0.isNewline }.joined(separator: " ")
    }

    /// What lies between two statements: comments, and semicolons that are left out, as are the tool's own marks.
    private mutating func writeGap(_ range: Range<Int>) {
        var lexer = Lexer(source, dialect: dialect, range: range)
        var end = range.lowerBound
        while let token = try? lexer.next() {
            text += source.text(end..<token.range.lowerBound)
            end = token.range.upperBound
            if token.isComment, !isMark(token.range) { text += source.text(token.range) }
        }
        text += source.text(end..<range.upperBound)
    }

    private func isMark(_ range: Range<Int>) -> Bool {
        guard let comment = source.comment(range) else { return false }
        return comment.hasPrefix("+goose") || comment.hasPrefix("migrate:")
    }
}

extension DirectiveReader {
    fileprivate var firstWord: String {
        var reader = self
        return reader.word()
    }
}

extension String {
    /// Line feeds at the ends of lines; a carriage return that stands alone is text.
    fileprivate var withUnixLines: String {
        guard utf8.contains(UInt8(ascii: "\r")) else { return self }
        var result: [UInt8] = []
        for byte in utf8 {
            if byte == UInt8(ascii: "\n") {
                while result.last == UInt8(ascii: "\r") { result.removeLast() }
            }
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Without empty lines at its ends.
    fileprivate var trimmedLines: String {
        var bytes = Array(utf8)[...]
        while let last = bytes.last, Lexer.isSpace(last) { bytes.removeLast() }
        while let first = bytes.first, first == UInt8(ascii: "\n") { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
