import MigratorEngine
import MigratorPlan
import MigratorScript

/// The scripts of one dialect from base to head, as the listing commands need them: two heads are listed
/// here, and refused elsewhere.
struct Lineage {
    let dialect: Dialect
    /// Base first; where there are several heads, a parent stands before its children.
    let listed: [ListedRevision]

    init(dialect: Dialect, scripts: [Script]) throws {
        self.dialect = dialect
        do throws(ChainError) {
            let graph = try ScriptGraph(scripts)
            listed = graph.newestFirst.reversed().map {
                ListedRevision(script: $0, isHead: graph.isHead($0.revision))
            }
        } catch {
            throw MigratorError(
                error.code, .malformedScripts, error.message, hint: error.hint, location: error.location)
        }
    }

    var heads: [Script] { listed.filter(\.isHead).map(\.script) }

    /// Where a revision stands; -1 for base.
    func index(of name: String) throws -> Int {
        if name == "base" { return -1 }
        if name == "head" || name == "heads", let only = heads.first, heads.count == 1 {
            return listed.firstIndex { $0.script.revision == only.revision } ?? -1
        }
        if let exact = listed.firstIndex(where: { $0.script.revision == name }) { return exact }
        if let index = try relativeIndex(of: name) { return index }
        let matches = listed.indices.filter {
            !name.isEmpty && listed[$0].script.revision.hasPrefix(name)
        }
        if matches.count == 1 { return matches[0] }
        throw MigratorError(
            matches.isEmpty ? "unknown-revision" : "ambiguous-revision", .usage,
            matches.isEmpty
                ? "no revision \"\(name)\" in the scripts"
                : "\"\(name)\" fits several revisions: "
                    + matches.map { listed[$0].script.revision }.joined(separator: ", "),
            hint: "run `migrator history` to see the revisions")
    }

    /// `0002+1`, `head-2`
    private func relativeIndex(of name: String) throws -> Int? {
        guard let sign = name.lastIndex(where: { $0 == "+" || $0 == "-" }), sign > name.startIndex,
            let steps = Int(name[sign...])
        else { return nil }
        let target = try index(of: String(name[..<sign])) + steps
        guard (-1..<listed.count).contains(target) else {
            throw MigratorError(
                "out-of-range", .usage,
                "Relative revision \(name[sign...]) didn't produce \(abs(steps)) migrations",
                hint: "run `migrator history` to see the revisions")
        }
        return target
    }
}
