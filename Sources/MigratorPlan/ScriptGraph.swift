import MigratorScript

/// What is wrong with the scripts taken together.
public struct ChainError: Error, Sendable, Equatable {
    /// `duplicate-revision`, `missing-parent`, `multiple-bases`, `multiple-heads`, `cycle`.
    public var code: String
    public var message: String
    public var hint: String
    public var location: ScriptLocation
}

/// The scripts by revision, with their parents and children; heads may be several.
public struct ScriptGraph: Sendable {
    /// In the order given.
    public let scripts: [Script]
    private let byRevision: [String: Script]
    private let childrenOf: [String: [Script]]

    /// - Throws: `duplicate-revision`, `missing-parent`, `cycle`.
    public init(_ scripts: [Script]) throws(ChainError) {
        var byRevision: [String: Script] = [:]
        for script in scripts {
            if let first = byRevision[script.revision] {
                throw ChainError(
                    code: "duplicate-revision",
                    message:
                        "revision \"\(script.revision)\" stands in two files: \(first.location.file) and \(script.location.file)",
                    hint: "run `migrator rebase \(script.fileStem)`, which gives it the next id",
                    location: script.location)
            }
            byRevision[script.revision] = script
        }
        var children: [String: [Script]] = [:]
        for script in scripts {
            guard let parent = script.revises else { continue }
            guard byRevision[parent] != nil else {
                throw ChainError(
                    code: "missing-parent",
                    message: "revision \"\(script.revision)\" revises \"\(parent)\", which no script has",
                    hint: "add the missing script, or correct \"revises\"",
                    location: script.revisesLocation)
            }
            children[parent, default: []].append(script)
        }
        self.scripts = scripts
        self.byRevision = byRevision
        childrenOf = children
        try checkCycles()
    }

    public func script(_ revision: String) -> Script? { byRevision[revision] }
    public func children(of revision: String) -> [Script] { childrenOf[revision] ?? [] }
    /// Scripts that nothing revises.
    public var heads: [Script] { scripts.filter { children(of: $0.revision).isEmpty } }
    /// Scripts that revise nothing.
    public var bases: [Script] { scripts.filter { $0.revises == nil } }
    public func isHead(_ revision: String) -> Bool {
        byRevision[revision] != nil && children(of: revision).isEmpty
    }

    /// Children before their parents; of several branches the one whose head comes last in the folder first.
    public var newestFirst: [Script] {
        var order: [Script] = []
        var waiting = Dictionary(
            uniqueKeysWithValues: scripts.map { ($0.revision, children(of: $0.revision).count) })
        var ready = heads
        while let script = ready.popLast() {
            order.append(script)
            guard let parent = script.revises, let left = waiting[parent] else { continue }
            waiting[parent] = left - 1
            if left == 1, let next = byRevision[parent] { ready.append(next) }
        }
        return order
    }

    private func checkCycles() throws(ChainError) {
        var isSettled: Set<String> = []
        for script in scripts {
            if script.revises.map(isSettled.contains) ?? true {
                isSettled.insert(script.revision)
                continue
            }
            var path: [String] = []
            var onPath: Set<String> = []
            var current: Script? = script
            while let step = current, !isSettled.contains(step.revision) {
                guard onPath.insert(step.revision).inserted else {
                    let start = path.firstIndex(of: step.revision) ?? 0
                    throw ChainError(
                        code: "cycle",
                        message: "revisions revise each other: "
                            + (path[start...] + [step.revision]).joined(separator: " -> "),
                        hint: "correct \"revises\" in one of them", location: step.revisesLocation)
                }
                path.append(step.revision)
                current = step.revises.flatMap { byRevision[$0] }
            }
            isSettled.formUnion(path)
        }
    }
}

/// The scripts in one line from base to head.
public struct Chain: Sendable {
    public let scripts: [Script]
    private let positions: [String: Int]

    /// - Throws: `multiple-bases`, `multiple-heads`.
    public init(_ graph: ScriptGraph) throws(ChainError) {
        // Bases first: two of them bring two heads along.
        let bases = graph.bases
        if bases.count > 1 {
            throw ChainError(
                code: "multiple-bases",
                message: "there are \(bases.count) first revisions: "
                    + bases.map { "\"\($0.revision)\" (\($0.location.file))" }.joined(separator: ", "),
                hint: "let all but one revise another", location: bases[1].location)
        }
        let heads = graph.heads
        if heads.count > 1 {
            throw ChainError(
                code: "multiple-heads",
                message: "there are \(heads.count) heads: "
                    + heads.map { "\"\($0.revision)\" (\($0.location.file))" }.joined(separator: ", "),
                hint: "run `migrator rebase \(heads[1].revision)`, which puts it behind the other",
                location: heads[1].location)
        }
        self.init(ordered: graph.newestFirst.reversed())
    }

    /// A line as it stands, without asking who revises whom.
    init(ordered scripts: [Script]) {
        self.scripts = scripts
        positions = Dictionary(
            scripts.enumerated().map { ($1.revision, $0) }, uniquingKeysWith: { first, _ in first })
    }

    public func position(of revision: String) -> Int? { positions[revision] }
    public var head: Script? { scripts.last }
}
