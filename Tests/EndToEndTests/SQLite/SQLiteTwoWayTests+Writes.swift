extension SQLiteTwoWayTests {
    /// Somebody's write, and what a query says afterwards.
    struct Write {
        var sql: String
        var query: String
        var expected: [String]

        init(_ sql: String, _ query: String, _ expected: String...) {
            self.sql = sql
            self.query = query
            self.expected = expected
        }
    }

    /// The conversation of two people.
    static func pair(_ low: Int, _ high: Int) -> String {
        "(SELECT id FROM conversations WHERE user_lo = \(low) AND user_hi = \(high))"
    }
    static let group = "(SELECT id FROM conversations WHERE kind = 'group')"

    /// In this order, on `sampleMessages`.
    static let writes = [
        Write(
            "UPDATE enhanced_messages SET content = 'edited', edited_at = '2024-02-01' WHERE id = 4",
            "SELECT content, updated_at FROM messages WHERE id = 4", "edited|2024-02-01"),
        Write(
            "UPDATE message_status SET status = 'read', read_at = '2024-02-02' WHERE message_id = 1",
            "SELECT is_read, read_at FROM messages WHERE id = 1", "1|2024-02-02"),
        // What comes back must not change what old code has written.
        Write(
            "UPDATE messages SET read_at = '2024-02-03' WHERE id = 5",
            "SELECT m.is_read, s.status, s.read_at FROM messages m JOIN message_status s ON s.message_id = m.id WHERE m.id = 5",
            "0|read|2024-02-03"),
        Write(
            "UPDATE message_status SET delivered_at = '2024-02-04' WHERE message_id = 5",
            "SELECT is_read, read_at FROM messages WHERE id = 5", "0|2024-02-03"),
        Write(
            "UPDATE enhanced_messages SET deleted_at = '2024-02-05' WHERE id = 5",
            "SELECT is_deleted, deleted_at, is_deleted_by_sender FROM messages WHERE id = 5", "1|2024-02-05|1"),
        Write(
            "UPDATE enhanced_messages SET deleted_at = NULL WHERE id = 5",
            "SELECT is_deleted, deleted_at FROM messages WHERE id = 5", "0|NULL"),
        Write(
            "UPDATE messages SET is_deleted = 1 WHERE id = 5",
            "SELECT m.deleted_at, e.deleted_at FROM messages m JOIN enhanced_messages e USING (id) WHERE id = 5",
            "NULL|2024-01-02 10:00:00"),
        Write(
            "INSERT INTO enhanced_messages (conversation_id, sender_id, content, reply_to_id) VALUES (\(pair(1, 2)), 1, 'new', 4)",
            """
            SELECT m.id, m.sender_id, m.recipient_id, m.reply_to_id, m.updated_at, s.user_id, s.status
            FROM messages m JOIN message_status s ON s.message_id = m.id WHERE m.content = 'new'
            """, "21|1|2|4|NULL|2|sent"),
        Write(
            "INSERT INTO messages (sender_id, recipient_id, content) VALUES (3, 2, 'old')",
            """
            SELECT e.id, c.user_lo, c.user_hi, s.user_id, s.status FROM enhanced_messages e
            JOIN conversations c ON c.id = e.conversation_id JOIN message_status s ON s.message_id = e.id
            WHERE e.content = 'old'
            """, "22|2|3|2|sent"),
        // A message to a group has no place in messages, and its id is nobody else's.
        Write(
            """
            INSERT INTO conversations (kind, title) VALUES ('group', 'all');
            INSERT INTO enhanced_messages (conversation_id, sender_id, content) VALUES (\(group), 1, 'to all')
            """, "SELECT (SELECT max(id) FROM enhanced_messages), (SELECT max(id) FROM messages)", "23|22"),
        Write(
            "INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'next')",
            "SELECT id, content FROM enhanced_messages WHERE id > 22 ORDER BY id", "23|to all", "24|next"),
        Write(
            """
            INSERT INTO enhanced_messages (conversation_id, sender_id, content) VALUES (\(group), 1, 'several'),
                (\(pair(1, 2)), 1, 'several'), (\(pair(1, 2)), 2, 'several');
            INSERT INTO enhanced_messages (conversation_id, sender_id, content) VALUES (\(group), 1, 'several');
            INSERT INTO messages (sender_id, recipient_id, content) VALUES (1, 2, 'after')
            """, "SELECT id, content FROM messages WHERE id > 24 ORDER BY id", "26|several", "27|several", "29|after"),
        // To another conversation, by either side.
        Write(
            "UPDATE enhanced_messages SET conversation_id = \(pair(1, 3)) WHERE id = 21",
            "SELECT recipient_id, conversation_id = \(pair(1, 3)) FROM messages WHERE id = 21", "3|1"),
        Write(
            "UPDATE messages SET recipient_id = 2 WHERE id = 21",
            "SELECT conversation_id = \(pair(1, 2)) FROM enhanced_messages WHERE id = 21", "1"),
        Write(
            "UPDATE enhanced_messages SET conversation_id = \(group) WHERE id = 24",
            "SELECT (SELECT count(*) FROM messages WHERE id = 24), (SELECT count(*) FROM enhanced_messages WHERE id = 24)",
            "0|1"),
        Write(
            "UPDATE enhanced_messages SET conversation_id = \(pair(1, 2)) WHERE id = 24",
            "SELECT recipient_id, content FROM messages WHERE id = 24", "2|next"),
        Write("DELETE FROM enhanced_messages WHERE id = 24", "SELECT count(*) FROM messages WHERE id = 24", "0"),
        Write(
            "DELETE FROM messages WHERE id = 22",
            "SELECT count(*) FROM enhanced_messages JOIN message_status ON id = message_id WHERE id = 22", "0"),
        Write("UPDATE messages SET id = 30 WHERE id = 29", "SELECT id FROM enhanced_messages WHERE id > 28", "30"),
        Write(
            "INSERT OR REPLACE INTO messages (id, sender_id, recipient_id, content) VALUES (9, 3, 3, 'by old')",
            "SELECT content FROM enhanced_messages WHERE id = 9", "by old"),
        Write(
            "INSERT OR REPLACE INTO enhanced_messages (id, conversation_id, sender_id, content) VALUES (9, \(pair(3, 3)), 3, 'by new')",
            "SELECT m.content, s.status FROM messages m JOIN message_status s ON s.message_id = m.id WHERE m.id = 9",
            "by new|sent"),
        Write(
            "INSERT INTO enhanced_messages (id, conversation_id, sender_id, content) VALUES (9, \(pair(3, 3)), 3, 'again') ON CONFLICT (id) DO UPDATE SET content = excluded.content",
            "SELECT content FROM messages WHERE id = 9", "again"),
        Write(
            "UPDATE enhanced_messages SET content = content || '!'",
            "SELECT content FROM messages ORDER BY id", "hello!", "edited!", "it's!", "again!", "new!", "several!",
            "several!", "after!"),
        Write(
            "DELETE FROM enhanced_messages WHERE id = 1",
            "SELECT m.reply_to_id, e.reply_to_id FROM messages m JOIN enhanced_messages e USING (id) WHERE id = 4",
            "NULL|NULL"),
        // Without it the messages of its two people are still there, as `messages` says.
        Write(
            "DELETE FROM conversations WHERE id = \(pair(1, 2))",
            "SELECT count(*), count(e.id) FROM messages m LEFT JOIN enhanced_messages e ON e.id = m.id", "7|7"),
        Write(
            "DELETE FROM users WHERE id = 2", "SELECT id, content FROM messages ORDER BY id", "5|it's!", "9|again!"),
    ]
}
