-- The application of the additive migration: it has `messages` already, with people, groups and notes to nobody.
PRAGMA foreign_keys = ON;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    phone TEXT UNIQUE NOT NULL,
    email TEXT,
    name TEXT,
    username TEXT,
    avatar TEXT,
    bio TEXT,
    country TEXT,
    city TEXT,
    is_verified BOOLEAN DEFAULT 0,
    last_login DATETIME,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL,
    contact_user_id INTEGER,
    name TEXT,
    phone TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (owner_id) REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    FOREIGN KEY (contact_user_id) REFERENCES users (id) ON UPDATE CASCADE ON DELETE SET NULL
);

CREATE TABLE call_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    caller_id INTEGER NOT NULL REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    callee_id INTEGER NOT NULL REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    status TEXT,
    started_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    duration INTEGER
);

CREATE TABLE verification_codes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    phone TEXT NOT NULL,
    code TEXT NOT NULL,
    expires_at DATETIME NOT NULL
);

CREATE TABLE settings (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    notifications_enabled BOOLEAN DEFAULT 1,
    language TEXT DEFAULT 'en'
);

CREATE TABLE devices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    push_token TEXT,
    last_active DATETIME
);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id INTEGER NOT NULL,
    recipient_id INTEGER,
    group_id INTEGER,
    content TEXT,
    type TEXT CHECK (type IN ('text', 'image', 'audio', 'video', 'file')) DEFAULT 'text',
    status TEXT CHECK (status IN ('sent', 'delivered', 'read')) DEFAULT 'sent',
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (sender_id) REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    FOREIGN KEY (recipient_id) REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX idx_messages_sender_id ON messages (sender_id);

INSERT INTO users (phone, name, created_at) VALUES
    ('+1000', 'Ann', '2024-01-01 00:00:00'), ('+1001', 'Björn', '2024-01-01 00:00:01'),
    ('+1002', 'O''Neil', '2024-01-01 00:00:02'), ('+1003', NULL, '2024-01-01 00:00:03');
INSERT INTO settings (user_id) SELECT id FROM users;
INSERT INTO contacts (owner_id, contact_user_id, name) VALUES (1, 2, 'B'), (1, NULL, 'not here yet');
INSERT INTO messages (id, sender_id, recipient_id, group_id, content, type, status, created_at) VALUES
    (1, 1, 2, NULL, 'Grüße 👋🏽', 'text', 'read', '2024-01-02 00:00:00'),
    (2, 2, 1, NULL, 'it''s "quoted"', 'text', 'delivered', '2024-01-02 00:00:01'),
    (3, 1, 1, NULL, 'a note to self', 'text', 'sent', '2024-01-02 00:00:02'),
    (5, 3, NULL, 7, 'to a group', 'text', 'sent', '2024-01-02 00:00:03'),
    (6, 3, NULL, NULL, NULL, 'image', 'sent', '2024-01-02 00:00:04'),
    (9, 4, 3, NULL, '', 'file', 'read', '2024-01-02 00:00:05'),
    (12, 4, 1, NULL, 'the last one', 'text', 'sent', '2024-01-02 00:00:06');
-- The highest id is gone, and must not come back.
DELETE FROM messages WHERE id = 12;
