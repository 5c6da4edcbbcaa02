-- To be loaded after shape1_messages.sql: columns that no script names, with what can hang on a column.
DO $$
BEGIN
    CREATE ROLE chat_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
CREATE SCHEMA shared;
CREATE TYPE shared.mood AS ENUM ('calm', 'angry');
CREATE TABLE workspaces (id serial PRIMARY KEY, name text NOT NULL);
INSERT INTO workspaces (name) VALUES ('north'), ('south'), ('east');

ALTER TABLE direct_messages ADD COLUMN forgotten text;
ALTER TABLE direct_messages
    ADD COLUMN workspace_id integer NOT NULL DEFAULT 1 REFERENCES workspaces (id),
    ADD COLUMN mood shared.mood DEFAULT 'calm',
    ADD COLUMN label varchar(40) COLLATE "C",
    ADD COLUMN client_key text CONSTRAINT direct_messages_client_key UNIQUE,
    ADD COLUMN "Root Id" integer REFERENCES direct_messages (id) ON DELETE SET NULL,
    ADD COLUMN ticket bigserial,
    ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN extra json,
    ADD COLUMN content_length integer GENERATED ALWAYS AS (char_length(content)) STORED;
ALTER TABLE direct_messages DROP COLUMN forgotten;
UPDATE direct_messages SET
    workspace_id = 1 + id % 3, mood = CASE WHEN id % 5 = 0 THEN 'angry'::shared.mood WHEN id % 7 > 0 THEN 'calm' END,
    label = CASE WHEN id % 2 = 0 THEN 'L' || id END, client_key = 'k' || id,
    "Root Id" = reply_to_id, extra = CASE WHEN id % 3 = 0 THEN '{"b": 1, "a": 1.0}'::json END;

ALTER TABLE direct_messages
    ADD CONSTRAINT direct_messages_label_short CHECK (char_length(label) < 20 OR workspace_id = 3),
    ADD CONSTRAINT direct_messages_label_lower CHECK (label = lower(label)) NOT VALID;
CREATE INDEX idx_direct_messages_workspace ON direct_messages (workspace_id, created_at DESC);
CREATE INDEX idx_direct_messages_label ON direct_messages (lower(label)) WHERE mood = 'angry';
CREATE UNIQUE INDEX "Idx Ticket" ON direct_messages (ticket) INCLUDE (label);
COMMENT ON COLUMN direct_messages.workspace_id IS 'whose it''s';
COMMENT ON INDEX idx_direct_messages_workspace IS 'the workspace''s newest';
COMMENT ON INDEX "Idx Ticket" IS 'one each';
COMMENT ON CONSTRAINT direct_messages_label_lower ON direct_messages IS 'since May';
COMMENT ON CONSTRAINT direct_messages_client_key ON direct_messages IS 'of the app';
REVOKE ALL ON direct_messages FROM chat_app;
GRANT SELECT, UPDATE (label), INSERT (label) ON direct_messages TO chat_app;
