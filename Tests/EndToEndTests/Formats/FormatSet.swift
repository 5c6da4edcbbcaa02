import MigratorScript
import MigratorTestSupport
import Testing

/// A folder of another tool's scripts, of the shapes that public sets have, and what the databases' own shells make
/// of it.
struct FormatSet: Sendable, CustomTestStringConvertible {
    var format: ScriptFormat
    var dialect: Dialect
    /// By path.
    var files: [String: String]
    /// What runs going up, in the tool's own order: a file, or a file up to the line that begins its way back.
    var order: [String]
    /// The line that begins the way back in a file of both.
    var back: String?
    var revisions: [String]
    /// The first that has no way back, seen from the newest; nil where all have one.
    var irreversible: String?

    var testDescription: String { "\(format.rawValue) on \(dialect.title)" }

    /// What a shell is given, file by file.
    var scripts: [String] {
        order.map { name in
            let text = files[name] ?? ""
            guard let back, let place = text.range(of: back) else { return text }
            return String(text[..<place.lowerBound])
        }
    }

    func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (name, text) in files { try folder.write(text, to: name) }
        return folder
    }

    static let all: [FormatSet] = [
        golangMigrate, goose, dbmate, flyway, diesel, sqlx, prisma, sqitch, dieselSQLite, prismaSQLite, gooseSQLite,
        golangMigrateSQLite,
    ]

    static let users = """
        CREATE TABLE users (
            id bigserial PRIMARY KEY,
            email text NOT NULL UNIQUE, -- a ; in a comment
            note text DEFAULT 'it''s; so'
        );
        INSERT INTO users (email) VALUES ('ana@example.org'), ('bo@example.org');
        """

    /// Unpadded numbers, CONCURRENTLY without a mark, own transactions, empty and comment-only scripts, no final
    /// semicolon, temporary tables that end with the transaction, a COMMIT in a DO block, new values of an enum.
    static let golangMigrate = FormatSet(
        format: .golangMigrate, dialect: .postgresql,
        files: [
            "1_users.up.sql": users, "1_users.down.sql": "DROP TABLE users;",
            "2_index.up.sql":
                "ALTER TABLE users ADD COLUMN nick text;\nCREATE INDEX CONCURRENTLY users_nick ON users (nick);\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_note ON users (note, id)",
            "2_index.down.sql":
                "DROP INDEX CONCURRENTLY users_note;\nDROP INDEX CONCURRENTLY users_nick;\nALTER TABLE users DROP COLUMN nick",
            "3_empty.up.sql": "", "3_empty.down.sql": "-- nothing\n/* to do */\n",
            "4_own.up.sql":
                "BEGIN;\nLOCK TABLE users IN ACCESS EXCLUSIVE MODE;\nCREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT id FROM users;\nCREATE TABLE copies AS SELECT id FROM kept;\nCOMMIT;\n",
            "4_own.down.sql": "BEGIN; DROP TABLE copies; COMMIT;",
            "5_do.up.sql":
                "CREATE TYPE mood AS ENUM ('sad');\nDO $$ BEGIN FOR n IN 1..3 LOOP INSERT INTO copies VALUES (n); COMMIT; END LOOP; END $$;\nALTER TYPE mood ADD VALUE 'happy';\n",
            "5_do.down.sql": "DELETE FROM copies WHERE id <= 3; DROP TYPE mood;",
            "10_function.up.sql": """
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                NEW.note := 'touched; ' || coalesce(NEW.note, '');
                RETURN NEW;
            END;
            $body$;
            CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
            CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
            CREATE VIEW nicks AS SELECT nick FROM users
            """,
            "10_function.down.sql":
                "DROP VIEW nicks; DROP FUNCTION one(); DROP TRIGGER users_touch ON users; DROP FUNCTION touch();",
            "11_two.up.sql":
                "BEGIN; CREATE TABLE one (id int); COMMIT;\nBEGIN; CREATE TABLE two (id int); COMMIT;\nVACUUM one;",
            "11_two.down.sql": "DROP TABLE one, two;",
        ],
        order: [
            "1_users.up.sql", "2_index.up.sql", "3_empty.up.sql", "4_own.up.sql", "5_do.up.sql", "10_function.up.sql",
            "11_two.up.sql",
        ], revisions: ["1", "2", "3", "4", "5", "10", "11"])

    static let goose = FormatSet(
        format: .goose, dialect: .postgresql,
        files: [
            "00001_users.sql": "-- +goose Up\n\(users)\n-- +goose Down\nDROP TABLE users;\n",
            "00002_function.sql": """
            -- +goose Up
            -- +goose StatementBegin
            CREATE FUNCTION double(n int) RETURNS int AS $$
            BEGIN
                RETURN n * 2;
            END;
            $$ LANGUAGE plpgsql;
            -- +goose StatementEnd
            CREATE TABLE doubles (n int, twice int GENERATED ALWAYS AS (n * 2) STORED)
            -- +goose Down
            DROP TABLE doubles;
            DROP FUNCTION double(int);
            """,
            "00003_index.sql": """
            -- +goose NO TRANSACTION
            -- +goose Up
            CREATE INDEX CONCURRENTLY doubles_n ON doubles (n);
            VACUUM doubles;

            -- +goose Down
            DROP INDEX CONCURRENTLY doubles_n;
            """,
            "00004_one_way.sql": "-- +goose Up\nCREATE TABLE logs (id int);\n",
        ],
        order: ["00001_users.sql", "00002_function.sql", "00003_index.sql", "00004_one_way.sql"],
        back: "-- +goose Down",
        revisions: ["00001", "00002", "00003", "00004"], irreversible: "00004")

    static let dbmate = FormatSet(
        format: .dbmate, dialect: .postgresql,
        files: [
            "20240101000000_users.sql": "-- migrate:up\n\(users)\n\n-- migrate:down\nDROP TABLE users",
            "20240102000000_index.sql":
                "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY users_note ON users (note);\n\n-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY users_note;\n",
            "20240103000000_rule.sql":
                "-- migrate:up\nCREATE TABLE old (id int);\nCREATE RULE no_old AS ON INSERT TO old DO INSTEAD (SELECT 1; SELECT 2);\n-- migrate:down\nDROP TABLE old;",
        ],
        order: ["20240101000000_users.sql", "20240102000000_index.sql", "20240103000000_rule.sql"],
        back: "-- migrate:down",
        revisions: ["20240101000000", "20240102000000", "20240103000000"])

    static let flyway = FormatSet(
        format: .flyway, dialect: .postgresql,
        files: [
            "V1__users.sql": users, "U1__users.sql": "DROP TABLE users CASCADE;",
            "V1_9__nick.sql": "ALTER TABLE users ADD nick text;",
            "U1_9__nick.sql": "ALTER TABLE users DROP nick CASCADE;",
            "V1_10__index.sql": "CREATE INDEX CONCURRENTLY users_nick ON users (nick);",
            "V1_10__index.sql.conf": "executeInTransaction=false", "U1_10__index.sql": "DROP INDEX users_nick;",
            "views/R__nicks.sql": "CREATE OR REPLACE VIEW nicks AS SELECT nick FROM users;",
            "R__all.sql": "CREATE OR REPLACE VIEW everybody AS SELECT id FROM users;",
        ],
        order: ["V1__users.sql", "V1_9__nick.sql", "V1_10__index.sql", "R__all.sql", "views/R__nicks.sql"],
        revisions: ["1", "1.9", "1.10", "R.all.*", "R.nicks.*"], irreversible: nil)

    static let diesel = FormatSet(
        format: .diesel, dialect: .postgresql,
        files: [
            "00000000000000_setup/up.sql": "CREATE EXTENSION IF NOT EXISTS plpgsql;\n",
            "00000000000000_setup/down.sql": "",
            "2024-01-02-030405_users/up.sql": "-- Your SQL goes here\n" + users,
            "2024-01-02-030405_users/down.sql": "DROP TABLE users;",
            "2024-02-02-030405_index/up.sql": "CREATE INDEX CONCURRENTLY users_note ON users (note);",
            "2024-02-02-030405_index/down.sql": "DROP INDEX CONCURRENTLY users_note;",
            "2024-02-02-030405_index/metadata.toml": "run_in_transaction = false\n",
        ],
        order: ["00000000000000_setup/up.sql", "2024-01-02-030405_users/up.sql", "2024-02-02-030405_index/up.sql"],
        revisions: ["00000000000000", "20240102030405", "20240202030405"])

    static let sqlx = FormatSet(
        format: .sqlx, dialect: .postgresql,
        files: [
            "20240101000000_users.sql": users,
            "20240102000000_index.sql": "-- no-transaction\nCREATE INDEX CONCURRENTLY users_note ON users (note);",
        ],
        order: ["20240101000000_users.sql", "20240102000000_index.sql"],
        revisions: ["20240101000000", "20240102000000"], irreversible: "20240102000000")

    static let prisma = FormatSet(
        format: .prisma, dialect: .postgresql,
        files: [
            "20240101000000_init/migration.sql":
                "-- CreateTable\nCREATE TABLE \"User\" (\"id\" SERIAL NOT NULL, \"teamId\" INTEGER, CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"));\nINSERT INTO \"User\" (\"teamId\") VALUES (7);\n",
            "20240102000000_drop/migration.sql":
                "/*\n  Warnings: the column goes\n*/\n-- AlterTable\nALTER TABLE \"User\" DROP COLUMN \"teamId\";",
            "migration_lock.toml": "provider = \"postgresql\"",
        ],
        order: ["20240101000000_init/migration.sql", "20240102000000_drop/migration.sql"],
        revisions: ["20240101000000", "20240102000000"], irreversible: "20240102000000")

    static let sqitch = FormatSet(
        format: .sqitch, dialect: .postgresql,
        files: [
            "sqitch.conf": "[core]\n\tengine = pg\n",
            "sqitch.plan":
                "%syntax-version=1.0.0\n%project=flipr\n\nappschema 2024-01-01T00:00:00Z A <a@example.org> # Add schema.\nusers [appschema] 2024-01-02T00:00:00Z A <a@example.org> # Users.\n@v1 2024-01-03T00:00:00Z A <a@example.org> # One.\n",
            "deploy/appschema.sql": "-- Deploy flipr:appschema to pg\n\nBEGIN;\n\nCREATE SCHEMA flipr;\n\nCOMMIT;\n",
            "revert/appschema.sql": "BEGIN;\nDROP SCHEMA flipr;\nCOMMIT;\n",
            "deploy/users.sql": "BEGIN;\nCREATE TABLE flipr.users (nick text PRIMARY KEY);\n\(users)\nCOMMIT;\n",
            "revert/users.sql": "BEGIN;\nDROP TABLE users;\nDROP TABLE flipr.users;\nCOMMIT;\n",
            "verify/users.sql": "SELECT nick FROM flipr.users WHERE false;",
        ],
        order: ["deploy/appschema.sql", "deploy/users.sql"], revisions: ["appschema", "users"])
}
