-- migrator:check 0002
-- What the application does with messages, and what its queries may cost. Everything is rolled back.
-- migrator:size growth=1.5 plus=20MB

-- migrator:scenario send and receive
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: hello' FROM users;
-- migrator:expect the recipient has it, unread
SELECT count(*) = 1 FROM messages
WHERE recipient_id = (SELECT max(id) FROM users) AND content = 'check: hello' AND NOT is_read AND read_at IS NULL;
-- migrator:expect it stands in messages, with a new id
SELECT id = (SELECT max(id) FROM messages) FROM messages WHERE content = 'check: hello';

-- migrator:scenario mark read
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: read me' FROM users;
UPDATE messages SET is_read = true, read_at = now() WHERE content = 'check: read me';
-- migrator:expect it is read
SELECT is_read AND read_at IS NOT NULL FROM messages WHERE content = 'check: read me';

-- migrator:scenario search
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: needle in 100 % hay' FROM users;
-- migrator:expect a part of the text finds it, and it alone
SELECT count(*) = 1 FROM messages
WHERE (sender_id = (SELECT min(id) FROM users) OR recipient_id = (SELECT min(id) FROM users)) AND content LIKE '%check: needle in 100 _ hay%';

-- migrator:scenario reply
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: question' FROM users;
INSERT INTO messages (sender_id, recipient_id, content, reply_to_id)
SELECT recipient_id, sender_id, 'check: answer', id FROM messages WHERE content = 'check: question';
-- migrator:expect the answer points at the question
SELECT q.content = 'check: question' FROM messages a JOIN messages q ON q.id = a.reply_to_id WHERE a.content = 'check: answer';
DELETE FROM messages WHERE content = 'check: question';
-- migrator:expect the answer outlives the question
SELECT reply_to_id IS NULL FROM messages WHERE content = 'check: answer';

-- migrator:scenario attach
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given there are attachments of messages
SELECT count(*) = 4 FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'attachments' AND column_name IN ('direct_message_id', 'owner_id', 'original_filename', 's3_key');
INSERT INTO messages (sender_id, recipient_id, content, type, file_name, file_size)
SELECT min(id), max(id), 'check: photo', 'image', 'photo.jpg', 10 FROM users;
INSERT INTO attachments (direct_message_id, owner_id, original_filename, s3_key)
SELECT id, sender_id, 'photo.jpg', 'check/photo.jpg' FROM messages WHERE content = 'check: photo';
-- migrator:expect the attachment belongs to the message
SELECT m.type = 'image' AND m.file_name = a.original_filename
FROM attachments a JOIN messages m ON m.id = a.direct_message_id WHERE a.s3_key = 'check/photo.jpg';
DELETE FROM messages WHERE content = 'check: photo';
-- migrator:verify it goes with the message
SELECT id FROM attachments WHERE s3_key = 'check/photo.jpg';

-- migrator:scenario delete for one side
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: not for me' FROM users;
UPDATE messages SET is_deleted_by_sender = true WHERE content = 'check: not for me';
-- migrator:expect the sender does not see it, the recipient does
SELECT is_deleted_by_sender AND NOT is_deleted_by_recipient FROM messages WHERE content = 'check: not for me';

-- Old code, as long as the view of the old name stands.
-- migrator:scenario through the old name: send and receive
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: hello' FROM users;
-- migrator:expect the recipient has it, unread
SELECT count(*) = 1 FROM direct_messages
WHERE recipient_id = (SELECT max(id) FROM users) AND content = 'check: hello' AND NOT is_read AND read_at IS NULL;
-- migrator:expect it stands in messages, with a new id
SELECT id = (SELECT max(id) FROM messages) FROM messages WHERE content = 'check: hello';

-- migrator:scenario through the old name: mark read
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: read me' FROM users;
UPDATE direct_messages SET is_read = true, read_at = now() WHERE content = 'check: read me';
-- migrator:expect it is read
SELECT is_read AND read_at IS NOT NULL FROM messages WHERE content = 'check: read me';

-- migrator:scenario through the old name: search
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: needle in 100 % hay' FROM users;
-- migrator:expect a part of the text finds it, and it alone
SELECT count(*) = 1 FROM direct_messages
WHERE (sender_id = (SELECT min(id) FROM users) OR recipient_id = (SELECT min(id) FROM users)) AND content LIKE '%check: needle in 100 _ hay%';

