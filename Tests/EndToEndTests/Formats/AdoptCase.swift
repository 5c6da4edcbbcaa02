import MigratorScript
import MigratorTestSupport
import Testing

/// A database that another tool has migrated by two of three scripts, as that tool's table says it.
struct AdoptCase: Sendable, CustomTestStringConvertible {
    var tool: String
    var dialects = Dialect.allCases
    /// Of the three scripts, each of which makes a table.
    var paths: [String]
    /// Around what a script does.
    var text: @Sendable (_ number: Int, _ statement: String) -> String = { _, statement in statement }
    var table: String
    /// What the tool writes once the first two have run.
    var rows: String
    /// What it may also say, and the code that refuses it.
    var refusals: [(rows: String, code: String)]
    var revisions: [String]

    var testDescription: String { tool }

    static func statement(_ number: Int) -> String { "CREATE TABLE t\(number) (id integer PRIMARY KEY);\n" }

    func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (index, path) in paths.enumerated() {
            try folder.write(text(index + 1, Self.statement(index + 1)), to: path)
        }
        if tool == "sqitch" {
            let lines = ["a", "b", "c"].map { "\($0) 2024-01-01T00:00:00Z A <a@example.org> # \($0)\n" }
            try folder.write("%project=p\n" + lines.joined(), to: "sqitch.plan")
        }
        return folder
    }

    /// The database as the tool would leave it.
    func prepare(_ store: any Store, rows: String? = nil) throws {
        try store.run(Self.statement(1) + Self.statement(2))
        try store.run(table)
        try store.run(rows ?? self.rows)
    }

    static let all: [AdoptCase] = [
        AdoptCase(
            tool: "golang-migrate", paths: ["000001_a.up.sql", "000002_b.up.sql", "000003_c.up.sql"],
            table: "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);",
            rows: "INSERT INTO schema_migrations VALUES (2, false);",
            refusals: [
                ("INSERT INTO schema_migrations VALUES (2, true);", "unsettled-version"),
                ("INSERT INTO schema_migrations VALUES (7, false);", "unknown-version"),
            ], revisions: ["000001", "000002", "000003"]),
        AdoptCase(
            tool: "goose", paths: ["00001_a.sql", "00002_b.sql", "00003_c.sql"],
            text: { _, statement in "-- +goose Up\n" + statement },
            table:
                "CREATE TABLE goose_db_version (id integer PRIMARY KEY, version_id bigint, is_applied boolean, tstamp timestamp);",
            rows:
                "INSERT INTO goose_db_version VALUES (1, 0, true, NULL), (2, 1, true, NULL), (3, 2, true, NULL), (4, 3, true, NULL), (5, 3, false, NULL);",
            refusals: [
                ("INSERT INTO goose_db_version VALUES (1, 1, true, NULL), (2, 9, true, NULL);", "unknown-version"),
                (
                    "INSERT INTO goose_db_version VALUES (1, 1, true, NULL), (2, 3, true, NULL);",
                    "pending-below-current"
                ),
            ], revisions: ["00001", "00002", "00003"]),
        AdoptCase(
            tool: "dbmate", paths: ["20240101_a.sql", "20240102_b.sql", "20240103_c.sql"],
            text: { _, statement in "-- migrate:up\n" + statement },
            table: "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);",
            rows: "INSERT INTO schema_migrations VALUES ('20240101'), ('20240102');",
            refusals: [
                ("INSERT INTO schema_migrations VALUES ('20240101'), ('20250101');", "unknown-version"),
                ("INSERT INTO schema_migrations VALUES ('20240102');", "pending-below-current"),
            ], revisions: ["20240101", "20240102", "20240103"]),
        AdoptCase(
            tool: "flyway", paths: ["V1__a.sql", "V1_2__b.sql", "V1_10__c.sql"], table: flywayTable,
            rows: flywayRows(
                "(1, '1', 'a', 'SQL', 'V1__a.sql', NULL, true)", "(2, '1.2', 'b', 'SQL', 'V1_2__b.sql', NULL, true)"),
            refusals: [
                (flywayRows("(1, '1', 'a', 'SQL', 'V1__a.sql', NULL, false)"), "unsettled-version"),
                (flywayRows("(1, '1', 'a', 'SQL', 'V1__a.sql', 12345, true)"), "checksum-mismatch"),
                (flywayRows("(1, '4', 'a', 'SQL', 'V4__a.sql', NULL, true)"), "unknown-version"),
            ], revisions: ["1", "1.2", "1.10"]),
        AdoptCase(
            tool: "diesel",
            paths: ["2024-01-01-000000_a/up.sql", "2024-01-02-000000_b/up.sql", "2024-01-03-000000_c/up.sql"],
            table: "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp);",
            rows: "INSERT INTO __diesel_schema_migrations VALUES ('20240101000000', NULL), ('20240102000000', NULL);",
            refusals: [("INSERT INTO __diesel_schema_migrations VALUES ('20230101000000', NULL);", "unknown-version")],
            revisions: ["20240101000000", "20240102000000", "20240103000000"]),
        AdoptCase(
            tool: "sqlx", dialects: [.postgresql],
            paths: ["20240101000000_a.sql", "20240102000000_b.sql", "20240103000000_c.sql"],
            table: "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, success boolean, checksum bytea);",
            rows:
                "INSERT INTO _sqlx_migrations VALUES (20240101000000, true, sha384('\(statement(1))'::bytea)), (20240102000000, true, sha384('\(statement(2))'::bytea));",
            refusals: [
                ("INSERT INTO _sqlx_migrations VALUES (20240101000000, false, '');", "unsettled-version"),
                ("INSERT INTO _sqlx_migrations VALUES (20240101000000, true, sha384('x'));", "checksum-mismatch"),
            ], revisions: ["20240101000000", "20240102000000", "20240103000000"]),
        AdoptCase(
            tool: "prisma",
            paths: [
                "20240101000000_a/migration.sql", "20240102000000_b/migration.sql", "20240103000000_c/migration.sql",
            ],
            table:
                "CREATE TABLE _prisma_migrations (migration_name text, checksum text, finished_at text, rolled_back_at text);",
            rows:
                "INSERT INTO _prisma_migrations VALUES ('20240101000000_a', NULL, 'x', NULL), ('20240102000000_b', NULL, NULL, 'x'), ('20240102000000_b', NULL, 'x', NULL);",
            refusals: [
                ("INSERT INTO _prisma_migrations VALUES ('20240101000000_a', NULL, NULL, NULL);", "unsettled-version"),
                ("INSERT INTO _prisma_migrations VALUES ('20240101000000_a', 'abc', 'x', NULL);", "checksum-mismatch"),
                ("INSERT INTO _prisma_migrations VALUES ('20230101000000_z', NULL, 'x', NULL);", "unknown-version"),
            ], revisions: ["20240101000000", "20240102000000", "20240103000000"]),
        AdoptCase(
            tool: "sqitch", dialects: [.postgresql], paths: ["deploy/a.sql", "deploy/b.sql", "deploy/c.sql"],
            table: "CREATE SCHEMA sqitch; " + sqitchTable("sqitch.changes"),
            rows:
                "INSERT INTO sqitch.changes VALUES ('1', 'a', 'p', now(), now()), ('2', 'b', 'p', now() + '1 s', now());",
            refusals: [
                ("INSERT INTO sqitch.changes VALUES ('1', 'x', 'p', now(), now());", "unknown-version"),
                (
                    "INSERT INTO sqitch.changes VALUES ('1', 'a', 'p', now(), now()), ('2', 'b', 'q', now(), now());",
                    "unsettled-version"
                ),
            ], revisions: ["a", "b", "c"]),
        AdoptCase(
            tool: "alembic", paths: ["ae1_a.sql", "ae2_b.sql", "ae3_c.sql"],
            text: { number, statement in
                "-- migrator:revision ae\(number)\n-- migrator:revises \(number == 1 ? "base" : "ae\(number - 1)")\n"
                    + "-- migrator:upgrade\n\(statement)-- migrator:downgrade\nDROP TABLE t\(number);\n"
            },
            table:
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));",
            rows: "INSERT INTO alembic_version VALUES ('ae2');",
            refusals: [
                ("INSERT INTO alembic_version VALUES ('ae1'), ('ae2');", "unsettled-version"),
                ("INSERT INTO alembic_version VALUES ('ff0');", "unknown-version"),
            ], revisions: ["ae1", "ae2", "ae3"]),
    ]

    static func sqitchTable(_ name: String) -> String {
        "CREATE TABLE \(name) (change_id text PRIMARY KEY, change text, project text, committed_at timestamp, planned_at timestamp);"
    }

    private static let flywayTable = """
        CREATE TABLE flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50),
            description varchar(200), type varchar(20), script varchar(1000), checksum integer, success boolean);
        """

    private static func flywayRows(_ rows: String...) -> String {
        "INSERT INTO flyway_schema_history VALUES " + rows.joined(separator: ", ") + ";"
    }
}
