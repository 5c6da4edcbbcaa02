import MigratorEngine

/// The files of a source tree that people write: without what `.gitignore` leaves out, without `.git`.
struct SourceTree {
    /// As it was given.
    let root: String
    /// Folders that are left out, absolute.
    var leftOut: Set<String> = []

    /// Larger ones are data, not source.
    static let largestFile = 4 << 20

    struct File {
        /// As it is shown: the tree's root and the way from there.
        var path: String
        /// nil for what is not text, or too large.
        var text: [UInt8]?
    }

    /// - Throws: `MigratorError`, status usage, where there is nothing at the path.
    func forEachFile(_ body: (File) throws -> Void) throws {
        let absolute = Files.absolute(root, relativeTo: Files.workingFolder)
        guard Files.exists(absolute) else {
            throw MigratorError(
                "no-such-path", .usage, "there is no file or folder \"\(root)\"", hint: "name the application's source")
        }
        guard Files.isFolder(absolute) else { return try body(File(path: root, text: text(of: absolute))) }
        var rules = IgnoreRules()
        rules.add(above(absolute), in: "")
        try walk(absolute, relative: "", rules: rules, body)
    }

    private func walk(_ folder: String, relative: String, rules: IgnoreRules, _ body: (File) throws -> Void) throws {
        guard let names = Files.names(in: folder) else {
            throw MigratorError(
                "unreadable-folder", .failed, "the folder \"\(folder)\" cannot be read: \(Files.reason)")
        }
        var rules = rules
        if names.contains(".gitignore"), let bytes = Files.read(folder + "/.gitignore") {
            rules.add(String(decoding: bytes, as: UTF8.self), in: relative)
        }
        for name in names where name != ".git" {
            let path = folder + "/" + name
            let way = relative.isEmpty ? name : relative + "/" + name
            if Files.isLink(path) { continue }
            let isFolder = Files.isFolder(path)
            if rules.ignores(way, isFolder: isFolder) || leftOut.contains(path) { continue }
            if isFolder {
                try walk(path, relative: way, rules: rules, body)
            } else {
                try body(File(path: shown(way), text: text(of: path)))
            }
        }
    }

    private func shown(_ way: String) -> String {
        root == "." ? way : (root.hasSuffix("/") ? root : root + "/") + way
    }

    /// `.git/info/exclude`, where the root is a repository's top.
    private func above(_ folder: String) -> String {
        Files.read(folder + "/.git/info/exclude").map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private func text(of path: String) -> [UInt8]? {
        guard Files.size(path).map({ $0 <= Self.largestFile }) ?? false, let bytes = Files.read(path),
            !bytes.prefix(8192).contains(0)
        else { return nil }
        return bytes
    }
}
