import MigratorPlan
import MigratorScript
import Testing

struct ChainCase: CustomTestStringConvertible, Sendable {
    /// Revision and parent; nil is base.
    var scripts: [(String, String?)]
    var code: String
    /// The file that the error points at.
    var file: String
    var testDescription: String { code + " " + scripts.map(\.0).joined(separator: ",") }

    init(_ code: String, _ file: String, _ scripts: [(String, String?)]) {
        self.code = code
        self.file = file
        self.scripts = scripts
    }
}

@Suite struct ChainTests {
    @Test(arguments: [
        ChainCase("duplicate-revision", "m/a.sql", [("a", nil), ("a", nil)]),
        ChainCase("duplicate-revision", "m/b.sql", [("a", nil), ("b", "a"), ("b", "b")]),
        ChainCase("missing-parent", "m/b.sql", [("a", nil), ("b", "x")]),
        ChainCase("missing-parent", "m/a.sql", [("a", "x")]),
        ChainCase("cycle", "m/a.sql", [("a", "a")]),
        ChainCase("cycle", "m/a.sql", [("a", "b"), ("b", "a")]),
        ChainCase("cycle", "m/b.sql", [("a", nil), ("b", "d"), ("c", "b"), ("d", "c")]),
        ChainCase("cycle", "m/c.sql", [("a", "b"), ("b", "c"), ("c", "d"), ("d", "c")]),
        ChainCase("multiple-heads", "m/c.sql", [("a", nil), ("b", "a"), ("c", "a")]),
        ChainCase("multiple-heads", "m/d.sql", [("a", nil), ("b", "a"), ("c", "b"), ("d", "a")]),
        ChainCase("multiple-bases", "m/b.sql", [("a", nil), ("b", nil)]),
        ChainCase("multiple-bases", "m/c.sql", [("a", nil), ("b", "a"), ("c", nil), ("d", "c")]),
    ])
    func `Scripts that are no line are refused with the file`(_ example: ChainCase) throws {
        let scripts = try example.scripts.map { try script($0.0, $0.1) }
        do throws(ChainError) {
            _ = try chain(scripts)
            Issue.record("accepted")
        } catch {
            #expect(error.code == example.code)
            #expect(error.location.file == example.file)
            #expect(!error.message.isEmpty && !error.hint.isEmpty)
        }
    }

    @Test func `What is wrong is named`() throws {
        func message(_ scripts: [Script]) -> String {
            do throws(ChainError) {
                _ = try chain(scripts)
                return ""
            } catch { return error.message }
        }
        #expect(
            message([try script("a", "b"), try script("b", "a")])
                == "revisions revise each other: a -> b -> a")
        #expect(
            message([try script("a"), try script("b", "a"), try script("c", "a")])
                == "there are 2 heads: \"b\" (m/b.sql), \"c\" (m/c.sql)")
        #expect(message([try script("a", "x")]) == "revision \"a\" revises \"x\", which no script has")
    }

    @Test func `The order of the files does not matter`() throws {
        let scripts = try line("d", "b", "c", "a")
        let turned = try chain(scripts.reversed())
        #expect(turned.scripts.map(\.revision) == ["d", "b", "c", "a"])
        #expect(
            turned.head?.revision == "a" && turned.position(of: "c") == 2 && turned.position(of: "x") == nil)
        #expect(try chain([]).head == nil)
    }

    @Test func `A graph lists branches, children before parents`() throws {
        let graph = try ScriptGraph([script("a"), script("b", "a"), script("c", "a"), script("d", "b")])
        #expect(graph.newestFirst.map(\.revision) == ["d", "b", "c", "a"])
        #expect(graph.heads.map(\.revision) == ["c", "d"])
        #expect(graph.bases.map(\.revision) == ["a"])
        #expect(graph.isHead("d") && !graph.isHead("b") && !graph.isHead("x"))
        #expect(graph.children(of: "a").map(\.revision) == ["b", "c"])
    }

    @Test func `A thousand scripts are one line`() throws {
        var scripts: [Script] = []
        for number in 1...1000 {
            scripts.append(try script("r\(number)", number == 1 ? nil : "r\(number - 1)"))
        }
        scripts.reverse()
        #expect(try chain(scripts).head?.revision == "r1000")
    }
}
