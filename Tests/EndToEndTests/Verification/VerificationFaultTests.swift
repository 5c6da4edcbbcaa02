import Testing

/// Every kind of fault is found by the check that is there for it, with the key named, and by nothing before.
@Suite struct VerificationFaultTests {
    /// What stands before a write that no trigger sees.
    static let unseen = "SET session_replication_role = replica; "

    @Test(arguments: rows + evidence) func `a row that is not as it must be is named`(_ fault: VerificationFault) throws
    {
        try expectFound(fault)
    }

    @Test(arguments: values) func `a value that is almost the same is another one`(_ fault: VerificationFault) throws {
        try expectFound(fault)
    }

    @Test(arguments: schema) func `a definition that is not as the revisions left it is named`(
        _ fault: VerificationFault
    ) throws {
        try expectFound(fault)
    }

    @Test(arguments: sqlite) func `a fault in a SQLite file is named`(_ fault: VerificationFault) throws {
        try expectFound(fault)
    }

    // MARK: Rows

    static let rows = [
        VerificationFault(
            "a swallowed message", "\(unseen)DELETE FROM enhanced_messages WHERE id = 23", check: "sync", key: "23",
            says: "missing", isCounted: true),
        VerificationFault(
            "a new message that the trigger did not see",
            """
            \(unseen)INSERT INTO messages (id, sender_id, recipient_id, content, conversation_id)
            SELECT 5000, sender_id, recipient_id, 'unseen', conversation_id FROM messages WHERE id = 23;
            SELECT setval('direct_messages_id_seq', 5000)
            """, check: "sync", key: "5000", says: "missing", isCounted: true),
        VerificationFault(
            "a message that no mapping places",
            """
            \(unseen)INSERT INTO messages (id, sender_id, recipient_id, content) VALUES (5000, 1, 2, 'nowhere');
            SELECT setval('direct_messages_id_seq', 5000)
            """, check: "sync", key: "5000", says: "no place"),
        VerificationFault(
            "a message deleted behind the trigger", "\(unseen)DELETE FROM messages WHERE id = 23", check: "sync",
            key: "23", says: "should not be there"),
        VerificationFault(
            "a message that came from nowhere",
            """
            \(unseen)INSERT INTO enhanced_messages (id, conversation_id, sender_id, content, created_at)
            SELECT 5001, conversation_id, sender_id, 'ghost', created_at FROM enhanced_messages WHERE id = 23;
            SELECT setval('direct_messages_id_seq', 5001)
            """, check: "sync", key: "5001", says: "should not be there"),
        VerificationFault(
            "a changed message", "\(unseen)UPDATE enhanced_messages SET content = content || '.' WHERE id = 24",
            check: "sync", key: "24", column: "content"),
        VerificationFault(
            "a write while the trigger was off",
            """
            ALTER TABLE messages DISABLE TRIGGER USER; UPDATE messages SET content = 'bypassed' WHERE id = 25;
            ALTER TABLE messages ENABLE TRIGGER USER
            """, check: "sync", key: "25", column: "content"),
        VerificationFault(
            "a write of a replica's role", "\(unseen)UPDATE messages SET content = 'bypassed' WHERE id = 25",
            check: "sync", key: "25", column: "content"),
        VerificationFault(
            "two messages that swapped their texts",
            """
            \(unseen)UPDATE enhanced_messages AS e SET content = o.content FROM enhanced_messages AS o
            WHERE (e.id, o.id) IN ((25, 24), (24, 25))
            """, check: "sync", key: "24", column: "content"),
        VerificationFault(
            "a person missing from a conversation",
            """
            \(unseen)DELETE FROM conversation_participants WHERE (conversation_id, user_id) IN (
                SELECT id, user_lo FROM conversations ORDER BY id LIMIT 1)
            """, check: "ensure", says: "conversation_participants"),
        VerificationFault(
            "a missing conversation",
            "\(unseen)DELETE FROM conversations WHERE id = (SELECT min(id) FROM conversations)", check: "ensure",
            says: "conversations"),
        VerificationFault(
            "a status that went down", "\(unseen)UPDATE message_status SET status = 'sent' WHERE message_id = 4",
            check: "ensure", says: "message_status"),
        VerificationFault(
            "a message without its conversation", "\(unseen)UPDATE messages SET conversation_id = NULL WHERE id = 27",
            check: "fill", key: "27", column: "conversation_id"),
        VerificationFault(
            "an orphan", "\(unseen)UPDATE messages SET reply_to_id = 999999 WHERE id = 25", check: "orphans", key: "25",
            column: "reply_to_id", says: "999999"),
        VerificationFault(
            "an orphan of a key that is gone",
            """
            ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk;
            UPDATE attachments SET direct_message_id = 999999 WHERE id = 3
            """, check: "orphans", key: "3", column: "direct_message_id", says: "999999"),
        VerificationFault(
            "a violation of a script's query",
            "\(unseen)UPDATE messages SET reply_to_id = 999999 WHERE id = 25", check: "queries", key: "25"),
        VerificationFault(
            "a sequence behind", "SELECT setval('direct_messages_id_seq', 17)", check: "next-ids", key: "328",
            column: "id", says: "18", isCounted: true),
        VerificationFault(
            "a sequence behind a table that only draws from it",
            """
            \(unseen)INSERT INTO enhanced_messages (id, conversation_id, sender_id, content)
            SELECT 7000, conversation_id, sender_id, 'ahead' FROM enhanced_messages WHERE id = 23
            """, check: "next-ids", key: "7000", says: "enhanced_messages", isCounted: true),
        // The follower of an online copy.
        VerificationFault(
            "a message that did not follow", in: .follower,
            "\(unseen)DELETE FROM migrator.follower_0002_7_direct_messages WHERE id = 23", check: "follower", key: "23",
            says: "missing", isCounted: true),
        VerificationFault(
            "a message that only the follower has", in: .follower, "\(unseen)DELETE FROM messages WHERE id = 23",
            check: "follower", key: "23", says: "should not be there", isCounted: true),
        VerificationFault(
            "a message changed while the trigger was off", in: .follower,
            """
            ALTER TABLE messages DISABLE TRIGGER USER; UPDATE messages SET content = 'bypassed' WHERE id = 25;
            ALTER TABLE messages ENABLE TRIGGER USER
            """, check: "follower", key: "25", column: "content"),
        VerificationFault(
            "the follower is gone", in: .follower, "DROP TABLE migrator.follower_0002_7_direct_messages CASCADE",
            check: "follower", says: "gone", isCounted: true),
    ]

