-- A table of that name which is something else: pairs of people, without any text.
CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE direct_messages (
    channel_id integer PRIMARY KEY,
    user_one_id integer NOT NULL REFERENCES users (id),
    user_two_id integer NOT NULL REFERENCES users (id)
);
