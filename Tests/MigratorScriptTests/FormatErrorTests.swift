import Testing

@testable import MigratorScript

/// What cannot work is refused when it is read, by file and line.
@Suite struct FormatErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var format: ScriptFormat?
        var files: [String: String]
        var code: String
        var place: String
    }

    static let cases: [Case] = [
        Case(
            testDescription: "a psql command", files: ["1_a.up.sql": "SELECT 1;\n\\copy t from program 'x'\n"],
            code: "psql-command", place: "m/1_a.up.sql:2:1"),
        Case(
            testDescription: "rows behind COPY", files: ["1_a.up.sql": "COPY t FROM STDIN;\n1\n\\.\n"],
            code: "copy-data", place: "m/1_a.up.sql:1:1"),
        Case(
            testDescription: "a transaction without end", files: ["1_a.up.sql": "SELECT 1;\nBEGIN;\nSELECT 2;"],
            code: "unclosed-transaction", place: "m/1_a.up.sql:2:1"),
        Case(
            testDescription: "a rollback", files: ["1_a.up.sql": "BEGIN;\n  ROLLBACK;"], code: "transaction-control",
            place: "m/1_a.up.sql:2:3"),
        Case(
            testDescription: "a prepared transaction", files: ["1_a.up.sql": "COMMIT PREPARED 'x';"],
            code: "transaction-control", place: "m/1_a.up.sql:1:1"),
        Case(
            testDescription: "a string without end, in the way back",
            files: ["1_a.up.sql": "", "1_a.down.sql": "SELECT 1;\nSELECT 'x;"], code: "unterminated-quote",
            place: "m/1_a.down.sql:2:8"),
        Case(
            testDescription: "a header of this tool", files: ["1_a.up.sql": "-- migrator:revises base\nSELECT 1;"],
            code: "misplaced-directive", place: "m/1_a.up.sql:1:1"),
        Case(
            testDescription: "a number twice", files: ["1_a.up.sql": "", "01_b.up.sql": ""],
            code: "duplicate-revision", place: "m/1_a.up.sql:1:1"),
        Case(
            testDescription: "a name without a number", files: ["1_a.up.sql": "", "seed.sql": ""],
            code: "unnumbered-script", place: "m/seed.sql:1:1"),
        Case(
            testDescription: "goose: no Up", files: ["1_a.sql": "-- +goose Up\n", "2_b.sql": "SELECT 1;"],
            code: "missing-section", place: "m/2_b.sql:1:1"),
        Case(
            testDescription: "goose: a statement above Up", format: .goose,
            files: ["1_a.sql": "SELECT 1;\n-- +goose Up\n"], code: "statement-outside-section", place: "m/1_a.sql:1:1"),
        Case(
            testDescription: "goose: StatementBegin without end",
            files: ["1_a.sql": "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose Down\n"],
            code: "misplaced-mark", place: "m/1_a.sql:2:1"),
        Case(
            testDescription: "goose: Down twice",
            files: ["1_a.sql": "-- +goose Up\n-- +goose Down\n-- +goose Down\n"], code: "misplaced-mark",
            place: "m/1_a.sql:3:1"),
        Case(
            testDescription: "goose: an unknown mark", files: ["1_a.sql": "-- +goose Up\n-- +goose Upp\n"],
            code: "misplaced-mark", place: "m/1_a.sql:2:1"),
        Case(
            testDescription: "goose: a migration in Go",
            files: ["1_a.sql": "-- +goose Up\n", "2_b.go": "package migrations"], code: "not-sql",
            place: "m/2_b.go:1:1"),
        Case(
            testDescription: "dbmate: no up", files: ["1_a.sql": "-- migrate:up\n", "2_b.sql": "-- migrate:down\n"],
            code: "missing-section", place: "m/2_b.sql:1:1"),
        Case(
            testDescription: "dbmate: an option", files: ["1_a.sql": "-- migrate:up transaction:no\n"],
            code: "malformed-mark", place: "m/1_a.sql:1:1"),
        Case(
            testDescription: "Flyway: a placeholder without a value", files: ["V1__a.sql": "SELECT 1;\nSELECT '${x}';"],
            code: "placeholder-without-value", place: "m/V1__a.sql:2:9"),
        Case(
            testDescription: "Flyway: one version twice", files: ["V1__a.sql": "", "V1.0__b.sql": ""],
            code: "duplicate-revision", place: "m/V1__a.sql:1:1"),
        Case(
            testDescription: "Flyway: an undo of nothing", files: ["V1__a.sql": "", "U2__b.sql": ""],
            code: "undo-without-version", place: "m/U2__b.sql:1:1"),
        Case(
            testDescription: "diesel: a setting",
            files: ["1_a/up.sql": "", "1_a/metadata.toml": "\nrun_in_transaction = maybe"], code: "malformed-setting",
            place: "m/1_a/metadata.toml:2:1"),
        Case(
            testDescription: "sqitch: a change without a script",
            files: ["sqitch.plan": "%project=p\nusers 2024-01-01T00:00:00Z A <a@b>\n"], code: "missing-script",
            place: "m/sqitch.plan:2:1"),
        Case(
            testDescription: "sqitch: a change taken back in the plan",
            files: ["sqitch.plan": "%project=p\n-users 2024-01-01T00:00:00Z A <a@b>\n"], code: "malformed-plan",
            place: "m/sqitch.plan:2:1"),
        Case(
            testDescription: "plain SQL of nobody", files: ["0001_a.sql": "SELECT 1;"],
            code: "statement-outside-section", place: "m/0001_a.sql:1:1"),
    ]

    @Test(arguments: cases) func `A folder that cannot work is refused`(_ testCase: Case) throws {
        let folder = try FormatFolder(testCase.files)
        do throws(ScriptError) {
            _ = try folder.load(format: testCase.format)
            Issue.record("not refused")
        } catch {
            #expect(error.code == testCase.code)
            #expect(error.location.description == testCase.place)
            #expect(error.hint != nil)
        }
    }
}
