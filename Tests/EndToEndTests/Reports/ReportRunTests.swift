import Foundation
import MigratorDatabase
import MigratorScript
import MigratorTestSupport
import Testing

/// Runs that did not go well, and ledgers of before.
@Suite struct ReportRunTests {
    static let failing = ReportProject.script(
        "0001", revises: "base",
        """
        CREATE TABLE drafts (id integer PRIMARY KEY);
        UPDATE notes SET body = 'same';
        CREATE UNIQUE INDEX notes_body ON notes (body);

        -- migrator:downgrade
        DROP TABLE drafts;
        """)

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `a failed run tells which step failed and what was taken back`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect, scripts: ["0001_fail": Self.failing])
        try project.run("upgrade", "head", status: 1)
        let object = try project.run("report", "--json").object()
        let run = try #require(object["run"] as? [String: Any])
        #expect(run["outcome"] as? String == "failed")
        let revisions = try #require(object["revisions"] as? [[String: Any]])
        let steps = try #require(revisions.first?["steps"] as? [[String: Any]])
        #expect(steps.map { $0["outcome"] as? String } == ["rolled-back", "rolled-back", "failed"])
        let sections = try #require(object["critical_sections"] as? [[String: Any]])
        #expect(sections.map { $0["outcome"] as? String } == ["rolled-back"])
        let page = try project.report("html")
        #expect(page.contains("class=\"row plain failed\"") && page.contains("<strong>sql-error</strong>"))
        #expect(PageFigures(page)["step_ms"].count == 3)
        // Nothing of it is in the ledger's steps: those are what was committed.
        #expect(try project.numbers("SELECT count(*) FROM {step}") == [0])
    }

    @Test func `a run that waits for a lock in vain tells for how long`() throws {
        let project = try ReportProject(.postgresql)
        let holder = try project.store.session()
        defer { holder.close() }
        try holder.execute("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        try project.run("upgrade", "head", "--mode", "window", "--lock-timeout", "700ms", status: 5)
        holder.rollback()
        #expect(try project.numbers("SELECT attempts FROM {critical_section}").first ?? 0 > 1)
        #expect(try project.numbers("SELECT waited_us FROM {critical_section}").first ?? 0 >= 700_000)
        #expect(try project.numbers("SELECT held_us FROM {critical_section}") == [0])
        #expect(try project.report("html").contains("ACCESS EXCLUSIVE on notes"))
    }

    @Test func `a run that had to wait for a lock tells how long and how often`() throws {
        let project = try ReportProject(.postgresql)
        let holder = try project.store.session()
        defer { holder.close() }
        try holder.execute("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        let running = try MigratorBinary.start(
            ["--database", project.store.url, "upgrade", "head", "--mode", "window"],
            workingFolder: project.project.path)
        #expect(running.waitForStandardError("waiting for locks"))
        holder.rollback()
        #expect(try running.wait().status == 0)
        #expect(
            try project.numbers(
                "SELECT count(*) FROM {critical_section} WHERE outcome = 'committed' AND attempts > 1 AND waited_us > 100000"
            ) == [1])
    }

    @Test func `a run that was killed shows what it has committed`() throws {
        let project = try ReportProject(.postgresql, rows: 20_000)
        try project.store.run("CREATE TABLE gate (stop boolean); INSERT INTO gate VALUES (false)")
        let running = try MigratorBinary.start(
            [
                "--database", project.store.url, "upgrade", "head", "--mode", "online", "--nice", "20",
                "--batch-target", "20ms",
            ], workingFolder: project.project.path)
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if (try? project.numbers("SELECT count(*) FROM {sample}").first ?? 0) ?? 0 > 3 { break }
            usleep(50_000)
        }
        running.signal(SIGKILL)
        _ = try running.wait()
        let page = try project.report("html")
        #expect(page.contains("has not ended, or was killed"))
        #expect(PageFigures(page)["step_rows"] == [20_000])
        try project.run("upgrade", "head")
        let killed = try project.report("html", "1")
        #expect(killed.contains("The run was killed") && killed.contains("Found ended"))
        #expect(try project.report("metrics", "1").contains("outcome=\"killed\""))
        #expect(try project.report("junit", "2").contains("failures=\"0\" errors=\"0\""))
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `a comparison is a phase with its rows, as the others are`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect)
        try project.run("upgrade", "head", "--mode", "online")
        let object = try project.run("report", "--json").object()
        let revisions = try #require(object["revisions"] as? [[String: Any]])
        let steps = try #require(revisions.first?["steps"] as? [[String: Any]])
        let copy = try #require(steps.first { $0["kind"] as? String == "switch" })
        let phases = try #require(copy["phases"] as? [[String: Any]])
        for name in ["backfill", "compare"] {
            let phase = try #require(phases.first { $0["phase"] as? String == name }, "\(phases)")
            #expect(phase["rows"] as? Int == 2000, "\(phase)")
            #expect(phase["outcome"] as? String == "done")
            let start = phase["started_ms"] as? Int ?? 0
            let end = start + (phase["duration_ms"] as? Int ?? 0)
            #expect(start >= copy["started_ms"] as? Int ?? .max)
            // Nothing else is counted as part of it.
            #expect(
                !phases.contains { other in
                    let begins = other["started_ms"] as? Int ?? 0
                    return other["phase"] as? String != name && begins > start && begins < end
                }, "\(phases)")
        }
        #expect(PageFigures(try project.report("html"))["phase_rows"].filter { $0 == 2000 }.count >= 2)
    }

    /// What a ledger of version 1 is: without the tables that version 2 brought, and the column of version 3.
    private func makeOld(_ project: ReportProject) throws {
        let drops = ["activity", "sample", "critical_section", "size", "schema_change"].map {
            "DROP TABLE \(project.table($0));"
        }
        let format = project.table("format")
        try project.store.run(
            drops.joined() + "ALTER TABLE \(format) DROP COLUMN schema_name; UPDATE \(format) SET version = 1")
    }

    @Test(arguments: [Dialect.postgresql, .sqlite])
    func `an old ledger is reported as far as it goes, and upgraded by the next run`(_ dialect: Dialect) throws {
        let project = try ReportProject(dialect)
        try project.run("upgrade", "head")
        try makeOld(project)
        let page = try project.report("html")
        #expect(page.contains("does not say when these steps began"))
        #expect(PageFigures(page)["step_rows"] == (try project.numbers("SELECT rows FROM {step} WHERE rows >= 0")))
        #expect(page.contains("Schema before and after") && !page.contains("Locks that writers wait for"))
        for format in ["junit", "markdown", "metrics"] { #expect(try !project.report(format).isEmpty) }
        #expect(try project.numbers("SELECT version FROM {format}") == [1])

        try project.run("downgrade", "-1")
        #expect(try project.numbers("SELECT version FROM {format}") == [3])
        #expect(try PageFigures(project.report("html")).differences(from: project, run: 2) == [])
        #expect(try project.report("html", "1").contains("does not say when these steps began"))
    }

    @Test func `who may use the ledger may use what its upgrade brings`() throws {
        let project = try ReportProject(.postgresql)
        let role = "reader_\(UUID().uuidString.prefix(8).lowercased())"
        try project.run("upgrade", "head")
        try project.store.run(
            "CREATE ROLE \(role) LOGIN; GRANT USAGE ON SCHEMA migrator TO \(role); GRANT SELECT ON migrator.run TO \(role)"
        )
        defer { try? project.store.run("DROP OWNED BY \(role); DROP ROLE \(role)") }
        try makeOld(project)
        try project.run("downgrade", "-1")
        let rights = { (right: String) in
            try project.numbers(
                "SELECT count(*) FROM unnest(ARRAY['activity', 'sample', 'critical_section', 'size', 'schema_change']) t WHERE has_table_privilege('\(role)', 'migrator.' || t, '\(right)')"
            )
        }
        #expect(try rights("SELECT") == [5])
        #expect(try rights("INSERT") == [0])
    }

    // MARK: The command

    @Test func `which run is meant, and what there is`() throws {
        let project = try ReportProject(.sqlite)
        #expect(try project.run("report", status: 2).errorCode == "no-ledger")
        try project.run("upgrade", "head")
        try project.run("downgrade", "base")
        let unknown = try project.run("report", "17", status: 64)
        #expect(unknown.errorCode == "unknown-run" && unknown.standardError.contains("the newest is run 2"))
        let list = try project.run("report", "--list").standardOutput.split(separator: "\n")
        #expect(list.count == 3 && list[1].hasPrefix("2 ") && list[2].hasSuffix("migrator upgrade head"))
        let runs = try project.run("report", "--list", "--json").object()["runs"] as? [[String: Any]]
        #expect(runs?.map { $0["id"] as? Int } == [2, 1])
        #expect(try project.run("report").standardOutput.hasPrefix("run 2: downgrade 0001 → base, done in "))
        #expect(try project.run("report", "1").standardOutput.hasPrefix("run 1: upgrade base → 0001, done in "))
        #expect(try project.run("report", "--list", "1", status: 64).errorCode == "usage")
        #expect(try project.run("report", "--html", "-", "--junit", "-", status: 64).errorCode == "usage")
        // The scripts need not be there.
        #expect(try project.run("report", "--migrations", "nowhere").standardError.isEmpty)
    }

    @Test func `files are replaced whole, and a folder that is not there is told`() throws {
        let project = try ReportProject(.sqlite)
        try project.run("upgrade", "head")
        try project.project.folder.write("old", to: "out.html")
        try project.run(
            "report", "--html", "out.html", "--junit", "out.xml", "--markdown", "out.md", "--metrics", "out.prom")
        let files = try FileManager.default.contentsOfDirectory(atPath: project.project.path).sorted()
        #expect(files == ["migrations", "out.html", "out.md", "out.prom", "out.xml"])
        let page = try String(contentsOfFile: project.project.path + "/out.html", encoding: .utf8)
        #expect(try page == project.report("html"))
        let refused = try project.run("report", "--html", "no/such/folder.html", status: 1)
        #expect(refused.errorCode == "not-writable" && refused.standardError.contains("No such file"))
    }
}
