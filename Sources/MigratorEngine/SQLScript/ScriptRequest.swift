import MigratorPlan
import MigratorScript

/// What `--sql` is to write: the revisions between two places of the chain.
public struct ScriptRequest: Sendable {
    public let direction: Direction
    /// Nil where only the end is named: then it begins where the database is.
    public let start: String?
    public let end: String

    /// - Parameter text: `A:B`, or the end alone, as Alembic has them.
    public init(_ text: String, direction: Direction) throws {
        self.direction = direction
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw MigratorError(
                "bad-range", .usage, "the range \"\(text)\" is not of the form A:B",
                hint: "write \(direction == .upgrade ? "base:head" : "head:base"), or the end alone")
        }
        start = parts.count == 2 ? parts[0] : nil
        end = parts.last ?? ""
    }

    /// Whether it takes a database to know where it begins.
    public var needsCurrent: Bool { start == nil || start == "current" }

    /// - Parameter current: the database's revision; nil is base.
    func plan(_ scripts: [Script], current: String?, variables: [String: String]) throws -> Plan {
        do {
            let chain = try Chain(ScriptGraph(scripts.arranged(applied: [])))
            let here = try current.map { try chain.position(matching: $0) + 1 } ?? 0
            let begin = try start.map { try chain.resolve(Target($0), applied: here) } ?? here
            let applied = chain.scripts[..<begin].map {
                AppliedRevision(
                    revision: $0.revision, revises: $0.revises, isStamped: false, checksum: $0.checksum, script: $0)
            }
            let planner = Planner(chain: chain, applied: applied)
            let target = try Target(end)
            var plan =
                direction == .upgrade ? try planner.plan(upgradeTo: target) : try planner.plan(downgradeTo: target)
            for index in plan.steps.indices {
                let script = plan.steps[index].script
                _ = try script.sections()
                plan.steps[index].script = try script.filled(with: variables)
            }
            return plan
        } catch let error as PlanError {
            throw MigratorError(error.code, .usage, error.message, hint: error.hint)
        } catch let error as ChainError {
            throw MigratorError(
                error.code, .malformedScripts, error.message, hint: error.hint, location: error.location)
        }
    }
}

/// Where a database stands.
public struct DatabasePlace: Sendable {
    /// Nil is base.
    public var revision: String?
    public var hasLedger = false

    public init() {}
}

extension Migrator {
    /// - Throws: `MigratorError` where a revision is half-way.
    public func place() throws -> DatabasePlace {
        try backend.checkServer(forWriting: false)
        var place = DatabasePlace()
        place.hasLedger = try readingLedger { try backend.ledger.exists() }
        let last = try recordedRevisions().last
        if let last, !last.isFinished {
            throw MigratorError(
                "unfinished", .refused, "revision \"\(last.revision)\" is half-way, which no script can finish",
                hint: "finish it by the command that began it")
        }
        place.revision = last?.revision
        return place
    }
}

/// Why a revision cannot be written from its script alone.
struct RowsDecide {
    var revision: String
    var reason: String
    var location: ScriptLocation
}

extension PlannedRevision {
    func section() throws -> Section {
        try RevisionWork(planned: self, record: nil, run: RunIdentity(id: 0, epoch: 0)).section()
    }

    /// Nil where the revision's statements say all that it does.
    func rowsDecide() throws -> RowsDecide? {
        func needed(_ reason: String, _ location: ScriptLocation) -> RowsDecide {
            RowsDecide(revision: script.revision, reason: reason, location: location)
        }
        for item in try section().items {
            switch item.action {
            case .statement, .verify, .transaction: continue
            case .when(let condition, _):
                return needed("whether \"when \(condition)\" holds, a database decides", item.location)
            default:
                return needed("what \"\(item.action.title)\" does, a database decides", item.location)
            }
        }
        if direction == .upgrade, case .section(let back) = try script.downgrade {
            for condition in back.conditions {
                guard case .created = condition else { continue }
                return needed("its way back asks \"when \(condition)\"", script.location)
            }
        }
        return nil
    }

    /// The first statement that cannot stand in a transaction.
    func statementOutside() throws -> Statement? {
        for segment in Segment.cut(FlatItem.flatten(try section()), script: script, isOnline: false) {
            if case .outside(_, let statement) = segment { return statement }
        }
        return nil
    }
}
