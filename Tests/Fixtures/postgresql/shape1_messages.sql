-- {count} messages between 50 people, the same at every run: unicode, quotes, empty and long texts, replies, files,
-- read_at without is_read, deleted flags, gaps in the ids, and the highest id deleted.
INSERT INTO users (email, first_name, created_at, updated_at)
SELECT 'user' || n || '@example.org', 'User ' || n, '2023-01-01 00:00:00+00', '2023-01-01 00:00:00+00'
FROM generate_series(1, 50) AS n;

INSERT INTO direct_messages
    (id, sender_id, recipient_id, content, type, is_read, is_deleted_by_sender, is_deleted_by_recipient,
     reply_to_id, created_at, read_at, file_url, file_name, file_size, file_type)
SELECT n + n / 10,                                       -- every eleventh id is missing
       1 + n % 50,
       1 + (n * 7 + n / 50) % 50,
       CASE n % 8
           WHEN 0 THEN 'Grüße, 世界 👋🏽 ' || n
           WHEN 1 THEN 'it''s "quoted" \ and	tabbed ' || n
           WHEN 2 THEN ''
           WHEN 3 THEN repeat('long ', CASE WHEN n % 1000 = 3 THEN 2000 ELSE 3 END)
           ELSE 'message ' || n
       END,
       CASE WHEN n % 9 = 0 THEN 'image' ELSE 'text' END,
       n % 6 = 0,
       n % 11 = 0,
       n % 13 = 0,
       -- Replies point backwards, and now and then forwards.
       CASE WHEN n % 5 = 0 AND n > 10 THEN (n - 7) + (n - 7) / 10
            WHEN n % 97 = 0 AND n + 3 <= {count} THEN (n + 3) + (n + 3) / 10 END,
       '2024-01-01 00:00:00.123456+00'::timestamptz + n * interval '61 seconds 17 microseconds',
       CASE WHEN n % 4 = 0 THEN '2024-01-01 00:01:00+00'::timestamptz + n * interval '61 seconds' END,
       CASE WHEN n % 9 = 0 THEN 'https://files.example.org/' || n END,
       CASE WHEN n % 9 = 0 THEN 'photo ' || n || '.jpg' END,
       CASE WHEN n % 9 = 0 THEN n * 10 END,
       CASE WHEN n % 9 = 0 THEN 'image/jpeg' END
FROM generate_series(1, {count}) AS n;

INSERT INTO attachments (direct_message_id, owner_id, original_filename, s3_key, mime_type, file_size, created_at)
SELECT m.id, m.sender_id, m.file_name, 'uploads/' || m.id, m.file_type, m.file_size, m.created_at
FROM direct_messages m WHERE m.type = 'image' ORDER BY m.id;

SELECT setval('direct_messages_id_seq', (SELECT max(id) FROM direct_messages));
-- The highest id is gone, and must not come back.
DELETE FROM direct_messages WHERE id = (SELECT max(id) FROM direct_messages);
