import MigratorPlan
import MigratorScript
import Testing

private func listed(_ range: String, current: String? = "0003") throws -> [String] {
    let list = RevisionList(try ScriptGraph(try line("0001", "0002", "0003", "0004", "0005")))
    return list.scripts[try HistoryRange(range).bounds(in: list, current: current)].map(\.revision)
}

@Suite struct HistoryRangeTests {
    @Test(
        arguments: [
            (":", 1...5), ("0002:", 2...5), (":0002", 1...2), ("0002:0004", 2...4), ("0004:0002", nil),
            ("base:", 1...5),
            ("base:base", nil), (":head", 1...5), ("head:", 5...5), ("head-1:", 4...5),
            ("0001+1:0005-1", 2...4),
            // As Alembic: before the colon -3 counts from the head, behind it +1 from the other end.
            ("-1:", 4...5), ("-3:current", 2...3), ("-1:current", nil), ("-9:", 1...5), (":-1", 1...4),
            (":-9", nil),
            ("0001:+1", 1...2), ("current:+1", 3...4), ("current:+9", 3...5), ("+2:", 2...5),
            ("current:", 3...5),
            (":current", 1...3), ("-99999999999:", 1...5), ("0001:+9223372036854775807", 1...5),
        ] as [(String, ClosedRange<Int>?)])
    func `A range takes both its ends`(_ range: String, _ expected: ClosedRange<Int>?) throws {
        #expect(try listed(range) == (expected.map { $0.map { "000\($0)" } } ?? []))
    }

    @Test func `Without a current revision, current is base`() throws {
        #expect(try listed(":current", current: nil) == [])
        #expect(try listed("current:0002", current: nil) == ["0001", "0002"])
    }

    @Test(arguments: [
        ("", "bad-range"), ("0001", "bad-range"), ("a:b:c", "bad-range"), ("9:", "unknown-revision"),
        (":000", "ambiguous-revision"), ("head+1:", "out-of-range"), ("base-1:", "out-of-range"),
    ])
    func `What is no range is refused`(_ range: String, _ code: String) throws {
        do {
            _ = try listed(range)
            Issue.record("accepted")
        } catch let error as PlanError {
            #expect(error.code == code)
        }
    }

    @Test func `Two heads are listed, and head names neither`() throws {
        let list = RevisionList(try ScriptGraph([script("a"), script("b", "a"), script("c", "a")]))
        #expect(list.scripts.map(\.revision) == ["a", "b", "c"])
        #expect(list.heads.map(\.revision) == ["b", "c"])
        #expect(throws: PlanError.self) { try list.index(of: "head") }
        #expect(try list.index(of: "c") == 2 && list.index(of: "base") == -1)
    }
}
