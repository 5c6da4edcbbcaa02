import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// A script with a statement that cannot run in a transaction: it commits in segments, and a restart asks the catalog.
@Suite struct OutsideTransactionTests {
    static let first = """
        -- migrator:revision 0001
        -- migrator:revises base

        -- migrator:upgrade
        CREATE TABLE words (id integer PRIMARY KEY, word text);
        INSERT INTO words SELECT n, 'word ' || n FROM generate_series(1, 1000) AS n;

        -- migrator:downgrade
        TRUNCATE words;
        DROP TABLE words;
        """

    static func second(_ index: String) -> String {
        """
        -- migrator:revision 0002
        -- migrator:revises 0001

        -- migrator:upgrade
        ALTER TABLE words ADD COLUMN length integer;
        UPDATE words SET length = char_length(word);
        \(index);
        CREATE TABLE lengths AS SELECT length, count(*) AS n FROM words GROUP BY length;

        -- migrator:downgrade
        -- migrator:archive lengths
        DROP TABLE lengths;
        DROP INDEX CONCURRENTLY idx_words;
        ALTER TABLE words DROP COLUMN length;
        """
    }

    static func project(_ index: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.file("postgresql"), withIntermediateDirectories: true)
        try folder.write(first, to: "postgresql/0001_words.sql")
        try folder.write(second(index), to: "postgresql/0002_index.sql")
        return folder
    }

    @Test func `a kill at any statement is mended by the same command`() throws {
        let folder = try Self.project("CREATE INDEX CONCURRENTLY idx_words ON words (word)")
        let start = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: start, migrations: folder.path).checked()
        for (command, prepare) in [(["upgrade", "0002"], nil), (["downgrade", "0001"], "upgrade")] {
            let from = try start.copy()
            if prepare != nil { try migrate(["upgrade", "0002"], on: from, migrations: folder.path).checked() }
            let undisturbed = try from.copy()
            let counted = try migrate(
                command, on: undisturbed, environment: ["MIGRATOR_FAIL_POINT": "count"], migrations: folder.path
            ).checked()
            let (statements, commits) = try FailPointTests.counts(in: counted.standardError)
            let wanted = try undisturbed.state()
            #expect(commits >= 4)
            let step = FailPointTests.isThorough ? 1 : 4
            let points = stride(from: 1, through: statements, by: step).map { "before:\($0)" }
            for point in points + (1...commits).map({ "during-commit:\($0)" }) {
                let store = try from.copy()
                let killed = try migrate(
                    command, on: store, environment: ["MIGRATOR_FAIL_POINT": "kill@\(point)"],
                    migrations: folder.path)
                #expect(killed.status == 128 + SIGKILL, "\(point)")
                let again = try migrate(command, on: store, migrations: folder.path)
                #expect(again.status == 0, "after a kill at \(point): \(again.standardError)")
                #expect(try store.state() == wanted, "after a kill at \(point)")
            }
        }
    }

    @Test func `a failed build leaves no invalid index, and the unfinished upgrade can be undone`() throws {
        let folder = try Self.project("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_words ON words (length)")
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store, migrations: folder.path).checked()
        let before = try RoundTripTests.schema(of: store)
        let failed = try migrate(["upgrade", "head"], on: store, migrations: folder.path)
        #expect(failed.status == 1 && failed.standardError.contains("0002_index.sql:7:1"), "\(failed.standardError)")
        #expect(try !store.state().contains("idx_words"))
        let status = try migrate(["status"], on: store, migrations: folder.path).checked()
        #expect(status.standardOutput.contains("half done"))
        #expect(try migrate(["upgrade", "head"], on: store, migrations: folder.path).status == 1)
        try migrate(["downgrade", "-1"], on: store, migrations: folder.path).checked()
        #expect(try RoundTripTests.schema(of: store) == before)
        #expect(try migrate(["current"], on: store, migrations: folder.path).standardOutput == "0001\n")
    }

    @Test func `an invalid index of the name is not taken for the real one`() throws {
        let folder = try Self.project("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_words ON words (word)")
        let store = try PostgreSQLStore()
        try migrate(["upgrade", "0001"], on: store, migrations: folder.path).checked()
        // What a cancelled build leaves behind.
        try store.run(
            "CREATE INDEX idx_words ON words (word); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_words'::regclass"
        )
        try migrate(["upgrade", "head"], on: store, migrations: folder.path).checked()
        let valid = try store.database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_words'::regclass")
        #expect(valid == "t\n")
    }
}
