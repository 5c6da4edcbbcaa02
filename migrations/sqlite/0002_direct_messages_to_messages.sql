-- migrator:revision 0002
-- migrator:revises 0001
-- migrator:message Switch direct_messages to messages
-- migrator:renames DirectMessage -> Message, directMessage -> message, direct_message_ -> message_ except direct_message_id
-- migrator:renames /direct-messages -> /messages, direct-message -> message

-- migrator:upgrade
-- migrator:backup direct_messages
-- migrator:leftovers messages, message_reads, conversations, conversation_participants

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    content TEXT NOT NULL,
    type VARCHAR(50) NOT NULL DEFAULT 'text',
    is_read BOOLEAN NOT NULL DEFAULT 0,
    is_deleted BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_sender BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_recipient BOOLEAN NOT NULL DEFAULT 0,
    reply_to_id INTEGER REFERENCES messages (id) ON DELETE SET NULL,
    file_url VARCHAR(500),
    file_name VARCHAR(255),
    file_size INTEGER,
    file_type VARCHAR(100),
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- NULL for messages that nobody has edited since the switch.
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    read_at DATETIME,
    deleted_at DATETIME
);
CREATE INDEX idx_messages_sender_recipient ON messages (sender_id, recipient_id);
CREATE INDEX idx_messages_recipient_unread ON messages (recipient_id, is_read, is_deleted_by_recipient);
CREATE INDEX idx_messages_conversation_pair ON messages (sender_id, recipient_id, created_at);
CREATE INDEX idx_messages_reply_to_id ON messages (reply_to_id);

-- The ids stay, so that replies and attachments point at the same messages. SQLite gets no view of the old name:
-- a view that can only be read would break writers without a word.
-- migrator:switch direct_messages -> messages key=id

-- migrator:verify every reply points at a message
SELECT m.id FROM messages m
WHERE m.reply_to_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM messages parent WHERE parent.id = m.reply_to_id);

-- migrator:when column attachments.direct_message_id exists
-- migrator:verify every attachment points at a message
SELECT a.id FROM attachments a
WHERE a.direct_message_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = a.direct_message_id);
-- migrator:end

-- migrator:downgrade
-- migrator:switch messages -> direct_messages key=id

-- migrator:verify every reply points at a direct message
SELECT m.id FROM direct_messages m
WHERE m.reply_to_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM direct_messages parent WHERE parent.id = m.reply_to_id);
