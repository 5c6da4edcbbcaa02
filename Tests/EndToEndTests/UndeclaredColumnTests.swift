import Foundation
import MigratorDatabase
import MigratorTestSupport
import Testing

/// A copy of a table that has columns of which the script knows nothing.
@Suite struct UndeclaredColumnTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var mode: String
        /// Whether the script's mappings are SELECTs.
        var isSelect: Bool
        var testDescription: String { "\(mode), mapping=\(isSelect ? "select" : "name")" }
    }

    static let cases = ["window", "online"].flatMap { mode in
        [false, true].map { Case(mode: mode, isSelect: $0) }
    }

    /// Statements of old code: OLD is the view after the switch. New code knows nothing of these columns.
    static let writes = [
        "UPDATE OLD SET label = 'moved', workspace_id = 2 WHERE id BETWEEN 20 AND 40",
        "UPDATE OLD SET mood = NULL, extra = '{\"x\": 1}' WHERE id = 45",
        "UPDATE OLD SET \"Root Id\" = 12 WHERE id = 47",
        "INSERT INTO OLD (sender_id, recipient_id, content, created_at, workspace_id, label, client_key) VALUES (1, 2, 'by old code', '2025-01-01 00:00:00', 3, 'fresh', 'k-old')",
        "INSERT INTO NEW (sender_id, recipient_id, content, created_at) VALUES (2, 1, 'by new code', '2025-01-01 00:00:01')",
        "UPDATE NEW SET content = 'edited' WHERE id = 49",
        "DELETE FROM OLD WHERE id = 48",
        "DELETE FROM NEW WHERE id = 12",
    ]

    /// What the columns' constraints forbid, before as after.
    static let refused = [
        ("UPDATE OLD SET label = 'a label that is far too long' WHERE id = 23", "direct_messages_label_short"),
        ("UPDATE OLD SET label = 'Upper' WHERE id = 23", "direct_messages_label_lower"),
        ("UPDATE OLD SET client_key = 'k24' WHERE id = 23", "direct_messages_client_key"),
        ("UPDATE OLD SET ticket = (SELECT ticket FROM OLD WHERE id = 24) WHERE id = 23", "Idx Ticket"),
        ("UPDATE OLD SET workspace_id = 99 WHERE id = 23", "workspace_id_fkey"),
        ("UPDATE OLD SET workspace_id = NULL WHERE id = 23", "null value"),
        ("UPDATE OLD SET \"Root Id\" = 99999 WHERE id = 23", "Root Id"),
        ("UPDATE OLD SET content_length = 1 WHERE id = 23", "content_length"),
        ("UPDATE OLD SET place = 1 WHERE id = 23", "place"),
        ("SET ROLE chat_app; UPDATE OLD SET mood = 'calm' WHERE id = 23", "permission denied"),
    ]

    @Test(arguments: cases) func `go up, are written by old code, come back, and go up again`(_ example: Case) throws {
        let bench = try Bench(example)
        let (store, model) = (bench.store, try bench.store.copy())
        let schema = try RoundTripTests.schema(of: store)

        let plan = try bench.migrate("plan 0002 --mode \(example.mode)").checked()
        #expect(plan.standardOutput.contains(Self.carried), "\(plan.standardOutput)")
        let upgrade = try bench.migrate("upgrade 0002 --mode \(example.mode)").checked()
        #expect(upgrade.standardError.contains(Self.carried), "\(upgrade.standardError)")
        try bench.migrate("verify --unchanged").checked()
        #expect(try bench.rows(of: "direct_messages") == RoundTripTests.rows(of: "direct_messages", in: model))
        #expect(try bench.definitions(of: "messages") == bench.definitions(of: "direct_messages", in: model))

        for write in Self.writes {
            try store.run(RoundTripTests.named(write, new: "messages", old: "direct_messages"))
            try model.run(RoundTripTests.named(write, new: "direct_messages", old: "direct_messages"))
        }
        for (statement, reason) in Self.refused {
            let named = RoundTripTests.named(statement, new: "messages", old: "direct_messages")
            let result = try bench.server.run("psql", ["-Xq", "-v", "ON_ERROR_STOP=1", "-c", named, store.url])
            #expect(
                result.status != 0 && result.standardError.contains(reason), "\(statement): \(result.standardError)")
        }
        try store.run("SET ROLE chat_app; UPDATE direct_messages SET label = 'app' WHERE id = 25")
        try model.run("UPDATE direct_messages SET label = 'app' WHERE id = 25")
        #expect(try bench.rows(of: "direct_messages") == RoundTripTests.rows(of: "direct_messages", in: model))
        let verified = try bench.migrate("verify")
        #expect(verified.status == 0, "\(verified.standardOutput)")

        try bench.migrate("downgrade 0001 --mode \(example.mode)").checked()
        for table in ["users", "direct_messages", "attachments"] {
            #expect(try bench.rows(of: table) == RoundTripTests.rows(of: table, in: model), "\(table)")
        }
        #expect(try RoundTripTests.schema(of: store) == schema)
        #expect(try bench.rows(inserting: store) == bench.rows(inserting: model))

        try bench.migrate("upgrade 0002 --mode \(example.mode)").checked()
        try bench.migrate("verify --unchanged").checked()
        try bench.migrate("contract 0002").checked()
        for write in ["UPDATE NEW SET label = 'late', workspace_id = 3 WHERE id = 26", "DELETE FROM NEW WHERE id = 27"]
        {
            try store.run(RoundTripTests.named(write, new: "messages", old: ""))
            try model.run(RoundTripTests.named(write, new: "direct_messages", old: ""))
        }
        try bench.migrate("verify").checked()
        try bench.migrate("downgrade 0001 --mode \(example.mode)").checked()
        #expect(try bench.rows(of: "direct_messages") == RoundTripTests.rows(of: "direct_messages", in: model))
        #expect(try RoundTripTests.schema(of: store) == schema)
    }

    @Test(arguments: ["window", "online"]) func `keep their indexes through a rename`(_ mode: String) throws {
        let bench = try Bench(Case(mode: mode, isSelect: false), strategy: "")
        let before = try bench.definitions(of: "direct_messages")
        let schema = try RoundTripTests.schema(of: bench.store)
        #expect(before.contains { $0.contains("idx_direct_messages_workspace") })
        let upgrade = try bench.migrate("upgrade 0002 --mode \(mode)").checked()
        #expect(upgrade.standardError.contains("strategy rename"), "\(upgrade.standardError)")
        #expect(try bench.definitions(of: "messages") == before)
        try bench.migrate("verify").checked()
        try bench.migrate("downgrade 0001 --mode \(mode)").checked()
        #expect(try RoundTripTests.schema(of: bench.store) == schema)
    }

    static let carried = "columns carried that the script does not declare: workspace_id, mood, label, client_key"

    // MARK: Faults

    @Test(arguments: cases) func `a value that changes on its way is found, and named`(_ example: Case) throws {
        let bench = try Bench(
            example,
            before: """
                CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN IF NEW.id = 24 THEN NEW.label := ''forged''; END IF; RETURN NEW; END';
                CREATE TRIGGER forge BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION forge();

                """)
        let before = try bench.rows(of: "direct_messages")
        let result = try bench.migrate("upgrade 0002 --mode \(example.mode)")
        #expect(result.status == 2 && result.errorCode == "content-differs", "\(result.standardError)")
        #expect(result.standardError.contains("messages 24: differs in label"), "\(result.standardError)")
        #expect(try bench.rows(of: "direct_messages") == before)
    }

    @Test(arguments: [false, true]) func `a value that the follower does not have is found, and named`(
        _ isSelect: Bool
    ) throws {
        let bench = try Bench(Case(mode: "online", isSelect: isSelect))
        try bench.migrate("upgrade 0002").checked()
        try bench.store.run(
            "SET session_replication_role = replica; UPDATE messages SET label = 'unseen' WHERE id = 24")
        for line in ["verify", "contract 0002", "downgrade 0001"] {
            let result = try bench.migrate(line)
            let output = result.standardOutput + result.standardError
            #expect(result.status == 2, "\(line): \(output)")
            #expect(output.contains("24") && output.contains("label"), "\(line): \(output)")
        }
    }

    @Test(arguments: [false, true]) func `a value that was not backed up so is found after a window`(
        _ isSelect: Bool
    ) throws {
        let bench = try Bench(Case(mode: "window", isSelect: isSelect))
        try bench.migrate("upgrade 0002 --mode window").checked()
        try bench.store.run("UPDATE messages SET label = 'since' WHERE id = 24")
        #expect(try bench.migrate("verify").status == 0)
        let result = try bench.migrate("verify --unchanged")
        #expect(result.status == 2, "\(result.standardOutput)")
        #expect(result.standardOutput.contains("1 changed"), "\(result.standardOutput)")
    }

    // MARK: While the application writes

    @Test(arguments: [false, true]) func `what old code writes while the rows are on their way arrives`(
        _ isSelect: Bool
    ) throws {
        let bench = try Bench(Case(mode: "online", isSelect: isSelect), messages: 4000)
        let (store, model) = (bench.store, try bench.store.copy())
        try bench.whilePaused(at: "paused", "--pause-file") {
            for id in [24, 2500, 3900] {
                let write = "UPDATE direct_messages SET label = 'meanwhile', workspace_id = 2 WHERE id = \(id)"
                try store.run(write)
                try model.run(write)
            }
        }
        #expect(try bench.rows(of: "direct_messages") == RoundTripTests.rows(of: "direct_messages", in: model))
        try bench.migrate("verify").checked()
    }

    @Test func `a column that comes while the rows are on their way stops the cut-over`() throws {
        let bench = try Bench(Case(mode: "online", isSelect: false))
        let result = try bench.whilePaused(at: "ready to cut over", "--postpone-cut-over") {
            try bench.store.run("ALTER TABLE direct_messages ADD COLUMN late text")
        }
        #expect(result.status == 1 && result.errorCode == "source-changed", "\(result.standardError)")
        #expect(result.standardError.contains("+ late text"), "\(result.standardError)")
        try bench.migrate("downgrade 0001").checked()
        try bench.migrate("upgrade 0002").checked()
        #expect(try bench.store.database.psql("SELECT count(late) FROM direct_messages") == "0\n")
    }

    /// At each commit: what the checkpoint says of them is taken up by the next run, or taken back.
    @Test(arguments: ["upgrade 0002", "contract 0002", "downgrade 0001"])
    func `a kill at any commit is mended by the same command`(_ command: String) throws {
        let bench = try Bench(Case(mode: "online", isSelect: true), messages: 30)
        if command != "upgrade 0002" { try bench.migrate("upgrade 0002").checked() }
        let start = bench.store
        let undisturbed = try PostgreSQLStore(template: start.database.name)
        let counted = try bench.migrate(command, on: undisturbed, failPoint: "count").checked()
        let wanted = try undisturbed.state()
        let commits = try FailPointTests.counts(in: counted.standardError).commits
        for commit in stride(from: 1, through: commits, by: FailPointTests.isThorough ? 1 : 3) {
            let store = try PostgreSQLStore(template: start.database.name)
            let killed = try bench.migrate(command, on: store, failPoint: "kill@after-commit:\(commit)")
            #expect(killed.status == 128 + SIGKILL)
            let again = try bench.migrate(command, on: store)
            #expect(again.status == 0, "after \(commit): \(again.standardError)")
            #expect(try store.state() == wanted, "after \(commit)")
        }
    }

    /// An administrator runs the tool, the application's role has the table and its sequences.
    @Test(arguments: ["window", "online"]) func `a table of another role stays that role's`(_ mode: String) throws {
        let bench = try Bench(Case(mode: mode, isSelect: false))
        let role = "chat_owner_\(mode)_\(UInt32.random(in: 1...UInt32.max))"
        try bench.store.run("CREATE ROLE \(role); ALTER TABLE direct_messages OWNER TO \(role)")
        defer {
            _ = try? bench.server.run(
                "psql", ["-Xq", "-c", "REASSIGN OWNED BY \(role) TO CURRENT_USER; DROP ROLE \(role)", bench.store.url])
        }
        let schema = try RoundTripTests.schema(of: bench.store)
        try bench.migrate("upgrade 0002 --mode \(mode)").checked()
        let owned = """
            SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v') AND relowner = '\(role)'::regrole
            """
        let found = try bench.store.database.psql(owned)
        #expect(
            found
                == "direct_messages direct_messages_id_seq direct_messages_ticket_seq messages messages_place_seq\n")
        try bench.migrate("verify --unchanged").checked()
        try bench.migrate("downgrade 0001 --mode \(mode)").checked()
        #expect(try RoundTripTests.schema(of: bench.store) == schema)
    }

    // MARK: What stays impossible

    @Test(arguments: ["window", "online"]) func `a column that the mapping makes into another has no place in a view`(
        _ mode: String
    ) throws {
        let labelled = ("content, type", "content || coalesce(left(label, 0), '') AS content, type")
        let bench = try Bench(Case(mode: mode, isSelect: true), replacing: labelled)
        for line in ["plan 0002 --mode \(mode)", "upgrade 0002 --mode \(mode)"] {
            let result = try bench.migrate(line)
            #expect(result.status == 4 && result.errorCode == "view-impossible", "\(line): \(result.standardError)")
            #expect(result.standardError.contains("\"label\""), "\(result.standardError)")
        }
        #expect(try bench.store.database.psql("SELECT to_regclass('messages') IS NULL") == "t\n")

        let other = try Bench(Case(mode: mode, isSelect: true), view: "", replacing: labelled)
        let before = try other.rows(of: "direct_messages")
        let upgrade = try other.migrate("upgrade 0002 --mode \(mode)").checked()
        #expect(upgrade.standardError.contains("column not carried: label"), "\(upgrade.standardError)")
        try other.migrate("downgrade 0001 --mode \(mode)").checked()
        #expect(try other.rows(of: "direct_messages") == before)
    }

    @Test(arguments: ["window", "online"]) func `values that stay behind need a backup`(_ mode: String) throws {
        let left = ("file_url, file_name,", "file_name,")
        let refused = try Bench(Case(mode: mode, isSelect: true), backup: "", replacing: left)
        let result = try refused.migrate("upgrade 0002 --mode \(mode)")
        #expect(result.status == 4 && result.errorCode == "would-lose-rows", "\(result.standardError)")
        #expect(result.standardError.contains("file_url"), "\(result.standardError)")
        let kept = try Bench(Case(mode: mode, isSelect: true), replacing: left)
        let upgrade = try kept.migrate("upgrade 0002 --mode \(mode)").checked()
        #expect(upgrade.standardError.contains("column not carried: file_url"), "\(upgrade.standardError)")
    }
}
