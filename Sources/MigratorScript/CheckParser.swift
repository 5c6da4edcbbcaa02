/// Turns the pieces of a `.check.sql` file into scenarios and named queries.
struct CheckParser {
    static let directives = [
        "check", "size", "scenario", "through", "given", "expect", "verify", "query", "parameters", "before",
    ]

    private let source: SourceText
    private let dialect: Dialect
    private let pieces: [Splitter.Piece]
    private var position = 0
    private var result: CheckFile
    private var isHeaded = false
    private var place = Place.header

    private enum Place { case header, scenario, query }

    init(source: SourceText, dialect: Dialect) throws(ScriptError) {
        self.source = source
        self.dialect = dialect
        var splitter = Splitter(source, dialect: dialect)
        pieces = try splitter.pieces()
        result = CheckFile(location: ScriptLocation(file: source.file, line: 1), revision: "")
    }

    mutating func file() throws(ScriptError) -> CheckFile {
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
        guard isHeaded else {
            throw source.error(
                "missing-header", "the file has no \"-- migrator:check\"",
                hint: "begin it with -- migrator:check REVISION", at: 0)
        }
        for scenario in result.scenarios where !scenario.steps.contains(where: \.isAssertion) {
            throw ScriptError(
                code: "empty-scenario", message: "the scenario \"\(scenario.title)\" asserts nothing",
                hint: "add -- migrator:expect TITLE and a SELECT that must yield true", location: scenario.location)
        }
        return result
    }

    private mutating func take(_ range: Range<Int>) throws(ScriptError) {
        guard place == .scenario, let index = result.scenarios.indices.last else {
            throw source.error(
                "statement-outside-section", "a statement stands outside of a scenario",
                hint: "put it below -- migrator:scenario TITLE", at: range.lowerBound)
        }
        let words = Words(source, range, dialect: dialect, limit: StatementTraits.transactionWords)
        guard !StatementTraits.controlsTransaction(words) else {
            throw source.error(
                "transaction-control", "a scenario does not begin or end transactions itself",
                hint: "take the statement away: all of it is rolled back", at: range.lowerBound)
        }
        result.scenarios[index].steps.append(.statement(statement(range)))
    }

    private func statement(_ range: Range<Int>) -> Statement {
        Statement(
            text: source.text(range), location: source.location(range.lowerBound),
            offset: range.lowerBound + source.skipped)
    }

    private mutating func nextQuery(after reader: DirectiveReader, _ name: String) throws(ScriptError) -> Statement {
        guard position < pieces.count, case .statement(let range) = pieces[position] else {
            throw reader.error(
                "missing-statement", "\"\(name)\" must be followed by its SELECT",
                hint: "write the statement on the next line")
        }
        position += 1
        let statement = statement(range)
        guard StatementTraits(statement, dialect: dialect).isQuery else {
            throw source.error(
                "not-a-query", "the statement of \"\(name)\" must be a SELECT", hint: "write a SELECT",
                at: range.lowerBound)
        }
        return statement
    }

    // MARK: Directives

    private mutating func directive(_ reader: inout DirectiveReader) throws(ScriptError) {
        let name = reader.word()
        guard Self.directives.contains(name) else {
            throw reader.error(
                "unknown-directive", "there is no directive \"\(name)\" in a check file",
                hint: suggestion(for: name, among: Self.directives)
                    ?? "there are: " + Self.directives.joined(separator: ", "))
        }
        guard isHeaded || name == "check" else {
            throw reader.error(
                "missing-header", "\"\(name)\" stands before \"-- migrator:check\"",
                hint: "begin the file with -- migrator:check REVISION")
        }
        switch name {
        case "check": try header(&reader)
        case "size": try size(&reader)
        case "scenario":
            result.scenarios.append(CheckFile.Scenario(title: try title(&reader, name), location: reader.location))
            place = .scenario
        case "query": try query(&reader)
        case "parameters", "before":
            throw reader.error(
                "misplaced-directive", "\"\(name)\" belongs to a query",
                hint: "write it below -- migrator:query NAME")
        default: try scenarioDirective(name, &reader)
        }
    }

    private mutating func header(_ reader: inout DirectiveReader) throws(ScriptError) {
        guard !isHeaded else {
            throw reader.error("duplicate-directive", "\"check\" stands twice", hint: "take one away")
        }
        let revision = reader.word()
        try reader.finish("check")
        let name = source.file.split(separator: "/").last.map(String.init) ?? source.file
        let stem = name.hasSuffix(".check.sql") ? String(name.dropLast(10)) : name
        guard !revision.isEmpty, stem == revision || stem.hasPrefix(revision + "_") else {
            throw reader.error(
                "header-mismatch",
                "the header says revision \"\(revision)\", the file's name says \"\(stem.prefix { $0 != "_" })\"",
                hint: "make them the same")
        }
        result.revision = revision
        isHeaded = true
    }

