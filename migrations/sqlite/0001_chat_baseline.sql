-- migrator:revision 0001
-- migrator:revises base
-- migrator:message Chat baseline

-- What the application has before the switch. A database that has these tables already is adopted by
-- `migrator stamp 0001`.

-- migrator:upgrade
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

CREATE TABLE contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    contact_user_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    name VARCHAR(200),
    phone VARCHAR(50),
    email VARCHAR(255),
    is_favorite BOOLEAN NOT NULL DEFAULT 0,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_contacts_owner_id ON contacts (owner_id);

CREATE TABLE call_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    caller_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    callee_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel VARCHAR(100),
    call_type VARCHAR(20) NOT NULL DEFAULT 'audio',
    direction VARCHAR(20),
    status VARCHAR(20),
    started_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    ended_at DATETIME,
    duration INTEGER -- in seconds
);
CREATE INDEX idx_call_logs_caller_id ON call_logs (caller_id);
CREATE INDEX idx_call_logs_callee_id ON call_logs (callee_id);

CREATE TABLE verification_codes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code VARCHAR(20) NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at DATETIME NOT NULL
);
CREATE INDEX idx_verification_codes_user_id ON verification_codes (user_id);

CREATE TABLE settings (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    notifications_enabled BOOLEAN NOT NULL DEFAULT 1,
    dark_mode BOOLEAN NOT NULL DEFAULT 0,
    language VARCHAR(10) NOT NULL DEFAULT 'en',
    ringtone VARCHAR(100),
    privacy_last_seen BOOLEAN NOT NULL DEFAULT 1
);

CREATE TABLE devices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id VARCHAR(255) NOT NULL,
    device_type VARCHAR(50),
    push_token VARCHAR(500),
    last_active DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_devices_user_id ON devices (user_id);

CREATE TABLE direct_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    content TEXT NOT NULL,
    type VARCHAR(50) NOT NULL DEFAULT 'text',
    is_read BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_sender BOOLEAN NOT NULL DEFAULT 0,
    is_deleted_by_recipient BOOLEAN NOT NULL DEFAULT 0,
    reply_to_id INTEGER REFERENCES direct_messages (id) ON DELETE SET NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    read_at DATETIME,
    file_url VARCHAR(500),
    file_name VARCHAR(255),
    file_size INTEGER,
    file_type VARCHAR(100)
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
    direct_message_id INTEGER
        CONSTRAINT attachments_direct_message_fk REFERENCES direct_messages (id) ON DELETE CASCADE,
    owner_id INTEGER NOT NULL REFERENCES users (id),
    original_filename VARCHAR(255),
    s3_key VARCHAR(500) NOT NULL UNIQUE,
    mime_type VARCHAR(100),
    file_size INTEGER,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_attachments_direct_message_id ON attachments (direct_message_id);

-- migrator:downgrade
DROP TABLE attachments;
DROP TABLE direct_messages;
DROP TABLE devices;
DROP TABLE settings;
DROP TABLE verification_codes;
DROP TABLE call_logs;
DROP TABLE contacts;
DROP TABLE users;
