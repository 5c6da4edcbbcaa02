import Foundation
import MigratorTestSupport
import Testing

@testable import MigratorScript

/// The splitter against PostgreSQL's own parser, wherever that accepts the text. `scripts/test` fetches the parser (PyPI:
/// pglast) and names its folder in `MIGRATOR_TEST_PARSER`.
@Suite struct SplitterOracleTests {
    private static let parser = ProcessInfo.processInfo.environment["MIGRATOR_TEST_PARSER"]

    private struct Example: Encodable {
        var text: String
        var statements: [String]
    }

    private struct Verdict: Decodable {
        var accepted: Int
        var statements: Int
        var refused: [String]
        var differences: [String]
    }

    private func judge(_ examples: [Example]) throws -> Verdict {
        var environment = ProcessInfo.processInfo.environment
        environment["PYTHONPATH"] = Self.parser
        environment["PYTHONIOENCODING"] = "utf-8"
        let result = try run(
            "python3", [MigratorBinary.packageFolder + "/Tests/Fixtures/splitter/oracle.py"], environment: environment,
            standardInput: String(decoding: try JSONEncoder().encode(examples), as: UTF8.self))
        return try JSONDecoder().decode(Verdict.self, from: Data(result.checked().standardOutput.utf8))
    }

    private func statements(of text: String) throws -> [String] {
        let source = try SourceText(Array(text.utf8), file: "corpus.sql")
        var splitter = Splitter(source, dialect: .postgresql)
        return try splitter.pieces().compactMap { piece in
            if case .statement(let range) = piece { source.text(range) } else { nil }
        }
    }

    @Test(.enabled(if: parser != nil)) func `Statements are those of PostgreSQL's parser`() throws {
        let verdict = try judge(
            SplitterCorpus.texts.map { Example(text: $0, statements: try statements(of: $0)) })
        #expect(verdict.differences.isEmpty, "\(verdict.differences.prefix(10).joined(separator: "\n"))")
        #expect(
            verdict.statements >= 500 && verdict.refused.count < verdict.accepted / 10, "\(verdict.refused.prefix(20))")
        print("splitter: \(verdict.accepted) texts, \(verdict.statements) statements, \(verdict.refused.count) refused")
    }

    /// The comparison finds what it is made for.
    @Test(.enabled(if: parser != nil)) func `A statement that is cut elsewhere is found`() throws {
        let verdict = try judge([
            Example(text: "SELECT ';'; SELECT 2", statements: ["SELECT '", "'", "SELECT 2"]),
            Example(text: "SELECT 1; SELECT 2", statements: ["SELECT 1; SELECT 2"]),
            Example(text: "SELECT 1 + 2", statements: ["SELECT 1"]),
            Example(text: "SELECT /* a */ 1 -- b", statements: ["SELECT /* a */ 1"]),
        ])
        #expect(verdict.accepted == 4 && verdict.differences.count == 3, "\(verdict.differences)")
    }
}
