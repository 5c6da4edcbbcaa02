import MigratorScript

extension FormatSet {
    static let usersOnSQLite = """
        CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, note TEXT);
        CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE);
        INSERT INTO users (email) VALUES ('ana@example.org'), ('bo@example.org');
        INSERT INTO posts (user_id) VALUES (1), (2), (2);
        """

    /// A table is rebuilt while others point at it, which empties those where keys are enforced.
    static let dieselSQLite = FormatSet(
        format: .diesel, dialect: .sqlite,
        files: [
            "2024-01-01-000000_users/up.sql": usersOnSQLite,
            "2024-01-01-000000_users/down.sql": "DROP TABLE posts;\nDROP TABLE users;",
            "2024-01-02-000000_rebuild/up.sql": """
            PRAGMA foreign_keys = OFF;
            CREATE TABLE new_users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, note TEXT NOT NULL DEFAULT '');
            INSERT INTO new_users SELECT id, email, coalesce(note, '') FROM users;
            DROP TABLE users;
            ALTER TABLE new_users RENAME TO users;
            CREATE TRIGGER users_note AFTER UPDATE OF email ON users BEGIN
                UPDATE users SET note = 'changed; ' || new.id WHERE id = new.id;
            END;
            PRAGMA foreign_keys = ON;
            """,
            "2024-01-02-000000_rebuild/down.sql": """
            PRAGMA foreign_keys = OFF;
            DROP TRIGGER users_note;
            CREATE TABLE old_users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, note TEXT);
            INSERT INTO old_users SELECT id, email, nullif(note, '') FROM users;
            DROP TABLE users;
            ALTER TABLE old_users RENAME TO users;
            """,
        ],
        order: ["2024-01-01-000000_users/up.sql", "2024-01-02-000000_rebuild/up.sql"],
        revisions: ["20240101000000", "20240102000000"])

    static let prismaSQLite = FormatSet(
        format: .prisma, dialect: .sqlite,
        files: [
            "20240101000000_init/migration.sql": usersOnSQLite,
            "20240102000000_redefine/migration.sql": """
            -- RedefineTables
            PRAGMA defer_foreign_keys=ON;
            PRAGMA foreign_keys=OFF;
            CREATE TABLE "new_posts" ("id" INTEGER PRIMARY KEY, "user_id" INTEGER NOT NULL, "title" TEXT,
                CONSTRAINT "posts_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE);
            INSERT INTO "new_posts" ("id", "user_id") SELECT "id", "user_id" FROM "posts";
            DROP TABLE "posts";
            ALTER TABLE "new_posts" RENAME TO "posts";
            PRAGMA foreign_keys=ON;
            PRAGMA defer_foreign_keys=OFF;
            """,
        ],
        order: ["20240101000000_init/migration.sql", "20240102000000_redefine/migration.sql"],
        revisions: ["20240101000000", "20240102000000"], irreversible: "20240102000000")

    static let gooseSQLite = FormatSet(
        format: .goose, dialect: .sqlite,
        files: [
            "001_users.sql": "-- +goose Up\n\(usersOnSQLite)\n-- +goose Down\nDROP TABLE posts;\nDROP TABLE users;\n",
            "002_names.sql":
                "-- +goose Up\nCREATE TABLE [odd names] (`a b` TEXT, \"c;d\" TEXT);\n-- +goose Down\nDROP TABLE [odd names];\n",
        ],
        order: ["001_users.sql", "002_names.sql"], back: "-- +goose Down", revisions: ["001", "002"])

    static let golangMigrateSQLite = FormatSet(
        format: .golangMigrate, dialect: .sqlite,
        files: [
            "9_users.up.sql": "BEGIN TRANSACTION;\n\(usersOnSQLite)\nCOMMIT;",
            "9_users.down.sql": "DROP TABLE posts; DROP TABLE users",
            "10_view.up.sql": "CREATE VIEW notes AS SELECT note FROM users", "10_view.down.sql": "DROP VIEW notes",
        ],
        order: ["9_users.up.sql", "10_view.up.sql"], revisions: ["9", "10"])
}
