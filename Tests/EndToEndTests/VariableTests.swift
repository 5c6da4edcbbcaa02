import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// `${NAME}` in scripts, given with `-x`.
@Suite struct VariableTests {
    static let script = """
        -- migrator:revision 0001
        -- migrator:revises base
        -- migrator:variables NOTE TABLE=notes LIMIT=10

        -- migrator:upgrade
        CREATE TABLE ${TABLE:identifier} (id integer PRIMARY KEY, body text, n integer);
        INSERT INTO ${TABLE:identifier} (id, body, n) VALUES (1, ${NOTE}, ${LIMIT:number}), (2, '${HOME} $1', 0);
        -- migrator:verify the note is there
        SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ${TABLE:identifier} WHERE body = ${NOTE});

        -- migrator:downgrade
        DELETE FROM ${TABLE:identifier} WHERE body = ${NOTE} OR id = 2;
        DROP TABLE ${TABLE:identifier};

        """

    static let secrets = [
        "plain", "it's", #"\'; DROP TABLE notes; --"#, "a\"b", "$$ $1 ${HOME}", "", "two\nlines", "-- no", "ça 👋 \\",
    ]

    @Test(arguments: Dialect.allCases)
    func `a value is a literal or a name, never text of the script`(_ dialect: Dialect) throws {
        for (index, value) in Self.secrets.enumerated() {
            let project = try Project(["migrations/0001_notes.sql": Self.script])
            let store = try dialect.makeStore()
            let table = "no\"t; es \(index)"
            let values = ["-x", "NOTE=\(value)", "-x", "TABLE=\(table)", "-x", "LIMIT=-3.5"]
            try project.run(["--database", store.url] + values + ["upgrade", "head"]).checked()
            let session = try store.session()
            defer { session.close() }
            let rows = try session.query("SELECT body FROM \(table.quotedIdentifier) ORDER BY id").map { $0[0].asText }
            #expect(rows == [value, "${HOME} $1"])
            try project.run(["--database", store.url, "verify"] + values).checked()
            try project.run(["--database", store.url, "downgrade", "base"] + values).checked()
            #expect(
                try session.query("SELECT 1 WHERE EXISTS (SELECT 1 FROM \(Self.ledger("revision", dialect)))").isEmpty)
        }
    }

    private static func ledger(_ table: String, _ dialect: Dialect) -> String {
        dialect == .postgresql ? "migrator.\(table)" : "migrator_\(table)"
    }

    @Test(arguments: Dialect.allCases)
    func `the ledger keeps no value, and a downgrade asks for that of the upgrade`(_ dialect: Dialect) throws {
        let project = try Project(["migrations/0001_notes.sql": Self.script])
        let store = try dialect.makeStore()
        func run(_ arguments: String...) throws -> CommandResult {
            try project.run(["--database", store.url] + arguments)
        }
        try run("upgrade", "head", "-x", "NOTE=hunter2").checked()
        let session = try store.session()
        defer { session.close() }
        for table in ["run", "revision", "step", "object", "proof", "activity"] {
            let rows = try session.query("SELECT * FROM \(Self.ledger(table, dialect))")
            #expect(!rows.isEmpty)
            #expect(!rows.contains { $0.values.contains { $0.asText?.contains("hunter2") ?? false } }, "\(table)")
        }
        for arguments in [["history"], ["status"], ["check"], ["current"], ["heads"], ["show", "0001"]] {
            try project.run(["--database", store.url] + arguments).checked()
        }
        let missing = try run("downgrade", "base")
        #expect(missing.status == 65)
        #expect(missing.errorCode == "variable-without-value")
        #expect(missing.standardError.contains("migrations/0001_notes.sql:7:58"))
        let other = try run("downgrade", "base", "-x", "NOTE=other")
        #expect(other.status == 4)
        #expect(other.errorCode == "variable-changed")
        #expect(!other.standardError.contains("hunter2"))
        #expect(try run("verify").errorCode == "variable-without-value")
        try run("verify", "-x", "NOTE=hunter2").checked()
        try run("-x", "NOTE=hunter2", "downgrade", "base").checked()
    }

    @Test(arguments: Dialect.allCases)
    func `what a database says of a value is told and kept without it`(_ dialect: Dialect) throws {
        let project = try Project([
            "migrations/0001_a.sql": """
            -- migrator:revision 0001
            -- migrator:revises base
            -- migrator:variables SECRET

            -- migrator:upgrade
            CREATE TABLE t (a text UNIQUE);
            INSERT INTO t VALUES (${SECRET}), (${SECRET});
            SELECT * FROM ${SECRET:identifier};

            -- migrator:downgrade
            DROP TABLE t;
            """
        ])
        let store = try dialect.makeStore()
        let failed = try project.run("--database", store.url, "upgrade", "head", "-x", "SECRET=hunter2")
        #expect(failed.status == 1)
        #expect(!failed.standardError.contains("hunter2"), "\(failed.standardError)")
        let other = try project.run(
            "--database", store.url, "--verbose", "upgrade", "head", "-x", "SECRET=hunter2")
        #expect(!other.standardError.contains("hunter2"), "\(other.standardError)")
        let session = try store.session()
        defer { session.close() }
        let errors = try session.query("SELECT error FROM \(Self.ledger("run", dialect))").compactMap { $0[0].asText }
        #expect(errors.count == 2)
        #expect(!errors.contains { $0.contains("hunter2") })

        let unknown = try project.run("--database", store.url, "stamp", "0001").checked()
        #expect(unknown.standardError.contains("not compared with the scripts"))
        try project.run("--database", store.url, "stamp", "--purge", "base").checked()
    }

    @Test func `what is wrong with a variable is said before anything runs`() throws {
        func error(_ statement: String, _ arguments: [String] = ["-x", "A=1"], header: String = "A") throws -> String {
            let project = try Project([
                "migrations/0001_a.sql": """
                -- migrator:revision 0001
                -- migrator:revises base
                -- migrator:variables \(header)

                -- migrator:upgrade
                CREATE TABLE first (id integer);
                \(statement);

                -- migrator:irreversible no
                """
            ])
            let result = try project.run(["--database", "sqlite:a.db", "upgrade", "head"] + arguments)
            if result.status == 0 { return "" }
            let session = try SQLiteSession(path: project.folder.file("a.db"), access: .create)
            defer { session.close() }
            #expect(try session.query("SELECT 1 FROM sqlite_schema WHERE name = 'first'").isEmpty)
            return "\(result.status) \(result.errorCode ?? "")"
                + (result.standardError.firstMatch(of: #/0001_a.sql:[0-9:]+/#).map { " \($0.0.dropFirst(11))" } ?? "")
        }
        #expect(try error("SELECT ${A}") == "")
        #expect(try error("SELECT ${A}", []) == "65 variable-without-value 7:8")
        #expect(try error("SELECT '${A}'") == "65 variable-in-quotes 7:9")
        #expect(try error("SELECT \"${A}\"") == "65 variable-in-quotes 7:9")
        #expect(try error("SELECT a${A}") == "65 variable-glued 7:9")
        #expect(try error("SELECT ${A}'b'") == "65 variable-glued 7:8")
        #expect(try error("SELECT ${A}${A}") == "65 variable-glued 7:8")
        #expect(try error("SELECT ${A:raw}") == "65 unknown-variable-form 7:8")
        #expect(try error("SELECT ${A:number}", ["-x", "A=1; DROP"]) == "65 variable-value 7:8")
        #expect(try error("CREATE TABLE ${A:identifier} (a)", ["-x", "A="]) == "65 variable-value 7:14")
        #expect(try error("SELECT 1 /* ${A} '${A}' */", []) == "")
        #expect(try error("SELECT ${A}", ["-x", "A=1", "-x", "B=2"]).hasPrefix("64 unknown-variable"))
        #expect(try error("SELECT ${A}", ["-x", "A"]).hasPrefix("64 usage"))
        #expect(try error("SELECT ${A}", header: "A A") == "65 malformed-directive 3:1")
        #expect(try error("SELECT ${A}", header: "1A") == "65 malformed-directive 3:1")
        // The place of an error behind a value is that of the file.
        #expect(try error("SELECT ${A}, nowhere", ["-x", "A=a much longer value"]).hasSuffix(" 7:14"))
    }

    @Test func `migrator.toml gives values, an environment others, and -x wins`() throws {
        let project = try Project([
            "migrations/0001_notes.sql": Self.script,
            "migrator.toml": """
            [variables]
            NOTE = "common"
            [environments.a]
            database = "sqlite:a.db"
            [environments.b]
            database = "sqlite:b.db"
            variables = { NOTE = "own ${WHO}" }
            """,
        ])
        for (name, more, expected) in [
            ("a", [], "common"), ("b", [], "own me"), ("a", ["-x", "NOTE=given"], "given"),
        ] as [(String, [String], String)] {
            try? FileManager.default.removeItem(atPath: project.folder.file("\(name).db"))
            try project.run(["--env", name, "upgrade", "head"] + more, environment: ["WHO": "me"]).checked()
            let session = try SQLiteSession(path: project.folder.file("\(name).db"), access: .readOnly)
            defer { session.close() }
            #expect(try session.query("SELECT body FROM notes WHERE id = 1").first?[0].asText == expected)
        }
    }

    @Test(arguments: Dialect.allCases)
    func `SQL is written with the values, and goes back with no others`(_ dialect: Dialect) throws {
        let project = try Project(["migrations/0001_notes.sql": Self.script])
        let store = try dialect.makeStore()
        func write(_ arguments: String...) throws -> String {
            try project.run(arguments + ["--sql", "--dialect", dialect.rawValue]).checked().standardOutput
        }
        try SQLOutputTests.pipe(try write("upgrade", "base:head", "-x", "NOTE=it's"), to: store).checked()
        try project.run("--database", store.url, "verify", "-x", "NOTE=it's").checked()
        let wrong = try SQLOutputTests.pipe(try write("downgrade", "head:base", "-x", "NOTE=other"), to: store)
        #expect(wrong.status != 0)
        #expect(wrong.standardError.contains("another value of the variable NOTE"))
        try SQLOutputTests.pipe(try write("downgrade", "head:base", "-x", "NOTE=it's"), to: store).checked()
    }
}
