import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// Writers of old and new code beside each other, in connections of their own, while 0003 comes, goes and comes again.
@Suite(.serialized) struct SQLiteTwoWayWorkloadTests {
    @Test(arguments: ["wal", "delete"]) func `every acknowledged write of either side is on both`(
        _ journal: String
    ) throws {
        let store = try Self.makeStore(journal: journal)
        let workload = SQLiteTwoWayWorkload(4, path: store.path)
        for _ in 0..<2 {
            try Self.upgrade(store)
            workload.useNew(true)
            workload.await(100)
            // New code goes before its tables do.
            workload.useNew(false)
            try migrate(["downgrade", "0002", "--mode", "online"], on: store).checked()
        }
        try Self.upgrade(store)
        workload.useNew(true)
        workload.await(100)
        workload.stop()
        let faults = try workload.faults(in: store).filter { !$0.contains("the group message") }
        #expect(faults.isEmpty, "\(faults.count) faults: \(faults.prefix(10).joined(separator: "\n"))")
        let verified = try migrate(["verify"], on: store)
        #expect(verified.status == 0, "\(verified.standardOutput)\(verified.standardError)")
        let (old, new) = (workload.acknowledged(.old), workload.acknowledged(.new))
        #expect(old > 300 && new >= 300)
        print("two-way workload \(journal): \(old) old, \(new) new writes acknowledged, longest \(workload.longest)")
    }

    /// Without one of the triggers the comparison above finds what is missing.
    @Test(arguments: ["", "way-back"]) func `a trigger that is left out is noticed`(_ leftOut: String) throws {
        let store = try Self.makeStore(journal: "wal")
        try Self.upgrade(store, leavingOut: leftOut)
        let workload = SQLiteTwoWayWorkload(3, path: store.path)
        workload.useNew(true)
        workload.await(60)
        workload.stop()
        let faults = try workload.faults(in: store)
        #expect(faults.isEmpty == leftOut.isEmpty, "\(faults.prefix(5))")
        #expect((try migrate(["verify"], on: store).status == 0) == leftOut.isEmpty)
    }

    private static func makeStore(journal: String) throws -> SQLiteStore {
        let store = try SQLiteOnlineTests.makeStore(2000, journal: journal)
        try migrate(["upgrade", "0002", "--mode", "online"], on: store).checked()
        return store
    }

    private static func upgrade(_ store: SQLiteStore, leavingOut: String = "") throws {
        try migrate(
            ["upgrade", "0003", "--mode", "online", "--batch-target", "5ms"], on: store,
            environment: ["MIGRATOR_LEAVE_OUT": leavingOut]
        ).checked()
    }
}
