import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// What a downgrade archives before it drops the tables.
@Suite struct ArchiveTests {
    /// Online the archive and the end of the tables are transactions of their own, and a run may have been killed between
    /// them: new code that is still there then must not lose what it writes, nor what it changes.
    @Test(arguments: Dialect.allCases, ["UPDATE", "INSERT", ""])
    func `what is written between the archive and the end of the tables is archived`(
        _ dialect: Dialect, _ kind: String
    ) throws {
        let start = try dialect.makeStore()
        try migrate(["upgrade", "0001"], on: start).checked()
        try start.run(sampleMessages)
        try migrate(["upgrade", "head"], on: start).checked()
        let downgrade = ["downgrade", "0002", "--mode", "online"]
        let counted = try migrate(downgrade, on: start.copy(), environment: ["MIGRATOR_FAIL_POINT": "count"]).checked()
        let (_, commits) = try FailPointTests.counts(in: counted.standardError)
        let write =
            switch kind {
            case "UPDATE": "UPDATE enhanced_messages SET content = 'late' WHERE id = 4"
            case "INSERT":
                "INSERT INTO enhanced_messages (id, conversation_id, sender_id, content) SELECT 90, conversation_id, 1, 'late' FROM enhanced_messages WHERE id = 4"
            default: ""
            }
        var tried = 0
        for commit in 1...commits {
            let store = try start.copy()
            let killed = try migrate(
                downgrade, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:\(commit)"])
            #expect(killed.status == 128 + SIGKILL)
            let isBetween = ["enhanced_messages", "enhanced_messages_backup"].allSatisfy {
                (try? RoundTripTests.query("SELECT 1 FROM \($0) LIMIT 1", in: store)) != nil
            }
            guard isBetween else { continue }
            tried += 1
            if !write.isEmpty { try store.run(write) }
            try migrate(downgrade, on: store).checked()
            let kept = try RoundTripTests.query(
                "SELECT count(*) FROM enhanced_messages_backup WHERE content = 'late'", in: store)
            #expect(kept[0][0].asInt == (write.isEmpty ? 0 : 1), "after commit \(commit)")
            // Nothing is archived again that has not changed.
            let archives = try RoundTripTests.query(
                "SELECT count(*) FROM \(dialect == .sqlite ? "migrator_backup" : "migrator.backup") WHERE kind = 'archive' AND source = 'enhanced_messages'",
                in: store)
            #expect(archives[0][0].asInt == (write.isEmpty ? 1 : 2), "after commit \(commit)")
            #expect(try migrate(["backups", "verify"], on: store).status == 0)
        }
        #expect(tried > 0)
    }
}
