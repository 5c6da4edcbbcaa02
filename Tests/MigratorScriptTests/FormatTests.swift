import Testing

@testable import MigratorScript

/// Other tools' folders: what gives them away, and what is read from them.
@Suite struct FormatTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var format: ScriptFormat
        var dialect = Dialect.postgresql
        /// Asked for, not found out.
        var isNamed = false
        var environment: [String: String] = [:]
        var files: [String: String]
        /// As `Script.outline`, base first.
        var scripts: [String]
    }

    static let cases: [Case] = [
        Case(
            testDescription: "golang-migrate: unpadded numbers, a missing down, no final semicolon",
            format: .golangMigrate,
            files: [
                "1_a.up.sql": "SELECT 1", "1_a.down.sql": "SELECT -1;", "2_b.up.sql": "-- only a comment\n",
                "10_c.up.sql": "SELECT 10; SELECT 11;", "10_c.down.sql": "", "README.md": "no script",
            ],
            scripts: ["1 [SELECT 1] [SELECT -1]", "2 [] -", "10 [SELECT 10; SELECT 11] []"]),
        Case(
            testDescription: "golang-migrate: transactions of its own", format: .golangMigrate,
            files: [
                "01_whole.up.sql": "BEGIN;\nSELECT 1;\nCOMMIT;", "01_whole.down.sql": "begin; SELECT 2; end",
                "02_two.up.sql":
                    "SELECT 0; BEGIN; SELECT 1; COMMIT; START TRANSACTION; SELECT 2; COMMIT; SELECT 3",
                "03_mark.up.sql": "-- morph:nontransactional\nSELECT 1;",
                "03_mark.down.sql": "SELECT 2;",
            ],
            scripts: [
                "01 [SELECT 1] [SELECT 2]",
                "02 [SELECT 0; BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT; SELECT 3] -",
                "03 off [SELECT 1] [BEGIN; SELECT 2; COMMIT]",
            ]),
        Case(
            testDescription: "a directive of this tool in another tool's script", format: .golangMigrate,
            files: ["1_a.up.sql": "-- migrator:backup t\nDROP TABLE t;"],
            scripts: ["1 [backup t; DROP TABLE t] -"]),
        Case(
            testDescription: "goose: marks, no semicolon before Down, NO TRANSACTION", format: .goose,
            files: [
                "00001_a.sql":
                    "-- +goose Up\n-- +goose StatementBegin\nSELECT ';';\n-- +goose StatementEnd\nSELECT 2\n-- +goose Down\nSELECT 3;",
                "00002_b.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n",
                "00010_c.sql": "--+goose up\nSELECT 1;\n-- +goose down",
                "embed.go": "package migrations",
            ],
            scripts: ["00001 [SELECT ';'; SELECT 2] [SELECT 3]", "00002 off [SELECT 1] -", "00010 [SELECT 1] []"]),
        Case(
            testDescription: "goose: values of the environment", format: .goose,
            environment: ["OWNER": "ana", "EMPTY": ""],
            files: [
                "1_a.sql":
                    "-- +goose Up\nSELECT '${OWNER}';\n-- +goose ENVSUB ON\nSELECT '${OWNER}', '$OWNER', '${NONE:-x}', '${EMPTY:-y}', '${NONE}';\nSELECT $tag$ $$ $tag$;\n-- +goose ENVSUB OFF\nSELECT '$OWNER';"
            ],
            scripts: [
                "1 [SELECT '${OWNER}'; SELECT 'ana', 'ana', 'x', 'y', ''; SELECT $tag$ $$ $tag$; SELECT '$OWNER'] -"
            ]),
        Case(
            testDescription: "dbmate: options of each way", format: .dbmate,
            files: [
                "20240101_a.sql": "-- migrate:up\nSELECT 1\n\n-- migrate:down\nSELECT 2",
                "20240102_b.sql":
                    "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down transaction:true\nSELECT 2;",
                "20240103_c.sql": "-- migrate:up\n-- migrate:down\n", "schema.sql": "SELECT 0;",
            ],
            scripts: [
                "20240101 [SELECT 1] [SELECT 2]", "20240102 off [SELECT 1] [BEGIN; SELECT 2; COMMIT]", "20240103 [] []",
            ]),
        Case(
            testDescription: "Flyway: versions by their numbers, undo, a baseline, repeatables last, a setting",
            format: .flyway,
            files: [
                "V1_10__c.sql": "SELECT 110;", "V1_9__b.sql": "SELECT 19;", "V1__a.sql": "SELECT 1;",
                "U1_9__b.sql": "SELECT -19;", "V1_10__c.sql.conf": "executeInTransaction=false\n",
                "R__z.sql": "SELECT 'z';", "nested/R__a.sql": "SELECT 'a';", "nested/V2.1__d.sql": "SELECT 21;",
                "B1_10__base.sql": "SELECT 'base';", "other.sql": "SELECT 'not read'",
            ],
            scripts: [
                "1 [SELECT 1] -", "1.9 [SELECT 19] [SELECT -19]", "1.10 off [SELECT 110] -", "B1.10 [SELECT 'base'] -",
                "2.1 [SELECT 21] -", "R.a.636e4be7 [SELECT 'a'] []", "R.z.7d37a7e9 [SELECT 'z'] []",
            ]),
        Case(
            testDescription: "Flyway: placeholders", format: .flyway,
            environment: ["FLYWAY_PLACEHOLDERS_WHO": "bo"],
            files: ["V1__a.sql": "SELECT '${who}';"], scripts: ["1 [SELECT 'bo'] -"]),
        Case(
            testDescription: "diesel: folders, a setting", format: .diesel,
            files: [
                "00000000000000_setup/up.sql": "SELECT 0;", "00000000000000_setup/down.sql": "SELECT 1;",
                "2024-01-02-030405_add/up.sql": "SELECT 2;",
                "2024-01-02-030405_add/metadata.toml": "run_in_transaction = false # no\n",
            ],
            scripts: ["00000000000000 [SELECT 0] [SELECT 1]", "20240102030405 off [SELECT 2] -"]),
        Case(
            testDescription: "sqlx: files that only go up", format: .sqlx,
            files: [
                "20240101000000_a.sql": "SELECT 1;", "20240102000000_b.sql": "-- no-transaction\nSELECT 2;",
            ],
            scripts: ["20240101000000 [SELECT 1] -", "20240102000000 off [SELECT 2] -"]),
        Case(
            testDescription: "sqlx: pairs with a mark", format: .sqlx,
            files: ["1_a.up.sql": "-- no-transaction\nSELECT 1;", "1_a.down.sql": "SELECT 2;"],
            scripts: ["1 off [SELECT 1] [BEGIN; SELECT 2; COMMIT]"]),
        Case(
            testDescription: "sqlx: short numbers, by its name", format: .sqlx, isNamed: true,
            files: ["2_b.sql": "SELECT 2;", "10_c.sql": "SELECT 10;", "1_a.sql": "SELECT 1;"],
            scripts: ["1 [SELECT 1] -", "2 [SELECT 2] -", "10 [SELECT 10] -"]),
        Case(
            testDescription: "Prisma: folders, two of one timestamp, keys switched off on SQLite", format: .prisma,
            dialect: .sqlite,
            files: [
                "20240101000000_init/migration.sql": "CREATE TABLE [a] (id);",
                "20240102000000_b/migration.sql":
                    "PRAGMA foreign_keys=OFF; DROP TABLE a; PRAGMA foreign_keys=ON;",
                "20240102000000_c/migration.sql": "-- nothing", "migration_lock.toml": "provider = \"sqlite\"",
            ],
            scripts: [
                "20240101000000 [CREATE TABLE [a] (id)] -", "20240102000000_b [DROP TABLE a] -",
                "20240102000000_c [] -",
            ]),
        Case(
            testDescription: "sqitch: the plan's order, own transactions, a reworked change", format: .sqitch,
            files: [
                "sqitch.plan":
                    "%syntax-version=1.0.0\n%project=p\n\nusers 2024-01-01T00:00:00Z A <a@b> # Adds users.\napp [users] 2024-01-02T00:00:00Z A <a@b>\n@v1 2024-01-03T00:00:00Z A <a@b> # first\nusers [users@v1] 2024-01-04T00:00:00Z A <a@b> # More.\n",
                "deploy/users@v1.sql": "-- Deploy p:users\nBEGIN;\nSELECT 1;\nCOMMIT;",
                "revert/users@v1.sql": "BEGIN; SELECT -1; COMMIT;", "deploy/app.sql": "SELECT 2;",
                "deploy/users.sql": "BEGIN;\nSELECT 3;\nCOMMIT;", "revert/users.sql": "SELECT -3;",
                "verify/users.sql": "SELECT 1/0;",
            ],
            scripts: ["users_v1 [SELECT 1] [SELECT -1]", "app [SELECT 2] -", "users [SELECT 3] [SELECT -3]"]),
        Case(
            testDescription: "this tool's own", format: .migrator,
            files: [
                "0001_a.up.sql":
                    "-- migrator:revision 0001\n-- migrator:revises base\n-- migrator:upgrade\nSELECT 1;\n-- migrator:irreversible no\n"
            ],
            scripts: ["0001 [SELECT 1] -"]),
    ]

    @Test(arguments: cases) func `A folder is read as its tool reads it`(_ testCase: Case) throws {
        let folder = try FormatFolder(testCase.files)
        let (scripts, found) = try folder.load(
            testCase.dialect, format: testCase.isNamed ? testCase.format : nil, environment: testCase.environment)
        #expect(found.format == testCase.format)
        #expect(found.evidence.isEmpty == (testCase.isNamed || testCase.format == .migrator))
        #expect(scripts.map(\.outline) == testCase.scripts)
    }

    @Test(arguments: cases) func `What the ledger keeps of a script says the same`(_ testCase: Case) throws {
        let folder = try FormatFolder(testCase.files)
        let scripts = try folder.load(
            testCase.dialect, format: testCase.isNamed ? testCase.format : nil, environment: testCase.environment
        ).scripts
        for script in scripts {
            let again = try Script.parse(recorded: script.text, file: script.location.file, dialect: testCase.dialect)
            #expect(again.outline == script.outline)
            #expect(again.revises == script.revises)
            #expect(again.message == script.message)
            #expect(again.origin?.version == script.origin?.version)
        }
    }

    @Test func `A checksum is of the files, whichever way their lines end`() throws {
        let plain = try FormatFolder(["1_a.up.sql": "SELECT\n1;\n", "1_a.down.sql": "SELECT 2;"]).load().scripts
        let windows = try FormatFolder(["1_a.up.sql": "SELECT\r\n1;\r\n", "1_a.down.sql": "SELECT 2;"]).load().scripts
        let changed = try FormatFolder(["1_a.up.sql": "SELECT\n1;\n", "1_a.down.sql": "SELECT 3;"]).load().scripts
        #expect(plain.map(\.checksum) == windows.map(\.checksum))
        #expect(plain.map(\.checksum) != changed.map(\.checksum))
        #expect(windows[0].text == plain[0].text)
    }

    @Test func `Comments stay, the tool's marks go`() throws {
        let script = try FormatFolder([
            "1_a.sql":
                "-- +goose Up\n-- why\nSELECT 1 -- one\n; -- done\n-- +goose StatementBegin\nSELECT 2\n-- +goose StatementEnd\n"
        ]).load().scripts[0]
        #expect(
            script.text == """
                -- migrator:revision 1
                -- migrator:revises base
                -- migrator:message a
                -- migrator:origin goose 1

                -- migrator:upgrade
                -- why
                SELECT 1; -- one
                 -- done

                SELECT 2;

                -- migrator:irreversible 1_a.sql has no -- +goose Down

                """)
    }

    @Test func `Tools' own checksums are those that the tools compute`() throws {
        // Computed with zlib's crc32, sha384sum and sha256sum.
        let flyway = try FormatFolder(["V1__a.sql": "SELECT 1;\r\nSELECT 2;\n"]).load().scripts
        #expect(flyway[0].origin?.checksum == "-1665099012")
        let sqlx = try FormatFolder(["20240101000000_a.sql": "SELECT 1;\n"]).load().scripts
        #expect(
            sqlx[0].origin?.checksum
                == "\\x24454095d8d7876ca8e842f34296ca645c83e0f7b50f048c99db4b2ff4da659267afc4ef3e994f3d74e18c741165d931"
        )
        let prisma = try FormatFolder(["20240101000000_a/migration.sql": "SELECT 1;\n"]).load().scripts
        #expect(prisma[0].origin?.checksum == "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd")
    }
}
