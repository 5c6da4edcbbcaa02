/// What is known of the statement that is being read: as much as tells where it ends.
struct OpenStatement {
    enum Kind {
        /// The words so far leave it open.
        case unknown
        /// SQLite's `EXPLAIN`, before a statement.
        case explained
        case created
        case plain
        /// PostgreSQL's `CREATE RULE ... DO (a; b)`.
        case rule
        /// PostgreSQL's `CREATE FUNCTION` or `PROCEDURE`, which may have a body `BEGIN ATOMIC ... END`.
        case routine
        /// SQLite's `CREATE TRIGGER`.
        case trigger
        case copy
        case copyFromClient
    }

    /// The words that matter.
    enum Keyword {
        case create, or, replace, temp, temporary, function, procedure, rule, trigger, copy
        case begin, atomic, end, from, stdin, explain, query, plan
    }

    /// What stood before, as far as it matters.
    enum Previous {
        case other, semicolon, begin, atomic, from
    }

    var range: Range<Int>
    var kind = Kind.unknown
    var parentheses = 0
    /// Where the outermost open one stands.
    var parenthesis = 0
    var isInBody = false
    var previous = Previous.other

    init(range: Range<Int>) { self.range = range }

    /// - Parameter keyword: nil for what is no word, or none that matters.
    mutating func take(_ keyword: Keyword?, dialect: Dialect) {
        switch kind {
        case .unknown:
            switch keyword {
            case .create: kind = .created
            case .copy: kind = dialect == .postgresql ? .copy : .plain
            case .explain: kind = dialect == .sqlite ? .explained : .plain
            default: kind = .plain
            }
        case .explained:
            switch keyword {
            case .create: kind = .created
            case .query, .plan: break
            default: kind = .plain
            }
        case .created: takeKind(keyword, dialect: dialect)
        case .routine, .trigger: takeBody(keyword)
        case .copy: takeCopy(keyword)
        case .plain, .rule, .copyFromClient: break
        }
    }

    private mutating func takeKind(_ keyword: Keyword?, dialect: Dialect) {
        switch (dialect, keyword) {
        case (.postgresql, .or), (.postgresql, .replace), (.sqlite, .temp), (.sqlite, .temporary): break
        case (.postgresql, .function), (.postgresql, .procedure): kind = .routine
        case (.postgresql, .rule): kind = .rule
        case (.sqlite, .trigger): kind = .trigger
        default: kind = .plain
        }
    }

    /// The END that closes a body follows a semicolon in both grammars, or ATOMIC where the body is empty. Another
    /// one belongs to a CASE, or is a name: a label in PostgreSQL (`AS end`), any name in SQLite.
    private mutating func takeBody(_ keyword: Keyword?) {
        let before = previous
        previous = .other
        guard parentheses == 0 else { return }
        if isInBody {
            if keyword == .end, before != .other { isInBody = false }
            return
        }
        switch keyword {
        case .begin where kind == .trigger: isInBody = true
        case .begin: previous = .begin
        case .atomic where before == .begin && kind == .routine:
            isInBody = true
            previous = .atomic
        default: break
        }
    }

    private mutating func takeCopy(_ keyword: Keyword?) {
        let before = previous
        previous = keyword == .from && parentheses == 0 ? .from : .other
        if keyword == .stdin, before == .from { kind = .copyFromClient }
    }
}

extension OpenStatement.Keyword {
    private static let byLength: [[(word: [UInt8], keyword: OpenStatement.Keyword)]] = {
        let all: [(String, OpenStatement.Keyword)] = [
            ("create", .create), ("or", .or), ("replace", .replace), ("temp", .temp),
            ("temporary", .temporary),
            ("function", .function), ("procedure", .procedure), ("rule", .rule), ("trigger", .trigger),
            ("copy", .copy), ("begin", .begin), ("atomic", .atomic), ("end", .end), ("from", .from),
            ("stdin", .stdin), ("explain", .explain), ("query", .query), ("plan", .plan),
        ]
        var table: [[(word: [UInt8], keyword: OpenStatement.Keyword)]] = Array(repeating: [], count: 10)
        for (word, keyword) in all { table[word.utf8.count].append((Array(word.utf8), keyword)) }
        return table
    }()

    /// The keyword that these bytes spell, in whichever case; compared in place, since every word comes by here.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count < Self.byLength.count else { return nil }
        for (word, keyword) in Self.byLength[bytes.count]
        where zip(bytes, word).allSatisfy({ $0 | 0x20 == $1 }) {
            self = keyword
            return
        }
        return nil
    }
}

extension SourceText {
    func keyword(_ range: Range<Int>) -> OpenStatement.Keyword? { OpenStatement.Keyword(bytes[range]) }
}
