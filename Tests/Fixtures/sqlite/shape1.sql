-- The application of the switch in an embedded database: AUTOINCREMENT ids, eight indexes.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email VARCHAR(255) NOT NULL UNIQUE,
    phone VARCHAR(50),
    first_name VARCHAR(100),
    last_name VARCHAR(100),
    avatar VARCHAR(500),
    is_active BOOLEAN NOT NULL DEFAULT 1,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE direct_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    content TEXT NOT NULL,
    type VARCHAR(50) NOT NULL DEFAULT 'text',
    is_read BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_sender BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_recipient BOOLEAN NOT NULL DEFAULT 0,
    reply_to_id INTEGER,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    read_at DATETIME,
    file_url VARCHAR(500),
    file_name VARCHAR(255),
    file_size INTEGER,
    file_type VARCHAR(100),
    CONSTRAINT direct_messages_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT direct_messages_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT direct_messages_reply_to_id_fkey
        FOREIGN KEY (reply_to_id) REFERENCES direct_messages (id) ON DELETE SET NULL
);
CREATE INDEX idx_direct_messages_sender_id ON direct_messages (sender_id);
CREATE INDEX idx_direct_messages_recipient_id ON direct_messages (recipient_id);
CREATE INDEX idx_direct_messages_is_read ON direct_messages (is_read);
CREATE INDEX idx_direct_messages_reply_to_id ON direct_messages (reply_to_id);
CREATE INDEX idx_direct_messages_created_at ON direct_messages (created_at);
CREATE INDEX idx_direct_messages_type ON direct_messages (type);
CREATE INDEX idx_direct_messages_sender_recipient ON direct_messages (sender_id, recipient_id);
CREATE INDEX idx_direct_messages_recipient_unread
    ON direct_messages (recipient_id, is_read, is_deleted_by_recipient);

CREATE TABLE attachments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    direct_message_id INTEGER,
    owner_id INTEGER NOT NULL REFERENCES users (id),
    original_filename VARCHAR(255),
    s3_key VARCHAR(500) NOT NULL UNIQUE,
    mime_type VARCHAR(100),
    file_size INTEGER,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT attachments_direct_message_fk
        FOREIGN KEY (direct_message_id) REFERENCES direct_messages (id) ON DELETE CASCADE
);
CREATE INDEX idx_attachments_direct_message_id ON attachments (direct_message_id);
