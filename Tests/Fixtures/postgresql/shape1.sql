-- The application of the switch as an Alembic project leaves it: named constraints, eight indexes, comments.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('a1b2c3d4e5f6');

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

CREATE TABLE direct_messages (
    id serial,
    sender_id integer NOT NULL,
    recipient_id integer NOT NULL,
    content text NOT NULL,
    type varchar(50) NOT NULL DEFAULT 'text',
    is_read boolean NOT NULL DEFAULT false,
    is_deleted_by_sender boolean NOT NULL DEFAULT false,
    is_deleted_by_recipient boolean NOT NULL DEFAULT false,
    reply_to_id integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    file_url varchar(500),
    file_name varchar(255),
    file_size integer,
    file_type varchar(100),
    CONSTRAINT direct_messages_pkey PRIMARY KEY (id),
    CONSTRAINT direct_messages_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT direct_messages_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT direct_messages_reply_to_id_fkey
        FOREIGN KEY (reply_to_id) REFERENCES direct_messages (id) ON DELETE SET NULL
);
COMMENT ON TABLE direct_messages IS 'Messages between two people';
COMMENT ON COLUMN direct_messages.read_at IS 'when the recipient''s app showed it';
CREATE INDEX idx_direct_messages_sender_id ON direct_messages (sender_id);
CREATE INDEX idx_direct_messages_recipient_id ON direct_messages (recipient_id);
CREATE INDEX idx_direct_messages_is_read ON direct_messages (is_read);
CREATE INDEX idx_direct_messages_reply_to_id ON direct_messages (reply_to_id);
CREATE INDEX idx_direct_messages_created_at ON direct_messages (created_at);
CREATE INDEX idx_direct_messages_type ON direct_messages (type);
CREATE INDEX idx_direct_messages_sender_recipient ON direct_messages (sender_id, recipient_id);
CREATE INDEX idx_direct_messages_recipient_unread
    ON direct_messages (recipient_id, is_read, is_deleted_by_recipient);
COMMENT ON INDEX idx_direct_messages_type IS 'for the media gallery';

CREATE TABLE attachments (
    id serial PRIMARY KEY,
    direct_message_id integer,
    owner_id integer NOT NULL REFERENCES users (id),
    original_filename varchar(255),
    s3_key varchar(500) NOT NULL UNIQUE,
    mime_type varchar(100),
    file_size bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT attachments_direct_message_fk
        FOREIGN KEY (direct_message_id) REFERENCES direct_messages (id) ON DELETE CASCADE
);
CREATE INDEX idx_attachments_direct_message_id ON attachments (direct_message_id);

-- Roles belong to the whole server: where there is one of this name, it has its grants.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chat_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON users, direct_messages, attachments TO chat_app;
        GRANT USAGE ON SEQUENCE users_id_seq, direct_messages_id_seq, attachments_id_seq TO chat_app;
    END IF;
END
$$;
