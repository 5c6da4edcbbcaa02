import MigratorDatabase
import Testing

@Suite struct DatabaseLocatorTests {
    @Test(arguments: [
        ("postgresql://app@db.example:5433/chat", "postgresql://app@db.example:5433/chat"),
        ("postgres://app:canary@db/chat?sslmode=require", "postgresql://app@db/chat"),
        ("postgresql+psycopg2://app:canary@db/chat", "postgresql://app@db/chat"),
        ("postgresql+asyncpg://app:ca%40nary@db/chat", "postgresql://app@db/chat"),
        ("postgresql://app@db/chat?password=canary", "postgresql://app@db/chat"),
        ("postgresql://a:canary@h1:1,h2:2/chat", "postgresql://a@h1:1,h2:2/chat"),
        ("postgresql://a:canary@[::1]:5432/chat", "postgresql://a@[::1]:5432/chat"),
        ("postgresql:///chat?host=/run/pg&user=app", "postgresql://app@/chat?host=/run/pg"),
        ("postgresql:///chat", "postgresql:///chat"),
        ("postgresql://", "postgresql:///"),
        ("host=db dbname=chat user=app password='can ary'", "postgresql://app@db/chat"),
        ("host=db dbname=chat options='-c x=canary'", "postgresql://db/chat"),
        ("  postgresql://app@db/chat\n", "postgresql://app@db/chat"),
        ("postgresql://app:ca?nary@db/chat", "postgresql://app@db/chat"),
        ("sqlite:app.db", "sqlite:/base/app.db"),
        ("sqlite:./data/app.db", "sqlite:/base/data/app.db"),
        ("sqlite:/var/app.db", "sqlite:/var/app.db"),
        ("sqlite:///var/app.db", "sqlite:/var/app.db"),
        ("sqlite:////var/app.db", "sqlite:/var/app.db"),
        ("sqlite+aiosqlite:///var/app.db", "sqlite:/var/app.db"),
        ("sqlite:a=b.db", "sqlite:/base/a=b.db"),
    ])
    func aGoodTextIsShownWithoutItsSecrets(text: String, shown: String) throws {
        let locator = try DatabaseLocator.parse(text, relativeTo: "/base")
        #expect(locator.shown == shown)
        for form in [locator.shown, "\(locator)", String(reflecting: locator)] {
            #expect(!form.contains("canary") && !form.contains("ca%40nary") && !form.contains("can ary"))
        }
    }

    @Test(arguments: [
        "", "app.db", "canary", "mysql://root:canary@db/x", "user:canary@db/x", "postgresql:canary",
        "postgresql://app:can@ary@db/chat", "postgresql://app:can/ary@db/chat",
        "postgresql://app:12/canary@db/chat", "postgresql://app:canary%ZZ@db/chat",
        "postgresql://app@db/chat?canary=1", "postgresql://app:canary@db:port/chat",
        "postgresql://app:ca#n/ary@db/chat", "postgresql://app@db/chat?canary",
        "host=db password=can ary", "host=db canary=1", "host=db password='canary",
        "dbname=postgresql://app:canary@db/chat", "host=app:canary@db", "host=db port=canary",
        "sqlite:", "sqlite://", "sqlite:///", "sqlite://canary/app.db", "sqlite::memory:",
        "sqlite:///:memory:", "sqlite:app.db?key=canary", "postgresql://db/\0canary",
    ])
    func aBadTextIsRefusedWithoutBeingRepeated(text: String) throws {
        do {
            let locator = try DatabaseLocator.parse(text, relativeTo: "/base")
            Issue.record("accepted as \(locator.shown)")
        } catch {
            let shown = "\(error)"
            #expect(!shown.contains("canary") && !shown.contains("ary@"), "\(shown)")
            #expect(!error.message.isEmpty)
        }
    }

    @Test func anUnknownSchemeIsNamed() {
        #expect(
            throws: LocatorError(
                "unknown database URL scheme \"mysql\"",
                hint: "write postgresql://USER@HOST/DATABASE or sqlite:PATH")
        ) {
            try DatabaseLocator.parse(
                "mysql+pymysql://a:b@c/d".replacing("+pymysql", with: ""), relativeTo: "/")
        }
    }

    @Test(arguments: [
        ("password is s3cret!", "password is ***"), ("s3cret%21 in a URL", "*** in a URL"),
        ("s3cret!s3cret!", "******"), ("nothing", "nothing"), ("role app", "role app"),
    ])
    func secretsAreReplaced(text: String, redacted: String) {
        let redactor = Redactor(secrets: ["s3cret!", "", "app"], plain: ["app"])
        #expect(redactor.redact(text) == redacted)
        let error = DatabaseError(kind: .statement, message: text, detail: text, hint: text, context: text)
        let shown = redactor.redact(error)
        #expect(
            [shown.message, shown.detail, shown.hint, shown.context] == [
                redacted, redacted, redacted, redacted,
            ])
    }
}

@Suite struct SQLTextTests {
    @Test(arguments: [("a", "\"a\""), ("a\"b", "\"a\"\"b\""), ("", "\"\"")])
    func identifiersAreQuoted(name: String, quoted: String) {
        #expect(name.quotedIdentifier == quoted)
    }
}
