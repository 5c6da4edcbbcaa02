extension ScriptParser {
    /// The options of a directive that moves rows, as they were written.
    struct Options {
        var key: String?
        var view: TableName?
        var strategy: Strategy?
        var isSelect = false
        var on: [String]?
        var owner: String?
        var raise: Ensure.Raise?
        var yields: TableName?
    }

    /// `SOURCE -> TARGET`, or `A <-> B`.
    func ends(
        _ reader: inout DirectiveReader, _ directive: String
    ) throws(ScriptError) -> (source: TableName, target: TableName, isTwoWay: Bool) {
        let source = try reader.table("the source table")
        let isTwoWay = reader.take("<->")
        if isTwoWay && !["sync", "ensure"].contains(directive) {
            throw reader.error("malformed-directive", "only sync and ensure go two ways", hint: "write ->")
        }
        guard isTwoWay || reader.take("->") else {
            throw reader.error(
                "malformed-directive", "\"\(directive)\" needs SOURCE -> TARGET",
                hint: "write -- migrator:\(directive) \(source) -> TARGET ...")
        }
        return (source, try reader.table("the target table"), isTwoWay)
    }

    mutating func move(_ reader: inout DirectiveReader, _ directive: String) throws(ScriptError) -> Move {
        let (source, target, _) = try ends(&reader, directive)
        let allowed = directive == "switch" ? ["key", "view", "strategy", "mapping"] : ["key", "mapping"]
        let options = try options(&reader, directive, allowed: allowed, needed: ["key"])
        return Move(
            source: source, target: target, key: options.key ?? "", view: options.view,
            strategy: options.strategy,
            mapping: options.isSelect ? try nextStatement(after: reader, directive) : nil)
    }

    mutating func sync(_ reader: inout DirectiveReader) throws(ScriptError) -> Sync {
        let (source, target, isTwoWay) = try ends(&reader, "sync")
        let allowed = ["key", "mapping"] + (isTwoWay ? ["yields"] : [])
        let options = try options(
            &reader, "sync", allowed: allowed, needed: isTwoWay ? ["key", "yields"] : ["key"])
        let mapping = options.isSelect ? try nextStatement(after: reader, "sync") : nil
        var back: Sync.Back?
        if isTwoWay, let yields = options.yields {
            guard yields == source || yields == target else {
                throw reader.error(
                    "malformed-directive", "\"yields\" must name one of the two tables",
                    hint: "write yields=\(source) or yields=\(target)")
            }
            back = Sync.Back(yields: yields, mapping: try backMapping(options.isSelect))
        }
        return Sync(source: source, target: target, key: options.key ?? "", mapping: mapping, back: back)
    }

    /// `-- migrator:back` and the SELECT that leads back, where they stand next.
    private mutating func backMapping(_ isNeeded: Bool) throws(ScriptError) -> Statement? {
        if position < pieces.count, case .directive(let offset, let rest) = pieces[position] {
            var reader = DirectiveReader(source: source, offset: offset, rest: rest)
            if reader.word() == "back" {
                position += 1
                try reader.finish("back")
                return try nextStatement(after: reader, "back")
            }
            if isNeeded {
                throw reader.error(
                    "missing-statement", "the two-way directive before has no \"back\"",
                    hint: "add -- migrator:back and the SELECT that leads back")
            }
        } else if isNeeded {
            throw source.error(
                "missing-statement", "a two-way directive has no \"back\"",
                hint: "add -- migrator:back and the SELECT that leads back", at: source.bytes.count)
        }
        return nil
    }

    mutating func ensure(_ reader: inout DirectiveReader) throws(ScriptError) -> Ensure {
        let (source, target, isTwoWay) = try ends(&reader, "ensure")
        let options = try options(
            &reader, "ensure", allowed: ["on", "owner", "raise"] + (isTwoWay ? ["key"] : []),
            needed: isTwoWay ? ["on", "key"] : ["on"])
        let mapping = try nextStatement(after: reader, "ensure")
        var back: Ensure.Back?
        if isTwoWay, let key = options.key, let mapping = try backMapping(true) {
            back = Ensure.Back(key: key, mapping: mapping)
        }
        return Ensure(
            source: source, target: target, on: options.on ?? [], owner: options.owner, raise: options.raise,
            mapping: mapping, back: back)
    }

    func options(
        _ reader: inout DirectiveReader, _ directive: String, allowed: [String], needed: [String]
    ) throws(ScriptError) -> Options {
        var options = Options()
        var seen: Set<String> = []
        while let name = try reader.optionName(allowed: allowed, directive: directive) {
            guard seen.insert(name).inserted else {
                throw reader.error("duplicate-option", "\"\(name)\" stands twice", hint: "take one away")
            }
            switch name {
            case "key": options.key = try reader.identifier("the key column")
            case "owner": options.owner = try reader.identifier("the owner column")
            case "view": options.view = try reader.table("the view's name")
            case "yields": options.yields = try reader.table("the side that yields")
            case "on": options.on = try reader.identifiers()
            case "raise": options.raise = try raise(&reader)
            case "strategy":
                let word = reader.word()
                guard let strategy = Strategy(rawValue: word) else {
                    throw reader.error(
                        "malformed-directive", "\"\(word)\" is not a strategy",
                        hint: "write strategy=rename or strategy=copy")
                }
                options.strategy = strategy
            default:
                let word = reader.word()
                guard word == "select" || word == "name" else {
                    throw reader.error(
                        "malformed-directive", "\"\(word)\" is not a mapping",
                        hint: "write mapping=select or mapping=name")
                }
                options.isSelect = word == "select"
            }
        }
        if let missing = needed.first(where: { !seen.contains($0) }) {
            throw reader.error(
                "missing-option", "\"\(directive)\" needs \(missing)=",
                hint: "add \(missing)=... at the end of the line")
        }
        return options
    }

    /// `status(sent,delivered,read)`
    private func raise(_ reader: inout DirectiveReader) throws(ScriptError) -> Ensure.Raise {
        let column = try reader.identifier("the raised column")
        var order: [String] = []
        if reader.take("(") {
            repeat { order.append(try reader.identifier("a value")) } while reader.take(",")
        }
        guard order.count > 1, Set(order).count == order.count, reader.take(")") else {
            throw reader.error(
                "malformed-directive", "\"raise\" needs its values from lowest to highest",
                hint: "write raise=status(sent,delivered,read)")
        }
        return Ensure.Raise(column: column, order: order)
    }
}