    // MARK: Evidence

    static let evidence = [
        VerificationFault(
            "a changed row of a backup", "UPDATE direct_messages_backup SET content = 'forged' WHERE id = 26",
            check: "backups", key: "26"),
        VerificationFault(
            "a row more in a backup",
            "INSERT INTO direct_messages_backup SELECT * FROM direct_messages_backup WHERE id = 26", check: "backups",
            key: "26", isCounted: true),
        VerificationFault(
            "two rows of a backup that swapped their senders",
            """
            UPDATE direct_messages_backup AS a SET sender_id = b.sender_id FROM direct_messages_backup AS b
            WHERE (a.id, b.id) IN ((26, 27), (27, 26))
            """, check: "backups", key: "26"),
        VerificationFault(
            "a row less in a backup", "DELETE FROM direct_messages_backup WHERE id = 26", check: "backups",
            says: "recorded", isCounted: true),
        VerificationFault(
            "the row that a backup lacks", in: .renamed, "DELETE FROM direct_messages_backup WHERE id = 26",
            check: "rows", key: "26",
            isBound: true),
        VerificationFault(
            "a row that is not what its backup has", in: .renamed,
            "UPDATE direct_messages_backup SET content = 'forged' WHERE id = 26", check: "rows", key: "26",
            column: "content", isBound: true),
        VerificationFault(
            "a stale backup in a backup's place",
            """
            CREATE TABLE stale AS SELECT * FROM direct_messages_backup; UPDATE stale SET read_at = NULL WHERE id = 4;
            DROP TABLE direct_messages_backup; ALTER TABLE stale RENAME TO direct_messages_backup
            """, check: "backups", key: "4"),
        VerificationFault(
            "a backup that is gone", "DROP TABLE direct_messages_backup", check: "backups", says: "gone",
            isCounted: true),
        VerificationFault(
            "an index left invalid",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_messages_reply_to_id'::regclass",
            check: "validity", says: "idx_messages_reply_to_id", isCounted: true),
        VerificationFault(
            "a key left unvalidated",
            """
            ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk;
            ALTER TABLE attachments ADD CONSTRAINT attachments_direct_message_fk
                FOREIGN KEY (direct_message_id) REFERENCES messages (id) ON DELETE CASCADE NOT VALID
            """, check: "validity", says: "attachments_direct_message_fk", isCounted: true),
        VerificationFault(
            "a trigger that is off", "ALTER TABLE messages DISABLE TRIGGER migrator_0003_021_sync", check: "validity",
            says: "migrator_0003_021_sync", isCounted: true),
        VerificationFault(
            "foreign keys that are off", "ALTER TABLE attachments DISABLE TRIGGER ALL", check: "validity",
            says: "attachments_direct_message_fk", isCounted: true),
        VerificationFault(
            "a trigger that is gone", "DROP TRIGGER migrator_0003_021_sync ON messages", check: "validity",
            says: "migrator_0003_021_sync", isCounted: true),
        VerificationFault(
            "a function that swallows",
            """
            CREATE OR REPLACE FUNCTION migrator.migrator_0003_021_sync() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RETURN NULL; END'
            """, check: "validity", says: "migrator_0003_021_sync", isCounted: true),
        VerificationFault(
            "a function that does not lead to the follower", in: .follower,
            """
            CREATE OR REPLACE FUNCTION migrator.migrator_0002_007_follower() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RETURN NULL; END'
            """, check: "validity", says: "migrator_0002_007_follower", isCounted: true),
    ]
}
