import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Downgrades that do not bring back what was there: each is found and named, and the sound one beside them is not.
@Suite struct RehearsalFaultTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        var title: String
        /// After the sound upgrade: a table `notes` becomes `memos`, with a backup of how it was.
        var downgrade: String
        /// What the report must say, or what else; nil: nothing is wrong.
        var finding: String?
        var table = ""
        var testDescription: String { title }
    }

    static let upgrade = """
        CREATE TABLE memos (id KEY, body text, views integer);
        INSERT INTO memos SELECT id, body, views FROM notes;
        -- migrator:backup notes
        DROP TABLE notes;
        """

    static let create = "CREATE TABLE notes (id KEY, body text, views integer);"
    static let index = "CREATE INDEX notes_views ON notes (views);"
    static let copy = "INSERT INTO notes SELECT id, body, views FROM memos;"
    static let drop = "\n-- migrator:archive memos\nDROP TABLE memos;"

    static let faults = [
        Fault(title: "sound", downgrade: create + copy + index + drop, finding: nil),
        Fault(title: "does nothing", downgrade: "SELECT 1;", finding: "downgrade-differs"),
        Fault(
            title: "restores the copy of before the upgrade",
            downgrade: create + "INSERT INTO notes SELECT id, body, views FROM notes_backup;" + index + drop,
            finding: "back after the downgrade", table: "notes"),
        Fault(
            title: "loses what was written since, without a trace",
            downgrade: create + copy + "DELETE FROM memos WHERE id > 4; DELETE FROM notes WHERE id > 4;" + index
                + drop,
            finding: "is lost by the downgrade"),
        Fault(
            title: "brings back what was deleted",
            downgrade: create + copy
                + "INSERT INTO notes SELECT k.id, k.body, k.views FROM notes_backup k WHERE NOT EXISTS (SELECT 1 FROM notes n WHERE n.id = k.id);"
                + index + drop,
            finding: "back after the downgrade", table: "notes"),
        Fault(
            title: "drops a row",
            downgrade: create + "INSERT INTO notes SELECT id, body, views FROM memos WHERE id <> 2;" + index + drop,
            finding: "the row is gone", table: "notes"),
        Fault(
            title: "changes a row",
            downgrade: create + copy + "UPDATE notes SET views = 0 WHERE id = 3;" + index + drop,
            finding: "the row differs", table: "notes"),
        Fault(
            title: "adds a row",
            downgrade: create + copy + "INSERT INTO notes (id, body, views) VALUES (77, 'new', 1);" + index + drop,
            finding: "the row was not there before", table: "notes"),
        Fault(
            title: "makes NULL of an empty text",
            downgrade: create + "INSERT INTO notes SELECT id, nullif(body, ''), views FROM memos;" + index + drop,
            finding: "the row differs", table: "notes"),
        Fault(title: "forgets an index", downgrade: create + copy + drop, finding: "downgrade-differs|- index"),
        Fault(title: "leaves a table behind", downgrade: create + copy + index, finding: "downgrade-differs"),
        Fault(title: "fails", downgrade: "DROP TABLE nowhere;" + create, finding: "sql-error"),
    ]

    @Test(arguments: Dialect.allCases, faults)
    func `is found`(_ dialect: Dialect, _ fault: Fault) throws {
        let store = try dialect.makeStore()
        if dialect == .postgresql { try store.run("CREATE SEQUENCE ids") }
        try store.run(
            """
            \(Self.keyed(Self.create, dialect)) \(Self.index)
            INSERT INTO notes (body, views) VALUES ('one', 5), ('', 6), (NULL, 7), ('four', 8);
            """)
        let before = try store.state()
        let text = """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:upgrade
            \(Self.upgrade)
            -- migrator:downgrade
            \(fault.downgrade)

            """
        let project = try Project(["migrations/0001_memos.sql": Self.keyed(text, dialect)])
        let result = try project.run("--database", store.url, "rehearse", "--json")
        #expect(result.status == (fault.finding == nil ? 0 : 2), "\(result.standardOutput)\(result.standardError)")
        let stages = try #require(try result.object()["stages"] as? [[String: Any]])
        let differences = stages.flatMap { $0["differences"] as? [[String: Any]] ?? [] }
        if let finding = fault.finding {
            let found = differences.filter { difference in
                finding.split(separator: "|").contains { (difference["message"] as? String)?.contains($0) ?? false }
            }
            #expect(!found.isEmpty, "\(differences)")
            if !fault.table.isEmpty {
                #expect(found.contains { ($0["table"] as? String)?.hasSuffix(fault.table) ?? false })
                #expect(found.allSatisfy { ($0["key"] as? String)?.isEmpty == false })
            }
        } else {
            #expect(differences.isEmpty, "\(differences)")
        }
        #expect(try store.state() == before)
    }

    /// A key that comes by itself on both databases, from the same sequence in the old shape and in the new.
    private static func keyed(_ text: String, _ dialect: Dialect) -> String {
        let key =
            dialect == .postgresql ? "integer PRIMARY KEY DEFAULT nextval('ids')" : "INTEGER PRIMARY KEY AUTOINCREMENT"
        return text.replacingOccurrences(of: "(id KEY", with: "(id \(key)")
    }

    /// An id that was drawn once is drawn again.
    @Test(arguments: Dialect.allCases)
    func `a next id that goes back is found`(_ dialect: Dialect) throws {
        let isPostgreSQL = dialect == .postgresql
        let key = isPostgreSQL ? "serial PRIMARY KEY" : "INTEGER PRIMARY KEY AUTOINCREMENT"
        let store = try dialect.makeStore()
        try store.run(
            "CREATE TABLE notes (id \(key), body text); INSERT INTO notes (body) VALUES ('a'), ('b'); DELETE FROM notes WHERE id = 2"
        )
        let reset =
            isPostgreSQL
            ? "SELECT setval('notes_id_seq', 1);" : "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'notes';"
        for (statement, status) in [(reset, 2 as Int32), ("SELECT 1;", 0)] {
            let project = try Project([
                "migrations/0001_title.sql": """
                -- migrator:revision 0001
                -- migrator:revises base
                -- migrator:upgrade
                ALTER TABLE notes ADD COLUMN title text;
                -- migrator:downgrade
                ALTER TABLE notes DROP COLUMN title;
                \(statement)

                """
            ])
            let result = try project.run("--database", store.url, "rehearse")
            #expect(result.status == status, "\(result.standardOutput)\(result.standardError)")
            #expect(result.standardOutput.contains("ids would be used twice") == (status == 2))
        }
    }
}
