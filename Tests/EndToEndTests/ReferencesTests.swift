import Foundation
import MigratorTestSupport
import Testing

/// `references`: names that revisions take away, wherever an application still says them.
@Suite struct ReferencesTests {
    private static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:renames DirectMessage -> Message, direct_message_ -> message_ except direct_message_id
        -- migrator:renames /direct-messages/ -> /messages/
        -- migrator:upgrade
        CREATE TABLE messages (id integer PRIMARY KEY, kind text);
        ALTER TABLE direct_messages RENAME TO chats;
        ALTER TABLE people DROP COLUMN nick, DROP COLUMN IF EXISTS "Shoe Size", ALTER COLUMN age DROP DEFAULT;
        ALTER TABLE messages RENAME COLUMN kind TO type;
        DROP TABLE IF EXISTS old_logs, "Old Stats";
        -- migrator:downgrade
        """

    /// - Returns: `file:line:column name`.
    private func found(_ files: [String: String], status: Int32 = 2) throws -> [String] {
        var all = ["migrations/0001_a.sql": Self.script]
        for (name, text) in files { all["app/" + name] = text }
        let result = try Project(all).run("references", "app", "--json")
        #expect(result.status == status, "\(result.standardOutput)\(result.standardError)")
        let findings = try result.object()["findings"] as? [[String: Any]] ?? []
        return findings.map { finding in
            let place = ["file", "line", "column"].compactMap {
                finding[$0] as? String ?? (finding[$0] as? Int).map(String.init)
            }
            #expect(finding["revision"] as? String == "0001")
            return place.joined(separator: ":") + " " + (finding["name"] as? String ?? "")
        }
    }

    struct Example: Sendable, CustomTestStringConvertible {
        var line: String
        var names: [String]
        var testDescription: String { line }
        init(_ line: String, _ names: String...) {
            self.line = line
            self.names = names
        }
    }

    @Test(arguments: [
        Example("SELECT * FROM direct_messages d", "1:15 direct_messages"),
        Example("direct_messages, direct_messages", "1:1 direct_messages", "1:18 direct_messages"),
        Example("direct_messages_backup, mydirect_messages, direct_messages2"),
        Example("class NewDirectMessageView {}", "1:10 DirectMessage"),
        Example("d.direct_message_id = direct_message_kind", "1:23 direct_message_"),
        Example("get('/direct-messages/:id')", "1:6 /direct-messages/"),
        Example("INSERT INTO old_logs; \"Old Stats\"", "1:13 old_logs", "1:24 Old Stats"),
        // A column counts where its table is spoken of.
        Example("nick of people", "1:1 people.nick"),
        Example("nick of others"),
        Example("people.\"Shoe Size\", people.age", "1:9 people.Shoe Size"),
        Example("messages.kind", "1:10 messages.kind"),
        Example("é direct_messages", "1:3 direct_messages"),
        Example("direct_messages // migrator:ignore"),
        Example("messages and chats"),
    ])
    func `A line's names are found where they stand`(_ example: Example) throws {
        let found = try found(["a.txt": "\n" + example.line], status: example.names.isEmpty ? 0 : 2)
        #expect(found == example.names.map { "app/a.txt:2:" + $0.dropFirst(2) })
    }

    @Test func `File names count, ignored files and what is no text do not`() throws {
        let found = try found([
            ".gitignore": "*.log\n/build/\n!keep.log\ngen/**/deep\n# direct\n\n", "x.log": "direct_messages",
            "keep.log": "direct_messages", "build/a": "direct_messages", "src/build/a": "direct_messages",
            "src/.gitignore": "local.*\n", "src/local.txt": "direct_messages", "local.txt": "direct_messages",
            "gen/a/b/deep": "direct_messages", "gen/a/b/high": "direct_messages", ".git/x": "direct_messages",
            "binary": "\0direct_messages", "DirectMessage.swift": "nothing", "direct_messages/a": "nothing",
        ])
        #expect(
            Set(found) == [
                "app/keep.log:1:1 direct_messages", "app/src/build/a:1:1 direct_messages",
                "app/local.txt:1:1 direct_messages", "app/gen/a/b/high:1:1 direct_messages",
                "app/DirectMessage.swift DirectMessage", "app/direct_messages/a direct_messages",
            ], "\(found)")
    }

    @Test func `A name that a later revision makes again is no finding, and a revision can be chosen`() throws {
        let project = try Project([
            "migrations/0001_a.sql": Self.script,
            "migrations/0002_b.sql": """
            -- migrator:revision 0002
            -- migrator:revises 0001
            -- migrator:upgrade
            CREATE TABLE old_logs (id integer);
            DROP TABLE chats;
            -- migrator:downgrade
            """, "app.py": "old_logs chats direct_messages\n",
        ])
        let all = try project.run("references", "app.py").standardOutput
        #expect(
            all == """
                app.py:1:10: chats (revision 0002, gone)
                    old_logs chats direct_messages
                app.py:1:16: direct_messages (revision 0001, now chats)
                    old_logs chats direct_messages
                2 references in 1 of 1 file

                """, "\(all)")
        let second = try project.run("references", "app.py", "--revision", "0002").standardOutput
        #expect(second.contains("1 reference in") && second.contains("chats"))
        #expect(try project.run("references", "nowhere").status == 64)
        #expect(try project.run("references", "app.py", "--revision", "7").status == 64)
    }

    @Test(arguments: ["renames A", "renames A -> B C", "renames -> B", "renames A -> B,", "renames A -> B except"])
    func `A malformed rename is refused with its place`(_ directive: String) throws {
        let text = Self.script.replacingOccurrences(of: "renames /direct-messages/ -> /messages/", with: directive)
        let result = try Project(["migrations/0001_a.sql": text]).run("history")
        #expect(
            result.status == 65 && result.standardError.contains("migrations/0001_a.sql:4:1"), "\(result.standardError)"
        )
    }

    @Test func `The shipped switch says what an application must change`() throws {
        let project = try Project(["a.ts": "import { DirectMessage } from './direct-message'\n"])
        let result = try project.run(
            "references", "a.ts", "--migrations", "\(MigratorBinary.packageFolder)/migrations")
        #expect(result.status == 2 && result.standardOutput.contains("2 references in 1 of 1 file"))
    }
}
