import Glibc

/// The patterns of `.gitignore` files, from the tree's top down to a folder.
/// Source: gitignore(5).
struct IgnoreRules {
    private struct Rule {
        /// The pattern's parts between slashes; `**` stands for any number of them.
        var parts: [String]
        var isNegated: Bool
        var isForFolders: Bool
        /// Where the file stands that holds the pattern: paths are judged from there.
        var base: String
    }

    private var rules: [Rule] = []

    /// - Parameter folder: relative to the tree's top; empty for the top itself.
    mutating func add(_ text: String, in folder: String) {
        for line in text.split(omittingEmptySubsequences: true, whereSeparator: \.isNewline) {
            var pattern = String(line)
            while pattern.hasSuffix(" "), !pattern.hasSuffix("\\ ") { pattern.removeLast() }
            guard !pattern.isEmpty, !pattern.hasPrefix("#") else { continue }
            let isNegated = pattern.hasPrefix("!")
            if isNegated { pattern.removeFirst() }
            let isForFolders = pattern.hasSuffix("/")
            if isForFolders { pattern.removeLast() }
            // A slash in front or in the middle ties the pattern to its file's folder.
            let isTied = pattern.contains("/")
            var parts = pattern.split(separator: "/").map(String.init)
            guard !parts.isEmpty else { continue }
            if !isTied { parts.insert("**", at: 0) }
            rules.append(Rule(parts: parts, isNegated: isNegated, isForFolders: isForFolders, base: folder))
        }
    }

    /// The last rule that fits decides. Whoever walks the tree does not enter an ignored folder.
    /// - Parameter path: relative to the tree's top.
    func ignores(_ path: String, isFolder: Bool) -> Bool {
        let rule = rules.last { rule in
            guard isFolder || !rule.isForFolders else { return false }
            var rest = path[...]
            if !rule.base.isEmpty {
                guard rest.hasPrefix(rule.base + "/") else { return false }
                rest = rest.dropFirst(rule.base.count + 1)
            }
            return Self.fits(rest.split(separator: "/").map(String.init)[...], rule.parts[...])
        }
        return rule.map { !$0.isNegated } ?? false
    }

    private static func fits(_ path: ArraySlice<String>, _ pattern: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        let rest = pattern.dropFirst()
        if first == "**" {
            // At the end: everything inside, not the folder itself.
            if rest.isEmpty { return !path.isEmpty }
            return (0...path.count).contains { fits(path.dropFirst($0), rest) }
        }
        guard let name = path.first, fnmatch(first, name, 0) == 0 else { return false }
        return fits(path.dropFirst(), rest)
    }
}
