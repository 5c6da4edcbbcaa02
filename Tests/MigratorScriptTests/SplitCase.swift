import Testing

@testable import MigratorScript

/// A text and the statements that it holds, byte for byte.
struct SplitCase: CustomTestStringConvertible, Sendable {
    var text: String
    var statements: [String]
    var testDescription: String { String(reflecting: text) }

    init(_ text: String, _ statements: String...) {
        self.text = text
        self.statements = statements
    }
}

/// The statements of a text, and where each begins as line:column.
func split(_ bytes: [UInt8], _ dialect: Dialect) throws(ScriptError) -> [(text: String, place: String)] {
    let source = try SourceText(bytes, file: "f.sql")
    var splitter = Splitter(source, dialect: dialect)
    var statements: [(text: String, place: String)] = []
    for case .statement(let range) in try splitter.pieces() {
        let location = source.location(range.lowerBound)
        statements.append((source.text(range), "\(location.line):\(location.column)"))
    }
    return statements
}
