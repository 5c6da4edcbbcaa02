/// A variable that a script declares: `-- migrator:variables NAME OTHER=default`.
public struct DeclaredVariable: Sendable, Equatable {
    public var name: String
    /// What it is where no value is given; nil where one must be.
    public var defaultValue: String?
}

extension Script {
    /// The script with values in the places of its variables.
    /// - Throws: `ScriptError` where a variable that is used has no value, with its place.
    public func filled(with values: [String: String]) throws(ScriptError) -> Script {
        guard !variables.isEmpty else { return self }
        return try parsed(with: values)
    }
}

extension ScriptParser {
    /// `NAME`, `NAME=default`, `NAME='a default with spaces'`, separated by white space.
    func variables(_ reader: inout DirectiveReader) throws(ScriptError) -> [DeclaredVariable] {
        var variables: [DeclaredVariable] = []
        var rest = reader.rest()[...]
        func malformed(_ what: String) -> ScriptError {
            reader.error(
                "malformed-directive", what, hint: "for example -- migrator:variables TENANT LANGUAGE='en' SCHEMA=app")
        }
        while let first = rest.first {
            if first.isWhitespace {
                rest = rest.dropFirst()
                continue
            }
            let name = String(rest.prefix { $0 != "=" && !$0.isWhitespace })
            rest = rest.dropFirst(name.count)
            guard Self.isVariable(name) else {
                throw malformed("\"\(name)\" is not a variable's name: letters, digits and _")
            }
            guard !variables.contains(where: { $0.name == name }) else {
                throw malformed("the variable \"\(name)\" is declared twice")
            }
            var value: String?
            if rest.first == "=" {
                rest = rest.dropFirst()
                if let quote = rest.first, quote == "'" || quote == "\"" {
                    guard let end = rest.dropFirst().firstIndex(of: quote) else {
                        throw malformed("the default of \"\(name)\" does not end")
                    }
                    value = String(rest[..<end].dropFirst())
                    rest = rest[end...].dropFirst()
                } else {
                    value = String(rest.prefix { !$0.isWhitespace })
                    rest = rest.dropFirst(value?.count ?? 0)
                }
            }
            variables.append(DeclaredVariable(name: name, defaultValue: value))
        }
        guard !variables.isEmpty else { throw malformed("\"variables\" names none") }
        return variables
    }

    static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
        return name.utf8.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "$") && Lexer.isWord($0) }
    }

    /// A statement with its variables filled in where values are given; else as it is written, its variables checked.
    ///
    /// A variable stands for a whole literal or name, never for a part of one: within quotes it would be raw text.
    /// - Parameter isNeeded: false leaves the statement as it is written where a value is missing.
    func statement(_ range: Range<Int>, isNeeded: Bool = true) throws(ScriptError) -> Statement {
        var statement = Statement(
            text: source.text(range), location: source.location(range.lowerBound),
            offset: range.lowerBound + source.skipped)
        let uses = try header.variables.isEmpty ? [] : variableUses(in: range)
        guard let values, !uses.isEmpty else { return statement }
        if !isNeeded, uses.contains(where: { values[$0.variable.name] ?? $0.variable.defaultValue == nil }) {
            return statement
        }
        statement.written = statement.text
        var text = ""
        var position = range.lowerBound
        for use in uses {
            text += source.text(position..<use.range.lowerBound)
            let value = try use.text(values: values, dialect: dialect, source: source)
            statement.replacements.append(
                Statement.Replacement(
                    name: use.variable.name, value: values[use.variable.name] ?? use.variable.defaultValue ?? "",
                    start: text.unicodeScalars.count, length: value.unicodeScalars.count,
                    writtenLength: source.text(use.range).unicodeScalars.count))
            text += value
            position = use.range.upperBound
        }
        statement.text = text + source.text(position..<range.upperBound)
        return statement
    }

    /// Declared variables of a statement, in their order. What is not declared is text.
    private func variableUses(in range: Range<Int>) throws(ScriptError) -> [VariableUse] {
        var uses: [VariableUse] = []
        var lexer = Lexer(source, dialect: dialect, range: range)
        var quoted: [Range<Int>] = []
        var comments: [Range<Int>] = []
        while let token = try lexer.next() {
            if token.kind == .string || token.kind == .quotedIdentifier { quoted.append(token.range) }
            if token.isComment { comments.append(token.range) }
        }
        var position = range.lowerBound
        while position + 1 < range.upperBound {
            defer { position += 1 }
            guard source.bytes[position] == UInt8(ascii: "$"), source.bytes[position + 1] == UInt8(ascii: "{"),
                let end = source.bytes[position..<range.upperBound].firstIndex(of: UInt8(ascii: "}"))
            else { continue }
            let parts = source.text(position + 2..<end).split(separator: ":", omittingEmptySubsequences: false)
            guard let name = parts.first.map(String.init),
                let declared = header.variables.first(where: { $0.name == name }),
                !comments.contains(where: { $0.contains(position) })
            else { continue }
            let place = position..<end + 1
            guard !quoted.contains(where: { $0.contains(position) }) else {
                throw source.error(
                    "variable-in-quotes", "the variable \"\(name)\" stands within quotes",
                    hint: "take the quotes away: ${\(name)} is a literal, ${\(name):identifier} a quoted name",
                    at: position)
            }
            guard parts.count <= 2, let form = VariableUse.Form(rawValue: String(parts.dropFirst().first ?? "literal"))
            else {
                throw source.error(
                    "unknown-variable-form", "\"${\(source.text(position + 2..<end))}\" is not understood",
                    hint: "write ${\(name)}, ${\(name):identifier} or ${\(name):number}", at: position)
            }
            try refuseNeighbours(of: place, in: range, name: name)
            uses.append(VariableUse(variable: declared, form: form, range: place))
            position = end
        }
        return uses
    }

    /// `E${X}`, `a${X}` or `'a'${X}` would make one token of two.
    private func refuseNeighbours(of place: Range<Int>, in range: Range<Int>, name: String) throws(ScriptError) {
        func isGlued(_ byte: UInt8) -> Bool {
            Lexer.isWord(byte)
                || [UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "&"), UInt8(ascii: "`")].contains(byte)
        }
        let before = place.lowerBound > range.lowerBound ? source.bytes[place.lowerBound - 1] : nil
        let after = place.upperBound < range.upperBound ? source.bytes[place.upperBound] : nil
        let next = after == UInt8(ascii: "$") ? UInt8(ascii: "a") : after
        guard before.map(isGlued) ?? false || next.map(isGlued) ?? false else { return }
        throw source.error(
            "variable-glued", "the variable \"\(name)\" is a part of a word or a literal",
            hint: "let it stand by itself, and join texts with ||", at: place.lowerBound)
    }
}

