import MigratorDatabase
import MigratorEngine
import MigratorPlan
import MigratorScript

/// The scripts as the branch has them that this one is to be merged into: asked of git.
struct BaseBranch {
    /// `origin/main`
    let name: String
    /// The folder of the scripts, as it is shown.
    let folder: String

    /// The branch that is given, or that the CI service names.
    static func name(given: String?) -> String? {
        given ?? Setup.variable("GITHUB_BASE_REF").map { "origin/\($0)" }
            ?? Setup.variable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME").map { "origin/\($0)" }
    }

    /// Appends what would go wrong after the merge: two heads or one id twice, a script edited or removed that others
    /// may have run.
    /// - Parameter own: this branch's scripts, of all dialects that there are.
    func check(_ own: [(dialect: Dialect, scripts: [Script])], _ check: inout CIReport.Check) throws {
        let commit = try git(["rev-parse", "--verify", "--quiet", "\(name)^{commit}"]).map(Self.line)
        guard let commit, !commit.isEmpty else {
            throw MigratorError(
                "no-base-branch", .configuration, "git does not know the base branch \"\(name)\"",
                hint: "fetch it (fetch-depth: 0), or name another with --base")
        }
        let paths = try paths(in: commit)
        let fork = try git(["merge-base", "HEAD", commit]).map(Self.line) ?? commit
        var merged = 0
        for (dialect, scripts) in own {
            let ownPaths = Set(scripts.map(\.location.file))
            var union = scripts
            for path in paths where Self.dialect(of: path, folder) == dialect {
                guard let script = try script(path, in: commit, dialect) else { continue }
                if let same = scripts.first(where: { $0.location.file == path }) {
                    guard same.checksum != script.checksum else { continue }
                    check.fail(
                        .init(
                            "revision \"\(script.revision)\" differs from \(name), where databases may have run it",
                            hint: "restore it, and put the change into a new revision", location: same.location),
                        .difference)
                } else if !ownPaths.contains(path) {
                    if try git(["cat-file", "-e", "\(fork):./\(path)"]) != nil {
                        check.fail(
                            .init(
                                "\(path) is gone, but \(name) has it and databases may have run it",
                                hint: "restore it: git checkout \(name) -- \(path)"), .difference)
                    } else {
                        merged += 1
                        union.append(script)
                    }
                }
            }
            try checkOrder(union, own: ownPaths, &check)
        }
        check.summary =
            check.outcome == .failed
            ? "conflicts with \(name)"
            : "fits \(name)" + (merged > 0 ? ", which has \(merged.counted("newer script"))" : "")
    }

    /// The line as it will be after the merge.
    private func checkOrder(_ union: [Script], own: Set<String>, _ check: inout CIReport.Check) throws {
        do throws(ChainError) {
            _ = try Chain(ScriptGraph(union))
        } catch {
            // At a file of this branch: the other is not here.
            let heads = union.filter { script in !union.contains { $0.revises == script.revision } }
            let place = heads.first { own.contains($0.location.file) }?.location ?? error.location
            let name = place.file.split(separator: "/").last.map(String.init) ?? place.file
            check.fail(
                .init(
                    "after a merge into \(self.name): \(error.message)",
                    hint: "merge \(self.name) into this branch, then run `migrator rebase \(name)`", location: place),
                .malformedScripts)
        }
    }

    // MARK: Git

    private func paths(in commit: String) throws -> [String] {
        let listed = try git(["ls-tree", "-r", "-z", "--name-only", commit, "--", "\(folder)/"]) ?? []
        return listed.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasSuffix(".sql") }
    }

    /// nil for what is no script of this tool.
    private func script(_ path: String, in commit: String, _ dialect: Dialect) throws -> Script? {
        guard let bytes = try git(["show", "\(commit):./\(path)"]) else { return nil }
        return try? Script.parse(bytes: bytes, file: path, dialect: dialect)
    }

    private static func dialect(of path: String, _ folder: String) -> Dialect {
        let rest = path.dropFirst(folder.count + 1)
        return Dialect.allCases.first { rest.hasPrefix($0.rawValue + "/") } ?? .postgresql
    }

    private static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// - Returns: what git printed; nil where it says no.
    private func git(_ arguments: [String]) throws -> [UInt8]? {
        guard let output = ChildProcess.run("/usr/bin/env", ["git"] + arguments), output.status != 127 else {
            throw MigratorError(
                "no-git", .configuration, "git is not there to ask for the base branch", hint: "install git")
        }
        if output.standardError.contains("dubious ownership") || output.standardError.contains("not a git repository") {
            throw MigratorError(
                "no-git", .configuration, "git does not work here: \(output.standardError.oneLine)",
                hint: "run it in a clone that belongs to you")
        }
        return output.status == 0 ? output.standardOutput : nil
    }
}
