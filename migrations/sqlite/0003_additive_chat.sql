-- migrator:revision 0003
-- migrator:revises 0002
-- migrator:message Add conversations, statuses, presence and enhanced messages

-- Additive: old code goes on writing `messages`, new code the new tables, and triggers lead both ways. `messages` may be
-- what 0002 made, or an older table, adopted with `stamp 0002`: without replies and files, with messages to groups, and
-- with a `status` in the place of `is_read` and `read_at`.

-- migrator:upgrade
-- migrator:leftovers message_status, enhanced_messages, conversation_participants, conversations, user_presence

-- migrator:when column users.socket_id missing
ALTER TABLE users ADD COLUMN socket_id TEXT;
-- migrator:end
-- migrator:when column users.last_seen missing
ALTER TABLE users ADD COLUMN last_seen DATETIME;
-- migrator:end

-- One for each pair of people, the lower id first; lo = hi is the note to self. A group has its people in
-- conversation_participants alone.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL DEFAULT 'direct' CHECK (kind IN ('direct', 'group')),
    title TEXT,
    user_lo INTEGER REFERENCES users (id) ON DELETE CASCADE,
    user_hi INTEGER REFERENCES users (id) ON DELETE CASCADE,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (user_lo, user_hi),
    CHECK ((kind = 'direct') = (user_lo IS NOT NULL AND user_hi IS NOT NULL)),
    CHECK (user_lo <= user_hi)
);
CREATE INDEX idx_conversations_user_hi ON conversations (user_hi);

CREATE TABLE conversation_participants (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL DEFAULT 'member',
    joined_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_read_at DATETIME,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX idx_conversation_participants_user_id ON conversation_participants (user_id);

-- migrator:when column messages.conversation_id missing
ALTER TABLE messages ADD COLUMN conversation_id INTEGER
    REFERENCES conversations (id) ON DELETE SET NULL;
-- migrator:end

CREATE TABLE enhanced_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    sender_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind VARCHAR(50) NOT NULL DEFAULT 'text',
    content TEXT,
    reply_to_id INTEGER REFERENCES enhanced_messages (id) ON DELETE SET NULL,
    file_url VARCHAR(500),
    file_name VARCHAR(255),
    file_size INTEGER,
    file_type VARCHAR(100),
    -- An older table may lack the time, and a write that it takes must not fail for that.
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    edited_at DATETIME,
    deleted_at DATETIME
);
CREATE INDEX idx_enhanced_messages_conversation ON enhanced_messages (conversation_id, created_at, id);
CREATE INDEX idx_enhanced_messages_reply_to_id ON enhanced_messages (reply_to_id);
CREATE INDEX idx_enhanced_messages_sender_id ON enhanced_messages (sender_id);

