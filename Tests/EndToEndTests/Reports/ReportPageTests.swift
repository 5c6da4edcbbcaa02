import Foundation
import MigratorScript
import MigratorTestSupport
import Testing

/// The page of a run: its figures are the ledger's, and nothing on it acts.
@Suite struct ReportPageTests {
    @Test(arguments: [Dialect.postgresql, .sqlite], ["window", "online"])
    func `the page of an upgrade and of its downgrade holds the ledger's figures`(
        _ dialect: Dialect, _ mode: String
    ) throws {
        let project = try ReportProject(dialect)
        try project.run("upgrade", "head", "--mode", mode)
        try project.run("downgrade", "-1", "--mode", mode)
        for run in [1, 2] {
            let page = try project.report("html", "\(run)")
            let figures = PageFigures(page)
            #expect(try figures.differences(from: project, run: run) == [])
            #expect(
                !figures["step_ms"].isEmpty && !figures["section_held_us"].isEmpty && !figures["size_before"].isEmpty)
            if mode == "online", run == 1 { #expect(figures["sample_rows"].count > 2) }
            #expect(page.contains("<h1>\(run == 1 ? "upgrade base → 0001" : "downgrade 0001 → base")</h1>"))
            #expect(page.contains(run == 1 ? "becomes ↘" : "was letters"))
        }
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `of several revisions the first beginning and the last end are drawn`(_ dialect: Dialect) throws {
        let second = ReportProject.script(
            "0002", revises: "0001",
            """
            ALTER TABLE letters ADD COLUMN color text;

            -- migrator:downgrade
            ALTER TABLE letters DROP COLUMN color;
            """)
        let project = try ReportProject(dialect, scripts: ["0001_copy": ReportProject.copy, "0002_color": second])
        try project.run("upgrade", "head")
        try project.run("downgrade", "base")
        let (up, down) = (try project.report("html", "1"), try project.report("html", "2"))
        #expect(up.contains("was notes") && up.contains("<text class=\"column added\" x=\"27\""))
        #expect(down.contains("was letters") && down.contains("<text class=\"column removed\" x=\"81\""))
        #expect(up.contains(">color<") && down.contains(">color<"))
    }

    /// The control: a page that does not say what the ledger says is noticed, whatever figure it is.
    @Test func `a figure that the ledger does not have is a difference`() throws {
        let project = try ReportProject(.postgresql)
        try project.run("upgrade", "head", "--mode", "online")
        let figures = PageFigures(try project.report("html"))
        try project.store.run(
            """
            UPDATE migrator.step SET rows = rows + 1, duration_ms = duration_ms + 100000;
            UPDATE migrator.activity SET duration_ms = duration_ms + 200000;
            UPDATE migrator.sample SET rows = rows + 1, at_ms = at_ms + 1, batch_ms = batch_ms + 1, batch_rows = batch_rows + 1;
            UPDATE migrator.critical_section SET held_us = held_us + 1, waited_us = waited_us + 1, started_ms = started_ms + 1;
            UPDATE migrator.size SET bytes = bytes + 1;
            UPDATE migrator.backup SET rows = rows + 1;
            DELETE FROM migrator.proof WHERE id = (SELECT min(id) FROM migrator.proof);
            """)
        #expect(try figures.differences(from: project, run: 1).count == PageFigures.queries.count)
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `a page needs nothing else and takes no markup from the database`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect)
        try project.store.run(
            """
            CREATE TABLE "<script>alert(1)</script>" (id integer PRIMARY KEY, "</svg><img src=x>" text);
            """)
        try project.project.folder.write(
            ReportProject.script(
                "0002", revises: "0001",
                """
                ALTER TABLE "<script>alert(1)</script>" ADD COLUMN "a'b"" onload=x" text;

                -- migrator:downgrade
                ALTER TABLE "<script>alert(1)</script>" DROP COLUMN "a'b"" onload=x";
                """), to: "migrations/\(dialect.rawValue)/0002_markup.sql")
        try project.run("upgrade", "head")
        let page = try project.report("html")
        for text in ["<script", "<img", "<i>notes", "<link", "<iframe", " src=\"", "@import", "url(", "\" onload=x"] {
            #expect(!page.contains(text), "\(text)")
        }
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.contains("Turn &lt;i&gt;notes&lt;/i&gt; &amp; &quot;letters&quot;"))
        #expect(page.contains("default-src 'none'"))
        #expect(page.contains("prefers-color-scheme: dark") && page.contains("@media print"))
        // Whatever opens is closed, in order: a browser need not guess.
        #expect(TagBalance(page).problem == nil)
        #expect(TagBalance(page.replacingOccurrences(of: "</main>", with: "")).problem != nil)
    }

    @Test func `a password is in no report`() throws {
        let secret = "c4n4ryS3cret"
        let project = try ReportProject(.postgresql)
        let url = project.store.url + "&password=\(secret)"
        #expect(try project.project.run("--database", url, "upgrade", "head").status == 0)
        for format in ["html", "junit", "markdown", "metrics"] {
            let result = try project.project.run("--database", url, "report", "--\(format)", "-")
            #expect(result.status == 0 && !result.standardOutput.isEmpty)
            #expect(!result.standardOutput.contains(secret) && !result.standardError.contains(secret), "\(format)")
        }
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `a step in many batches keeps at most two hundred samples, to its end`(_ dialect: Dialect) throws {
        // The faster the machine, the fewer batches of a millisecond.
        var (project, batches, rows) = (try ReportProject(dialect, rows: 0), [Int](), 0)
        for count in [24_000, 60_000, 300_000] where (batches.last ?? 0) <= RunSamples.most {
            (project, rows) = (try ReportProject(dialect, rows: count), count)
            try project.run("upgrade", "head", "--mode", "online", "--batch-target", "1ms", "--ignore-signal", "disk")
            // The switch; on SQLite the backup before it comes in batches too.
            let step = "run_id = 1 AND item = (SELECT max(item) FROM {sample})"
            batches = try project.numbers("SELECT batch FROM {sample} WHERE batch > 0 AND \(step)")
        }
        let last = try #require(batches.last)
        #expect(last > RunSamples.most, "\(last) batches: the test is too small")
        #expect(batches.count <= RunSamples.most && batches.count >= RunSamples.most / 2 - 1)
        // Even stretches up to the end.
        let gaps = Set(zip(batches, batches.dropFirst()).map { $1 - $0 })
        #expect(gaps.count == 1, "\(gaps)")
        let sampled = try #require(try project.numbers("SELECT max(rows) FROM {sample}").first)
        #expect(sampled > rows - rows / 20)
        #expect(try PageFigures(project.report("html")).differences(from: project, run: 1) == [])
    }

    private enum RunSamples { static let most = 200 }
}

/// Whether the elements of a page close in the order in which they open.
struct TagBalance {
    private(set) var problem: String?

    init(_ page: String) {
        let empty: Set<String> = ["meta", "br", "!DOCTYPE", "path", "rect", "circle"]
        var open: [String] = []
        let body = page.replacingOccurrences(
            of: "<style>[\\s\\S]*</style>", with: "", options: .regularExpression)
        for piece in body.components(separatedBy: "<").dropFirst() {
            let tag = String(piece.prefix { $0 != ">" })
            let name = String(tag.drop { $0 == "/" }.prefix { $0 != " " && $0 != "/" && $0 != "\n" })
            if tag.hasPrefix("/") {
                guard open.popLast() == name else {
                    problem = "</\(name)> closes what is not open"
                    return
                }
            } else if !tag.hasSuffix("/"), !empty.contains(name) {
                open.append(name)
            }
        }
        if !open.isEmpty { problem = "open at the end: \(open)" }
    }
}
