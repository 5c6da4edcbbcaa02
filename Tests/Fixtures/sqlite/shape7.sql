-- A table of that name which is something else: pairs of people, without any text.
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE);
CREATE TABLE direct_messages (
    channel_id INTEGER PRIMARY KEY,
    user_one_id INTEGER NOT NULL REFERENCES users (id),
    user_two_id INTEGER NOT NULL REFERENCES users (id)
);
