-- To be loaded after shape1.sql: what some databases of that application have besides, with rows that keep its rules.
-- Roles belong to the whole server; two databases may be filled at the same moment.
DO $$
BEGIN
    CREATE ROLE chat_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

ALTER TABLE direct_messages
    ADD COLUMN client_id uuid,
    ADD COLUMN edited boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT direct_messages_client_id_key UNIQUE (client_id),
    ADD CONSTRAINT direct_messages_content_check CHECK (type <> 'text' OR content <> ''),
    ADD CONSTRAINT direct_messages_not_to_self CHECK (sender_id <> recipient_id);
COMMENT ON CONSTRAINT direct_messages_not_to_self ON direct_messages IS 'notes are kept elsewhere';
ALTER TABLE direct_messages ALTER COLUMN content SET STATISTICS 500;
ALTER TABLE direct_messages SET (fillfactor = 90);

CREATE INDEX idx_direct_messages_unread_only ON direct_messages (recipient_id, created_at DESC) WHERE read_at IS NULL;
CREATE INDEX "idx direct messages File" ON direct_messages (lower(file_name)) WHERE file_url IS NOT NULL;

-- Whether shape1.sql found the role depends on what else runs on the server.
REVOKE ALL ON direct_messages FROM chat_app;
REVOKE ALL ON SEQUENCE direct_messages_id_seq FROM chat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, attachments TO chat_app;
GRANT SELECT, INSERT ON direct_messages TO chat_app WITH GRANT OPTION;
GRANT UPDATE (content, read_at) ON direct_messages TO chat_app;
GRANT USAGE ON SEQUENCE direct_messages_id_seq TO chat_app;

INSERT INTO users (id, email, created_at, updated_at)
SELECT n, 'extra' || n || '@example.org', '2023-01-01 00:00:00+00', '2023-01-01 00:00:00+00'
FROM generate_series(1, 6) AS n;
SELECT setval('users_id_seq', 6);

INSERT INTO direct_messages
    (id, sender_id, recipient_id, content, type, client_id, edited, reply_to_id, created_at, read_at, file_url, file_name)
SELECT n * 3,
       1 + n % 6,
       1 + (n + 1 + n / 6 % 5) % 6,
       CASE WHEN n % 5 = 0 THEN '' ELSE 'Grüße 👋🏽 it''s ' || n END,
       CASE WHEN n % 5 = 0 THEN 'image' ELSE 'text' END,
       CASE WHEN n % 2 = 0 THEN md5(n::text)::uuid END,
       n % 7 = 0,
       -- Replies point backwards, and now and then forwards.
       CASE WHEN n % 4 = 0 THEN (n - 3) * 3 WHEN n % 11 = 0 AND n < 110 THEN (n + 2) * 3 END,
       '2024-01-01 00:00:00.123456+00'::timestamptz + n * interval '61 seconds 17 microseconds',
       CASE WHEN n % 3 = 0 THEN '2024-01-02 00:00:00+00'::timestamptz END,
       CASE WHEN n % 5 = 0 THEN 'https://files.example.org/' || n END,
       CASE WHEN n % 5 = 0 THEN 'Photo ' || n || '.JPG' END
FROM generate_series(1, 120) AS n;

INSERT INTO attachments (direct_message_id, owner_id, original_filename, s3_key, created_at)
SELECT id, sender_id, file_name, 'extras/' || id, created_at FROM direct_messages WHERE type = 'image' ORDER BY id;

SELECT setval('direct_messages_id_seq', (SELECT max(id) FROM direct_messages));
-- The highest id is gone, and must not come back.
DELETE FROM direct_messages WHERE id = (SELECT max(id) FROM direct_messages);