-- migrator:scenario through the old name: reply
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: question' FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content, reply_to_id)
SELECT recipient_id, sender_id, 'check: answer', id FROM direct_messages WHERE content = 'check: question';
-- migrator:expect the answer points at the question
SELECT q.content = 'check: question' FROM messages a JOIN messages q ON q.id = a.reply_to_id WHERE a.content = 'check: answer';
DELETE FROM direct_messages WHERE content = 'check: question';
-- migrator:expect the answer outlives the question
SELECT reply_to_id IS NULL FROM messages WHERE content = 'check: answer';

-- migrator:scenario through the old name: attach
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given there are attachments of messages
SELECT count(*) = 4 FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'attachments' AND column_name IN ('direct_message_id', 'owner_id', 'original_filename', 's3_key');
INSERT INTO direct_messages (sender_id, recipient_id, content, type, file_name, file_size)
SELECT min(id), max(id), 'check: photo', 'image', 'photo.jpg', 10 FROM users;
INSERT INTO attachments (direct_message_id, owner_id, original_filename, s3_key)
SELECT id, sender_id, 'photo.jpg', 'check/photo.jpg' FROM messages WHERE content = 'check: photo';
-- migrator:expect the attachment belongs to the message
SELECT m.type = 'image' AND m.file_name = a.original_filename
FROM attachments a JOIN messages m ON m.id = a.direct_message_id WHERE a.s3_key = 'check/photo.jpg';
DELETE FROM direct_messages WHERE content = 'check: photo';
-- migrator:verify it goes with the message
SELECT id FROM attachments WHERE s3_key = 'check/photo.jpg';

-- migrator:scenario through the old name: delete for one side
-- migrator:through direct_messages
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
INSERT INTO direct_messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: not for me' FROM users;
UPDATE direct_messages SET is_deleted_by_sender = true WHERE content = 'check: not for me';
-- migrator:expect the sender does not see it, the recipient does
SELECT is_deleted_by_sender AND NOT is_deleted_by_recipient FROM messages WHERE content = 'check: not for me';

-- migrator:query load a conversation
-- migrator:parameters
SELECT sender_id, recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT id, sender_id, content, created_at FROM messages
WHERE (sender_id = $1 AND recipient_id = $2) OR (sender_id = $2 AND recipient_id = $1)
ORDER BY created_at DESC LIMIT 50;
-- migrator:before
-- migrator:parameters
SELECT sender_id, recipient_id FROM direct_messages ORDER BY id DESC LIMIT 1;
SELECT id, sender_id, content, created_at FROM direct_messages
WHERE (sender_id = $1 AND recipient_id = $2) OR (sender_id = $2 AND recipient_id = $1)
ORDER BY created_at DESC LIMIT 50;

-- migrator:query unread count
-- migrator:parameters
SELECT recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM messages
WHERE recipient_id = $1 AND NOT is_read AND NOT is_deleted_by_recipient;
-- migrator:before
-- migrator:parameters
SELECT recipient_id FROM direct_messages ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM direct_messages
WHERE recipient_id = $1 AND NOT is_read AND NOT is_deleted_by_recipient;

-- migrator:query search
-- migrator:parameters
SELECT sender_id, recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT id FROM messages
WHERE (sender_id = $1 AND recipient_id = $2) AND content LIKE '%needle%' ORDER BY created_at DESC LIMIT 20;
-- migrator:before
-- migrator:parameters
SELECT sender_id, recipient_id FROM direct_messages ORDER BY id DESC LIMIT 1;
SELECT id FROM direct_messages
WHERE (sender_id = $1 AND recipient_id = $2) AND content LIKE '%needle%' ORDER BY created_at DESC LIMIT 20;

-- migrator:query thread list
-- migrator:parameters
SELECT recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT CASE WHEN sender_id = $1 THEN recipient_id ELSE sender_id END AS other, max(created_at) AS last
FROM messages WHERE sender_id = $1 OR recipient_id = $1 GROUP BY 1 ORDER BY 2 DESC LIMIT 20;
-- migrator:before
-- migrator:parameters
SELECT recipient_id FROM direct_messages ORDER BY id DESC LIMIT 1;
SELECT CASE WHEN sender_id = $1 THEN recipient_id ELSE sender_id END AS other, max(created_at) AS last
FROM direct_messages WHERE sender_id = $1 OR recipient_id = $1 GROUP BY 1 ORDER BY 2 DESC LIMIT 20;
