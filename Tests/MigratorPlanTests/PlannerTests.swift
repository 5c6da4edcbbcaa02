import MigratorPlan
import MigratorScript
import Testing

private func planner(_ scripts: [Script], applied: [Script]) throws -> Planner {
    Planner(chain: try chain(scripts), applied: applied.map { AppliedRevision($0) })
}

extension Planner {
    fileprivate var findings: [String] { drift.map { "\($0.code) \($0.revision)" } }
    fileprivate var findingsForDowngrade: [String] { driftForDowngrade.map { "\($0.code) \($0.revision)" } }
}

@Suite struct PlannerTests {
    @Test func `Scripts and ledger that agree have no drift`() throws {
        let scripts = try line("1", "2", "3")
        for count in 0...3 {
            let planner = try planner(scripts, applied: Array(scripts.prefix(count)))
            #expect(planner.drift.isEmpty)
            #expect(planner.pending.map(\.revision) == scripts.dropFirst(count).map(\.revision))
            #expect(planner.current == scripts.prefix(count).last?.revision)
        }
    }

    @Test func `Steps name where they come from and lead to`() throws {
        let scripts = try line("1", "2", "3")
        let up = try planner(scripts, applied: []).plan(upgradeTo: Target("head"))
        #expect(up.steps.map { "\($0.from)>\($0.to)" } == [">1", "1>2", "2>3"])
        let down = try planner(scripts, applied: scripts).plan(downgradeTo: Target("base"))
        #expect(down.steps.map { "\($0.from)>\($0.to)" } == ["3>2", "2>1", "1>"])
        #expect(down.to == nil && down.steps.allSatisfy { !$0.isForgetOnly })
    }

    @Test func `A stamped revision is only forgotten`() throws {
        let scripts = try line("1", "2")
        let applied = [AppliedRevision(scripts[0], isStamped: true), AppliedRevision(scripts[1])]
        let plan = try Planner(chain: try chain(scripts), applied: applied).plan(downgradeTo: Target("base"))
        #expect(plan.steps.map(\.isForgetOnly) == [false, true])
    }

    @Test func `An edited upgrade is drift both ways`() throws {
        let scripts = try line("1", "2")
        let edited = [scripts[0], try script("2", "1", up: "SELECT 3;")]
        let planner = try planner(edited, applied: scripts)
        #expect(planner.findings == ["checksum-mismatch 2"])
        #expect(planner.findingsForDowngrade == ["checksum-mismatch 2"])
        #expect(planner.drift[0].location?.file == "m/2.sql")
        #expect(planner.script(toUndo: AppliedRevision(scripts[1])) == scripts[1])
    }

    @Test func `A downgrade alone that was mended is taken from its file`() throws {
        let scripts = try line("1", "2")
        let mended = [scripts[0], try script("2", "1", down: "SELECT 'mended';")]
        let planner = try planner(mended, applied: scripts)
        #expect(planner.findings == ["checksum-mismatch 2"] && planner.findingsForDowngrade.isEmpty)
        #expect(try planner.plan(downgradeTo: Target("-1")).steps.map(\.script) == [mended[1]])
    }

    /// What stands in the ledger has LF; a checkout may have CRLF.
    @Test func `Line endings do not make an upgrade an edited one`() throws {
        let applied = try script("1", up: "SELECT\n1;")
        let text = try script("1", up: "SELECT\n1;", down: "SELECT 9;").text.replacing("\n", with: "\r\n")
        let file = try Script.parse(bytes: Array(text.utf8), file: "m/1.sql", dialect: .postgresql)
        let planner = try planner([file], applied: [applied])
        #expect(planner.findingsForDowngrade.isEmpty)
        #expect(planner.script(toUndo: AppliedRevision(applied)) == file)
    }

    @Test(arguments: [
        ("-- migrator:switch a -> b key=id", "-- migrator:copy a -> b key=id"),
        ("-- migrator:switch a -> b key=id", "-- migrator:switch a -> b key=id2"),
        ("-- migrator:switch a -> b key=id", "-- migrator:switch a -> b key=id view=a"),
        ("-- migrator:backup a", "-- migrator:backup b"), ("-- migrator:backup a", "-- migrator:leftovers a"),
        ("-- migrator:fill a key=id\nSELECT 1;", "-- migrator:exceptions a key=id\nSELECT 1;"),
        ("-- migrator:verify a\nSELECT 1;", "-- migrator:verify a\nSELECT 2;"),
        (
            "-- migrator:when table a exists\n-- migrator:end",
            "-- migrator:when table a missing\n-- migrator:end"
        ),
        ("SELECT 1;", "SELECT 1;\nSELECT 1;"), ("SELECT 1;", "SELECT  1;"), ("SELECT 1;", ""),
        ("-- migrator:sync a <-> b key=id yields=a", "-- migrator:sync a <-> b key=id yields=b"),
        ("-- migrator:ensure a -> b on=c\nSELECT 1;", "-- migrator:ensure a -> b on=c owner=d\nSELECT 1;"),
    ])
    func `Any change of the upgrade is seen behind a mended downgrade`(_ before: String, _ after: String)
        throws
    {
        let applied = try script("1", up: before)
        let file = try script("1", up: after, down: "SELECT 3;")
        #expect(try planner([file], applied: [applied]).findingsForDowngrade == ["checksum-mismatch 1"])
        let moved = try script("1", up: "-- a comment\n\n" + before, down: "SELECT 3;")
        #expect(try planner([moved], applied: [applied]).findingsForDowngrade.isEmpty)
    }

    @Test func `A script that is gone is missing, and the ledger's copy leads back`() throws {
        let scripts = try line("1", "2", "3")
        let left = [scripts[0], try script("3", "1")]
        let planner = try planner(left, applied: scripts)
        #expect(planner.findings == ["missing-script 2", "checksum-mismatch 3"])
        #expect(planner.script(toUndo: AppliedRevision(scripts[1])) == scripts[1])
        #expect(planner.script(toUndo: AppliedRevision(scripts[2])) == scripts[2])
    }

    @Test(arguments: 0...3)
    func `A database ahead of the scripts is said to be, and can go back`(_ known: Int) throws {
        let scripts = try line("1", "2", "3")
        let planner = try planner(Array(scripts.prefix(known)), applied: scripts)
        #expect(planner.findings == scripts.dropFirst(known).map { "database-ahead \($0.revision)" })
        #expect(planner.driftForDowngrade.isEmpty)
        #expect(try planner.plan(downgradeTo: Target("base")).steps.map(\.script) == scripts.reversed())
        #expect(try planner.plan(downgradeTo: Target("2")).steps.map(\.from) == ["3"])
        if known < 3 {
            #expect(planner.drift.last?.message.contains("is at revision \"3\"") == true)
            #expect(planner.drift.dropLast().allSatisfy { $0.message.contains("has revision") })
        }
    }

    @Test func `A script below the current revision that was never applied is drift`() throws {
        let applied = [try script("1"), try script("3", "1")]
        let scripts = try line("1", "2", "3")
        let planner = try planner(scripts, applied: applied)
        #expect(planner.findings == ["checksum-mismatch 3", "pending-below-current 2"])
        #expect(planner.drift[1].location?.file == "m/2.sql")
        #expect(planner.pending.map(\.revision) == ["2"])
    }

    @Test func `One below is seen where the database is ahead as well`() throws {
        let applied = [try script("1"), try script("3", "1"), try script("4", "3")]
        let planner = try planner(try line("1", "2", "3"), applied: applied)
        #expect(planner.findings == ["checksum-mismatch 3", "database-ahead 4", "pending-below-current 2"])
    }
}
