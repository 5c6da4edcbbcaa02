extension ScriptParser {
    static let headerDirectives = [
        "revision", "revises", "message", "mode", "transaction", "renames", "origin", "variables",
    ]
    static let sectionDirectives = ["upgrade", "downgrade", "irreversible"]
    static let itemDirectives = [
        "leftovers", "backup", "switch", "copy", "sync", "unsync", "ensure", "fill", "exceptions", "archive",
        "verify", "when", "end", "begin", "commit",
    ]

    mutating func directive(_ reader: inout DirectiveReader) throws(ScriptError) {
        let name = reader.word()
        switch name {
        case _ where Self.headerDirectives.contains(name): try headerDirective(name, &reader)
        case _ where Self.sectionDirectives.contains(name): try sectionDirective(name, &reader)
        case _ where Self.itemDirectives.contains(name): try itemDirective(name, &reader)
        case "back":
            throw reader.error(
                "misplaced-directive", "\"back\" must follow the mapping of a two-way sync",
                hint: "write it after the SELECT of sync A <-> B")
        default:
            let known = Self.headerDirectives + Self.sectionDirectives + Self.itemDirectives + ["back"]
            throw reader.error(
                "unknown-directive", "there is no directive \"\(name)\"",
                hint: suggestion(for: name, among: known) ?? "there are: " + known.joined(separator: ", "))
        }
    }

    // MARK: Header

    private mutating func headerDirective(_ name: String, _ reader: inout DirectiveReader) throws(ScriptError) {
        guard upgrade == nil, downgrade == nil, inSection == nil else {
            throw reader.error(
                "misplaced-directive", "\"\(name)\" belongs above the sections", hint: "move it to the top")
        }
        func once(_ isNew: Bool) throws(ScriptError) {
            if !isNew {
                throw reader.error("duplicate-directive", "\"\(name)\" stands twice", hint: "take one away")
            }
        }
        switch name {
        case "revision":
            try once(header.revision == nil)
            let revision = try revisionID(&reader, name)
            guard fitsFile(revision) else {
                throw reader.error(
                    "header-mismatch",
                    "the header says revision \"\(revision)\", the file's name says \"\(fileRevision)\"",
                    hint: "make them the same")
            }
            header.revision = revision
        case "revises":
            try once(header.revises == nil)
            let parent = try revisionID(&reader, name)
            header.revises = (parent == "base" ? nil : parent, reader.location)
        case "message":
            try once(header.message == nil)
            let message = reader.rest()
            guard !message.isEmpty else { throw reader.error("incomplete-directive", "the message is empty") }
            header.message = message
        case "mode":
            try once(header.mode == nil)
            let word = reader.word()
            guard let mode = MigrationMode(rawValue: word) else {
                throw reader.error(
                    "malformed-directive", "\"\(word)\" is not a mode",
                    hint: "write mode window or mode online")
            }
            header.mode = mode
        case "renames": header.renames += try renames(&reader)
        case "variables":
            try once(header.variables.isEmpty)
            header.variables = try variables(&reader)
        case "origin":
            try once(header.origin == nil)
            let word = reader.word()
            let version = reader.rest()
            guard let format = ScriptFormat(rawValue: word), format != .migrator, !version.isEmpty else {
                throw reader.error(
                    "malformed-directive", "\"origin\" needs a tool and the revision's name there",
                    hint: "for example -- migrator:origin golang-migrate 000001")
            }
            header.origin = ScriptOrigin(format: format, version: version)
        default:
            try once(header.isTransactional == nil)
            guard reader.word() == "off" else {
                throw reader.error(
                    "malformed-directive", "\"transaction\" takes only \"off\"", hint: "write transaction off"
                )
            }
            header.isTransactional = false
        }
        try reader.finish(name)
    }

    /// `OLD -> NEW [except LONGER LONGER], OLD -> NEW`; words are separated by white space, pairs by commas.
    private func renames(_ reader: inout DirectiveReader) throws(ScriptError) -> [DeclaredRename] {
        var renames: [DeclaredRename] = []
        for pair in reader.rest().split(separator: ",", omittingEmptySubsequences: false) {
            let words = pair.split(whereSeparator: \.isWhitespace).map(String.init)
            guard words.count == 3 || words.count > 4 && words[3] == "except", words[1] == "->" else {
                throw reader.error(
                    "malformed-directive", "\"renames\" needs OLD -> NEW",
                    hint: "for example -- migrator:renames DirectMessage -> Message, dm_ -> message_ except dm_id")
            }
            renames.append(DeclaredRename(old: words[0], new: words[2], exceptions: Array(words.dropFirst(4))))
        }
        return renames
    }

    private func revisionID(_ reader: inout DirectiveReader, _ name: String) throws(ScriptError) -> String {
        let id = reader.word()
        let isPlain = id.utf8.allSatisfy {
            Lexer.isWord($0) && $0 < 0x80 && $0 != UInt8(ascii: "$") || $0 == UInt8(ascii: ".")
        }
        guard !id.isEmpty, id.utf8.count <= 64, isPlain else {
            throw reader.error(
                "malformed-directive", "\"\(name)\" needs a revision id of letters, digits, _ and .",
                hint: "for example -- migrator:\(name) 0002")
        }
        if name == "revision", ["base", "head", "heads", "current"].contains(id) {
            throw reader.error(
                "malformed-directive", "\"\(id)\" is a target's name, not a revision id",
                hint: "choose another id")
        }
        return id
    }

    // MARK: Sections

    private mutating func sectionDirective(_ name: String, _ reader: inout DirectiveReader)
        throws(ScriptError)
    {
        try closeSection(at: reader.offset)
        let isTaken = name == "upgrade" ? upgrade != nil : downgrade != nil
        if isTaken {
            throw reader.error(
                "duplicate-directive", "the script has a second \"\(name)\"",
                hint: "a script has one upgrade, and one downgrade or irreversible")
        }
        switch name {
        case "upgrade": inSection = .upgrade
        case "downgrade": inSection = .downgrade
        default:
            let reason = reader.rest()
            guard !reason.isEmpty else {
                throw reader.error(
                    "incomplete-directive", "\"irreversible\" needs a reason",
                    hint: "say why it cannot be undone")
            }
            downgrade = .irreversible(reason: reason, location: reader.location)
        }
        try reader.finish(name)
    }

    // MARK: Items

    private mutating func itemDirective(_ name: String, _ reader: inout DirectiveReader) throws(ScriptError) {
        guard let section = inSection else {
            throw reader.error(
                "misplaced-directive", "\"\(name)\" stands before the first section",
                hint: "put it below -- migrator:upgrade")
        }
        let upgradeOnly = ["leftovers", "backup", "copy", "sync", "ensure", "fill", "exceptions"]
        if section == .downgrade && upgradeOnly.contains(name) || section == .upgrade && name == "archive" {
            throw reader.error(
                "misplaced-directive", "\"\(name)\" does not belong in the \(section.rawValue) section",
                hint: section == .upgrade ? "move it to the downgrade" : "move it to the upgrade")
        }
        let offset = reader.offset
        switch name {
        case "leftovers", "archive":
            let tables = try reader.tables()
            try reader.finish(name)
            add(name == "archive" ? .archive(tables) : .leftovers(tables), at: offset)
        case "backup":
            let table = try reader.table()
            try reader.finish(name)
            add(.backup(table), at: offset)
        case "switch", "copy":
            let move = try move(&reader, name)
            add(name == "switch" ? .switchTable(move) : .copy(move), at: offset)
        case "sync": add(.sync(try sync(&reader)), at: offset)
        case "unsync":
            let (source, target, _) = try ends(&reader, name)
            try reader.finish(name)
            add(.unsync(source: source, target: target), at: offset)
        case "ensure": add(.ensure(try ensure(&reader)), at: offset)
        case "fill", "exceptions":
            let table = try reader.table()
            let options = try options(&reader, name, allowed: ["key"], needed: ["key"])
            let mapping = try nextStatement(after: reader, name)
            let key = options.key ?? ""
            add(
                name == "fill"
                    ? .fill(Fill(table: table, key: key, mapping: mapping))
                    : .exceptions(Exceptions(table: table, key: key, mapping: mapping)), at: offset)
        case "verify":
            let title = reader.rest()
            guard !title.isEmpty else {
                throw reader.error(
                    "incomplete-directive", "\"verify\" needs a title",
                    hint: "say what holds when it is right")
            }
            add(.verify(Check(title: title, query: try nextStatement(after: reader, name))), at: offset)
        case "when":
            if let block {
                throw reader.error(
                    "nested-block", "\"when\" blocks do not nest",
                    hint: "close \"when \(block.condition)\" with -- migrator:end first")
            }
            block = (try condition(&reader, section), offset, [])
        case "begin", "commit":
            try reader.finish(name)
            if let block {
                throw reader.error(
                    "misplaced-directive", "\"\(name)\" stands in the block \"when \(block.condition)\"",
                    hint: "put it before or behind the block")
            }
            add(.transaction(name == "begin" ? .begin : .commit), at: offset)
        default:
            guard let closed = block else {
                throw reader.error("unopened-block", "\"end\" has no \"when\"", hint: "take it away")
            }
            try reader.finish(name)
            block = nil
            items.append(
                Item(location: source.location(closed.offset), action: .when(closed.condition, closed.items)))
        }
    }

    private func condition(_ reader: inout DirectiveReader, _ section: Direction) throws(ScriptError)
        -> Condition
    {
        let subject = reader.word()
        guard ["table", "column", "created"].contains(subject) else {
            throw reader.error(
                "malformed-directive", "\"when \(subject)\" is not understood",
                hint: "write when table T exists, when column T.C missing, or when created T.C")
        }
        let first = try reader.identifier("a table's name")
        var names = [first]
        while reader.take(".") { names.append(try reader.identifier("a name")) }
        func table(_ parts: ArraySlice<String>) -> TableName {
            parts.count > 1 ? TableName(schema: parts.first, parts.last ?? "") : TableName(parts.first ?? "")
        }
        if subject == "created" {
            guard section == .downgrade else {
                throw reader.error(
                    "misplaced-directive", "\"when created\" belongs in a downgrade",
                    hint: "ask \"exists\" or \"missing\"")
            }
            guard names.count <= 3 else {
                throw reader.error("malformed-directive", "a name has too many parts")
            }
            try reader.finish("when")
            return names.count == 1
                ? .created(TableName(first), column: nil)
                : .created(table(names.dropLast()[...]), column: names.last)
        }
        let state = reader.word()
        guard state == "exists" || state == "missing" else {
            throw reader.error(
                "malformed-directive", "\"when \(subject)\" ends with exists or missing",
                hint: "add one of them")
        }
        try reader.finish("when")
        if subject == "table" {
            guard names.count <= 2 else {
                throw reader.error("malformed-directive", "a table's name has at most two parts")
            }
            return .table(table(names[...]), exists: state == "exists")
        }
        guard names.count == 2 || names.count == 3 else {
            throw reader.error(
                "malformed-directive", "\"when column\" needs TABLE.COLUMN", hint: "name the column too")
        }
        return .column(table(names.dropLast()[...]), names.last ?? "", exists: state == "exists")
    }
}
