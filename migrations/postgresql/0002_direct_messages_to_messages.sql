-- migrator:revision 0002
-- migrator:revises 0001
-- migrator:message Switch direct_messages to messages
-- migrator:renames DirectMessage -> Message, directMessage -> message, direct_message_ -> message_ except direct_message_id
-- migrator:renames /direct-messages -> /messages, direct-message -> message

-- migrator:upgrade
-- migrator:backup direct_messages
-- migrator:leftovers messages, message_reads, conversations, conversation_participants

CREATE TABLE messages (
    id integer PRIMARY KEY,
    sender_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    content text NOT NULL,
    type varchar(50) NOT NULL DEFAULT 'text',
    is_read boolean NOT NULL DEFAULT false,
    is_deleted boolean NOT NULL DEFAULT false,
    is_deleted_by_sender boolean NOT NULL DEFAULT false,
    is_deleted_by_recipient boolean NOT NULL DEFAULT false,
    reply_to_id integer REFERENCES messages (id) ON DELETE SET NULL,
    file_url varchar(500),
    file_name varchar(255),
    file_size integer,
    file_type varchar(100),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- NULL for messages that nobody has edited since the switch.
    updated_at timestamptz DEFAULT now(),
    read_at timestamptz,
    deleted_at timestamptz
);
CREATE INDEX idx_messages_sender_recipient ON messages (sender_id, recipient_id);
CREATE INDEX idx_messages_recipient_unread ON messages (recipient_id, is_read, is_deleted_by_recipient);
CREATE INDEX idx_messages_conversation_pair ON messages (sender_id, recipient_id, created_at);
CREATE INDEX idx_messages_reply_to_id ON messages (reply_to_id);

-- The ids stay, so that replies and attachments point at the same messages; old code goes on through the view.
-- migrator:switch direct_messages -> messages key=id view=direct_messages

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
