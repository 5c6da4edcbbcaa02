import MigratorScript

/// Holds what another tool's table says against the scripts.
struct AdoptedChain {
    let tool: String
    let scripts: [Script]
    /// Whether a script may differ from the one that was run.
    let acceptsChanged: Bool

    /// The scripts that the database has, base first.
    func applied(_ versions: RecordedVersions) throws -> [Script] {
        var taken: Set<String> = []
        var applied: [Script] = []
        for entry in versions.entries {
            guard let index = position(of: entry, taken: taken) else {
                // A repeatable script that has changed, or is gone, is none that the database has.
                if entry.role == .repeatable { continue }
                throw MigratorError(
                    "unknown-version", .difference,
                    "\(tool)'s table has version \"\(entry.version)\", which these scripts do not have",
                    hint: "use the scripts of the release that migrated the database")
            }
            let script = scripts[index]
            if let own = script.origin?.checksum, let run = entry.checksum, own != run {
                if entry.role == .repeatable { continue }
                guard acceptsChanged else {
                    throw MigratorError(
                        "checksum-mismatch", .difference,
                        "\"\(script.location.file)\" is not the script that \(tool) has run",
                        hint: "restore the file, or say --accept-changed", location: script.location)
                }
            }
            let new = entry.includesEarlier ? Array(scripts[...index]) : [script]
            for script in new where taken.insert(script.revision).inserted { applied.append(script) }
        }
        let order = scripts.arranged(applied: applied)
        return try prefix(of: order, taken: taken)
    }

    /// What is applied must be the beginning of the chain.
    private func prefix(of order: [Script], taken: Set<String>) throws -> [Script] {
        let end = order.lastIndex { taken.contains($0.revision) }.map { $0 + 1 } ?? 0
        if let missing = order[..<end].first(where: { !taken.contains($0.revision) }) {
            throw MigratorError(
                "pending-below-current", .difference,
                "\"\(missing.revision)\" is not applied, though the later \"\(order[end - 1].revision)\" is",
                hint: "apply it with \(tool) first, or give it a number behind the others", location: missing.location)
        }
        return Array(order[..<end])
    }

    /// By the tool's own name, else by the revision's, else by the number. Of several changes of one name the first
    /// that is not taken.
    private func position(of entry: RecordedVersions.Entry, taken: Set<String>) -> Int? {
        func isFree(_ script: Script) -> Bool {
            !taken.contains(script.revision) && (script.origin?.role ?? .versioned) == entry.role
        }
        let version = entry.version
        let number = Self.number(version)
        return scripts.firstIndex { isFree($0) && $0.origin?.version == version }
            ?? scripts.firstIndex { isFree($0) && $0.revision == version }
            ?? number.flatMap { number in
                scripts.firstIndex { script in
                    isFree(script)
                        && (Self.number(script.origin?.version ?? "") == number
                            || Self.number(script.revision) == number)
                }
            }
    }

    /// Nil for what is no number.
    private static func number(_ text: String) -> Substring? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return text.drop { $0 == "0" }
    }
}