/// A place where a variable stands.
struct VariableUse {
    enum Form: String { case literal, identifier, number }

    var variable: DeclaredVariable
    var form: Form
    var range: Range<Int>

    func text(values: [String: String], dialect: Dialect, source: SourceText) throws(ScriptError) -> String {
        guard let value = values[variable.name] ?? variable.defaultValue else {
            throw source.error(
                "variable-without-value", "the variable \"\(variable.name)\" has no value",
                hint: "give it with -x \(variable.name)=VALUE, or under [variables] in migrator.toml",
                at: range.lowerBound)
        }
        func unfit(_ reason: String) -> ScriptError {
            source.error(
                "variable-value", "the value of \"\(variable.name)\" \(reason)", hint: "give another with -x",
                at: range.lowerBound)
        }
        guard !value.utf8.contains(0) else { throw unfit("holds a NUL byte") }
        switch form {
        case .literal: return value.literal(dialect)
        case .identifier:
            guard !value.isEmpty else { throw unfit("is empty, and cannot be a name") }
            return "\"" + value.doubling("\"") + "\""
        case .number:
            let digits = value.hasPrefix("-") ? value.dropFirst() : value[...]
            let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count),
                parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } })
            else { throw unfit("is not a number") }
            // A minus behind a minus would begin a comment.
            return value.hasPrefix("-") ? "(\(value))" : value
        }
    }
}

extension String {
    /// With a backslash PostgreSQL has it as an escape string, whatever `standard_conforming_strings` says.
    fileprivate func literal(_ dialect: Dialect) -> String {
        let quoted = "'" + doubling("'") + "'"
        guard dialect == .postgresql, utf8.contains(UInt8(ascii: "\\")) else { return quoted }
        return " E" + quoted.doubling("\\")
    }

    fileprivate func doubling(_ character: Unicode.Scalar) -> String {
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            result.append(scalar)
            if scalar == character { result.append(scalar) }
        }
        return String(result)
    }
}

extension Script {
    /// What the ledger keeps of a value, which may be a secret: SHA-256 of revision, name and value, in hex.
    public static func digest(ofVariable name: String, value: String, revision: String) -> String {
        checksum(of: Array("\(revision)\u{0}\(name)\u{0}\(value)".utf8))
    }

    /// As `filled`, for what asks again what holds: statements that ran long ago need no values.
    public func filledForChecks(with values: [String: String]) throws(ScriptError) -> Script {
        guard !variables.isEmpty else { return self }
        return try parsed(with: values, isTolerant: true)
    }
}
