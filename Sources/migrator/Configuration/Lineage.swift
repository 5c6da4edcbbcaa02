import MigratorEngine
import MigratorPlan
import MigratorScript

/// The scripts of one dialect from base to head, as the listing commands show them.
struct Lineage {
    let dialect: Dialect
    let listed: [ListedRevision]
    private let list: RevisionList

    init(dialect: Dialect, scripts: [Script]) throws {
        self.dialect = dialect
        let isHead: (String) -> Bool
        do throws(ChainError) {
            let graph = try ScriptGraph(scripts)
            list = RevisionList(graph)
            isHead = graph.isHead
        } catch {
            throw MigratorError(
                error.code, .malformedScripts, error.message, hint: error.hint, location: error.location)
        }
        listed = try list.scripts.map { try ListedRevision(script: $0, isHead: isHead($0.revision)) }
    }

    var heads: [Script] { list.heads }

    /// Where a revision stands; -1 for base.
    func index(of name: String) throws -> Int {
        try worded { () throws(PlanError) in try list.index(of: name) }
    }

    func bounds(of range: HistoryRange, current: String?) throws -> Range<Int> {
        try worded { () throws(PlanError) in try range.bounds(in: list, current: current) }
    }
}

/// What a target or range is refused for is an error of usage.
func worded<Result>(_ body: () throws(PlanError) -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        throw MigratorError(error.code, .usage, error.message, hint: error.hint)
    }
}
