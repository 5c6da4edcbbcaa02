import MigratorScript

/// The scripts from base to head, as the listing commands need them: two heads are listed here, and refused by
/// `Chain`.
public struct RevisionList: Sendable {
    /// Base first; where there are several heads, a parent stands before its children.
    public let scripts: [Script]
    public let heads: [Script]

    public init(_ graph: ScriptGraph) {
        scripts = graph.newestFirst.reversed()
        heads = scripts.filter { graph.isHead($0.revision) }
    }

    /// Where a revision stands, given as its id, the beginning of one, `head`, `base`, each with an optional `+N` or
    /// `-N`; -1 for base.
    public func index(of name: String) throws(PlanError) -> Int {
        if name == "base" { return -1 }
        if name == "head" || name == "heads", heads.count == 1, let only = heads.first {
            return scripts.firstIndex { $0.revision == only.revision } ?? -1
        }
        if let exact = scripts.firstIndex(where: { $0.revision == name }) { return exact }
        if let index = try relativeIndex(of: name) { return index }
        let matches = scripts.indices.filter { !name.isEmpty && scripts[$0].revision.hasPrefix(name) }
        if matches.count == 1 { return matches[0] }
        throw PlanError(
            code: matches.isEmpty ? "unknown-revision" : "ambiguous-revision",
            message: matches.isEmpty
                ? "no revision \"\(name)\" in the scripts"
                : "\"\(name)\" fits several revisions: "
                    + matches.map { scripts[$0].revision }.joined(separator: ", "),
            hint: "run `migrator history` to see the revisions")
    }

    /// `0002+1`, `head-2`
    private func relativeIndex(of name: String) throws(PlanError) -> Int? {
        guard let sign = name.lastIndex(where: { $0 == "+" || $0 == "-" }), sign > name.startIndex,
            let steps = Int(name[sign...])
        else { return nil }
        let (target, overflows) = try index(of: String(name[..<sign])).addingReportingOverflow(steps)
        guard !overflows, (-1..<scripts.count).contains(target) else {
            throw PlanError(
                code: "out-of-range",
                message: "Relative revision \(name[sign...]) didn't produce \(steps.magnitude) migrations",
                hint: "run `migrator history` to see the revisions")
        }
        return target
    }
}
