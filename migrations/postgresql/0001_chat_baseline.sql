-- migrator:revision 0001
-- migrator:revises base
-- migrator:message Chat baseline

-- What the application has before the switch. A database that has these tables already is adopted by
-- `migrator stamp 0001`.

-- migrator:upgrade
CREATE TABLE users (
    id serial PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    phone varchar(50),
    first_name varchar(100),
    last_name varchar(100),
    avatar varchar(500),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE contacts (
    id serial PRIMARY KEY,
    owner_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    contact_user_id integer REFERENCES users (id) ON DELETE SET NULL,
    name varchar(200),
    phone varchar(50),
    email varchar(255),
    is_favorite boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_contacts_owner_id ON contacts (owner_id);

CREATE TABLE call_logs (
    id serial PRIMARY KEY,
    caller_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    callee_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel varchar(100),
    call_type varchar(20) NOT NULL DEFAULT 'audio',
    direction varchar(20),
    status varchar(20),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    duration integer
);
COMMENT ON COLUMN call_logs.duration IS 'in seconds';
CREATE INDEX idx_call_logs_caller_id ON call_logs (caller_id);
CREATE INDEX idx_call_logs_callee_id ON call_logs (callee_id);

CREATE TABLE verification_codes (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code varchar(20) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX idx_verification_codes_user_id ON verification_codes (user_id);

CREATE TABLE settings (
    user_id integer PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    notifications_enabled boolean NOT NULL DEFAULT true,
    dark_mode boolean NOT NULL DEFAULT false,
    language varchar(10) NOT NULL DEFAULT 'en',
    ringtone varchar(100),
    privacy_last_seen boolean NOT NULL DEFAULT true
);

CREATE TABLE devices (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id varchar(255) NOT NULL,
    device_type varchar(50),
    push_token varchar(500),
    last_active timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_devices_user_id ON devices (user_id);

CREATE TABLE direct_messages (
    id serial PRIMARY KEY,
    sender_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    content text NOT NULL,
    type varchar(50) NOT NULL DEFAULT 'text',
    is_read boolean NOT NULL DEFAULT false,
    is_deleted_by_sender boolean NOT NULL DEFAULT false,
    is_deleted_by_recipient boolean NOT NULL DEFAULT false,
    reply_to_id integer REFERENCES direct_messages (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    file_url varchar(500),
    file_name varchar(255),
    file_size integer,
    file_type varchar(100)
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
    id serial PRIMARY KEY,
    direct_message_id integer
        CONSTRAINT attachments_direct_message_fk REFERENCES direct_messages (id) ON DELETE CASCADE,
    owner_id integer NOT NULL REFERENCES users (id),
    original_filename varchar(255),
    s3_key varchar(500) NOT NULL UNIQUE,
    mime_type varchar(100),
    file_size bigint,
    created_at timestamptz NOT NULL DEFAULT now()
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
