import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// An unfinished upgrade is taken back, and that is interrupted in its turn.
@Suite struct TakeBackTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var dialect: Dialect
        var revision: String
        var strategy = ""
        var testDescription: String { "\(dialect.rawValue) \(revision) \(strategy)" }
    }

    static let cases = [
        Case(dialect: .postgresql, revision: "0002", strategy: "copy"),
        Case(dialect: .postgresql, revision: "0002", strategy: "rename"),
        Case(dialect: .postgresql, revision: "0003"), Case(dialect: .sqlite, revision: "0002"),
        Case(dialect: .sqlite, revision: "0003"),
    ]

    @Test(arguments: cases) func `a kill while it is taken back is mended by the same command`(_ example: Case) throws {
        let scripts = try ShippedScripts(strategy: example.strategy)
        func migrate(_ arguments: [String], on store: any Store, point: String? = nil) throws -> CommandResult {
            try EndToEndTests.migrate(
                arguments, on: store, environment: point.map { ["MIGRATOR_FAIL_POINT": $0] } ?? [:],
                migrations: scripts.path)
        }
        let below = example.revision == "0002" ? "0001" : "0002"
        let up = ["upgrade", example.revision, "--mode", "online"]
        let back = ["downgrade", below]
        let start = try example.dialect.makeStore()
        try migrate(["upgrade", "0001"], on: start).checked()
        try start.run(sampleMessages)
        try migrate(["upgrade", below], on: start).checked()
        let counted = try migrate(up, on: start.copy(), point: "count").checked()
        let commits = try FailPointTests.counts(in: counted.standardError).commits

        // Some that fall into all phases; the last ones are behind a cut-over.
        var interrupted = 0
        for commit in stride(from: 3, through: commits - 1, by: FailPointTests.isThorough ? 1 : max(commits / 4, 1)) {
            let unfinished = try start.copy()
            let killed = try migrate(up, on: unfinished, point: "kill@after-commit:\(commit)")
            try #require(killed.status == 128 + SIGKILL)
            let undisturbed = try unfinished.copy()
            try migrate(back, on: undisturbed).checked()
            let wanted = try undisturbed.state()
            var again = 1
            while true {
                let store = try unfinished.copy()
                let cut = try migrate(back, on: store, point: "kill@after-commit:\(again)")
                if cut.status == 0 { break }
                try #require(cut.status == 128 + SIGKILL, "\(commit), \(again): \(cut.standardError)")
                interrupted += 1
                let result = try migrate(back, on: store)
                #expect(result.status == 0, "\(commit), \(again): \(result.standardError)")
                #expect(try store.state() == wanted, "\(commit), \(again)")
                again += FailPointTests.isThorough ? 1 : 2
            }
        }
        #expect(interrupted > 3)
    }

    @Test(arguments: Dialect.allCases) func `a stamp does not forget what an unfinished upgrade has left`(
        _ dialect: Dialect
    ) throws {
        let store = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: store).checked()
        try store.run(sampleMessages)
        let killed = try migrate(
            ["upgrade", "0002", "--mode", "online"], on: store,
            environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:6"])
        try #require(killed.status == 128 + SIGKILL)
        for target in ["0001", "0002"] {
            let refused = try migrate(["stamp", target], on: store)
            #expect(refused.status == 4 && refused.errorCode == "unfinished", "\(target): \(refused.standardError)")
        }
        try migrate(["downgrade", "0001"], on: store).checked()
        try migrate(["stamp", "0002"], on: store).checked()
    }
}
