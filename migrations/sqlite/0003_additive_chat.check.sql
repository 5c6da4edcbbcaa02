-- migrator:check 0003
-- Old code writes messages, and the new tables follow. Everything is rolled back.
-- migrator:size growth=3 plus=20MB

-- migrator:scenario send and receive
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: hello' FROM users;
-- migrator:expect it stands in the conversation of its two people
SELECT c.user_lo = min(m.sender_id, m.recipient_id) AND c.user_hi = max(m.sender_id, m.recipient_id)
FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.content = 'check: hello';
-- migrator:expect both take part in it
SELECT count(DISTINCT p.user_id) = 2 FROM messages m
JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id IN (m.sender_id, m.recipient_id)
WHERE m.content = 'check: hello';
-- migrator:expect the new tables have it, as sent
SELECT count(*) = 1 FROM enhanced_messages e JOIN message_status s ON s.message_id = e.id
WHERE e.content = 'check: hello' AND e.sender_id = (SELECT min(id) FROM users) AND s.user_id = (SELECT max(id) FROM users) AND s.status = 'sent';

-- migrator:scenario mark read
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: read me' FROM users;
UPDATE messages SET is_read = 1, read_at = CURRENT_TIMESTAMP WHERE content = 'check: read me';
-- migrator:expect its status is read
SELECT s.status = 'read' AND s.read_at IS NOT NULL
FROM messages m JOIN message_status s ON s.message_id = m.id AND s.user_id = m.recipient_id
WHERE m.content = 'check: read me';
UPDATE messages SET is_read = 0, read_at = NULL WHERE content = 'check: read me';
-- migrator:expect and stays so
SELECT s.status = 'read' FROM messages m JOIN message_status s ON s.message_id = m.id WHERE m.content = 'check: read me';

-- migrator:scenario search
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: needle' FROM users;
-- migrator:expect the new table finds it in its conversation
SELECT count(*) = 1 FROM conversation_participants p JOIN enhanced_messages e ON e.conversation_id = p.conversation_id
WHERE p.user_id = (SELECT max(id) FROM users) AND e.content LIKE '%check: needle%';

-- migrator:scenario reply
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: question' FROM users;
INSERT INTO messages (sender_id, recipient_id, content, reply_to_id)
SELECT recipient_id, sender_id, 'check: answer', id FROM messages WHERE content = 'check: question';
-- migrator:expect the answer points at the question, in the same conversation
SELECT q.content = 'check: question' AND q.conversation_id = a.conversation_id
FROM enhanced_messages a JOIN enhanced_messages q ON q.id = a.reply_to_id WHERE a.content = 'check: answer';

-- migrator:scenario attach
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
-- migrator:given there are attachments of messages
SELECT count(*) = 4 FROM pragma_table_info('attachments')
WHERE name IN ('direct_message_id', 'owner_id', 'original_filename', 's3_key');
INSERT INTO messages (sender_id, recipient_id, content, type, file_name, file_size)
SELECT min(id), max(id), 'check: photo', 'image', 'photo.jpg', 10 FROM users;
INSERT INTO attachments (direct_message_id, owner_id, original_filename, s3_key)
SELECT id, sender_id, 'photo.jpg', 'check/photo.jpg' FROM messages WHERE content = 'check: photo';
-- migrator:expect the new table has the file, the attachment its message
SELECT e.kind = 'image' AND e.file_name = a.original_filename
FROM attachments a JOIN enhanced_messages e ON e.id = a.direct_message_id WHERE a.s3_key = 'check/photo.jpg';

-- migrator:scenario delete for one side, then for both
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: not for me' FROM users;
UPDATE messages SET is_deleted_by_sender = 1 WHERE content = 'check: not for me';
-- migrator:expect it is there for the other side
SELECT deleted_at IS NULL FROM enhanced_messages WHERE content = 'check: not for me';
UPDATE messages SET is_deleted = 1, deleted_at = CURRENT_TIMESTAMP WHERE content = 'check: not for me';
-- migrator:expect it is deleted for both
SELECT deleted_at IS NOT NULL FROM enhanced_messages WHERE content = 'check: not for me';
DELETE FROM messages WHERE content = 'check: not for me';
-- migrator:verify nothing of it is left
SELECT id FROM enhanced_messages WHERE content = 'check: not for me';

-- migrator:scenario new code writes, old code reads
-- migrator:given there are two users
SELECT count(*) >= 2 FROM users;
-- migrator:given messages is what 0002 made of it
SELECT count(*) = 4 FROM pragma_table_info('messages')
WHERE name IN ('is_read', 'is_deleted', 'is_deleted_by_sender', 'reply_to_id');
INSERT INTO messages (sender_id, recipient_id, content)
SELECT min(id), max(id), 'check: first' FROM users;
INSERT INTO enhanced_messages (conversation_id, sender_id, content)
SELECT conversation_id, recipient_id, 'check: from new code' FROM messages WHERE content = 'check: first';
-- migrator:expect messages has it, to the other of the two
SELECT n.recipient_id = f.sender_id AND n.conversation_id = f.conversation_id
FROM messages n, messages f WHERE n.content = 'check: from new code' AND f.content = 'check: first';
UPDATE message_status SET status = 'read', read_at = CURRENT_TIMESTAMP
WHERE message_id = (SELECT id FROM messages WHERE content = 'check: from new code');
-- migrator:expect read in the one is read in the other
SELECT is_read FROM messages WHERE content = 'check: from new code';

-- migrator:query load a conversation
-- migrator:parameters
SELECT sender_id, recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT id, sender_id, content, created_at FROM messages
WHERE (sender_id = $1 AND recipient_id = $2) OR (sender_id = $2 AND recipient_id = $1)
ORDER BY created_at DESC LIMIT 50;

-- migrator:query unread count
-- migrator:parameters
SELECT recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM messages
WHERE recipient_id = $1 AND is_read = 0 AND is_deleted_by_recipient = 0;

-- migrator:query search
-- migrator:parameters
SELECT sender_id, recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT id FROM messages
WHERE (sender_id = $1 AND recipient_id = $2) AND content LIKE '%needle%' ORDER BY created_at DESC LIMIT 20;

-- migrator:query thread list
-- migrator:parameters
SELECT recipient_id FROM messages ORDER BY id DESC LIMIT 1;
SELECT CASE WHEN sender_id = $1 THEN recipient_id ELSE sender_id END AS other, max(created_at) AS last
FROM messages WHERE sender_id = $1 OR recipient_id = $1 GROUP BY 1 ORDER BY 2 DESC LIMIT 20;
