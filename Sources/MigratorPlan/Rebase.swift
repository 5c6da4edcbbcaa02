import MigratorScript

/// How one of two heads is put behind the other: what changes in which file.
public struct Rebase: Sendable, Equatable {
    /// The first script of the branch that moves.
    public var script: Script
    public var parent: String
    /// Where two files have the same id, the one that moves gets the next.
    public var revision: String?

    /// - Parameters:
    ///   - name: a revision of the branch that moves, or its file's name without `.sql`.
    ///   - onto: the head that it gets behind; nil where there is only one other.
    ///   - nextID: for a script whose id is taken.
    /// - Throws: `PlanError`: `unknown-revision`, `ambiguous-revision`, `one-head`, `several-heads`, `branch-applied`.
    public init(_ name: String, onto: String?, in scripts: [Script], nextID: String) throws(PlanError) {
        let found = scripts.filter { $0.revision == name || $0.fileStem == name }
        guard let target = found.first else {
            throw PlanError(
                code: "unknown-revision", message: "no script is revision \"\(name)\"",
                hint: "name a revision, or a file without .sql")
        }
        guard found.count == 1 else {
            throw PlanError(
                code: "ambiguous-revision",
                message: "revision \"\(name)\" stands in \(found.map(\.location.file).joined(separator: " and "))",
                hint: "name the file that is to move: rebase \(target.fileStem)")
        }
        let twins = scripts.filter { $0.revision == target.revision && $0 != target }
        if !twins.isEmpty {
            if let child = scripts.first(where: { $0.revises == target.revision }) {
                throw PlanError(
                    code: "ambiguous-revision",
                    message: "\(child.location.file) revises \"\(target.revision)\", which two files are",
                    hint: "give one of the two another id by hand, and correct \"revises\" in \(child.location.file)")
            }
            let others = Self.heads(of: scripts.filter { $0 != target })
            parent = try Self.place(onto, among: others.map(\.revision))
            script = target
            revision = nextID
            return
        }
        let graph: ScriptGraph
        do {
            graph = try ScriptGraph(scripts)
        } catch {
            throw PlanError(code: error.code, message: error.message, hint: error.hint)
        }
        // Up to where others branch off.
        var first = target
        while let above = first.revises.flatMap(graph.script), graph.children(of: above.revision).count == 1 {
            first = above
        }
        var branch: Set<String> = []
        var waiting = [first.revision]
        while let next = waiting.popLast() {
            branch.insert(next)
            waiting += graph.children(of: next).map(\.revision)
        }
        let others = graph.heads.map(\.revision).filter { !branch.contains($0) }
        guard !others.isEmpty else {
            throw PlanError(
                code: "one-head", message: "there is only one head, \"\(graph.heads.map(\.revision).joined())\"",
                hint: "there is nothing to mend")
        }
        parent = try Self.place(onto, among: others)
        script = first
        revision = nil
    }

    private static func heads(of scripts: [Script]) -> [Script] {
        let parents = Set(scripts.compactMap(\.revises))
        return scripts.filter { !parents.contains($0.revision) }
    }

    private static func place(_ onto: String?, among heads: [String]) throws(PlanError) -> String {
        if let onto {
            guard heads.contains(onto) else {
                throw PlanError(
                    code: "unknown-revision", message: "\"\(onto)\" is no other head",
                    hint: "choose one of: " + heads.joined(separator: ", "))
            }
            return onto
        }
        guard heads.count == 1, let head = heads.first else {
            throw PlanError(
                code: "several-heads", message: "there are several other heads: " + heads.joined(separator: ", "),
                hint: "name one with --onto")
        }
        return head
    }

    /// The script's bytes with its header changed; everything else stays as it is.
    public func applied(to bytes: [UInt8]) -> [UInt8] {
        var wanted = ["-- migrator:revises ": parent]
        if let revision { wanted["-- migrator:revision "] = revision }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        for index in lines.indices {
            let mark: [UInt8] = index == 0 && lines[0].starts(with: [0xEF, 0xBB, 0xBF]) ? [0xEF, 0xBB, 0xBF] : []
            let line = lines[index].dropFirst(mark.count)
            guard let start = wanted.keys.first(where: { line.starts(with: $0.utf8) }) else { continue }
            let end: [UInt8] = line.last == UInt8(ascii: "\r") ? [UInt8(ascii: "\r")] : []
            lines[index] = mark + Array((start + (wanted.removeValue(forKey: start) ?? "")).utf8) + end
        }
        return Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    /// The file's name with the new id.
    public var fileName: String {
        guard let revision else { return script.fileStem + ".sql" }
        return revision + script.fileStem.dropFirst(script.revision.count) + ".sql"
    }
}

extension Script {
    /// The file's name without folder and `.sql`.
    public var fileStem: String {
        let name = location.file.split(separator: "/").last.map(String.init) ?? location.file
        return name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
    }
}
