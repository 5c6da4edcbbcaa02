import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A database whose tables are filled by logical replication from another one.
@Suite struct SubscriptionTests {
    /// Two databases with the same rows; what is written to one comes to the other.
    final class Replication {
        let publisher: PostgreSQLStore
        let subscriber: PostgreSQLStore
        private let name: String

        init(from publisher: PostgreSQLStore, to subscriber: PostgreSQLStore, of tables: String) throws {
            self.publisher = publisher
            self.subscriber = subscriber
            name = "from \(publisher.database.name)"
            let slot = name.replacingOccurrences(of: " ", with: "_").lowercased()
            try publisher.run("CREATE PUBLICATION everything FOR TABLE \(tables)")
            try publisher.run("SELECT pg_create_logical_replication_slot('\(slot)', 'pgoutput')")
            try subscriber.run(
                """
                CREATE SUBSCRIPTION \(name.quotedIdentifier) CONNECTION \(publisher.url.quotedLiteral)
                PUBLICATION everything WITH (create_slot = false, slot_name = '\(slot)', copy_data = false)
                """)
        }

        func alter(_ what: String) throws { try subscriber.run("ALTER SUBSCRIPTION \(name.quotedIdentifier) \(what)") }

        /// Whether the row gets to the subscriber's table in some seconds.
        func brings(_ id: Int, to table: String, within seconds: Double = 15) throws -> Bool {
            let end = Date().addingTimeInterval(seconds)
            while Date() < end {
                if try subscriber.database.psql("SELECT 1 FROM \(table) WHERE id = \(id)") == "1\n" { return true }
                usleep(50_000)
            }
            return false
        }

        /// Neither database could be dropped otherwise.
        func end() throws {
            try alter("DISABLE")
            try alter("SET (slot_name = NONE)")
            try subscriber.run("DROP SUBSCRIPTION \(name.quotedIdentifier)")
            try publisher.run(
                """
                SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active
                """)
            let slots = "FROM pg_replication_slots WHERE database = current_database()"
            for _ in 0..<100 {
                if try publisher.database.psql("SELECT count(*) \(slots) AND active") == "0\n" { break }
                usleep(50_000)
            }
            try publisher.run("SELECT pg_drop_replication_slot(slot_name) \(slots)")
        }
    }

    private static func makeStore() throws -> PostgreSQLStore {
        let store = try PostgreSQLStore()
        try store.run(RoundTripTests.fixture("shape1", .postgresql))
        try store.run(RoundTripTests.fixture("shape1_messages", .postgresql, count: 100))
        try migrate(["stamp", "0001"], on: store).checked()
        return store
    }

    private static func send(_ id: Int, to table: String, of store: PostgreSQLStore) throws {
        try store.run("INSERT INTO \(table) (id, sender_id, recipient_id, content) VALUES (\(id), 1, 2, 'from afar')")
    }

    @Test(arguments: ["window", "online"], ["rename", "copy"])
    func `a table that a subscription fills is switched only while that is disabled`(
        _ mode: String, _ strategy: String
    ) throws {
        let replication = try Replication(
            from: Self.makeStore(), to: Self.makeStore(), of: "users, direct_messages, attachments")
        defer { try? replication.end() }
        let (publisher, subscriber) = (replication.publisher, replication.subscriber)
        let scripts = try ShippedScripts(strategy: strategy)
        try Self.send(9001, to: "direct_messages", of: publisher)
        #expect(try replication.brings(9001, to: "direct_messages"))
        let before = try subscriber.state()
        for command in [["plan", "0002"], ["upgrade", "0002", "--mode", mode]] {
            let refused = try migrate(command, on: subscriber, migrations: scripts.path)
            #expect(refused.status == 4 && refused.errorCode == "table-subscribed", "\(refused)")
            #expect(refused.standardError.contains("ALTER SUBSCRIPTION"), "\(refused.standardError)")
        }
        #expect(try subscriber.state() == before)
        try Self.send(9002, to: "direct_messages", of: publisher)
        #expect(try replication.brings(9002, to: "direct_messages"))

        try replication.alter("DISABLE")
        try migrate(["upgrade", "0002", "--mode", mode], on: subscriber, migrations: scripts.path).checked()
        try Self.send(9003, to: "direct_messages", of: publisher)
        try migrate(["downgrade", "0001", "--mode", mode], on: subscriber, migrations: scripts.path).checked()
        try replication.alter("ENABLE")
        #expect(try replication.brings(9003, to: "direct_messages"))
        try migrate(["verify"], on: subscriber, migrations: scripts.path).checked()
    }

    @Test(arguments: ["window", "online"]) func `nor is it followed by triggers`(_ mode: String) throws {
        let stores = try [Self.makeStore(), Self.makeStore()]
        for store in stores { try migrate(["upgrade", "0002"], on: store).checked() }
        let replication = try Replication(from: stores[0], to: stores[1], of: "messages")
        defer { try? replication.end() }
        let refused = try migrate(["upgrade", "0003", "--mode", mode], on: stores[1])
        #expect(refused.status == 4 && refused.errorCode == "table-subscribed", "\(refused)")
        // An unfinished upgrade can be taken back all the same.
        try replication.alter("DISABLE")
        let killed = try migrate(
            ["upgrade", "0003", "--mode", "online"], on: stores[1],
            environment: ["MIGRATOR_FAIL_POINT": "kill@after-commit:20"])
        #expect(killed.status == 128 + SIGKILL)
        try replication.alter("ENABLE")
        try migrate(["downgrade", "0002"], on: stores[1]).checked()
        try Self.send(9001, to: "messages", of: stores[0])
        #expect(try replication.brings(9001, to: "messages"))
    }

    /// Without the refusal rows stay away, and nothing here says so.
    @Test func `negative control: what a subscription brings does not arrive after a switch`() throws {
        let replication = try Replication(
            from: Self.makeStore(), to: Self.makeStore(), of: "users, direct_messages, attachments")
        defer { try? replication.end() }
        try migrate(
            ["upgrade", "0002", "--mode", "window"], on: replication.subscriber,
            environment: ["MIGRATOR_LEAVE_OUT": "subscriptions"]
        ).checked()
        try Self.send(9001, to: "direct_messages", of: replication.publisher)
        #expect(try !replication.brings(9001, to: "messages", within: 3))
        try migrate(["verify"], on: replication.subscriber).checked()
    }
}
