import Testing

@testable import MigratorScript

private func script(_ text: String, _ dialect: Dialect = .postgresql, file: String = "m/0002_b_c.sql") throws
    -> Script
{
    try Script.parse(bytes: Array(text.utf8), file: file, dialect: dialect)
}

private let header = "-- migrator:revision 0002\n-- migrator:revises 0001\n"
private let footer = "\n-- migrator:downgrade\n"

/// The actions of an upgrade section, places aside.
private func actions(_ upgrade: String) throws -> [Action] {
    try script(header + "-- migrator:upgrade\n" + upgrade + footer).upgrade.items.map(\.action)
}

private func statement(_ text: String, _ line: Int, offset: Int) -> Statement {
    Statement(text: text, location: ScriptLocation(file: "m/0002_b_c.sql", line: line), offset: offset)
}

@Suite struct DirectiveTests {
    @Test func `The header is read`() throws {
        let full = try script(
            "-- migrator:revision 0002\n-- migrator:revises base\n-- migrator:message  It's: a \"message\" \n"
                + "-- migrator:mode online\n-- migrator:transaction off\n-- migrator:upgrade\nBEGIN;"
                + "\n-- migrator:irreversible the rows are gone \n")
        #expect(full.revision == "0002" && full.revises == nil && full.message == "It's: a \"message\"")
        #expect(try full.mode == .online && !full.isTransactional && full.upgrade.items.count == 1)
        guard case .irreversible(let reason, let location) = try full.downgrade else {
            Issue.record("reversible")
            return
        }
        #expect(reason == "the rows are gone" && location.line == 8)
        let short = try script(header + "-- migrator:downgrade\nSELECT 1;\n-- migrator:upgrade\n")
        #expect(
            short.revises == "0001" && short.message == "b c" && short.mode == nil && short.isTransactional)
        #expect(try short.upgrade.items.isEmpty && short.downgrade.isReversible)
    }

    @Test(arguments: [
        ("0002", "0002_b.sql", true), ("0002", "0002.sql", true), ("0002_b", "0002_b.sql", true),
        ("2024_01", "2024_01_b.sql", true), ("2024", "2024_01_b.sql", true), ("ae10.1", "ae10.1_b.sql", true),
        ("2", "0002_b.sql", false), ("002", "0002_b.sql", false), ("0002_b", "0002.sql", false),
        ("00", "0002_b.sql", false), ("0002_bb", "0002_b.sql", false), ("0002", "0002-b.sql", false),
    ])
    func `The revision fits the file's name`(_ revision: String, _ file: String, _ fits: Bool) {
        let text = "-- migrator:revision \(revision)\n-- migrator:revises base\n-- migrator:upgrade" + footer
        let error = refusal(Array(text.utf8), .sqlite, file: "m/" + file)
        #expect(error?.code == (fits ? nil : "header-mismatch"))
    }

    @Test(
        arguments: [
            ("backup t", .backup(TableName("t"))),
            ("  backup  S.T  ", .backup(TableName(schema: "s", "t"))),
            ("backup \"My T\".\"a\"\"b.c\"", .backup(TableName(schema: "My T", "a\"b.c"))),
            ("backup größe$1", .backup(TableName("größe$1"))),
            (
                "leftovers a, b.c ,d",
                .leftovers([TableName("a"), TableName(schema: "b", "c"), TableName("d")])
            ),
            (
                "switch a -> b key=id",
                .switchTable(Move(source: TableName("a"), target: TableName("b"), key: "id"))
            ),
            (
                "switch a->b key=\"Id\"",
                .switchTable(Move(source: TableName("a"), target: TableName("b"), key: "Id"))
            ),
            (
                "switch s.a -> s.b key=ID view=s.\"V\" strategy=rename mapping=name",
                .switchTable(
                    Move(
                        source: TableName(schema: "s", "a"), target: TableName(schema: "s", "b"), key: "id",
                        view: TableName(schema: "s", "V"), strategy: .rename))
            ),
            (
                "switch a -> b strategy=copy key=id",
                .switchTable(Move(source: TableName("a"), target: TableName("b"), key: "id", strategy: .copy))
            ),
            ("copy a -> b key=id", .copy(Move(source: TableName("a"), target: TableName("b"), key: "id"))),
            ("sync a -> b key=id", .sync(Sync(source: TableName("a"), target: TableName("b"), key: "id"))),
            (
                "sync a <-> b key=id yields=B",
                .sync(
                    Sync(
                        source: TableName("a"), target: TableName("b"), key: "id",
                        back: .init(yields: TableName("b"), mapping: nil)))
            ),
            ("unsync a -> b", .unsync(source: TableName("a"), target: TableName("b"))),
            ("unsync a <-> b", nil),
        ] as [(String, Action?)])
    func `A directive is read`(_ text: String, _ action: Action?) throws {
        if let action {
            #expect(try actions("-- migrator:\(text)") == [action])
        } else {
            let error = refusal(
                Array((header + "-- migrator:upgrade\n-- migrator:\(text)" + footer).utf8), .postgresql)
            #expect(error?.code == "malformed-directive")
        }
    }

    @Test func `A directive takes the statement that follows`() throws {
        let base = (header + "-- migrator:upgrade\n").utf8.count
        func only(_ line: String, _ query: String) throws -> (Action, Statement) {
            let found = try actions("-- migrator:\(line)\n\(query); SELECT 9;")
            #expect(found.count == 2)
            let offset = base + "-- migrator:\(line)\n".utf8.count
            return (found[0], statement(query, 5, offset: offset))
        }
        let a = TableName("a")
        let b = TableName("b")
        for kind in ["switch", "copy"] {
            let (action, mapping) = try only(
                "\(kind) a -> b key=id mapping=select", "WITH c AS (SELECT 1) SELECT 2")
            let move = Move(source: a, target: b, key: "id", mapping: mapping)
            #expect(action == (kind == "switch" ? .switchTable(move) : .copy(move)))
        }
        var (action, mapping) = try only("sync a -> b key=id mapping=select", "(SELECT 1)")
        #expect(action == .sync(Sync(source: a, target: b, key: "id", mapping: mapping)))
        (action, mapping) = try only(
            "ensure a -> b on=x, \"Y\" owner=o raise=status(sent, delivered,read)", "VALUES (1)")
        #expect(
            action
                == .ensure(
                    Ensure(
                        source: a, target: b, on: ["x", "Y"], owner: "o",
                        raise: .init(column: "status", order: ["sent", "delivered", "read"]), mapping: mapping
                    )))
        (action, mapping) = try only("fill a key=id", "SELECT id FROM a")
        #expect(action == .fill(Fill(table: a, key: "id", mapping: mapping)))
        (action, mapping) = try only("exceptions a key=id", "SELECT id, 'x' AS reason FROM a")
        #expect(action == .exceptions(Exceptions(table: a, key: "id", mapping: mapping)))
        (action, mapping) = try only("verify every reply points -> at = a message", "TABLE a")
        #expect(action == .verify(Check(title: "every reply points -> at = a message", query: mapping)))
        let both = try actions(
            "-- migrator:sync a <-> b key=id yields=a mapping=select\nSELECT 1;\n-- a comment\n-- migrator:back\nSELECT 2;"
        )
        guard case .sync(let sync) = both.first else { throw Missing() }
        #expect(both.count == 1 && sync.mapping?.text == "SELECT 1" && sync.back?.mapping?.text == "SELECT 2")
        struct Missing: Error {}
    }

    @Test(arguments: [
        ("table t exists", "table t exists"), ("table s.T missing", "table s.t missing"),
        ("column t.c exists", "column t.c exists"), ("column s.t.\"C\" missing", "column s.t.C missing"),
    ])
    func `A block holds its items`(_ condition: String, _ read: String) throws {
        let found = try actions(
            "-- migrator:when \(condition)\nSELECT 1;\n-- migrator:backup t\n-- migrator:end\nSELECT 2;")
        guard found.count == 2, case .when(let when, let items) = found[0] else {
            Issue.record("no block")
            return
        }
        #expect(when.description == read && items.count == 2)
    }

    @Test func `A downgrade asks what its upgrade created, and archives`() throws {
        let text =
            header + "-- migrator:upgrade\n-- migrator:downgrade\n-- migrator:archive a, b\n"
            + "-- migrator:when created s.t.c\n-- migrator:end\n-- migrator:when created t\n-- migrator:end\n"
        guard case .section(let section) = try script(text).downgrade else {
            Issue.record("irreversible")
            return
        }
        #expect(
            section.items.map(\.action) == [
                .archive([TableName("a"), TableName("b")]),
                .when(.created(TableName(schema: "s", "t"), column: "c"), []),
                .when(.created(TableName("t"), column: nil), []),
            ])
    }

    /// The text stands below the header and the upgrade directive, from line 4 on.
    @Test(arguments: [
        ErrorCase("-- migrator:nonsense", "unknown-directive", "4:1"),
        ErrorCase("-- migrator:", "unknown-directive", "4:1"),
        ErrorCase("\n  -- migrator:swich a -> b key=id", "unknown-directive", "5:3"),
        ErrorCase("-- migrator:Backup t", "unknown-directive", "4:1"),
        ErrorCase("-- migrator:backup", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:backup t;", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:backup a b", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:backup 1a", "malformed-identifier", "4:1"),
        ErrorCase("-- migrator:backup \"a", "malformed-identifier", "4:1"),
        ErrorCase("-- migrator:backup \"\"", "malformed-identifier", "4:1"),
        ErrorCase("-- migrator:backup s.", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:switch a b key=id", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> key=id", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a <-> b key=id", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> b", "missing-option", "4:1"),
        ErrorCase("-- migrator:switch a -> b keys=id", "unknown-option", "4:1"),
        ErrorCase("-- migrator:switch a -> b key=id key=x", "duplicate-option", "4:1"),
        ErrorCase("-- migrator:switch a -> b key=", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> b key = id", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> b key=id fast", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> b key=id strategy=magic", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:switch a -> b key=id mapping=all", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:copy a -> b key=id view=v", "unknown-option", "4:1"),
        ErrorCase("-- migrator:sync a -> b key=id yields=b", "unknown-option", "4:1"),
        ErrorCase("-- migrator:sync a <-> b key=id", "missing-option", "4:1"),
        ErrorCase("-- migrator:sync a <-> b key=id yields=c", "malformed-directive", "4:1"),
        ErrorCase(
            "-- migrator:sync a <-> b key=id yields=b mapping=select\nSELECT 1;", "missing-statement", "6:1"),
        ErrorCase("-- migrator:back\nSELECT 1;", "misplaced-directive", "4:1"),
        ErrorCase("-- migrator:ensure a -> b\nSELECT 1;", "missing-option", "4:1"),
        ErrorCase("-- migrator:ensure a -> b on=c", "missing-statement", "4:1"),
        ErrorCase("-- migrator:ensure a -> b on=c raise=s\nSELECT 1;", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:ensure a -> b on=c raise=s(a)\nSELECT 1;", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:ensure a -> b on=c raise=s(a,a)\nSELECT 1;", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:ensure a -> b on=c raise=s(a,b\nSELECT 1;", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:fill a\nSELECT 1;", "missing-option", "4:1"),
        ErrorCase("-- migrator:fill a key=id\n-- migrator:backup a", "missing-statement", "4:1"),
        ErrorCase("-- migrator:fill a key=id\nUPDATE a SET b = 1;", "not-a-query", "5:1"),
        ErrorCase("-- migrator:fill a key=id\nWITH x AS (SELECT 1) DELETE FROM a;", "not-a-query", "5:1"),
        ErrorCase("-- migrator:verify", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:verify all is well", "missing-statement", "4:1"),
        ErrorCase("-- migrator:verify all is well\n;;\n  DROP TABLE a;", "not-a-query", "6:3"),
        ErrorCase("-- migrator:archive a", "misplaced-directive", "4:1"),
        ErrorCase("-- migrator:leftovers a,", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:revision 0002", "misplaced-directive", "4:1"),
        ErrorCase("-- migrator:message late", "misplaced-directive", "4:1"),
        ErrorCase("-- migrator:upgrade", "duplicate-directive", "4:1"),
        ErrorCase("-- migrator:irreversible x", "duplicate-directive", "5:1"),
        ErrorCase("-- migrator:irreversible", "incomplete-directive", "4:1"),
        ErrorCase("-- migrator:irreversible x\nSELECT 1;", "statement-outside-section", "5:1"),
        ErrorCase("-- migrator:end", "unopened-block", "4:1"),
        ErrorCase("-- migrator:when table a exists", "unclosed-block", "4:1"),
        ErrorCase("-- migrator:when table a exists\n-- migrator:when table b exists", "nested-block", "5:1"),
        ErrorCase("-- migrator:when table a", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:when table a.b.c exists", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:when column a exists", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:when row a exists", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:when table a exists now", "malformed-directive", "4:1"),
        ErrorCase("-- migrator:when created a.b", "misplaced-directive", "4:1"),
        ErrorCase("-- migrator:when table a exists\n-- migrator:end now", "malformed-directive", "5:1"),
        ErrorCase("-- migrator:downgrade\n-- migrator:backup a", "misplaced-directive", "5:1"),
        ErrorCase("-- migrator:downgrade\n-- migrator:sync a -> b key=id", "misplaced-directive", "5:1"),
    ])
    func `A directive is refused`(_ example: ErrorCase) {
        let error = refusal(
            Array((header + "-- migrator:upgrade\n" + example.text + footer).utf8), .postgresql)
        #expect(error?.code == example.code)
        #expect(error.map { "\($0.location.line):\($0.location.column)" } == example.place)
    }

    /// Whole files.
    @Test(arguments: [
        ErrorCase("", "missing-header", "1:1"),
        ErrorCase("-- migrator:revision 0002\n", "missing-header", "1:1"),
        ErrorCase(header, "missing-section", "1:1"),
        ErrorCase(header + "-- migrator:upgrade\nSELECT 1;", "missing-section", "1:1"),
        ErrorCase(header + "-- migrator:downgrade\n", "missing-section", "1:1"),
        ErrorCase("SELECT 1;\n" + header, "statement-outside-section", "1:1"),
        ErrorCase("\n-- migrator:revision 0003\n", "header-mismatch", "2:1"),
        ErrorCase("-- migrator:revision\n", "malformed-directive", "1:1"),
        ErrorCase("-- migrator:revision 00-02\n", "malformed-directive", "1:1"),
        ErrorCase("-- migrator:revision head\n", "malformed-directive", "1:1"),
        ErrorCase("-- migrator:revision 0002 0003\n", "malformed-directive", "1:1"),
        ErrorCase(header + "-- migrator:revision 0002\n", "duplicate-directive", "3:1"),
        ErrorCase(header + "-- migrator:revises 0001\n", "duplicate-directive", "3:1"),
        ErrorCase(header + "-- migrator:message a\n-- migrator:message b\n", "duplicate-directive", "4:1"),
        ErrorCase(header + "-- migrator:message \n", "incomplete-directive", "3:1"),
        ErrorCase(header + "-- migrator:mode offline\n", "malformed-directive", "3:1"),
        ErrorCase(
            header + "-- migrator:mode online\n-- migrator:mode window\n", "duplicate-directive", "4:1"),
        ErrorCase(header + "-- migrator:transaction on\n", "malformed-directive", "3:1"),
        ErrorCase(header + "-- migrator:backup t\n", "misplaced-directive", "3:1"),
        ErrorCase(
            header + "-- migrator:upgrade" + footer + "-- migrator:downgrade\n", "duplicate-directive", "5:1"),
        ErrorCase(
            header + "-- migrator:upgrade" + footer + "-- migrator:when created a.b\n", "unclosed-block",
            "5:1"),
    ])
    func `A script is refused`(_ example: ErrorCase) {
        for dialect in Dialect.allCases {
            let error = refusal(Array(example.text.utf8), dialect)
            #expect(error?.code == example.code)
            #expect(error.map { "\($0.location.line):\($0.location.column)" } == example.place)
        }
    }

    @Test func `A misspelt word is recognised`() {
        #expect(suggestion(for: "swich", among: ["switch", "sync"]) == "did you mean \"switch\"?")
        #expect(suggestion(for: "", among: ["end"]) == nil)
        #expect(suggestion(for: "nonsense", among: ["switch", "sync"]) == nil)
    }

    @Test func `Line endings and a BOM do not change the checksum, anything else does`() throws {
        let text =
            header + "-- migrator:upgrade\nSELECT 'a\nb';" + footer + "-- migrator:archive a\nSELECT 2;\n"
        let plain = try script(text)
        #expect(plain.checksum.utf8.count == 64)
        let crlf = try script(text.replacing("\n", with: "\r\n"))
        let marked = try script("\u{FEFF}" + text)
        let both = try script("\u{FEFF}" + text.replacing("\n", with: "\r\n"))
        for other in [crlf, marked, both] {
            #expect(other.checksum == plain.checksum && other.text == plain.text)
        }
        #expect(try script(text + "\n").checksum != plain.checksum)
        #expect(try script(text.replacing("2;", with: "3;")).checksum != plain.checksum)
        #expect(try script(text.replacing("2;", with: "2;\r")).checksum == plain.checksum)
        #expect(try script(text.replacing("2;", with: "2\r;")).checksum != plain.checksum)
    }

    @Test func `What the ledger keeps reads as the same script`() throws {
        let text =
            header
            + "-- migrator:message m\n-- migrator:upgrade\n-- migrator:fill a key=id\nSELECT 1;\nSELECT 2;"
            + footer
            + "-- migrator:when created a.b\nALTER TABLE a DROP COLUMN b;\n-- migrator:end\n"
        let plain = try script(text)
        #expect(try script(plain.text) == plain)
        let crlf = try script(text.replacing("\n", with: "\r\n"))
        #expect(try script(crlf.text) == plain)
        #expect(try crlf.upgrade.items.map(\.location) == plain.upgrade.items.map(\.location))
    }
}
