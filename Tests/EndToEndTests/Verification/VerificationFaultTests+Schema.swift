extension VerificationFaultTests {
    private static func change(
        _ name: String, in stage: Stage = .shipped, _ inject: String, column: String? = nil,
        says: String
    ) -> VerificationFault {
        VerificationFault(
            name, in: stage, inject, check: "schema", column: column, says: says, isCounted: true)
    }

    private static let role =
        "DO $$ BEGIN CREATE ROLE fault_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; "

    static let schema = [
        change("a dropped index", "DROP INDEX idx_messages_reply_to_id", says: "idx_messages_reply_to_id"),
        change("a new index", "CREATE INDEX uninvited ON messages (type)", says: "uninvited"),
        change(
            "an index of other columns",
            "DROP INDEX idx_messages_reply_to_id; CREATE INDEX idx_messages_reply_to_id ON messages (id)",
            says: "index idx_messages_reply_to_id differs"),
        change("a dropped trigger", "DROP TRIGGER migrator_0003_021_sync ON messages", says: "migrator_0003_021_sync"),
        change(
            "a new trigger that swallows",
            """
            CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER swallow BEFORE INSERT ON enhanced_messages FOR EACH ROW EXECUTE FUNCTION swallow()
            """, says: "swallow"),
        change("a dropped view", "DROP VIEW direct_messages", says: "public.direct_messages is gone"),
        change(
            "a view with a condition",
            """
            DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW direct_messages AS '
                || rtrim(pg_get_viewdef('direct_messages'::regclass), ';') || ' WHERE id > 100'; END $$
            """, says: "definition differs"),
        change("a lost grant", "REVOKE SELECT ON messages FROM CURRENT_USER", says: "SELECT"),
        change("a new grant", "\(role)GRANT DELETE ON messages TO fault_reader", says: "fault_reader"),
        change(
            "a grant on a column", "\(role)GRANT SELECT (content) ON messages TO fault_reader", column: "content",
            says: "fault_reader"),
        change(
            "another owner", "\(role)ALTER TABLE user_presence OWNER TO fault_reader",
            says: "owner differs: it is fault_reader"),
        change(
            "a changed default", "ALTER TABLE messages ALTER type SET DEFAULT 'image'", column: "type",
            says: "'image'"),
        change(
            "a dropped default", "ALTER TABLE messages ALTER is_read DROP DEFAULT", column: "is_read", says: "false"),
        change(
            "a column that may be NULL", "ALTER TABLE enhanced_messages ALTER sender_id DROP NOT NULL",
            column: "sender_id", says: "not null"),
        change(
            "a column of another type", "ALTER TABLE user_presence ALTER status TYPE varchar(20)", column: "status",
            says: "character varying(20)"),
        change("a dropped column", "ALTER TABLE users DROP COLUMN socket_id", column: "socket_id", says: "missing"),
        change("a new column", "ALTER TABLE users ADD COLUMN extra text", column: "extra", says: "not expected"),
        change(
            "a renamed column", "ALTER TABLE user_presence RENAME COLUMN last_seen TO seen_last", column: "last_seen",
            says: "missing"),
        change(
            "a collation", "ALTER TABLE user_presence ALTER status TYPE text COLLATE \"C\"", column: "status",
            says: "\"C\""),
        change(
            "a dropped constraint", "ALTER TABLE message_status DROP CONSTRAINT message_status_status_check",
            says: "message_status_status_check"),
        change(
            "a key with another action",
            """
            ALTER TABLE attachments DROP CONSTRAINT attachments_direct_message_fk;
            ALTER TABLE attachments ADD CONSTRAINT attachments_direct_message_fk
                FOREIGN KEY (direct_message_id) REFERENCES messages (id)
            """, says: "constraint attachments_direct_message_fk differs"),
        change("a dropped table", "DROP TABLE user_presence", says: "public.user_presence is gone"),
        change(
            "an unlogged table", "ALTER TABLE user_presence SET UNLOGGED", says: "unlogged"),
        change(
            "row-level security", "ALTER TABLE messages ENABLE ROW LEVEL SECURITY", says: "row-level security on"),
        change(
            "a policy", "CREATE POLICY peep ON messages USING (true)", says: "policy peep"),
        change("a publication", "CREATE PUBLICATION leak FOR TABLE messages", says: "publication leak"),
        change("a comment", "COMMENT ON TABLE messages IS 'other'", says: "comment"),
        change(
            "a column's comment", "COMMENT ON COLUMN messages.content IS 'other'", column: "content", says: "comment"),
        change("a replica identity", "ALTER TABLE messages REPLICA IDENTITY FULL", says: "replica identity"),
        change("an option", "ALTER TABLE messages SET (fillfactor = 50)", says: "fillfactor"),
        change("a rule", "CREATE RULE no AS ON DELETE TO messages DO INSTEAD NOTHING", says: "rule"),
        change(
            "statistics", "CREATE STATISTICS stat ON sender_id, recipient_id FROM messages", says: "stat"),
    ]

    private static func sqliteChange(
        _ name: String, _ inject: String, column: String? = nil, says: String
    ) -> VerificationFault { change(name, in: .shippedSQLite, inject, column: column, says: says) }

    /// A write to a SQLite file that none of the table's triggers sees: they are away meanwhile.
    static func unseen(_ table: String, _ write: String) -> String {
        """
        BEGIN IMMEDIATE;
        CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '\(table)';
        PRAGMA writable_schema = ON;
        DELETE FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '\(table)';
        PRAGMA writable_schema = RESET;
        \(write);
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_schema SELECT * FROM temp.kept;
        PRAGMA writable_schema = RESET;
        COMMIT;
        """
    }

    /// A definition written over by hand.
    private static func edited(_ table: String, _ from: String, _ to: String) -> String {
        """
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, '\(from)', '\(to)') WHERE name = '\(table)';
        PRAGMA writable_schema = RESET;
        """
    }

    static let sqlite = [
        sqliteChange("a dropped index", "DROP INDEX idx_messages_reply_to_id", says: "idx_messages_reply_to_id"),
        sqliteChange("a new index", "CREATE INDEX uninvited ON messages (type)", says: "uninvited"),
        sqliteChange("a dropped trigger", "DROP TRIGGER migrator_messages_insert", says: "migrator_messages_insert"),
        sqliteChange(
            "a trigger that swallows",
            "CREATE TRIGGER swallow BEFORE INSERT ON messages BEGIN SELECT raise(IGNORE); END", says: "swallow"),
        sqliteChange("a new column", "ALTER TABLE users ADD COLUMN extra TEXT", column: "extra", says: "extra"),
        sqliteChange("a dropped table", "DROP TABLE user_presence", says: "user_presence is gone"),
        sqliteChange(
            "a changed default", edited("user_presence", "offline", "online"), column: "status", says: "online"),
        sqliteChange(
            "a dropped constraint", edited("message_status", "CHECK (status IN", "CHECK (1 OR status IN"),
            column: "status", says: "check"),
        VerificationFault(
            "a swallowed message", in: .shippedSQLite,
            unseen("enhanced_messages", "DELETE FROM enhanced_messages WHERE id = 23"), check: "sync",
            key: "23", says: "missing", isCounted: true),
        VerificationFault(
            "a message that came from nowhere", in: .shippedSQLite,
            unseen(
                "enhanced_messages",
                """
                INSERT INTO enhanced_messages (id, conversation_id, sender_id, content)
                SELECT 318, conversation_id, sender_id, 'ghost' FROM enhanced_messages WHERE id = 23
                """), check: "sync", key: "318", says: "should not be there"),
        VerificationFault(
            "a changed message", in: .shippedSQLite,
            unseen("enhanced_messages", "UPDATE enhanced_messages SET content = 'other' WHERE id = 24"),
            check: "sync", key: "24", column: "content"),
        VerificationFault(
            "a status that went down", in: .shippedSQLite,
            "UPDATE message_status SET status = 'sent' WHERE message_id = 4", check: "ensure", says: "message_status"),
        VerificationFault(
            "a person missing from a conversation", in: .shippedSQLite,
            "DELETE FROM conversation_participants WHERE rowid = 1", check: "ensure", says: "conversation_participants"),
        VerificationFault(
            "an orphan", in: .shippedSQLite,
            "PRAGMA foreign_keys = OFF; UPDATE messages SET reply_to_id = 999999 WHERE id = 25", check: "orphans",
            key: "25", column: "reply_to_id", says: "999999"),
        VerificationFault(
            "a next id behind", in: .shippedSQLite, "UPDATE sqlite_sequence SET seq = 17 WHERE name = 'messages'",
            check: "next-ids", key: "328", says: "18", isCounted: true),
        VerificationFault(
            "a changed row of a backup", in: .shippedSQLite,
            "UPDATE direct_messages_backup SET content = 'forged' WHERE id = 26", check: "backups", key: "26",
            column: "content"),
        VerificationFault(
            "a row less in a backup", in: .shippedSQLite, "DELETE FROM direct_messages_backup WHERE id = 26",
            check: "backups", key: "26", isCounted: true),
        VerificationFault(
            "a backup that is gone", in: .shippedSQLite, "DROP TABLE direct_messages_backup", check: "backups",
            says: "gone", isCounted: true),
        VerificationFault(
            "an index that lost an entry", in: .shippedSQLite,
            """
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = 'CREATE INDEX idx_messages_reply_to_id ON messages (sender_id)'
            WHERE name = 'idx_messages_reply_to_id';
            PRAGMA writable_schema = RESET;
            """, check: "validity", says: "idx_messages_reply_to_id"),
    ]
}
