import MigratorPlan
import MigratorScript
import Testing

struct TargetCase: CustomTestStringConvertible, Sendable {
    var target: String
    /// How many of the five revisions are applied before.
    var applied: Int
    /// How many after, or the error's code.
    var result: Result
    var testDescription: String { "\(target) from \(applied)" }

    enum Result: Equatable, Sendable {
        case reaches(Int)
        case fails(String)
    }

    init(_ target: String, _ applied: Int, _ end: Int) {
        (self.target, self.applied, result) = (target, applied, .reaches(end))
    }

    init(_ target: String, _ applied: Int, _ code: String) {
        (self.target, self.applied, result) = (target, applied, .fails(code))
    }
}

private func fiveRevisions() throws -> [Script] { try line("0001", "0002", "ae10", "ae27", "0005") }

private func planner(_ applied: Int) throws -> Planner {
    let scripts = try fiveRevisions()
    return Planner(chain: try chain(scripts), applied: scripts.prefix(applied).map { AppliedRevision($0) })
}

@Suite struct TargetTests {
    @Test(arguments: [
        TargetCase("head", 0, 5), TargetCase("heads", 2, 5), TargetCase("head", 5, 5), TargetCase("+1", 0, 1),
        TargetCase("+1", 4, 5), TargetCase("+5", 0, 5), TargetCase("0002", 0, 2), TargetCase("0002", 2, 2),
        TargetCase("ae10", 1, 3), TargetCase("ae1", 0, 3), TargetCase("ae2", 0, 4),
        TargetCase("0001+1", 0, 2),
        TargetCase("ae1+2", 0, 5), TargetCase("0005-1", 0, 4), TargetCase("head-1", 0, 4),
        TargetCase("base+2", 0, 2),
        TargetCase("current+1", 2, 3), TargetCase("current", 3, 3), TargetCase("base", 0, 0),
        TargetCase("head-5", 0, 0), TargetCase("head+0", 0, 5),
        TargetCase("+1", 5, "out-of-range"), TargetCase("+6", 0, "out-of-range"),
        TargetCase("+0", 0, "out-of-range"),
        TargetCase("0005+1", 0, "out-of-range"), TargetCase("head+1", 0, "out-of-range"),
        TargetCase("base-1", 0, "out-of-range"), TargetCase("+99999999999999999999", 0, "out-of-range"),
        TargetCase("-1", 0, "out-of-range"), TargetCase("0001", 2, "target-behind"),
        TargetCase("-1", 2, "target-behind"),
        TargetCase("base", 1, "target-behind"), TargetCase("head-5", 3, "target-behind"),
        TargetCase("ae", 0, "ambiguous-revision"), TargetCase("000", 0, "ambiguous-revision"),
        TargetCase("9", 0, "unknown-revision"), TargetCase("", 0, "unknown-revision"),
        TargetCase("+", 0, "unknown-revision"),
        TargetCase("HEAD", 0, "unknown-revision"), TargetCase("9+1", 0, "unknown-revision"),
        TargetCase("+-1", 0, "unknown-revision"), TargetCase("0001 ", 0, "unknown-revision"),
    ])
    func `An upgrade reaches its target`(_ example: TargetCase) throws {
        let planner = try planner(example.applied)
        do throws(PlanError) {
            let plan = try planner.plan(upgradeTo: Target(example.target))
            #expect(example.result == .reaches(example.applied + plan.steps.count))
            #expect(plan.from == planner.current && plan.direction == .upgrade)
            #expect(plan.to == (plan.steps.last?.to ?? planner.current))
        } catch {
            #expect(example.result == .fails(error.code), "\(error.message)")
        }
    }

    @Test(arguments: [
        TargetCase("-1", 5, 4), TargetCase("-5", 5, 0), TargetCase("base", 5, 0), TargetCase("base", 0, 0),
        TargetCase("0002", 5, 2), TargetCase("ae1", 4, 3), TargetCase("ae10-1", 5, 2),
        TargetCase("0001+1", 5, 2),
        TargetCase("head-1", 5, 4), TargetCase("current-2", 4, 2), TargetCase("current", 2, 2),
        TargetCase("0003-9", 0, "unknown-revision"),
        TargetCase("-1", 0, "out-of-range"), TargetCase("-6", 5, "out-of-range"),
        TargetCase("-0", 2, "out-of-range"),
        TargetCase("0001-2", 5, "out-of-range"), TargetCase("+1", 2, "target-ahead"),
        TargetCase("0005", 2, "target-ahead"),
        TargetCase("head", 5, 5), TargetCase("head", 2, "target-ahead"), TargetCase("head-1", 2, "target-ahead"),
        TargetCase("ae", 5, "ambiguous-revision"), TargetCase("nope", 5, "unknown-revision"),
    ])
    func `A downgrade reaches its target`(_ example: TargetCase) throws {
        let planner = try planner(example.applied)
        do throws(PlanError) {
            let plan = try planner.plan(downgradeTo: Target(example.target))
            #expect(example.result == .reaches(example.applied - plan.steps.count))
            #expect(plan.from == planner.current && plan.direction == .downgrade)
            if !plan.steps.isEmpty { #expect(plan.to ?? "" == plan.steps.last?.to) }
        } catch {
            #expect(example.result == .fails(error.code), "\(error.message)")
        }
    }

    @Test(arguments: [
        ("+1", 5, "Relative revision +1 didn't produce 1 migrations"),
        ("+7", 0, "Relative revision +7 didn't produce 7 migrations"),
        ("0005+2", 0, "Relative revision +2 didn't produce 2 migrations"),
    ])
    func `Out of range is said in Alembic's words`(_ target: String, _ applied: Int, _ message: String) throws {
        let planner = try planner(applied)
        #expect(throws: PlanError(code: "out-of-range", message: message)) {
            try planner.plan(upgradeTo: Target(target))
        }
        #expect(
            throws: PlanError(
                code: "out-of-range", message: "Relative revision -1 didn't produce 1 migrations")
        ) {
            try Planner(chain: planner.chain, applied: []).plan(downgradeTo: Target("-1"))
        }
    }

    @Test func `An ambiguous beginning lists its candidates`() throws {
        let chain = try chain(try fiveRevisions())
        do throws(PlanError) {
            _ = try chain.position(matching: "ae")
            Issue.record("accepted")
        } catch {
            #expect(error.message == "\"ae\" fits several revisions: ae10, ae27")
        }
    }

    @Test func `A whole id goes before the beginnings of others`() throws {
        let chain = try chain(try line("ae", "ae1", "ae12"))
        #expect(try chain.position(matching: "ae") == 0)
        #expect(try chain.position(matching: "ae1") == 1)
    }
}