    private func title(_ reader: inout DirectiveReader, _ name: String) throws(ScriptError) -> String {
        let title = reader.rest()
        guard !title.isEmpty else {
            throw reader.error(
                "incomplete-directive", "\"\(name)\" has no title", hint: "say in a few words what it is")
        }
        return title
    }

    private mutating func scenarioDirective(_ name: String, _ reader: inout DirectiveReader) throws(ScriptError) {
        guard place == .scenario, let index = result.scenarios.indices.last else {
            throw reader.error(
                "misplaced-directive", "\"\(name)\" belongs to a scenario",
                hint: "write it below -- migrator:scenario TITLE")
        }
        if name == "through" || name == "given", !result.scenarios[index].steps.isEmpty {
            throw reader.error(
                "misplaced-directive", "\"\(name)\" stands below statements of its scenario", hint: "move it above them"
            )
        }
        if name == "through" {
            result.scenarios[index].through = try reader.table("the view's name")
            return try reader.finish(name)
        }
        let title = try title(&reader, name)
        let check = Check(title: title, query: try nextQuery(after: reader, name))
        switch name {
        case "given": result.scenarios[index].given.append(check)
        case "expect": result.scenarios[index].steps.append(.expect(check))
        default: result.scenarios[index].steps.append(.verify(check))
        }
    }

    private mutating func query(_ reader: inout DirectiveReader) throws(ScriptError) {
        let name = try title(&reader, "query")
        guard !result.queries.contains(where: { $0.name == name }) else {
            throw reader.error("duplicate-directive", "the query \"\(name)\" stands twice", hint: "rename one")
        }
        place = .query
        let after = try form(after: reader, "query")
        var before: CheckFile.Form?
        if let next = try nextDirective("before") { before = try form(after: next, "before") }
        result.queries.append(
            CheckFile.NamedQuery(name: name, location: reader.location, after: after, before: before))
    }

    private mutating func form(after reader: DirectiveReader, _ name: String) throws(ScriptError) -> CheckFile.Form {
        var parameters: Statement?
        if let next = try nextDirective("parameters") { parameters = try nextQuery(after: next, "parameters") }
        return CheckFile.Form(parameters: parameters, query: try nextQuery(after: reader, name))
    }

    /// The directive that stands next, where it is this one.
    private mutating func nextDirective(_ name: String) throws(ScriptError) -> DirectiveReader? {
        guard position < pieces.count, case .directive(let offset, let rest) = pieces[position] else { return nil }
        var reader = DirectiveReader(source: source, offset: offset, rest: rest)
        guard reader.word() == name else { return nil }
        try reader.finish(name)
        position += 1
        return reader
    }

    private mutating func size(_ reader: inout DirectiveReader) throws(ScriptError) {
        guard result.size == nil else {
            throw reader.error("duplicate-directive", "\"size\" stands twice", hint: "take one away")
        }
        var bound = CheckFile.SizeBound(growth: 1, plus: 0, location: reader.location)
        var isGiven = false
        while let option = try reader.optionName(allowed: ["growth", "plus"], directive: "size") {
            let word = reader.word()
            isGiven = true
            if option == "growth" {
                guard let growth = Double(word), growth >= 1, growth < 1000 else {
                    throw reader.error(
                        "malformed-directive", "\"\(word)\" is not a factor", hint: "write growth=1.5")
                }
                bound.growth = growth
            } else {
                guard let bytes = Self.bytes(word) else {
                    throw reader.error("malformed-directive", "\"\(word)\" is not a size", hint: "write plus=20MB")
                }
                bound.plus = bytes
            }
        }
        guard isGiven else {
            throw reader.error(
                "incomplete-directive", "\"size\" says no bound", hint: "write -- migrator:size growth=2 plus=20MB")
        }
        result.size = bound
    }

    /// `512kB`, `20MB`, `1GB`, or bytes.
    private static func bytes(_ text: String) -> Int? {
        let units = [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)]
        for (unit, factor) in units where text.hasSuffix(unit) {
            return Int(text.dropLast(2)).flatMap { $0 >= 0 && $0 < 1_000_000_000 ? $0 * factor : nil }
        }
        return Int(text).flatMap { $0 >= 0 ? $0 : nil }
    }
}

extension CheckFile.Step {
    fileprivate var isAssertion: Bool {
        if case .statement = self { false } else { true }
    }
}
