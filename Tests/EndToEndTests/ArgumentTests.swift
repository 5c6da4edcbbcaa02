import Testing

@testable import migrator

@Suite struct ArgumentTests {
    @Test(arguments: [
        ("downgrade -1", "downgrade -- -1"),
        ("downgrade -1 --dry-run", "downgrade --dry-run -- -1"),
        ("downgrade -1 -- x", "downgrade -- -1 x"),
        ("downgrade --accept-loss 3 -1", "downgrade --accept-loss 3 -- -1"),
        ("downgrade --accept-loss -3 -1", "downgrade --accept-loss=-3 -- -1"),
        ("downgrade 0002-1", "downgrade 0002-1"),
        ("--database a=b downgrade -1", "downgrade --database=a=b -- -1"),
        ("--json --env=x backups --quiet list", "backups list --json --env=x --quiet"),
        ("backups prune -5", "backups prune -- -5"),
        ("history -r-3:current", "history --range=-3:current"),
        ("history -r -3:current -v", "history --range=-3:current -v"),
        ("history --rev-range a:b", "history --range=a:b"),
        ("upgrade head --wait", "upgrade head --wait=unlimited"),
        ("upgrade --wait head", "upgrade --wait=unlimited head"),
        ("upgrade --wait 30s head", "upgrade --wait=30s head"),
        ("upgrade --wait=30s head", "upgrade --wait=30s head"),
        ("revision -m -1", "revision -m=-1"),
        ("heads --verbose", "heads --verbose"),
    ])
    func `Arguments are put in the parser's order`(_ given: String, _ prepared: String) {
        let words = given.split(separator: " ").map(String.init)
        #expect(ArgumentPreparation.prepare(words).joined(separator: " ") == prepared)
    }

    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("30s", .seconds(30)), ("5m", .seconds(300)),
        ("2h", .seconds(7200)), ("7d", .seconds(604_800)), ("0s", .zero),
    ])
    func `A duration has a unit`(_ text: String, _ duration: Duration) {
        #expect(DurationArgument(argument: text)?.duration == duration)
    }

    @Test(arguments: ["", "s", "5", "5 m", "-5m", "1.5h", "5M", "9999999999s"])
    func `What is no duration is none`(_ text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }

    @Test func `Figures are written for people`() {
        #expect(1_234_567.grouped == "1,234,567" && 0.grouped == "0" && (-1000).grouped == "-1,000")
        #expect(1.counted("row") == "1 row" && 1000.counted("row") == "1,000 rows")
        let durations: [(Duration, String)] = [
            (.microseconds(900), "0 ms"), (.milliseconds(12), "12 ms"), (.milliseconds(1250), "1.2 s"),
            (.seconds(200), "3 min 20 s"), (.seconds(7260), "2 h 1 min"),
        ]
        for (duration, text) in durations { #expect(duration.short == text) }
    }

    @Test(arguments: [
        ("plain – text\n", "plain – text\n"), ("a\u{1B}[2J", "a\\x1b[2J"), ("\u{9B}31m", "\\x9b31m"),
        ("x\ry", "x\\ry"), ("\u{202E}", "\\u202e"), ("\u{0}", "\\x00"), ("\u{F8F0}2J", ""),
    ])
    func `Nothing that a terminal acts on is printed`(_ text: String, _ printable: String) {
        #expect(text.printable.hasPrefix(printable))
        #expect(!text.printable.contains("\u{1B}"))
    }

    @Test func `A script's name holds letters, digits and underscores`() {
        let names: [(String, String)] = [
            ("Add an e-mail", "0001_add_an_e_mail.sql"), ("  ", "0001_revision.sql"),
            ("Ö/../x", "0001_x.sql"),
            (String(repeating: "ab ", count: 40), "0001_" + String(repeating: "ab_", count: 13) + "a.sql"),
        ]
        for (message, name) in names {
            #expect(NewScript(number: "0001", message: message).fileName == name)
        }
        #expect(NewScript.nextNumber(after: []) == "0001")
        #expect(NewScript.nextNumber(after: ["0009", "0010"]) == "0011")
        #expect(NewScript.nextNumber(after: ["001", "002"]) == "003")
        #expect(NewScript.nextNumber(after: ["9999"]) == "10000")
    }
}
