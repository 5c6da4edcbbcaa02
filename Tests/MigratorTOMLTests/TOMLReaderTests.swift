import Testing

@testable import MigratorTOML

/// Documents with what they say, after the TOML specification's own examples.
@Suite struct TOMLReaderTests {
    @Test(
        "a valid document is read",
        arguments: [
            ("", [:]),
            ("# nothing\r\n\t\n", [:]),
            ("a = 'x' # why\nb=\"y\"", ["a": "x", "b": "y"]),
            ("\"a b\".'c' . d_1-2 = \"x\"", ["a b/c/d_1-2": "x"]),
            ("a = \"\\u00e9\\U0001F600\\t\\\\\\\"\"", ["a": "é😀\t\\\""]),
            ("a = 'C:\\x'", ["a": "C:\\x"]),
            ("\u{FEFF}a = 'x'", ["a": "x"]),
            ("\u{FEFF}", [:]),
            ("a = \"\"\"\nx\\\n   y\n\"z\"\"\"\"\"", ["a": "xy\n\"z\"\""]),
            ("a = '''\r\nx\r\ny'''", ["a": "x\ny"]),
            ("a = \"\"", ["a": ""]),
            ("[a.b]\nc = 'x'\n[a]\nd = 'y'", ["a/b/c": "x", "a/d": "y"]),
            ("[a]\nb.c = 'x'\nb.d = 'y'\n[a.b.e]\nf = 'z'", ["a/b/c": "x", "a/b/d": "y", "a/b/e/f": "z"]),
            ("[ a . \"b\" ] # c\nd = 'x'", ["a/b/d": "x"]),
            ("a = { b = 'x', c.d = 'y' }\ne = {}", ["a/b": "x", "a/c/d": "y"]),
            ("[[a]]\nb = 'x'\n[[a]]\nb = 'y'\n[a.c]\nd = 'z'", ["a/0/b": "x", "a/1/b": "y", "a/1/c/d": "z"]),
            ("a = [ 'x', # one\n ['y'], {b = 'z'},\n]", ["a/0": "x", "a/1/0": "y", "a/2/b": "z"]),
            ("3.14 = 'pi'", ["3/14": "pi"]),
            ("\u{65E5} = 1", nil),
            ("\"\u{65E5}\" = '\u{65E5}'", ["\u{65E5}": "\u{65E5}"]),
        ] as [(String, [String: String]?)])
    func valid(document: String, texts: [String: String]?) throws {
        guard let texts else {
            #expect(throws: TOMLError.self) { try TOMLReader.read(document) }
            return
        }
        #expect(try TOMLReader.read(document).texts == texts)
    }

    @Test(
        "a number, a boolean, a date or a time is read",
        arguments: [
            "0", "+99", "-17", "1_000", "0xDEADbeef", "0o755", "0b1101", "3.14", "-0.01", "5e+22", "1E06", "6.6e-34",
            "9_224.5_1", "inf", "-inf", "+nan", "true", "false", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5-07:00",
            "1979-05-27t07:32:00", "1979-05-27", "07:32:00", "00:32:00.999999", "2000-02-29",
        ])
    func literal(text: String) throws {
        #expect(try TOMLReader.read("a = \(text) # c")["a"] == .literal(text))
    }

    @Test(
        "an invalid document is refused where it is wrong",
        arguments: [
            ("a = 1\nb = [", 2, 6), ("a", 1, 2), ("a =", 1, 4), ("= 1", 1, 1), ("a = 1 b = 2", 1, 7), ("a = \"x", 1, 7),
            ("a = 'x\ny'", 1, 7), ("a = \"\\x\"", 1, 6), ("a = \"\\uD800\"", 1, 6), ("a = \"\"\"x\"\"", 1, 11),
            ("a = 1\na = 2", 2, 1), ("[a]\n[a]", 2, 2), ("a = 1\n[a]", 2, 2), ("a = 1\na.b = 2", 2, 1),
            ("[a]\nb.c = 1\n[a.b]", 3, 4), ("[a.b]\nc = 1\n[a]\nb.d = 1", 4, 1), ("a = {b = 1}\na.c = 1", 2, 1),
            ("a = {b = 1}\n[a.c]", 2, 2), ("a = []\n[[a]]", 2, 3), ("[[a]]\n[a]", 2, 2), ("[a", 1, 3), ("[[a]", 1, 5),
            ("[]", 1, 2), ("[a.]", 1, 4), ("a = {b = 1,}", 1, 12), ("a = {b = 1\n}", 1, 11), ("a = [1 2]", 1, 8),
            ("\"\"\"a\"\"\" = 1", 1, 1), ("a = 01", 1, 5), ("a = 1__0", 1, 5), ("a = _1", 1, 5), ("a = 1.", 1, 5),
            ("a = .5", 1, 5), ("a = 1.e5", 1, 5), ("a = 0x", 1, 5), ("a = +0x1", 1, 5), ("a = TRUE", 1, 5),
            ("a = x", 1, 5), ("a = 1979-13-01", 1, 5), ("a = 1979-02-29", 1, 5), ("a = 25:00:00", 1, 5),
            ("a = 07:32", 1, 5), ("a = 07:32:00Z", 1, 5), ("a = 1 # \u{1}", 1, 9), ("a = 1\r", 1, 7),
            ("  a = \n", 1, 7), ("\u{FEFF}a", 1, 2), (" \u{FEFF}a = 1", 1, 2),
        ])
    func invalid(document: String, line: Int, column: Int) {
        #expect {
            try TOMLReader.read(document)
        } throws: {
            ($0 as? TOMLError)?.place == TOMLPlace(line: line, column: column)
        }
    }

    @Test("nesting has a limit")
    func depth() {
        for document in [
            "a = " + String(repeating: "[", count: 100_000), String(repeating: "a.", count: 100_000) + "a = 1",
            String(repeating: "a = {", count: 100_000),
        ] {
            #expect(throws: TOMLError.self) { try TOMLReader.read(document) }
        }
    }

    @Test("a key knows its place")
    func places() throws {
        let table = try TOMLReader.read("a = 1\n  [b.c]\n\n  d = { e = 1 }\n")
        #expect(table.place(of: ["b", "c"]) == TOMLPlace(line: 2, column: 3))
        #expect(table.place(of: ["b", "c", "d"]) == TOMLPlace(line: 4, column: 3))
        #expect(table.place(of: ["b", "c", "d", "e"]) == TOMLPlace(line: 4, column: 9))
        #expect(table.place(of: ["b", "x"]) == nil)
    }
}

extension TOMLTable {
    /// The texts in it by their paths.
    fileprivate var texts: [String: String] { TOMLValue.table(self).texts("") }
}

extension TOMLValue {
    fileprivate func texts(_ path: String) -> [String: String] {
        func below(_ values: [(String, TOMLValue)]) -> [String: String] {
            values.reduce(into: [:]) { all, value in
                all.merge(value.1.texts(path.isEmpty ? value.0 : "\(path)/\(value.0)")) { first, _ in first }
            }
        }
        switch self {
        case .text(let text): return [path: text]
        case .literal: return [:]
        case .array(let values): return below(values.enumerated().map { ("\($0)", $1) })
        case .tables(let tables): return below(tables.enumerated().map { ("\($0)", .table($1)) })
        case .table(let table): return below(table.entries.map { ($0, $1.value) })
        }
    }
}
