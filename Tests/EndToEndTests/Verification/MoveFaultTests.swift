import MigratorScript
import MigratorTestSupport
import Testing

/// A fault in the move never commits: it is found before, the row is named, and the database is as before.
@Suite struct MoveFaultTests {
    @Test(arguments: faults) func `a fault in the move never commits`(_ fault: MoveFault) throws {
        let bench = try MoveBench(fault, isHarmed: true)
        let before = try bench.rows()
        let schema = try bench.store.state()
        let result = try bench.upgrade(isHarmed: true)
        let output = result.standardOutput + result.standardError
        #expect(result.status == 2, "\(output)")
        for text in fault.says { #expect(output.contains(text), "\"\(text)\": \(output)") }
        if let key = fault.key {
            let isNamed = [" \(key): ", "id \(key)", "id = \(key) ", "key \(key)"].contains(where: output.contains)
            #expect(isNamed, "key \(key): \(output)")
        }
        #expect(try bench.migrate("current").standardOutput.contains("0002") == false || fault.mode == "online")
        // Online: what has been prepared is taken away by a downgrade, the rows have never moved.
        if fault.mode == "online" {
            try bench.migrate("downgrade", "0001").checked()
        } else {
            #expect(try bench.store.state() == schema)
        }
        if fault.meanwhile.isEmpty { #expect(try bench.rows() == before) }
        #expect(try bench.isBase("direct_messages"))
        #expect(try !bench.isBase("messages"))
    }

    @Test(arguments: controls) func `without a fault the same move commits`(_ control: MoveFault) throws {
        let bench = try MoveBench(control, isHarmed: false)
        let result = try bench.upgrade(isHarmed: false)
        #expect(result.status == 0, "\(result.standardError)")
        let verified = try bench.migrate("verify")
        #expect(verified.status == 0, "\(verified.standardOutput)")
    }

    /// A sequence that stands below an id which somebody inserted by hand goes on above it.
    @Test(arguments: controls) func `an id that is taken is not handed out again`(_ control: MoveFault) throws {
        let isSQLite = control.dialect == .sqlite
        var control = control
        control.before =
            isSQLite
            ? "UPDATE sqlite_sequence SET seq = 17 WHERE name = 'direct_messages'"
            : "SELECT setval('direct_messages_id_seq', 17)"
        let bench = try MoveBench(control, isHarmed: true)
        let result = try bench.upgrade(isHarmed: true)
        #expect(result.status == 0, "\(result.standardError)")
        try bench.migrate("verify").checked()
        try bench.store.run("INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'the next one')")
        let session = try bench.store.session()
        defer { session.close() }
        let id = try session.scalar("SELECT max(id) FROM messages WHERE content = 'the next one'").asInt ?? 0
        #expect(id > 438)
    }

    static let controls = [
        MoveFault(testDescription: "copy, window", mode: "window"),
        MoveFault(testDescription: "copy, online", mode: "online"),
        MoveFault(testDescription: "rename, window", strategy: "rename", mode: "window"),
        MoveFault(testDescription: "rename, online", strategy: "rename", mode: "online"),
        MoveFault(testDescription: "SQLite, window", dialect: .sqlite, strategy: "", mode: "window"),
        MoveFault(testDescription: "SQLite, online", dialect: .sqlite, strategy: "", mode: "online"),
    ]

    // MARK: Faults

    private static func trigger(_ body: String) -> String {
        """
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \(body) END';
        CREATE TRIGGER meddle BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION meddle();
        """
    }

    /// What both modes of PostgreSQL must find.
    private static func anywhere(
        _ name: String, strategy: String = "copy", before: String = "", script: String = "",
        replacing: [(String, String)] = [], key: String?, says: [String] = []
    ) -> [MoveFault] {
        ["window", "online"].map { mode in
            MoveFault(
                testDescription: "\(strategy), \(mode): \(name)", strategy: strategy, mode: mode, before: before,
                script: script, replacing: replacing, key: key, says: says)
        }
    }

    private static let unseen = "SET session_replication_role = replica; "

    /// As a tool loads rows that switches triggers off and on again.
    private static func bypassing(_ write: String) -> String {
        """
        ALTER TABLE direct_messages DISABLE TRIGGER USER;
        \(write);
        ALTER TABLE direct_messages ENABLE TRIGGER USER
        """
    }

    static let faults: [MoveFault] =
        anywhere(
            "a trigger swallows a row", script: trigger("IF NEW.id = 23 THEN RETURN NULL; END IF; RETURN NEW;"),
            key: "23")
        + anywhere(
            "a trigger changes a row",
            script: trigger("IF NEW.id = 23 THEN NEW.content := upper(NEW.content); END IF; RETURN NEW;"), key: "23",
            says: ["content"])
        + anywhere(
            "a trigger loses what an encoding does not have",
            script: trigger(
                "IF NEW.id = 8 THEN NEW.content := regexp_replace(NEW.content, ''[^ -~]'', ''?'', ''g''); END IF; RETURN NEW;"
            ), key: "8", says: ["content"])
        + anywhere(
            "a type that loses precision",
            replacing: [("created_at timestamptz NOT NULL", "created_at timestamptz(0) NOT NULL")], key: "1",
            says: ["created_at"])
        + anywhere(
            "a type that cannot hold the value",
            replacing: [("content text NOT NULL", "content varchar(100) NOT NULL")],
            key: "3", says: ["content"])
        + anywhere(
            "a script's query that does not hold",
            replacing: [("WHERE m.reply_to_id IS NOT NULL\n", "WHERE m.id = 23 OR m.reply_to_id IS NOT NULL\n")],
            key: "23", says: ["every reply points at a message"])
        + anywhere(
            "a reply to nothing", before: "\(unseen)UPDATE direct_messages SET reply_to_id = 999999 WHERE id = 25",
            key: "25")
        + anywhere(
            "a sender who is not there", before: "\(unseen)UPDATE direct_messages SET sender_id = 999999 WHERE id = 25",
            key: "25")
        + anywhere(
            "a sender who is not there", strategy: "rename",
            before: "\(unseen)UPDATE direct_messages SET sender_id = 999999 WHERE id = 25", key: "25", says: ["999999"])
        + anywhere(
            "an attachment of nothing", strategy: "rename",
            before: "\(unseen)UPDATE attachments SET direct_message_id = 999999 WHERE id = 3", key: "3",
            says: ["attachments"])
        + [
            MoveFault(
                testDescription: "copy, window: an index left invalid", mode: "window",
                replacing: [
                    (
                        "-- migrator:downgrade",
                        """
                        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_messages_reply_to_id'::regclass;

                        -- migrator:downgrade
                        """
                    )
                ], says: ["idx_messages_reply_to_id", "is not valid"]),
            MoveFault(
                testDescription: "copy, window: a key left unvalidated", mode: "window",
                replacing: [
                    (
                        "-- migrator:downgrade",
                        """
                        UPDATE pg_constraint SET convalidated = false WHERE conname = 'messages_sender_id_fkey';

                        -- migrator:downgrade
                        """
                    )
                ], says: ["messages_sender_id_fkey", "is not validated"]),
            MoveFault(
                testDescription: "copy, online: a write while the trigger was off", mode: "online",
                meanwhile: bypassing("UPDATE direct_messages SET content = 'bypassed' WHERE id = 25"), key: "25",
                says: ["nothing was cut over"]),
            MoveFault(
                testDescription: "copy, online: a deletion while the trigger was off", mode: "online",
                meanwhile: bypassing("DELETE FROM direct_messages WHERE id = 25"), key: "25",
                says: ["nothing was cut over"]),
            MoveFault(
                testDescription: "copy, online: a row that was written to the new table too early", mode: "online",
                meanwhile: "INSERT INTO messages (id, sender_id, recipient_id, content) VALUES (10, 1, 2, 'early')",
                key: "10", says: ["nothing was cut over"]),
            MoveFault(
                testDescription: "copy, online: a backup that was changed", mode: "online",
                meanwhile: "UPDATE direct_messages_backup SET content = 'forged' WHERE id = 26",
                says: ["direct_messages_backup", "nothing was cut over"]),
            MoveFault(
                testDescription: "copy, online: a trigger that was switched off", mode: "online",
                meanwhile: """
                    ALTER TABLE direct_messages DISABLE TRIGGER USER;
                    UPDATE direct_messages SET content = 'unseen' WHERE id = 25
                    """, key: "25", says: ["they are made again"]),
            MoveFault(
                testDescription: "copy, online: a row of the target that nobody has sent", mode: "online",
                meanwhile:
                    "\(unseen)UPDATE messages SET content = 'forged' WHERE id = 25", key: "25",
                says: ["nothing was cut over"]),
        ] + sqliteFaults

    /// A script's own triggers are off while SQLite copies, so that they cannot meddle.
    private static let sqliteFaults =
        ["window", "online"].map { mode in
            MoveFault(
                testDescription: "SQLite, \(mode): a type that loses digits", dialect: .sqlite, strategy: "",
                mode: mode,
                before: "UPDATE direct_messages SET content = '007' WHERE id = 23",
                replacing: [("content TEXT NOT NULL", "content INTEGER NOT NULL")], key: "23")
        }
        + ["window", "online"].map { mode in
            MoveFault(
                testDescription: "SQLite, \(mode): a constraint that a row breaks", dialect: .sqlite, strategy: "",
                mode: mode,
                replacing: [("content TEXT NOT NULL", "content TEXT NOT NULL CHECK (content <> 'message 21')")],
                key: "23")
        }
        + ["window", "online"].map { mode in
            MoveFault(
                testDescription: "SQLite, \(mode): a script's query that does not hold", dialect: .sqlite, strategy: "",
                mode: mode,
                replacing: [("WHERE m.reply_to_id IS NOT NULL\n", "WHERE m.id = 23 OR m.reply_to_id IS NOT NULL\n")],
                key: "23", says: ["every reply points at a message"])
        }
        + [
            MoveFault(
                testDescription: "SQLite, online: a write while the trigger was gone", dialect: .sqlite, strategy: "",
                mode: "online",
                meanwhile: """
                    DROP TRIGGER migrator_direct_messages_update;
                    UPDATE direct_messages SET content = 'bypassed' WHERE id = 25
                    """)
        ]
}
