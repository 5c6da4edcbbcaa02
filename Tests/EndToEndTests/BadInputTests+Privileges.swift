import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// Files and roles that may not do what a command needs: exit 69 with what an owner must run, nothing changed, and
/// once he has run it the same command goes through.
@Suite struct BadPrivilegeTests {
    @Test(arguments: ["upgrade head", "downgrade base", "stamp 0002"])
    func `A SQLite file that may only be read is exit 69, and can be looked at`(_ command: String) throws {
        let bench = try Bench(.sqlite)
        try bench.perform(["upgrade 0001"])
        let store = try #require(bench.store as? SQLiteStore)
        let user = try OtherUser(mayEnter: [bench.folder.path, store.folder.path])
        for isFolderWritable in [true, false] {
            chmod(store.path, isFolderWritable ? 0o444 : 0o666)
            chmod(store.folder.path, isFolderWritable ? 0o777 : 0o555)
            let before = try Data(contentsOf: URL(fileURLWithPath: store.path))
            let result = try user.run(bench, command)
            #expect(result.status == 69 && result.errorCode == "database-read-only", "\(result.standardError)")
            #expect(result.standardError.contains(isFolderWritable ? store.path : store.folder.path))
            expectPlainWords(result.standardError)
            let object = try user.run(bench, command + " --json").object()
            #expect(object["exit_status"] as? Int == 69)
            for reading in ["current", "status", "verify", "plan 0002", "history"] {
                let seen = try user.run(bench, reading)
                #expect(seen.status == 0, "\(reading): \(seen.standardError)")
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: store.path)) == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: store.folder.path) == ["test.db"])
        }
        chmod(store.path, 0o666)
        chmod(store.folder.path, 0o777)
        try user.run(bench, command).checked()
    }

    /// What the role may, beside connecting, and what the hint must say to the letter, ROLE and DATABASE aside.
    struct Role: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var grants: String
        var hint: String
    }

    @Test(arguments: [
        Role(
            testDescription: "nothing in the schema", grants: "GRANT CREATE ON DATABASE DATABASE TO ROLE",
            hint: #"GRANT CREATE ON SCHEMA "public" TO "ROLE""#),
        Role(
            testDescription: "no ledger", grants: "GRANT CREATE ON SCHEMA public TO ROLE",
            hint: #"CREATE SCHEMA "migrator" AUTHORIZATION "ROLE""#),
        Role(
            testDescription: "a ledger of somebody else",
            grants: "GRANT CREATE ON SCHEMA public TO ROLE; GRANT USAGE ON SCHEMA migrator TO ROLE",
            hint: #"GRANT ALL ON SCHEMA "migrator" TO "ROLE"; GRANT ALL ON ALL TABLES IN SCHEMA "migrator" TO "ROLE""#),
    ])
    func `A role is told the statement that it lacks, and that statement is enough`(_ example: Role) throws {
        let bench = try Bench(.postgresql)
        let store = try #require(bench.store as? PostgreSQLStore)
        let role = "r_\(store.database.name)"
        func named(_ text: String) -> String {
            text.replacingOccurrences(of: "ROLE", with: role)
                .replacingOccurrences(of: "DATABASE DATABASE", with: "DATABASE \(store.database.name)")
        }
        try store.run("CREATE ROLE \(role) LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        if example.grants.contains("migrator") { try bench.perform(["stamp base"]) }
        try store.run(named(example.grants))
        let before = try store.state()
        func upgrade(_ options: String...) throws -> CommandResult {
            try MigratorBinary.run(
                ["--database", store.database.url(user: role), "--migrations", bench.migrations, "upgrade", "0001"]
                    + options)
        }
        let result = try upgrade()
        #expect(result.status == 69 && result.errorCode == "privilege-missing", "\(result.standardError)")
        let hint = named(example.hint)
        #expect(result.standardError.contains(hint), "\(result.standardError)")
        expectPlainWords(result.standardError)
        let object = try #require(try upgrade("--json").object()["error"] as? [String: Any])
        #expect((object["hint"] as? String)?.contains(hint) == true)
        #expect(try store.state() == before)
        try store.run(hint)
        try upgrade().checked()
    }

    @Test func `A table of somebody else is exit 69 with its name`() throws {
        let bench = try Bench(.postgresql)
        let store = try #require(bench.store as? PostgreSQLStore)
        try bench.perform(["upgrade 0001", " " + sampleMessages])
        let role = "r_\(store.database.name)"
        try store.run(
            """
            CREATE ROLE \(role) LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO \(role);
            GRANT ALL ON SCHEMA migrator TO \(role); GRANT ALL ON ALL TABLES IN SCHEMA migrator TO \(role);
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO \(role)
            """)
        let before = try store.state()
        let arguments = ["--database", store.database.url(user: role), "--migrations", bench.migrations]
        for mode in ["window", "online"] {
            let result = try MigratorBinary.run(arguments + ["upgrade", "head", "--mode", mode])
            #expect(result.status == 69, "\(result.standardError)")
            #expect(result.standardError.contains("direct_messages"), "\(result.standardError)")
            expectPlainWords(result.standardError)
            #expect(try store.state() == before)
        }
        try store.run("ALTER ROLE \(role) SUPERUSER")
        try MigratorBinary.run(arguments + ["upgrade", "head"]).checked()
    }

    /// Strategy, and what of a database belongs to somebody else.
    @Test(arguments: [
        ("rename", "direct_messages"), ("copy", "direct_messages"), ("copy", "attachments"), ("copy", "unread"),
    ])
    func `The owner of what a switch changes is asked for before it begins`(_ strategy: String, _ other: String) throws
    {
        let store = try PostgreSQLStore()
        let role = "r_\(store.database.name)"
        let owner = "o_\(store.database.name)"
        try store.run(
            """
            CREATE ROLE \(owner); CREATE ROLE \(role) LOGIN; GRANT ALL ON SCHEMA public TO \(role), \(owner);
            GRANT CREATE ON DATABASE \(store.database.name) TO \(role)
            """)
        let scripts = try ShippedScripts(strategy: strategy)
        func run(_ line: String) throws -> CommandResult {
            try MigratorBinary.run(
                ["--database", store.database.url(user: role), "--migrations", scripts.path]
                    + line.split(separator: " ").map(String.init))
        }
        try run("upgrade 0001").checked()
        try store.run(
            """
            SET ROLE \(role); CREATE VIEW unread AS SELECT id FROM direct_messages WHERE NOT is_read; RESET ROLE;
            ALTER TABLE \(other) OWNER TO \(owner); GRANT ALL ON \(other) TO \(role);
            INSERT INTO users (email) VALUES ('a'), ('b');
            INSERT INTO direct_messages (sender_id, recipient_id, content) VALUES (1, 2, 'hello');
            """)
        let before = try store.state()
        let statement = #"GRANT "\#(owner)" TO "\#(role)""#
        for line in ["plan head", "upgrade head --mode window", "upgrade head --mode online"] {
            let result = try run(line)
            #expect(result.status == 69 && result.errorCode == "privilege-missing", "\(line): \(result.standardError)")
            #expect(result.standardError.contains(#""\#(other)" belongs to"#), "\(result.standardError)")
            #expect(result.standardError.contains(statement), "\(result.standardError)")
            #expect(try store.state() == before)
        }
        try store.run(statement)
        try run("upgrade head").checked()
        try run("downgrade 0001").checked()
    }
}

/// Somebody who is not root, for whom file permissions hold.
struct OtherUser {
    private let prefix: [String]
    private let program: String

    /// - Parameter folders: opened to everybody.
    init(mayEnter folders: [String]) throws {
        for folder in folders { chmod(folder, 0o755) }
        guard getuid() == 0 else {
            prefix = []
            program = MigratorBinary.path
            return
        }
        prefix = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        // The build folder may lie where only root may look.
        program = folders[0] + "/migrator"
        try MigratorBinary.copy(to: program)
    }

    func run(_ bench: Bench, _ line: String) throws -> CommandResult {
        let words =
            prefix + [program, "--database", bench.store.url, "--migrations", bench.migrations]
            + line.split(separator: " ").map(String.init)
        return try MigratorTestSupport.run(
            words[0], Array(words.dropFirst()), environment: MigratorBinary.environment())
    }
}
