import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// JUnit by a parser, metrics by promtool, Markdown by its text.
@Suite struct ReportFormatTests {
    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `JUnit is XML that says what the ledger says`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect)
        try project.run("upgrade", "head")
        let suites = try JUnitFile(try project.report("junit"))
        #expect(suites.names == ["run 1", "upgrade 0001", "verification"])
        #expect(suites.problems.isEmpty)
        let steps = try project.numbers("SELECT item FROM {step} WHERE state = 'done'").count
        let proofs = try project.numbers("SELECT id FROM {proof}").count
        #expect(suites.cases.count == 1 + steps + proofs)
        #expect(suites.total == suites.cases.count)
        #expect(suites.cases.contains { $0.contains("verify every letter <has> a \"body\" & a place") })
    }

    @Test func `JUnit names the failed step once and skips what was taken back`() throws {
        let project = try ReportProject(.postgresql, scripts: ["0001_fail": ReportRunTests.failing])
        try project.run("upgrade", "head", status: 1)
        let suites = try JUnitFile(try project.report("junit"))
        #expect(suites.problems == ["failure", "skipped", "skipped", "failure"])
    }

    /// The control of the two above: a file that is no XML is refused by the parser.
    @Test func `a broken file is no JUnit`() throws {
        #expect(throws: (any Error).self) { try JUnitFile("<testsuites><testcase name=\"a & b\"/></testsuites>") }
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `metrics hold the ledger's figures, and promtool has no complaint`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect)
        try project.run("upgrade", "head", "--mode", "online")
        let text = try project.report("metrics")
        let lines = text.split(separator: "\n")
        #expect(lines.contains("migrator_run_success{run=\"1\"} 1"))
        let held = try #require(try project.numbers("SELECT max(held_us) FROM {critical_section}").first)
        let shown = lines.first { $0.hasPrefix("migrator_critical_section_longest_seconds{") }?.split(separator: " ")
            .last
        #expect(shown.flatMap { Double($0) } == Double(held) / 1_000_000)
        let rows = try project.numbers("SELECT sum(rows) FROM {step} WHERE state = 'done'").first ?? 0
        #expect(rows > 0 && lines.contains("migrator_run_rows{run=\"1\"} \(rows)"))
        // A title is a label's value: quoted as the format wants it.
        #expect(text.contains("title=\"verify every letter <has> a \\\"body\\\" & a place\""))
        guard let promtool = Self.promtool else { return }
        let result = try run(promtool, ["check", "metrics"], standardInput: text)
        #expect(result.status == 0 && result.standardOutput.isEmpty, "\(result.standardOutput)\(result.standardError)")
        let control = try run(promtool, ["check", "metrics"], standardInput: text + "migrator_broken{a=b} 1\n")
        #expect(control.status != 0)
    }

    private static let promtool: String? = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test func `Markdown is as it was agreed on`() throws {
        let project = try ReportProject(.sqlite, rows: 10)
        try project.run("upgrade", "head", "--mode", "window")
        var text = try project.report("markdown")
        for (pattern, stand) in [
            ("\\d+(\\.\\d)? (µs|ms|s)\\b", "T"), ("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d", "D"),
            ("sqlite:\\S+,", "DATABASE,"), ("\\d+(\\.\\d)? kB", "S"), ("migrator \\d\\S*\\.", "migrator V."),
        ] {
            text = text.replacingOccurrences(of: pattern, with: stand, options: .regularExpression)
        }
        #expect(text == Self.golden, "\(text)")
    }

    private static let golden = """
        ## ✅ upgrade base → 0001

        Run 1, done in T, on DATABASE, begun D UTC with migrator V.

        | Figure | Value |
        | --- | --- |
        | Rows written, moved or kept | 20 |
        | Locks that writers wait for, held | 1 time |
        | Longest of them | T, 5 steps at once |
        | Waited for locks | T |
        | Proofs | 3 of 3 exact |
        | Database size | S before, S after (+S) |

        ### upgrade 0001: Turn &lt;i&gt;notes&lt;/i&gt; &amp; "letters"

        T, window

        |  | Step | Rows | Time |
        | --- | --- | ---: | ---: |
        | ✅ | back up notes | 10 | T |
        | ✅ | CREATE TABLE letters |  | T |
        | ✅ | CREATE TABLE drafts |  | T |
        | ✅ | switch notes to letters | 10 | T |
        | ✅ | verify every letter &lt;has&gt; a "body" &amp; a place |  | T |

        ### Locks that writers wait for

        | Step | Locks | Waited | Held |
        | --- | --- | ---: | ---: |
        | 5 steps at once | write lock of the file | T | T |

        ### Verification

        |  | Check | Subject | Verdict |
        | --- | --- | --- | --- |
        | ✅ | backup | notes | exact |
        | ✅ | switch | letters | exact |
        | ✅ | query | every letter &lt;has&gt; a "body" &amp; a place | exact |

        ### Backups

        | Backup | Of | Rows |
        | --- | --- | ---: |
        | notes\\_backup | notes | 10 |


        """
}

/// What an XML parser reads of a JUnit file.
private final class JUnitFile: NSObject, XMLParserDelegate {
    private(set) var names: [String] = []
    private(set) var cases: [String] = []
    /// `failure`, `error` and `skipped`, in their order.
    private(set) var problems: [String] = []
    private(set) var total = 0

    init(_ text: String) throws {
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        guard parser.parse() else {
            throw parser.parserError ?? CommandError(message: "no XML: \(text)")
        }
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        switch name {
        case "testsuites": total = Int(attributes["tests"] ?? "") ?? 0
        case "testsuite": names.append(attributes["name"] ?? "")
        case "testcase": cases.append(attributes["name"] ?? "")
        case "failure", "error", "skipped": problems.append(name)
        default: break
        }
    }
}