CREATE TABLE message_status (
    message_id INTEGER NOT NULL REFERENCES enhanced_messages (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL DEFAULT 'sent' CHECK (status IN ('sent', 'delivered', 'read')),
    delivered_at DATETIME,
    read_at DATETIME,
    PRIMARY KEY (message_id, user_id)
);
CREATE INDEX idx_message_status_user_id ON message_status (user_id, status);

CREATE TABLE user_presence (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL DEFAULT 'offline',
    last_seen DATETIME
);

-- migrator:exceptions messages key=id
SELECT m.id,
       CASE WHEN s.id IS NULL THEN 'its sender is not known' WHEN m.recipient_id IS NULL THEN 'it has no recipient'
            ELSE 'its recipient is not known' END AS reason
FROM messages m LEFT JOIN users s ON s.id = m.sender_id LEFT JOIN users r ON r.id = m.recipient_id
WHERE s.id IS NULL OR r.id IS NULL;

-- The users are joined since a message is still there for a moment when its sender or recipient is deleted.
-- migrator:ensure messages -> conversations on=user_lo,user_hi
SELECT DISTINCT min(m.sender_id, m.recipient_id) AS user_lo, max(m.sender_id, m.recipient_id) AS user_hi
FROM messages m JOIN users s ON s.id = m.sender_id JOIN users r ON r.id = m.recipient_id;

-- migrator:ensure conversations -> conversation_participants on=conversation_id,user_id
SELECT id AS conversation_id, user_lo AS user_id, created_at AS joined_at
FROM conversations WHERE user_lo IS NOT NULL
UNION ALL
SELECT id, user_hi, created_at FROM conversations WHERE user_hi <> user_lo;

-- migrator:fill messages key=id
SELECT m.id, c.id AS conversation_id
FROM messages m
JOIN conversations c ON c.user_lo = min(m.sender_id, m.recipient_id)
                    AND c.user_hi = max(m.sender_id, m.recipient_id)
WHERE m.sender_id IS NOT NULL AND m.recipient_id IS NOT NULL;

CREATE INDEX idx_messages_conversation_id ON messages (conversation_id, created_at);

-- Old code goes on writing messages, new code writes enhanced_messages: each sees what the other does. Messages of a
-- group, and those of somebody who is not one of a conversation's two people, have no place in messages.
-- migrator:when column messages.reply_to_id exists
-- migrator:sync messages <-> enhanced_messages key=id yields=enhanced_messages mapping=select
SELECT id, conversation_id, sender_id, type AS kind, content, reply_to_id,
       file_url, file_name, file_size, file_type, created_at,
       CASE WHEN updated_at > created_at THEN updated_at END AS edited_at,
       CASE WHEN is_deleted THEN coalesce(deleted_at, updated_at, created_at) ELSE deleted_at END AS deleted_at
FROM messages WHERE conversation_id IS NOT NULL;
-- migrator:back
SELECT e.id, e.sender_id, CASE WHEN c.user_lo = e.sender_id THEN c.user_hi ELSE c.user_lo END AS recipient_id,
       e.kind AS type, coalesce(e.content, '') AS content, e.reply_to_id,
       e.file_url, e.file_name, e.file_size, e.file_type, e.created_at, e.edited_at AS updated_at,
       e.deleted_at IS NOT NULL AS is_deleted, e.deleted_at
FROM enhanced_messages e JOIN conversations c ON c.id = e.conversation_id
WHERE c.kind = 'direct' AND e.sender_id IN (c.user_lo, c.user_hi);
-- migrator:end
-- migrator:when column messages.reply_to_id missing
-- migrator:sync messages <-> enhanced_messages key=id yields=enhanced_messages mapping=select
SELECT id, conversation_id, sender_id, coalesce(type, 'text') AS kind, content, created_at
FROM messages WHERE conversation_id IS NOT NULL;
-- migrator:back
SELECT e.id, e.sender_id, CASE WHEN c.user_lo = e.sender_id THEN c.user_hi ELSE c.user_lo END AS recipient_id,
       e.kind AS type, e.content, e.created_at
FROM enhanced_messages e JOIN conversations c ON c.id = e.conversation_id
WHERE c.kind = 'direct' AND e.sender_id IN (c.user_lo, c.user_hi);
-- migrator:end

-- The application marks a message as read by either column. A status only ever moves upwards.
-- migrator:when column messages.status missing
-- migrator:ensure messages <-> message_status on=message_id,user_id key=id raise=status(sent,delivered,read)
SELECT id AS message_id, recipient_id AS user_id,
       CASE WHEN is_read OR read_at IS NOT NULL THEN 'read' ELSE 'sent' END AS status, read_at
FROM messages WHERE conversation_id IS NOT NULL AND recipient_id IS NOT NULL;
-- migrator:back
SELECT s.message_id AS id, 1 AS is_read, s.read_at
FROM message_status s JOIN messages m ON m.id = s.message_id AND m.recipient_id = s.user_id
WHERE s.status = 'read';
-- migrator:end
-- migrator:when column messages.status exists
-- migrator:ensure messages <-> message_status on=message_id,user_id key=id raise=status(sent,delivered,read)
SELECT id AS message_id, recipient_id AS user_id,
       CASE WHEN status IN ('delivered', 'read') THEN status ELSE 'sent' END AS status
FROM messages WHERE conversation_id IS NOT NULL AND recipient_id IS NOT NULL;
-- migrator:back
SELECT s.message_id AS id, s.status
FROM message_status s JOIN messages m ON m.id = s.message_id AND m.recipient_id = s.user_id
WHERE s.status IN ('delivered', 'read');
-- migrator:end

-- migrator:verify every message stands in the conversation of its two people
SELECT m.id FROM messages m
JOIN users s ON s.id = m.sender_id JOIN users r ON r.id = m.recipient_id
LEFT JOIN conversations c ON c.id = m.conversation_id
WHERE c.user_lo IS NOT min(m.sender_id, m.recipient_id)
   OR c.user_hi IS NOT max(m.sender_id, m.recipient_id);

-- migrator:verify every conversation has its people
SELECT c.id FROM conversations c
LEFT JOIN conversation_participants lo ON lo.conversation_id = c.id AND lo.user_id = c.user_lo
LEFT JOIN conversation_participants hi ON hi.conversation_id = c.id AND hi.user_id = c.user_hi
WHERE c.kind = 'direct' AND (lo.user_id IS NULL OR hi.user_id IS NULL);

-- migrator:when column messages.status missing
-- migrator:verify what was read is read
SELECT m.id FROM messages m
LEFT JOIN message_status s ON s.message_id = m.id AND s.user_id = m.recipient_id
WHERE (m.is_read OR m.read_at IS NOT NULL) AND m.conversation_id IS NOT NULL AND m.recipient_id IS NOT NULL
  AND s.status IS NOT 'read';
-- migrator:end
-- migrator:when column messages.status exists
-- migrator:verify what was delivered or read is so
SELECT m.id FROM messages m
LEFT JOIN message_status s ON s.message_id = m.id AND s.user_id = m.recipient_id
WHERE m.status IN ('delivered', 'read') AND m.conversation_id IS NOT NULL AND m.recipient_id IS NOT NULL
  AND s.status IS NOT 'read' AND s.status IS NOT m.status;
-- migrator:end

-- migrator:downgrade
-- migrator:unsync messages -> enhanced_messages
-- migrator:archive conversations, conversation_participants, enhanced_messages, message_status, user_presence
DROP TABLE message_status;
DROP TABLE enhanced_messages;
DROP TABLE conversation_participants;
DROP TABLE user_presence;
DROP INDEX idx_messages_conversation_id;
-- migrator:when created messages.conversation_id
ALTER TABLE messages DROP COLUMN conversation_id;
-- migrator:end
DROP TABLE conversations;
-- migrator:when created users.socket_id
ALTER TABLE users DROP COLUMN socket_id;
-- migrator:end
-- migrator:when created users.last_seen
ALTER TABLE users DROP COLUMN last_seen;
-- migrator:end
