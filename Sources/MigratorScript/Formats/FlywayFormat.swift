/// `V1_10__name.sql` after `V1_9__name.sql`, `U1_10__name.sql` back, `R__name.sql` whenever it has changed, and
/// `B1_9__name.sql` for all versions up to its own in an empty database; in the folder and those below it.
/// `V1__name.sql.conf` beside a script may say `executeInTransaction=false`.
enum FlywayFormat: FormatReader {
    static let format = ScriptFormat.flyway

    static func evidence(in folder: ForeignFolder) throws(ScriptError) -> String? {
        if let name = folder.scriptNames.first(where: { Name($0) != nil }) { return name }
        return try folder.scriptsBelow().first { Name($0) != nil }
    }

    /// `V1_10__add_users.sql`
    struct Name {
        var kind: Character
        /// `1.10`; empty for a repeatable one.
        var version: String
        var description: String

        init?(_ path: String) {
            let file = path.split(separator: "/").last.map(String.init) ?? path
            guard file.hasSuffix(".sql"), let kind = file.first, "VURB".contains(kind) else { return nil }
            let stem = String(file.dropLast(4).dropFirst())
            guard let separator = stem.indices.first(where: { stem[$0...].hasPrefix("__") }) else { return nil }
            version = stem[..<separator].split(separator: "_").joined(separator: ".")
            let parts = version.split(separator: ".")
            guard kind == "R" ? version.isEmpty : !parts.isEmpty,
                parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } })
            else { return nil }
            self.kind = kind
            description = String(stem[separator...].dropFirst(2))
        }

        /// Numbers without zeros at their ends: 1.0 is 1.
        var parts: [String] {
            var parts = version.split(separator: ".").map { String($0.drop { $0 == "0" }) }
            while parts.last == "" { parts.removeLast() }
            return parts
        }
    }

    private static func isBefore(_ left: [String], _ right: [String]) -> Bool {
        for (one, other) in zip(left, right) where one != other { return one.isSmallerNumber(than: other) }
        return left.count < right.count
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        var files: [(name: Name, path: String)] = []
        for path in try folder.scriptsBelow() {
            guard let name = Name(path) else { continue }
            if let other = files.first(where: {
                $0.name.kind == name.kind && $0.name.parts == name.parts
                    && (name.kind != "R" || $0.name.description == name.description)
            }) {
                throw folder.error(
                    "duplicate-revision", "two files have the version \(name.version): \(other.path) and \(path)",
                    hint: "give one of them another version", in: path)
            }
            files.append((name, path))
        }
        let versioned = files.filter { $0.name.kind == "V" }.sorted { isBefore($0.name.parts, $1.name.parts) }
        let newest = versioned.last?.name.parts
        var revisions: [ForeignRevision] = []
        for file in versioned {
            let undo = files.first { $0.name.kind == "U" && $0.name.parts == file.name.parts }
            revisions.append(try revision(file, undo: undo?.path, folder))
        }
        // The newest one counts; one above all versions too.
        if let baseline = files.filter({ $0.name.kind == "B" }).max(by: { isBefore($0.name.parts, $1.name.parts) }) {
            let below = versioned.firstIndex { isBefore(baseline.name.parts, $0.name.parts) } ?? versioned.count
            revisions.insert(try revision(baseline, undo: nil, folder), at: below)
        }
        if let orphan = files.first(where: { file in
            file.name.kind == "U" && !versioned.contains { $0.name.parts == file.name.parts }
        }), newest != nil {
            throw folder.error(
                "undo-without-version", "\"\(orphan.path)\" undoes a version that is not there",
                hint: "bring V\(orphan.name.version) back, or take the file away", in: orphan.path)
        }
        for file in files.filter({ $0.name.kind == "R" }).sorted(by: { $0.name.description < $1.name.description }) {
            revisions.append(try revision(file, undo: nil, folder))
        }
        return revisions
    }

    private static func revision(
        _ file: (name: Name, path: String), undo: String?, _ folder: ForeignFolder
    ) throws(ScriptError) -> ForeignRevision {
        let original = try folder.read(file.path)
        var originals = [original]
        let settings = try folder.readIfThere(file.path + ".conf")
        let up = try part(original, settings, folder)
        var down: ForeignPart?
        if let undo {
            let source = try folder.read(undo)
            originals.append(source)
            down = try part(source, try folder.readIfThere(undo + ".conf"), folder)
        }
        var id = file.name.version
        var role = ScriptOrigin.Role.versioned
        var reason = "there is no U\(file.name.version.split(separator: ".").joined(separator: "_"))__ script"
        if file.name.kind == "R" {
            // Another text is another revision.
            id = "R." + file.name.description.prefix(50) + "." + Script.checksum(of: original.normalized).prefix(8)
            role = .repeatable
            // Nothing leads back, and nothing has to: what it replaced is gone.
            down = ForeignPart(original, range: 0..<0)
        } else if file.name.kind == "B" {
            id = "B" + file.name.version
            role = .baseline
            reason = "a baseline has no way back"
        }
        var revision = ForeignRevision(
            id, file.name.description.asMessage, format,
            version: file.name.kind == "R" ? file.name.description : file.name.version, role: role, upgrade: up,
            downgrade: down, irreversibleReason: reason)
        revision.origin.checksum = ForeignChecksums.flyway(original)
        revision.originals = originals + (settings.map { [$0] } ?? [])
        return revision
    }

    private static func part(
        _ source: SourceText, _ settings: SourceText?, _ folder: ForeignFolder
    ) throws(ScriptError) -> ForeignPart {
        let isTransactional = settings?.setting("executeInTransaction")?.lowercased() != "false"
        let replaces =
            (settings?.setting("placeholderReplacement") ?? folder.environment("FLYWAY_PLACEHOLDER_REPLACEMENT"))?
            .lowercased() != "false"
        return ForeignPart(
            replaces ? try replaced(source, folder) : source, isTransactional: isTransactional)
    }

    /// `${name}` as the environment's FLYWAY_PLACEHOLDERS_NAME says.
    private static func replaced(_ source: SourceText, _ folder: ForeignFolder) throws(ScriptError) -> SourceText {
        var result: [UInt8] = []
        var position = 0
        var isChanged = false
        while position < source.bytes.count {
            guard source.bytes[position...].starts(with: "${".utf8),
                let end = source.bytes[position...].firstIndex(of: UInt8(ascii: "}"))
            else {
                result.append(source.bytes[position])
                position += 1
                continue
            }
            let name = source.text(position + 2..<end)
            guard let value = folder.environment("FLYWAY_PLACEHOLDERS_" + name.uppercased()) else {
                throw source.error(
                    "placeholder-without-value", "the placeholder \"${\(name)}\" has no value",
                    hint:
                        "set FLYWAY_PLACEHOLDERS_\(name.uppercased()), or FLYWAY_PLACEHOLDER_REPLACEMENT=false where it is plain text",
                    at: position)
            }
            isChanged = true
            result += value.utf8
            position = end + 1
        }
        return isChanged ? try SourceText(result, file: source.file) : source
    }
}

extension SourceText {
    /// The value of `key = value`.
    func setting(_ key: String) -> String? {
        for line in lines {
            let words = trimmed(line).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2 else { continue }
            func plain(_ text: Substring) -> String {
                text.split { $0 == " " || $0 == "\t" || $0 == "\r" }.joined(separator: " ")
            }
            if plain(words[0]) == key { return plain(words[1]) }
        }
        return nil
    }
}
